"""From identical mature rows, scored by both models, to everything the checks read. Pure: same rows, same evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from monitoring import influence, performance
from monitoring.skewed_t import limits, spread
from pipeline.errors import InputError
from pipeline.gate.coverage import MAX_SEGMENT_VALUES, brier_shift, coverage_cells, labels_per_day
from pipeline.gate.fairness import FairnessPolicy, approvals
from pipeline.gate.measured import LOWER_IS_BETTER, Evidence, ModelMetrics, SegmentEvidence, Trial, gain, relative_drop
from pipeline.gate.models import Decided, metrics_of, paired_metrics
from pipeline.gate.rows import Applicants, JudgedRows
from pipeline.gate.swap import swap_set
from pipeline.gate.values import GatePolicy, Interval

__all__ = ["Applicants", "JudgedRows", "evidence", "segment_alpha"]

WHOLE = "all rows"
_COVERAGE_LEVEL = 0.95
F1_WEIGHT = 0.5  # beside log loss at 1: caught most of what was planted in segments (docs/gates.md)
_POWER = 0.90  # of the loss that a segment is said to be able to show

Numbers = NDArray[np.float64]


def evidence(
    rows: JudgedRows,
    *,
    policy: GatePolicy,
    alpha: float,
    applicants: Applicants | None = None,
    expected_segments: Mapping[str, Sequence[str]] | None = None,
    fairness: FairnessPolicy | None = None,
) -> Evidence:
    """Measure both models, the baselines, their paired differences, every segment, and whom the decision moves.

    Args:
        rows: The judged rows; none at all is allowed, and gives evidence in which nothing is measured.
        policy: Primary metric, level of the intervals, resamples, seed, smallest segment judged, money per outcome.
        alpha: One-sided error that this try may take (`budget.spendable`); 0 leaves the trial without an interval.
        applicants: Everybody the rows were taken from; without them nothing is said of coverage, swaps and approvals.
        expected_segments: Values per segment column that the champion's reference holds; those not among the rows
            are reported in `absent_segments`.
        fairness: What to say about approval rates by segment; without it nothing is.

    Raises:
        InputError: A segment column has more values than a segment can have, or the applicants are others.

    Source:
        AUC: DeLong. Other intervals of `paired`: `monitoring.resampling`. Trial and segments:
        `monitoring.skewed_t.limits` over the influences of `monitoring.influence`, because at the small errors a
        budget leaves, percentiles would need tens of thousands of resamples.
    """
    _require_same(rows, applicants)
    n, positives = len(rows.y), int(rows.y.sum())
    models = {
        "champion": Decided(rows.champion_score, rows.champion_threshold),
        "challenger": Decided(rows.challenger_score, rows.challenger_threshold),
        "original": Decided(rows.original_score, rows.original_threshold),
        "everyone_bad": Decided(np.ones(n), 1.0),
        "base_rate": Decided(np.full(n, positives / n if n else 0.0), 1.0),
    }
    measured = {name: metrics_of(rows, model, policy) for name, model in models.items()}
    both = models["champion"], models["challenger"]
    present = {(column, value) for column, values in rows.segments.items() for value in np.unique(values).tolist()}
    expected = [(column, value) for column, values in (expected_segments or {}).items() for value in values]
    money = {"cost_of_bad": policy.cost_of_bad, "gain_of_good": policy.gain_of_good}
    return Evidence(
        rows=n,
        positives=positives,
        mature_rows=rows.mature_rows,
        coverage=n / rows.mature_rows if rows.mature_rows else None,
        coverage_interval=_coverage_interval(n, rows.mature_rows),
        brier_shift=None if applicants is None else brier_shift(applicants),
        labels_per_day=None if applicants is None else labels_per_day(applicants),
        **measured,
        paired=paired_metrics(rows, both, (measured["champion"], measured["challenger"]), policy),
        trial=_trial(rows, models, measured, policy, alpha),
        segments=_segments(rows, *both, policy),
        absent_segments=tuple(f"{column}={value}" for column, value in expected if (column, value) not in present),
        cells=() if applicants is None else coverage_cells(applicants),
        swap=() if applicants is None else swap_set(applicants, **money),
        approvals=() if applicants is None or fairness is None else approvals(applicants, fairness),
        fairness=fairness,
    )


def segment_alpha(policy: GatePolicy, judged: int) -> float:
    """One-sided error of each segment's test in G6, so that all together hold `segment_error` (Bonferroni).

    >>> segment_alpha(GatePolicy(segment_error=0.10), 5)
    0.02
    """
    return policy.segment_error / max(judged, 1)


def _require_same(rows: JudgedRows, applicants: Applicants | None) -> None:
    """The judged rows are exactly the applicants' mature labelled ones, under the same scores."""
    if applicants is None:
        return
    judged = applicants.labelled
    if int(applicants.mature.sum()) != rows.mature_rows:
        raise InputError("applicants", "mature", f"expected {rows.mature_rows} as the judged rows say")
    for name in ("ids", "y", "champion_score", "challenger_score", "original_score", "amount"):
        if not np.array_equal(getattr(applicants, name)[judged], getattr(rows, name)):
            raise InputError("applicants", name, "expected the mature labelled ones to be the judged rows")
    segments = {name: column[judged] for name, column in applicants.segments.items()}
    if {name: column.tolist() for name, column in segments.items()} != {
        name: column.tolist() for name, column in rows.segments.items()
    }:
        raise InputError(
            "applicants", "segments", "expected the mature labelled ones to be in those of the judged rows"
        )
    for name in ("champion_threshold", "challenger_threshold", "original_threshold"):
        if getattr(applicants, name) != getattr(rows, name):
            raise InputError("applicants", name, "expected that of the judged rows")


