"""Which kind of change a window shows, and what to do about it. "Do not retrain" is an answer like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from monitoring.checks import SCORE, Check
from monitoring.outcome_metrics import Estimate, Realised
from monitoring.performance import wilson_interval
from monitoring.performance_floor import FloorState, FloorVerdict
from monitoring.summary import DriftSummary
from monitoring.thresholds import material_shares
from monitoring.values import State


class Change(StrEnum):
    """What has changed: nothing, the feed, who applies (x), how many go bad (y), or who does (y given x)."""

    NONE = "none"
    FEED = "feed"
    POPULATION = "population"
    BASE_RATE = "base_rate"
    CONCEPT = "concept"
    UNKNOWN = "unknown"


class Recommendation(StrEnum):
    """What to do."""

    NOTHING = "nothing"
    FIX_FEED = "fix_feed"
    WAIT_FOR_LABELS = "wait_for_labels"
    RECALIBRATE = "recalibrate"
    MOVE_CUT_OFF = "move_cut_off"
    RETRAIN = "retrain"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvidence:
    """Final outcomes of the champion: the newest mature labelled row, ranking against its floor, and the rest."""

    newest_event: datetime
    ranking: FloorVerdict
    realised: Realised


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledBad:
    """Share of applicants at or above the cut-off, in the reference and in the window, with the window's rows."""

    reference: float
    window: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Kind of change, recommendation, and the reason in words.

    `weighted_share`: of the champion's importance, what the drifted features carry, in [0, 1]; None where not known.
    """

    change: Change
    recommendation: Recommendation
    reason: str
    weighted_share: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"change": self.change.value, "recommendation": self.recommendation.value}


def diagnose(
    summary: DriftSummary,
    *,
    importance: Mapping[str, float],
    retrain_share: float = 0.5,
    joint_drift: bool = False,
    labels: LabelEvidence | None = None,
    called_bad: CalledBad | None = None,
    estimated_below_floor: bool = False,
) -> Diagnosis:
    """Tell the kinds of change apart as far as the evidence goes, in this order.

    1. Not judged: unknown. Without data, stale or failed, the feed is where to look.
    2. A feature cannot be computed; or more is missing, out of range or never seen before, past the limit, and has been
       for less than a window: the feed. After that every row of the window has it: it is how applications are now, and
       counts as population.
    3. Ranking is below its floor on final outcomes: concept. A new model may learn what is new.
    4. Ranking holds, but more or fewer go bad than the scores say, by a material share and more than chance: base
       rate. If the slope of the calibration holds, a shift of the scores mends it.
    5. The population has moved, and outcomes later than that say the model holds: no new model; if the share called bad
       has moved materially, the cut-off may.
    6. The population has moved, and no outcome tells yet: retrain when the features that moved carry `retrain_share`
       of what the score rests on, or when estimated performance is below the floor; wait for labels when the score
       moved or features hang together differently; else nothing.

    Args:
        summary: The judged window.
        importance: Share of the champion's importance per feature, each in [0, 1].
        retrain_share: Share of importance that must have moved to call for a new model, in (0, 1].
        joint_drift: Features hang together differently than in the reference.
        labels: Final outcomes of the champion's own decisions, the latest; None where there are none.
        called_bad: Of the reference and of the window, by the champion's cut-off.
        estimated_below_floor: A trusted estimate has its whole interval below the floor.

    Returns:
        The diagnosis. Only the first kind of change that explains is named.

    Source:
        Covariate, prior and concept shift as in Moreno-Torres et al. (2012), "A unifying view on dataset shift in
        classification", Pattern Recognition 45:521-530.
    """
    share = weighted_share(summary, importance)
    steps = (
        _unjudged(summary),
        _feed(summary),
        _concept(labels),
        _base_rate(summary, labels),
        _population(summary, share, retrain_share, joint_drift, labels, called_bad, estimated_below_floor),
    )
    calm = (Change.NONE, Recommendation.NOTHING, "Nothing has moved by more than chance and the materiality floor.")
    change, recommendation, reason = next(filter(None, steps), calm)
    return Diagnosis(change=change, recommendation=recommendation, reason=reason, weighted_share=share)


_Found = tuple[Change, Recommendation, str] | None


def weighted_share(summary: DriftSummary, importance: Mapping[str, float]) -> float | None:
    """Share of the champion's importance that features with a check past its limit carry, in [0, 1]."""
    if not summary.judged or not importance:
        return None
    return min(sum((importance.get(feature, 0.0) for feature in summary.drifted_features), 0.0), 1.0)


def new_in_feed(summary: DriftSummary) -> tuple[Check, ...]:
    """Faults of the feed that are younger than the window is long, the farthest first."""
    whole: timedelta = summary.window.end - summary.window.start
    faults = [check for check in summary.drifted if check.feed_fault]
    return tuple(c for c in faults if c.since is not None and summary.timestamp - c.since < whole)


def _unjudged(summary: DriftSummary) -> _Found:
    if summary.judged:
        return None
    why = f"No verdict: {summary.reason}."
    if summary.state is State.TOO_FEW_ROWS:
        return Change.UNKNOWN, Recommendation.NOTHING, f"{why} More rows will tell."
    return Change.UNKNOWN, Recommendation.FIX_FEED, f"{why} Look at what feeds the window."


