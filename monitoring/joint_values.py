"""What a test of features together says, as values: frozen, checked at birth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from monitoring.values import State, finite


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChange:
    """How two features went together in the reference and in the window; margins are not taken out of the two numbers.

    `*_score` says what of the feature: its "rank", "missing", or "is <category>". Associations are correlations of the
    two scores, in [-1, 1], over the rows where both are defined (`*_rows`), with 95 % intervals; None where a score
    does not vary. `z` is the change beyond the margins, in its standard errors.
    """

    first: str
    first_score: str
    second: str
    second_score: str
    reference: float | None
    reference_interval: tuple[float, float] | None
    reference_rows: int
    window: float | None
    window_interval: tuple[float, float] | None
    window_rows: int
    z: float

    def __post_init__(self) -> None:
        for side in (self.reference, self.window):
            if side is not None and abs(finite(side, f"{self.first} with {self.second}: association")) > 1:
                raise ValueError(f"{self.first} with {self.second}: association must be in [-1, 1], got {side}")
        finite(self.z, "z")


@dataclass(frozen=True, slots=True, kw_only=True)
class JointDrift:
    """Verdict on how features go together, beyond their margins. DRIFT: p_value <= level and distance_d >= floor_d.

    `auc` and `distance_d` (between the two mean scores, in their standard deviations) are the cross-fitted
    classifier's, on a reference weighted to the window's margins, with 95 % intervals. The floor is on the distance:
    where few rows carry a change (rare arrears), most scores are ties and AUC stays near one half. They and `p_value`
    are None when nothing was judged, and `reason` says why. `from_tail`: the p-value is below what the redrawn labels
    alone can show. `left_out`: features not judged, with the reason.
    """

    state: State
    reason: str | None
    level: float
    floor_d: float
    p_value: float | None
    from_tail: bool
    permutations: int
    distance_d: float | None
    distance_d_interval: tuple[float, float] | None
    auc: float | None
    auc_interval: tuple[float, float] | None
    window_rows: int
    reference_rows: int
    features: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    pairs: tuple[PairChange, ...]

    def __post_init__(self) -> None:
        judged = self.state in (State.OK, State.DRIFT)
        measured = (self.p_value, self.distance_d, self.auc)
        if judged is (None in measured) or (not judged and measured != (None, None, None)):
            raise ValueError(f"state is {self.state}: p_value, distance_d and auc belong to a verdict, and only to one")
        if not judged and self.reason is None:
            raise ValueError(f"state is {self.state}: expected a reason")
        if self.p_value is not None and self.distance_d is not None and self.auc is not None:
            if not 0 < finite(self.p_value, "p_value") <= 1 or not 0 <= finite(self.auc, "auc") <= 1:
                raise ValueError(f"p_value in (0, 1] and auc in [0, 1] expected, got {self.p_value} and {self.auc}")
            due = finite(self.distance_d, "distance_d") >= self.floor_d and self.p_value <= self.level
            if due is not (self.state is State.DRIFT):
                raise ValueError(f"state is {self.state}, but p {self.p_value} and d {self.distance_d} say otherwise")

    def to_json(self) -> dict[str, Any]:
        """Every field by its name; tuples become arrays in JSON."""
        return asdict(self) | {"state": self.state.value, "schema_version": 1}