def _coverage_interval(labelled: int, mature: int) -> Interval | None:
    if not mature:
        return None
    return Interval(*performance.wilson_interval(labelled, mature, level=_COVERAGE_LEVEL), _COVERAGE_LEVEL)


def _trial(
    rows: JudgedRows,
    models: Mapping[str, Decided],
    measured: Mapping[str, ModelMetrics],
    policy: GatePolicy,
    alpha: float,
) -> Trial:
    gained = {name: gain(policy.primary, measured[name], measured["challenger"]) for name in ("champion", "original")}
    parts = {name: _contributions(rows, models[name], models["challenger"], policy) for name in gained}
    moved = parts["champion"]
    return Trial(
        metric=policy.primary,
        alpha=alpha,
        gain=gained["champion"],
        error=None if moved is None else float(moved.std()) / len(moved) ** 0.5,
        interval=_limits(rows.y, gained["champion"], moved, alpha=alpha),
        original_gain=gained["original"],
        original_interval=_limits(rows.y, gained["original"], parts["original"], alpha=(1 - policy.interval_level) / 2),
    )


def _contributions(rows: JudgedRows, ours: Decided, theirs: Decided, policy: GatePolicy) -> Numbers | None:
    """What rows contribute to the gain in the primary metric; None where that cannot be measured."""
    if not len(rows.y):
        return None
    if policy.primary == "f1":
        return influence.of_f1_difference(rows.y, ours.bad, theirs.bad)
    first, second = (model.influence(rows, policy) for model in (ours, theirs))
    if first is None or second is None:
        return None
    return first - second if policy.primary in LOWER_IS_BETTER else second - first


def _limits(
    y: NDArray[np.int8], centre: float | None, contributions: Numbers | None, *, alpha: float
) -> Interval | None:
    """Interval that leaves out `alpha` on either side; None with fewer than two rows of either outcome."""
    rarer = min(int(y.sum()), len(y) - int(y.sum()))
    if centre is None or contributions is None or rarer < 2 or 1 - 2 * alpha >= 1:  # as a float, for alpha < 1e-17 too
        return None
    low, high = limits(centre, spread(contributions, degrees=rarer - 1), alpha=alpha)
    return Interval(float(low), float(high), 1 - 2 * alpha) if np.isfinite(low) and np.isfinite(high) else None


