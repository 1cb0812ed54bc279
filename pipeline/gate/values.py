"""What the gate speaks in: outcomes, checks, the policy, and the measured evidence. Frozen, strict, and never NaN."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=0, le=2**53)]  # exact as a float
AtLeastOne = Annotated[int, Field(ge=1, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1)]


class Outcome(StrEnum):
    """Three, because nothing measured is not a pass."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"  # not enough evidence, or not measurable


@dataclass(frozen=True, slots=True, config=STRICT)
class Interval:
    """Where a number may lie, both ends included, at a two-sided confidence level."""

    low: float
    high: float
    level: Annotated[float, Field(gt=0, lt=1)]

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"interval: low {self.low} is above high {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Check:
    """One gate's verdict: numbers first, prose second.

    `margin` is the signed distance of `observed` to `threshold` in `unit`, positive on the passing side. A gate that
    also asks for significance can be undecided with a positive margin, or pass with a negative one; its note says so.
    """

    code: Name
    name: Name
    outcome: Outcome
    observed: float | None
    threshold: float | None
    unit: str
    interval: Interval | None
    margin: float | None
    required: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if self.outcome is Outcome.PASSED and self.observed is None:
            raise ValueError(f"{self.code}: passed without an observed value")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class GatePolicy:
    """What a challenger must show. Defaults are those of the settings.

    >>> GatePolicy(min_coverage=0.5).to_json()["cooldown"]
    'P7D'
    """

    min_samples: AtLeastOne = 200
    min_positives: AtLeastOne = 50
    min_coverage: Share = 0.30
    cooldown: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=7)
    min_f1_gain: Annotated[float, Field(ge=0)] = 0.02  # relative to the champion's F1
    max_brier_rise: Share = 0.01  # absolute
    max_segment_f1_drop: Share = 0.05  # relative to the champion's F1 in the segment
    min_segment_samples: AtLeastOne = 200
    interval_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.90  # two-sided
    resamples: Annotated[int, Field(ge=200, le=1_000_000)] = 2000
    seed: Count = 20_240_229  # any fixed number: the same rows must give the same dossier

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; durations as ISO 8601."""
        return as_json(self)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ModelMetrics:
    """One model over the judged rows. None where it cannot be measured: no rows, or one class for a ranking."""

    f1: Share | None
    brier: Share | None
    auc: Share | None
    ks: Share | None
    gini: Annotated[float, Field(ge=-1, le=1)] | None
    predicted_positive_rate: Share | None
    threshold: Share


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Paired:
    """One metric of both models over the same rows: challenger minus champion, or the relative gain for `f1_gain`."""

    metric: Name
    champion: float | None
    challenger: float | None
    difference: float | None
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.interval is not None and self.difference is None:
            raise ValueError(f"{self.metric}: an interval around nothing")
        if self.difference is not None and (self.champion is None or self.challenger is None):
            raise ValueError(f"{self.metric}: a difference to nothing")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class SegmentEvidence:
    """Both models in one segment. `drop` is the share of the champion's F1 that the challenger loses (negative: gains);
    where the champion's F1 is 0 there is nothing to lose and it is 0. `interval` is of the drop, at the level corrected
    for the number of segments judged, and None where the segment is too small or holds one outcome only."""

    segment: Name
    value: str
    rows: AtLeastOne
    positives: Count
    champion_f1: Share
    challenger_f1: Share
    drop: float
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.positives > self.rows:
            raise ValueError(f"{self.name}: {self.positives} bad outcomes in {self.rows} rows")
        if self.drop != relative_drop(self.champion_f1, self.challenger_f1):
            raise ValueError(f"{self.name}: drop does not follow from the two F1")

    @property
    def name(self) -> str:
        """As it appears in a note."""
        return f"{self.segment}={self.value}" if self.value else self.segment


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Evidence:
    """Everything measured on the judged rows; the checks read nothing else."""

    rows: Count
    positives: Count
    mature_rows: Count
    coverage: Share | None
    coverage_interval: Interval | None
    baseline_f1: Share | None  # F1 of calling every row bad: what no model needs to be beaten by
    champion: ModelMetrics
    challenger: ModelMetrics
    f1: Paired
    f1_gain: Paired
    brier: Paired
    auc: Paired
    segments: tuple[SegmentEvidence, ...] = ()
    absent_segments: tuple[str, ...] = ()  # expected by the champion's reference, and not among the rows

    def __post_init__(self) -> None:
        if not self.positives <= self.rows <= self.mature_rows:
            raise ValueError("evidence: expected positives <= rows <= mature_rows")
        if self.coverage != (self.rows / self.mature_rows if self.mature_rows else None):
            raise ValueError("evidence: coverage does not follow from the counts")
        if any(segment.rows > self.rows for segment in self.segments):
            raise ValueError("evidence: a segment is larger than the whole")
        for metric in ("f1", "brier", "auc"):
            ours, theirs = getattr(self.champion, metric), getattr(self.challenger, metric)
            _expect(getattr(self, metric), metric, ours, theirs, difference(ours, theirs))
        gain = relative_gain(self.champion.f1, self.challenger.f1)
        _expect(self.f1_gain, "f1_gain", self.champion.f1, self.challenger.f1, gain)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return as_json(self)


def _expect(paired: Paired, *numbers: str | float | None) -> None:
    if (paired.metric, paired.champion, paired.challenger, paired.difference) != numbers:
        raise ValueError(f"{numbers[0]}: does not follow from the two models' metrics")


def difference(champion: float | None, challenger: float | None) -> float | None:
    """Challenger minus champion; None when either is unknown."""
    return None if champion is None or challenger is None else challenger - champion


def relative_gain(champion: float | None, challenger: float | None) -> float | None:
    """Challenger over champion, minus one. None when either is unknown or the champion is at 0.

    >>> relative_gain(0.5, 0.75), relative_gain(0.0, 0.5)
    (0.5, None)
    """
    return challenger / champion - 1 if champion and challenger is not None else None


def relative_drop(champion: float, challenger: float) -> float:
    """Share of the champion's value that is lost; 0 where the champion has nothing to lose.

    >>> relative_drop(0.5, 0.25), relative_drop(0.0, 0.5)
    (0.5, 0.0)
    """
    return 1 - challenger / champion if champion else 0.0


def as_json(value: Any) -> dict[str, Any]:
    """A value as plain JSON types: what canonical JSON, and so a digest, is made of."""
    written: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return written
