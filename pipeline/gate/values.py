"""What the gate speaks in: outcomes, intervals, checks and the policy. Frozen, strict, and never NaN."""

from __future__ import annotations

from datetime import UTC, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=0, le=2**53)]  # exact as a float
AtLeastOne = Annotated[int, Field(ge=1, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]
Instant = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Lasting = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=36_500))]
Primary = Literal["f1", "auc", "brier", "profit"]


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
    `more_rows` and `decidable_at` say what an undecided check waits for: about so many more labelled rows, and when
    they will be there at today's rate. None where waiting would not help, or nothing is known about the rate.
    """

    code: Name
    name: Name
    outcome: Outcome
    observed: float | None
    threshold: float | None
    unit: str
    interval: Interval | None
    margin: float | None
    more_rows: AtLeastOne | None = None
    decidable_at: Instant | None = None
    required: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if self.outcome is Outcome.PASSED and self.observed is None:
            raise ValueError(f"{self.code}: passed without an observed value")
        if self.outcome is not Outcome.UNDECIDED and (self.more_rows or self.decidable_at):
            raise ValueError(f"{self.code}: {self.outcome} and still waiting")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class GatePolicy:
    """What a challenger must show. Defaults are those of the settings; docs/gates.md has the reason for each.

    >>> GatePolicy(min_coverage=0.5).to_json()["cooldown"]
    'P7D'
    """

    primary: Primary = "f1"
    min_samples: AtLeastOne = 200
    min_positives: AtLeastOne = 50
    min_coverage: Share = 0.30
    max_brier_shift: Share = 0.002  # by which labels missing in some score bands may move the Brier score
    cooldown: Lasting = timedelta(days=7)
    min_f1_gain: Margin = 0.02  # relative to the champion's F1
    min_auc_gain: Margin = 0.005  # absolute
    min_brier_gain: Margin = 0.005  # relative to the champion's Brier score
    min_profit_gain: Margin = 0.0  # in money per applicant
    yearly_false_promotions: Annotated[float, Field(gt=0, le=0.5)] = 0.05  # chance in any 365 days, of one or more
    budget_carry: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=365))] = timedelta(days=91)
    patience: Lasting = timedelta(days=180)
    max_brier_rise: Share = 0.01  # absolute
    max_segment_f1_drop: Share = 0.05  # relative to the champion's F1 in the segment
    min_segment_samples: AtLeastOne = 200
    segment_error: Annotated[float, Field(gt=0, lt=0.5)] = 0.09  # chance that an equal challenger is refused by G6
    cost_of_bad: Annotated[float, Field(gt=0, le=1000)] = 0.45  # share of the amount at stake that is lost
    gain_of_good: Annotated[float, Field(gt=0, le=1000)] = 0.05  # share of the amount at stake that is earned
    interval_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.90  # two-sided
    resamples: Annotated[int, Field(ge=200, le=1_000_000)] = 2000
    seed: Count = 20_240_229  # any fixed number: the same rows must give the same dossier

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; durations as ISO 8601."""
        return as_json(self)


def as_json(value: Any) -> dict[str, Any]:
    """A value as plain JSON types: what canonical JSON, and so a digest, is made of."""
    written: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return written
