"""Settings of the portfolio and its model: `[model]`, `[data]`, `[reference]`, `[train]`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Day, Duration, Margin, Number, PositiveDuration, Section

# Columns that stand beside the features in traffic; one of the same name would be overwritten in silence.
OURS = frozenset(
    (
        "application_id",
        "prediction_id",
        "event_time",
        "model_version",
        "score",
        "threshold",
        "decision",
        "y",
        "known_at",
    )
)


class ModelSettings(Section):
    """What the model is called and where its life is kept."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name in the registry and in every artefact")
    workspace: Path = Field(default=Path("var"), description="folder for stores, models and artefacts")


class Feature(Section):
    """One input of the model."""

    kind: Literal["numeric", "categorical"]
    min: float | None = Field(default=None, description="smallest value that can be true, in the feature's own unit")
    max: float | None = Field(default=None, description="largest value that can be true, in the feature's own unit")
    unit: str = Field(default="", description="what the number counts: USD, years, share 0-1")

    @model_validator(mode="after")
    def _range_makes_sense(self) -> Self:
        if self.kind == "categorical" and (self.min is not None or self.max is not None):
            raise ValueError("a categorical feature has no min or max")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min} must be below max {self.max}")
        return self


class Label(Section):
    """How a row's outcome is known, and when. Three forms, see the fields."""

    outcome_time: str | None = Field(
        default=None, description="column: date of the bad outcome, empty if there was none"
    )
    column: str | None = Field(default=None, description="column: 1 bad, 0 good")
    known_at: str | None = Field(default=None, description="column: date when `column` was known")
    delay: Duration | None = Field(default=None, description="`column` is known this long after the event time")
    horizon: PositiveDuration | None = Field(default=None, description="how long until an outcome is final")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.outcome_time is not None:
            if self.column or self.known_at or self.delay is not None or self.horizon is None:
                raise ValueError("outcome_time goes with horizon alone")
        elif self.column is None or (self.known_at is None) == (self.delay is None):
            raise ValueError("give outcome_time and horizon, or column and known_at, or column and delay")
        return self


class Segment(Section):
    """How a feature is cut into segments: by category, or by bins."""

    bins: tuple[float, ...] = Field(default=(), description="inner edges of a numeric feature, rising")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.bins) != sorted(set(self.bins)):
            raise ValueError("bins must rise")
        return self


class AssumedTime(Section):
    """For a file without dates: rows arrive in the file's order. An assumption, and shown as one."""

    start: Day
    rows_per_day: Count


class DataSettings(Section):
    """The portfolio file and what its columns mean."""

    path: Path = Field(description="CSV, CSV.gz or Parquet; relative to the settings file")
    id: str = Field(description="column: one value per application, never twice")
    event_time: str | None = Field(default=None, description="column: when the application was made")
    assumed_time: AssumedTime | None = Field(default=None, description="instead of event_time, for files without dates")
    features: dict[str, Feature] = Field(min_length=1)
    label: Label
    segments: dict[str, Segment] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if (self.event_time is None) == (self.assumed_time is None):
            raise ValueError("give event_time, or assumed_time for a file without dates, and not both")
        for name, segment in self.segments.items():
            feature = self.features.get(name)
            if feature is None:
                raise ValueError(f"segments.{name}: not a feature; features are {', '.join(self.features)}")
            if segment.bins and feature.kind == "categorical":
                raise ValueError(f"segments.{name}: a categorical feature has no bins")
            if not segment.bins and feature.kind == "numeric":
                raise ValueError(f"segments.{name}: a numeric feature needs bins")
        if ours := [name for name in self.features if name in OURS]:
            raise ValueError(f"features.{ours[0]}: a name that Mend needs for itself; rename the column")
        reserved = {self.id, self.event_time, self.label.outcome_time, self.label.column, self.label.known_at}
        if clash := [name for name in self.features if name in reserved]:
            raise ValueError(f"features.{clash[0]}: an id, a date or a label cannot be a feature")
        return self

    @property
    def kinds(self) -> dict[str, Literal["numeric", "categorical"]]:
        """Feature name to kind, in the file's order."""
        return {name: feature.kind for name, feature in self.features.items()}


class ReferenceSettings(Section):
    """The frozen sample that "normal" is measured against: event times in [start, end)."""

    start: Day
    end: Day
    max_rows: Count = 30_000


class TrainSettings(Section):
    """How the first champion and every challenger are trained."""

    go_live: Day = Field(description="everything before is history, with the labels known by then")
    champion_start: Day
    champion_end: Day
    window: PositiveDuration = Field(description="event times a challenger learns from")
    holdback: Duration = Field(default=timedelta(0), description="rows kept for judging; 0d: wait for later labels")
    recipe: Literal["hist_gradient_boosting", "logistic_regression"] = "hist_gradient_boosting"
    grid: dict[str, tuple[float | int | str | None, ...]] = Field(default_factory=dict)
    tuning_share: Margin = Field(default=0.25, gt=0, description="latest share of the window, tunes the cut-off")
    min_rows: Count = Field(default=500, description="fewest labelled rows worth training on")
    seed: Annotated[int, Number] = Field(default=7, ge=0, le=2**53)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.champion_start < self.champion_end <= self.go_live:
            raise ValueError("expected champion_start < champion_end <= go_live")
        return self
