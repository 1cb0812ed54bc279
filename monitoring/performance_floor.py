"""Has realised performance fallen below its floor? A reason to train only when nothing else can explain the number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from monitoring.outcome_metrics import LOWER_IS_BETTER, Estimate, Realised, realised
from monitoring.scored_rows import ScoredRows
from monitoring.values import finite, whole
from monitoring.vintages import LEVEL

JUDGED = ("auc", "gini", "ks", "f1", "brier")  # metrics with a better side
WORTHLESS = {"auc": 0.5}  # what a coin reaches; 0 for the others


class FloorState(StrEnum):
    """Three, because what was not measured is neither well nor ill."""

    OK = "ok"
    BELOW = "below"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPolicy:
    """Which metric must keep how much of its promise, and on how many final outcomes that is judged.

    `tolerance`: share of the promise that may be lost (of Brier: by which it may rise), in [0, 1). Of AUC it is the
    share of what lies above 0.5, so that AUC and Gini give one verdict. It has no default: how much loss is worth a new
    model is the user's decision. The fewest rows, bad rows and labelled share are those that the gates ask for.
    """

    metric: str
    tolerance: float
    min_rows: int = 200
    min_bad: int = 50
    min_coverage: float = 0.30

    def __post_init__(self) -> None:
        if self.metric not in JUDGED:
            raise ValueError(f"metric must be one of {', '.join(JUDGED)}, got {self.metric!r}")
        if not 0 <= finite(self.tolerance, "tolerance") < 1:
            raise ValueError(f"tolerance must be in [0, 1), got {self.tolerance}")
        if not 0 <= finite(self.min_coverage, "min_coverage") <= 1:
            raise ValueError(f"min_coverage must be in [0, 1], got {self.min_coverage}")
        if min(whole(self.min_rows, "min_rows"), whole(self.min_bad, "min_bad")) < 1:
            raise ValueError(f"min_rows and min_bad must be >= 1, got {self.min_rows} and {self.min_bad}")

    def floor(self, promise: float) -> float:
        """The worst value that still keeps the promise.

        >>> FloorPolicy(metric="auc", tolerance=0.1).floor(0.75), FloorPolicy(metric="brier", tolerance=0.5).floor(0.25)
        (0.725, 0.375)
        """
        nothing = WORTHLESS.get(self.metric, 0.0)
        kept = 1 + self.tolerance if self.metric in LOWER_IS_BETTER else 1 - self.tolerance
        return nothing + (promise - nothing) * kept


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorVerdict:
    """Whether realised performance is below its floor, on which rows, and why in words.

    `observed` is the metric with its interval, `promise` what it is held against, `floor` the worst that would do;
    each None where it is not known. `mature` rows are old enough, `rows` of them labelled, `bad` of those bad.
    """

    state: FloorState
    metric: str
    observed: Estimate | None
    promise: float | None
    floor: float | None
    mature: int
    rows: int
    bad: int
    reason: str

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.rows <= self.mature:
            raise ValueError(f"floor: expected bad <= rows <= mature, got {self.bad}, {self.rows}, {self.mature}")
        if self.state is not FloorState.UNDECIDED:
            due = _side(self.observed, self.floor, lower_is_better=self.metric in LOWER_IS_BETTER)
            if due is not self.state:
                raise ValueError(f"floor: {self.state}, but {self.observed} against {self.floor} is {due}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"state": self.state.value}


def performance_floor(
    rows: ScoredRows, *, promise: float | None, policy: FloorPolicy, level: float = LEVEL
) -> FloorVerdict:
    """Judge the mature rows that one champion scored against what was promised of it.

    BELOW only when the whole interval is on the wrong side of the floor, OK only when none of it is: with 90 %, either
    is said wrongly once in twenty looks at the edge. In between, or with too few final outcomes, UNDECIDED. The promise
    is taken as exact: where it was itself measured on few rows, give it more tolerance.

    Args:
        rows: The champion's latest mature rows (`realised.recent_final`). Immature ones are not read.
        promise: The metric in the dossier, or on the first mature vintage; None when it is not known.
        policy: Which metric, how far it may fall, how many rows that needs.
        level: Of the two-sided interval, in (0, 1).
    """
    chosen, mature = rows.labelled, int(rows.mature.sum())
    found = realised(rows.y[chosen], rows.score[chosen], rows.decision[chosen], level=level) if chosen.any() else None
    observed = found.of(policy.metric) if found else None
    floor = None if promise is None else policy.floor(promise)
    side = _side(observed, floor, lower_is_better=policy.metric in LOWER_IS_BETTER)
    obstacle = _obstacle(found, mature, promise, policy)
    state = FloorState.UNDECIDED if obstacle else side
    return FloorVerdict(
        state=state,
        metric=policy.metric,
        observed=observed,
        promise=promise,
        floor=floor,
        mature=mature,
        rows=found.rows if found else 0,
        bad=found.bad if found else 0,
        reason=obstacle or _told(state, observed, floor, found, level),
    )


def _obstacle(found: Realised | None, mature: int, promise: float | None, policy: FloorPolicy) -> str | None:
    """What keeps this from being judged, if anything does."""
    if found is None:
        return f"no final outcome: {mature} mature rows, none labelled" if mature else "no row is mature yet"
    if found.rows < policy.min_rows or found.bad < policy.min_bad:
        return f"{found.rows} final outcomes, {found.bad} bad; {policy.min_rows} and {policy.min_bad} needed"
    if found.rows / mature < policy.min_coverage:
        return f"{found.rows} of {mature} mature rows are labelled; a share of {policy.min_coverage:g} is needed"
    if promise is None or not promise > WORTHLESS.get(policy.metric, 0.0):
        return "nothing was promised" if promise is None else f"a promise of {promise:.3g} is no better than chance"
    observed = found.of(policy.metric)
    return observed.reason if observed.low is None else None


def _side(observed: Estimate | None, floor: float | None, *, lower_is_better: bool) -> FloorState:
    if observed is None or observed.low is None or observed.high is None or floor is None:
        return FloorState.UNDECIDED
    worst, best = (-observed.high, -observed.low) if lower_is_better else (observed.low, observed.high)
    limit = -floor if lower_is_better else floor
    return FloorState.BELOW if best < limit else FloorState.OK if worst >= limit else FloorState.UNDECIDED


def _told(
    state: FloorState, observed: Estimate | None, floor: float | None, found: Realised | None, level: float
) -> str:
    assert observed is not None and found is not None
    where = {
        FloorState.BELOW: "the whole interval is on the wrong side of",
        FloorState.OK: "the whole interval keeps",
        FloorState.UNDECIDED: "the interval holds both sides of",
    }[state]
    span = f"{observed.value:.3f} [{observed.low:.3f}, {observed.high:.3f}] at {level * 100:g} %"
    return f"{observed.metric} {span} on {found.rows} final outcomes ({found.bad} bad): {where} the floor {floor:.3f}"