def _feed(summary: DriftSummary) -> _Found:
    what = {"missing": "missing share", "range": "values out of range", "new_category": "new categories"}
    notes = [note for note in (*summary.notes, summary.score_note) if note is not None]
    broken = [f"{note.feature} ({note.reason})" for note in notes if not note.evaluated and not note.too_few]
    fresh = [f"{check.feature} ({what[check.code]})" for check in new_in_feed(summary)]
    if not broken + fresh:
        return None
    names = ", ".join(dict.fromkeys(broken + fresh))
    return Change.FEED, Recommendation.FIX_FEED, f"The feed has changed: {names}. A model trained on it would learn it."


def _concept(labels: LabelEvidence | None) -> _Found:
    if labels is None or labels.ranking.state is not FloorState.BELOW:
        return None
    return Change.CONCEPT, Recommendation.RETRAIN, f"Who goes bad has changed: {labels.ranking.reason}."


def _base_rate(summary: DriftSummary, labels: LabelEvidence | None) -> _Found:
    if labels is None or labels.ranking.state is not FloorState.OK:
        return None
    if not _miscalibrated(labels.realised, summary.policy.material_psi):
        return None
    observed, expected = labels.realised.bad / labels.realised.rows, labels.realised.mean_score
    said = (
        f"Of {labels.realised.rows:,} with a final outcome {observed:.1%} went bad, the scores said {expected:.1%}, "
        "and the ranking holds."
    ).replace("%", " %")
    slope = labels.realised.of("calibration_slope")
    if slope.low is None:
        return Change.BASE_RATE, Recommendation.WAIT_FOR_LABELS, f"{said} Too few outcomes to say how to mend it."
    if _holds(slope, 1.0):
        return Change.BASE_RATE, Recommendation.RECALIBRATE, f"{said} Recalibrate: no new model is needed."
    return (
        Change.BASE_RATE,
        Recommendation.RETRAIN,
        f"{said} But scores are wrong by different amounts: slope {_span(slope)}.",
    )


def _population(
    summary: DriftSummary,
    share: float | None,
    retrain_share: float,
    joint_drift: bool,
    labels: LabelEvidence | None,
    called_bad: CalledBad | None,
    estimated_below_floor: bool,
) -> _Found:
    if not (summary.drifted or joint_drift):
        return None
    starts = [check.since for check in summary.drifted if check.since is not None]
    since = min(starts) if starts else summary.timestamp
    if labels is not None and labels.newest_event >= since and labels.ranking.state is FloorState.OK:
        return _outcomes_hold(labels, called_bad, summary.policy.material_psi)
    moved = _told(summary, share)
    if (share or 0.0) >= retrain_share:
        return Change.POPULATION, Recommendation.RETRAIN, f"{moved}: train a challenger, the gates decide."
    if estimated_below_floor:
        return Change.POPULATION, Recommendation.RETRAIN, f"{moved}, and estimated performance is below its floor."
    if joint_drift or any(check.feature == SCORE for check in summary.drifted):
        how = "features hang together differently" if joint_drift else "the score has moved"
        return Change.POPULATION, Recommendation.WAIT_FOR_LABELS, f"{moved}; {how}. Labels will tell if it matters."
    return Change.POPULATION, Recommendation.NOTHING, f"{moved}, the score has not. No new model is needed."


def _told(summary: DriftSummary, share: float | None) -> str:
    if not summary.drifted_features:
        return "No single feature has moved"
    if share is None:
        return "Features have moved, how much of the score they carry is not known"
    return f"Features that carry {share:.0%} of the score have moved".replace("%", " %")


def _outcomes_hold(labels: LabelEvidence, called_bad: CalledBad | None, material_psi: float) -> _Found:
    held = f"The population has moved, and outcomes up to {labels.newest_event:%Y-%m-%d} say that the model holds"
    if called_bad is not None and _called_differently(called_bad, material_psi):
        shares = f"{called_bad.reference:.1%} to {called_bad.window:.1%} of {called_bad.rows:,}".replace("%", " %")
        why = f"{held}. But the share called bad went from {shares}: move the cut-off if that is not what you want."
        return Change.POPULATION, Recommendation.MOVE_CUT_OFF, why
    return Change.POPULATION, Recommendation.NOTHING, f"{held}. No new model is needed."


def _called_differently(called_bad: CalledBad, material_psi: float) -> bool:
    """By a material share, and by more than chance."""
    low, high = wilson_interval(round(called_bad.window * called_bad.rows), called_bad.rows)
    by_chance = low <= called_bad.reference <= high
    return not by_chance and _material(called_bad.reference, called_bad.window, material_psi)


def _miscalibrated(realised: Realised, material_psi: float) -> bool:
    gap = realised.of("expected_minus_observed")
    if gap.low is None or gap.high is None or gap.low <= 0 <= gap.high:
        return False
    return _material(realised.mean_score, realised.bad / realised.rows, material_psi)


def _material(before: float, now: float, psi: float) -> bool:
    low, high = material_shares(before, psi=psi)
    return not low < now < high


def _holds(estimate: Estimate, value: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= value <= estimate.high


def _span(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None:
        return f"not known, {estimate.reason}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
