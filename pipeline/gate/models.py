"""One model over the judged rows, and two of them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring import influence, performance
from monitoring.calibration import calibration, calibration_influence
from monitoring.resampling import percentile_interval, resampled_sums
from monitoring.skewed_t import limits, spread
from pipeline.gate.measured import METRICS, ModelMetrics, Paired, difference
from pipeline.gate.rows import JudgedRows
from pipeline.gate.swap import booking_value
from pipeline.gate.values import GatePolicy, Interval

Numbers = NDArray[np.float64]
_MEANS = ("brier", "log_loss", "profit", "calibration_intercept", "calibration_slope")
_AROUND_THE_FIT = ("calibration_intercept", "calibration_slope")  # resampled as distances from what was fitted


@dataclass(frozen=True, eq=False)
class Decided:
    """A model's scores over the judged rows, shape (n,), with the cut-off that belongs to it."""

    score: Numbers
    threshold: float

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Whom it calls bad."""
        return self.score >= self.threshold

    @cached_property
    def ranked(self) -> performance.Ranked:
        """The scores in order, sorted once for all that ranks by them."""
        return performance.ranked(self.score)

    def influence(self, rows: JudgedRows, policy: GatePolicy) -> Numbers | None:
        """Each row's influence on a primary that a model has by itself, shape (n,); None where it cannot be measured.

        F1 is not one of them: `influence.of_f1_difference` needs both models.
        """
        if policy.primary == "auc":
            return influence.of_auc(rows.y, self.ranked)
        values = (self.score - rows.y) ** 2 if policy.primary == "brier" else self.profits(rows, policy)
        return influence.of_mean(values)

    def profits(self, rows: JudgedRows, policy: GatePolicy) -> Numbers:
        """What each row earns when those called bad are not booked, in money, shape (n,)."""
        value = booking_value(rows.y, rows.amount, cost_of_bad=policy.cost_of_bad, gain_of_good=policy.gain_of_good)
        return np.where(self.bad, 0.0, value)


def metrics_of(rows: JudgedRows, model: Decided, policy: GatePolicy) -> ModelMetrics:
    """Everything measured of one model; nothing is where there are no rows."""
    y, bad = rows.y, model.bad
    counts = {"called_bad": int(bad.sum()), "caught_bad": int((bad & (y == 1)).sum())}
    if not len(y):
        nothing: dict[str, Any] = dict.fromkeys(METRICS)
        return ModelMetrics(threshold=model.threshold, **counts, **nothing)
    line = calibration(y, model.score)
    return ModelMetrics(
        threshold=model.threshold,
        **counts,
        f1=performance.f1(y, bad),
        auc=performance.auc(y, model.ranked),
        gini=performance.gini(y, model.ranked),
        ks=performance.ks(y, model.ranked),
        brier=performance.brier(y, model.score),
        log_loss=performance.log_loss(y, model.score),
        calibration_intercept=line.intercept if line else None,
        calibration_slope=line.slope if line else None,
        profit=float(model.profits(rows, policy).mean()),
    )


def paired_metrics(
    rows: JudgedRows, both: tuple[Decided, Decided], measured: tuple[ModelMetrics, ModelMetrics], policy: GatePolicy
) -> tuple[Paired, ...]:
    """Every metric of champion and challenger, the difference, and its interval at the policy's level.

    Source:
        AUC and Gini: DeLong et al. (1988), with t limits. F1, KS, Brier, log loss and profit: paired bootstrap
        (`monitoring.resampling`), percentile interval; KS at the cut-off where it was found, whose own movement is of
        second order. Calibration: bootstrap of the influences (`monitoring.calibration`), one Newton step from the fit.
    """
    intervals: dict[str, Interval | None] = dict.fromkeys(METRICS)
    if len(rows.y) > 1:
        intervals |= _bootstrapped(rows, both, measured, policy)
        intervals |= _delong(rows, both, measured, policy.interval_level)
    return tuple(
        Paired(
            metric=metric,
            champion=getattr(measured[0], metric),
            challenger=getattr(measured[1], metric),
            difference=difference(*(getattr(model, metric) for model in measured)),
            interval=intervals[metric],
        )
        for metric in METRICS
    )


def _delong(
    rows: JudgedRows, both: tuple[Decided, Decided], measured: tuple[ModelMetrics, ModelMetrics], level: float
) -> dict[str, Interval]:
    first, second = (influence.of_auc(rows.y, model.ranked) for model in both)
    change = difference(measured[0].auc, measured[1].auc)
    rarer = min(int(rows.y.sum()), len(rows.y) - int(rows.y.sum()))
    if first is None or second is None or change is None or rarer < 2:
        return {}
    low, high = limits(change, spread(second - first, degrees=rarer - 1), alpha=(1 - level) / 2)
    return {"auc": Interval(float(low), float(high), level), "gini": Interval(2 * float(low), 2 * float(high), level)}


def _bootstrapped(
    rows: JudgedRows, both: tuple[Decided, Decided], measured: tuple[ModelMetrics, ModelMetrics], policy: GatePolicy
) -> dict[str, Interval | None]:
    """Intervals of the differences of every metric that follows from sums over rows."""
    shared = np.column_stack([np.ones(len(rows.y)), rows.y])
    moved = _per_row(rows, both[1], policy) - _per_row(rows, both[0], policy)
    columns = np.hstack([shared, *(_decisions(rows, model) for model in both), moved])
    sums = resampled_sums(columns, resamples=policy.resamples, seed=policy.seed).T
    total, bad = sums[:2]
    ours, theirs = (_statistics(total, bad, sums[start : start + 4]) for start in (2, 6))
    drawn = {metric: theirs[metric] - ours[metric] for metric in ours}
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn |= {metric: summed / total for metric, summed in zip(_MEANS, sums[10:], strict=True)}
    found: dict[str, Interval | None] = {}
    for metric, draws in drawn.items():
        centre = difference(*(getattr(model, metric) for model in measured)) if metric in _AROUND_THE_FIT else 0.0
        known = centre is not None and bool(np.isfinite(draws).all())
        ends = percentile_interval(draws + (centre or 0.0), level=policy.interval_level) if known else None
        found[metric] = None if ends is None else Interval(*ends, policy.interval_level)
    return found


def _decisions(rows: JudgedRows, model: Decided) -> Numbers:
    """What F1 and KS of a resample are counted from, shape (n, 4): called bad and caught, at either cut-off."""
    y, bad = rows.y.astype(np.float64), model.bad.astype(np.float64)
    cut = influence.ks_cut(rows.y, model.ranked)
    beyond = np.zeros(len(y)) if cut is None else (model.score >= cut).astype(np.float64)
    return np.column_stack([bad, bad * y, beyond, beyond * y])


def _per_row(rows: JudgedRows, model: Decided, policy: GatePolicy) -> Numbers:
    """What the means of a resample are taken of, shape (n, 5), in the order of `_MEANS`.

    Models are subtracted row by row, before anything is summed: the same model twice differs by exactly nothing.
    """
    line = calibration_influence(rows.y, model.score) or (np.zeros(len(rows.y)), np.zeros(len(rows.y)))
    surprise = performance.surprise(rows.y, model.score)
    return np.column_stack([(model.score - rows.y) ** 2, surprise, model.profits(rows, policy), *line])


def _statistics(total: Numbers, bad: Numbers, sums: Numbers) -> dict[str, Numbers]:
    """F1 and KS of each resample; not finite where a resample cannot have them."""
    called, caught, beyond, beyond_bad = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        relevant = bad + called
        f1 = np.where(relevant > 0, 2 * caught / np.where(relevant > 0, relevant, 1.0), 0.0)
        ks = np.abs(beyond_bad / bad - (beyond - beyond_bad) / (total - bad))
    return {"f1": f1, "ks": ks}