def _segments(
    rows: JudgedRows, champion: Decided, challenger: Decided, policy: GatePolicy
) -> tuple[SegmentEvidence, ...]:
    """Every value of every segment column, in order; without columns the whole window is the one segment."""
    columns: Mapping[str, NDArray[Any]] = rows.segments or {WHOLE: np.full(len(rows.y), "")}
    found: list[tuple[str, str, NDArray[np.int64]]] = []
    for column, values in columns.items():
        names, position = np.unique(values, return_inverse=True)
        if len(names) > MAX_SEGMENT_VALUES:
            need = f"expected at most {MAX_SEGMENT_VALUES} different values, got {len(names)}"
            raise InputError("judged rows", f"segment {column}", need)
        order, ends = np.argsort(position, kind="stable"), np.cumsum(np.bincount(position, minlength=len(names)))
        places = np.split(order, ends[:-1]) if len(names) else []
        found += [(column, str(name), place) for name, place in zip(names, places, strict=True)]
    judged = sum(_is_judged(rows.y[place], policy) for *_, place in found)
    alpha = segment_alpha(policy, judged)
    return tuple(
        _segment(column, value, rows, champion, challenger, place, policy, alpha) for column, value, place in found
    )


def _is_judged(y: NDArray[np.int8], policy: GatePolicy) -> bool:
    bad = int(y.sum())
    return len(y) >= policy.min_segment_samples and min(bad, len(y) - bad) >= 2


def _segment(
    column: str,
    value: str,
    rows: JudgedRows,
    champion: Decided,
    challenger: Decided,
    place: NDArray[np.int64],
    policy: GatePolicy,
    alpha: float,
) -> SegmentEvidence:
    y, ours, theirs = rows.y[place], champion.bad[place], challenger.bad[place]
    our_f1, their_f1 = performance.f1(y, ours), performance.f1(y, theirs)
    surprise = [performance.surprise(y, model.score[place]) for model in (champion, challenger)]
    rise = surprise[1] - surprise[0]
    interval = loss_interval = detectable = None
    lost = -influence.of_f1_difference(y, ours, theirs)
    f1_scale, rise_scale = (float(part.std()) or 1.0 for part in (lost, rise))
    loss = F1_WEIGHT * (our_f1 - their_f1) / f1_scale + float(rise.mean()) / rise_scale
    if _is_judged(y, policy):
        absolute = _limits(y, our_f1 - their_f1, lost, alpha=alpha)
        together = F1_WEIGHT * lost[: len(y)] / f1_scale + rise / rise_scale
        loss_interval = _limits(y, loss, together, alpha=alpha)
        if absolute is not None and loss_interval is not None:
            scale = our_f1 or 1.0  # a champion that catches nothing has nothing to lose: the interval is then absolute
            most = min(absolute.high / scale, 1.0) if our_f1 else absolute.high  # nobody loses more than all of it
            interval = Interval(min(absolute.low / scale, most), most, absolute.level)
            sigma = float(lost.std()) / len(lost) ** 0.5 / scale
            reach = float(stdtrit(min(int(y.sum()), len(y) - int(y.sum())) - 1, 1 - alpha)) + float(ndtri(_POWER))
            detectable = sigma * reach
        else:
            interval = loss_interval = None
    return SegmentEvidence(
        segment=column,
        value=value,
        rows=len(y),
        positives=int(y.sum()),
        champion_f1=our_f1,
        challenger_f1=their_f1,
        drop=relative_drop(our_f1, their_f1),
        interval=interval,
        log_loss_rise=float(rise.mean()),
        loss=loss,
        loss_interval=loss_interval,
        detectable_drop=detectable,
    )
