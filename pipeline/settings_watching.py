"""Settings of watching: `[monitor]`, `[retrain]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Duration, PositiveDuration, Section, Share


class MonitorSettings(Section):
    """When to look, how far back, and when a window counts as drifted."""

    interval: PositiveDuration = timedelta(minutes=5)
    lookback: PositiveDuration = timedelta(hours=24)
    min_rows: Count = 200
    drift_share: Share = 0.5
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    min_violations: Count = 2
    of_last: Count = 3
    report_every: PositiveDuration = Field(
        default=timedelta(days=1), description="Evidently's page at least this often"
    )

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.min_violations > self.of_last:
            raise ValueError(f"min_violations {self.min_violations} cannot exceed of_last {self.of_last}")
        return self


class RetrainSettings(Section):
    """When a challenger is trained, beside persistent drift."""

    min_gap: Duration = Field(default=timedelta(days=7), description="between two challengers")
    schedule: PositiveDuration | None = Field(default=None, description="train this long after the last, drift or not")
