"""What was measured on the judged rows. Each value is checked at birth against those it must follow from."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from monitoring.performance import Confusion
from pipeline.gate.coverage import CoverageCell
from pipeline.gate.fairness import ApprovalCell, FairnessPolicy
from pipeline.gate.swap import SwapCell, require_reconciled
from pipeline.gate.values import STRICT, AtLeastOne, Count, Interval, Name, Primary, Share, as_json

METRICS = ("f1", "auc", "gini", "ks", "brier", "log_loss", "calibration_intercept", "calibration_slope", "profit")
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ModelMetrics:
    """One model over the judged rows. None where it cannot be measured: no rows, or one outcome for a ranking.

    `called_bad` rows score at or above `threshold`, `caught_bad` of them went bad. `profit` is money per judged
    application, at the policy's cost of a bad and gain of a good, when what is called bad is not booked.
    """

    threshold: Share
    called_bad: Count
    caught_bad: Count
    f1: Share | None
    auc: Share | None
    gini: Annotated[float, Field(ge=-1, le=1)] | None
    ks: Share | None
    brier: Share | None
    log_loss: Annotated[float, Field(ge=0)] | None
    calibration_intercept: float | None
    calibration_slope: float | None
    profit: float | None

    def __post_init__(self) -> None:
        if self.caught_bad > self.called_bad:
            raise ValueError(f"caught_bad: {self.caught_bad} of {self.called_bad} called bad")

    def confusion(self, *, rows: int, positives: int) -> Confusion:
        """Decisions by outcome; positive means bad."""
        false_positive, false_negative = self.called_bad - self.caught_bad, positives - self.caught_bad
        return Confusion(self.caught_bad, false_positive, false_negative, rows - positives - false_positive)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Paired:
    """One metric of both models over the same rows; `difference` is challenger minus champion, with its interval."""

    metric: Name
    champion: float | None
    challenger: float | None
    difference: float | None
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.interval is not None and self.difference is None:
            raise ValueError(f"{self.metric}: an interval around nothing")
        if self.difference != difference(self.champion, self.challenger):
            raise ValueError(f"{self.metric}: the difference is not challenger minus champion")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Trial:
    """What G4 decides on: the gain in the primary metric, turned so that more is better, and the error it may take.

    `interval` is of the gain at level 1 - 2 * alpha: its lower end is wrong with a chance of alpha, the share of the
    yearly budget that this try may spend. `original_gain` is the gain over the first champion, at the policy's level.
    """

    metric: Primary
    alpha: Annotated[float, Field(ge=0, lt=0.5)]
    gain: float | None
    error: Annotated[float, Field(ge=0)] | None
    interval: Interval | None
    original_gain: float | None
    original_interval: Interval | None

    def __post_init__(self) -> None:
        if self.interval is not None:
            if self.gain is None or self.error is None or not self.interval.low <= self.gain <= self.interval.high:
                raise ValueError("trial: an interval that does not hold its gain")
            if not math.isclose(self.interval.level, 1 - 2 * self.alpha):
                raise ValueError("trial: the interval's level does not follow from alpha")
        if self.original_interval is not None and (
            self.original_gain is None
            or not self.original_interval.low <= self.original_gain <= self.original_interval.high
        ):
            raise ValueError("trial: an interval that does not hold its gain over the first champion")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class SegmentEvidence:
    """Both models in one segment. `drop` is the share of the champion's F1 that the challenger loses (negative: gains);
    where the champion's F1 is 0 there is nothing to lose and it is 0. `log_loss_rise` is challenger minus champion, in
    nats. `loss` puts both together: F1's loss and the rise of log loss, each in standard deviations of its rows, F1
    counting half (O'Brien 1984, "Procedures for comparing samples with multiple endpoints"). Intervals are at the level
    that the segments of G6 share out between them, and None where the segment is too small or holds one outcome only.
    `detectable_drop` is the loss of F1 that its own interval would show in 9 of 10 tries with this many rows."""

    segment: Name
    value: str
    rows: AtLeastOne
    positives: Count
    champion_f1: Share
    challenger_f1: Share
    drop: float
    interval: Interval | None
    log_loss_rise: float
    loss: float
    loss_interval: Interval | None
    detectable_drop: Annotated[float, Field(ge=0)] | None

    def __post_init__(self) -> None:
        if self.positives > self.rows:
            raise ValueError(f"{self.name}: {self.positives} bad outcomes in {self.rows} rows")
        if self.drop != relative_drop(self.champion_f1, self.challenger_f1):
            raise ValueError(f"{self.name}: drop does not follow from the two F1")
        if (self.interval is None) != (self.loss_interval is None):
            raise ValueError(f"{self.name}: judged by one metric only")

    @property
    def name(self) -> str:
        """As it appears in a note."""
        return f"{self.segment}={self.value}" if self.value else self.segment


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Evidence:
    """Everything measured on the judged rows; the checks read nothing else. It covers booked loans with a final
    outcome: a rejected applicant has none. Only `swap` and `approvals` speak of those whose outcome is not known."""

    rows: Count
    positives: Count
    mature_rows: Count
    coverage: Share | None
    coverage_interval: Interval | None
    brier_shift: Annotated[float, Field(ge=0)] | None
    labels_per_day: Annotated[float, Field(ge=0)] | None
    champion: ModelMetrics
    challenger: ModelMetrics
    original: ModelMetrics
    everyone_bad: ModelMetrics  # baseline: books nobody, says 1 to all
    base_rate: ModelMetrics  # baseline: books everybody, gives all the share that went bad
    paired: tuple[Paired, ...]
    trial: Trial
    segments: tuple[SegmentEvidence, ...] = ()
    absent_segments: tuple[str, ...] = ()  # expected by the champion's reference, and not among the rows
    cells: tuple[CoverageCell, ...] = ()  # who is covered: by score band, vintage, segment
    swap: tuple[SwapCell, ...] = ()
    approvals: tuple[ApprovalCell, ...] = ()
    fairness: FairnessPolicy | None = None

    def __post_init__(self) -> None:
        if not self.positives <= self.rows <= self.mature_rows:
            raise ValueError("evidence: expected positives <= rows <= mature_rows")
        if self.coverage != (self.rows / self.mature_rows if self.mature_rows else None):
            raise ValueError("evidence: coverage does not follow from the counts")
        if any(segment.rows > self.rows or segment.positives > self.positives for segment in self.segments):
            raise ValueError("evidence: a segment is larger than the whole")
        for name in ("champion", "challenger", "original", "everyone_bad", "base_rate"):
            _require_counts(name, getattr(self, name), rows=self.rows, positives=self.positives)
        if tuple(pair.metric for pair in self.paired) != METRICS:
            raise ValueError(f"evidence: expected the paired metrics {' '.join(METRICS)}, in this order")
        for pair in self.paired:
            if (pair.champion, pair.challenger) != tuple(getattr(m, pair.metric) for m in self.both):
                raise ValueError(f"{pair.metric}: does not follow from the two models' metrics")
        if self.trial.gain != gain(self.trial.metric, *self.both):
            raise ValueError("trial: the gain does not follow from the two models' metrics")
        if self.trial.original_gain != gain(self.trial.metric, self.original, self.challenger):
            raise ValueError("trial: the gain over the first champion does not follow from the metrics")
        if self.rows and (self.everyone_bad.called_bad, self.base_rate.caught_bad) not in self._baselines:
            raise ValueError("evidence: the baselines do not call everybody bad, and nobody")
        if self.swap:
            ours, theirs = (model.confusion(rows=self.rows, positives=self.positives) for model in self.both)
            require_reconciled(self.swap, champion=ours, challenger=theirs)

    @property
    def _baselines(self) -> tuple[tuple[int, int], ...]:
        """Rows that the baselines call bad and catch; where every row is bad, the base rate calls everybody bad too."""
        nobody = (self.rows, 0)
        return (nobody, (self.rows, self.rows)) if self.positives == self.rows else (nobody,)

    @property
    def both(self) -> tuple[ModelMetrics, ModelMetrics]:
        """Champion and challenger."""
        return self.champion, self.challenger

    def pair(self, metric: str) -> Paired:
        """One paired metric by its name."""
        return self.paired[METRICS.index(metric)]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return as_json(self)


def _require_counts(name: str, model: ModelMetrics, *, rows: int, positives: int) -> None:
    if not rows:
        if (model.called_bad, model.f1, model.brier) != (0, None, None):
            raise ValueError(f"{name}: measured on no rows")
        return
    counted = model.confusion(rows=rows, positives=positives)
    if min(counted) < 0 or counted.f1 != model.f1:
        raise ValueError(f"{name}: f1 does not follow from the counts")


def difference(champion: float | None, challenger: float | None) -> float | None:
    """Challenger minus champion; None when either is unknown."""
    return None if champion is None or challenger is None else challenger - champion


def gain(metric: str, champion: ModelMetrics, challenger: ModelMetrics) -> float | None:
    """By how much the challenger is better in a metric, absolute; None when either is unknown."""
    change = difference(getattr(champion, metric), getattr(challenger, metric))
    return -change + 0.0 if change is not None and metric in LOWER_IS_BETTER else change


def relative_drop(champion: float, challenger: float) -> float:
    """Share of the champion's value that is lost; 0 where the champion has nothing to lose.

    >>> relative_drop(0.5, 0.25), relative_drop(0.0, 0.5)
    (0.5, 0.0)
    """
    return 1 - challenger / champion if champion else 0.0
