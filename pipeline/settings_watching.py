"""Settings of watching: `[monitor]`, `[retrain]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Duration, Margin, Number, PositiveDuration, Section, Share


class MonitorSettings(Section):
    """When to look, how far back, and when a window counts as drifted."""

    interval: PositiveDuration = timedelta(minutes=5)
    lookback: PositiveDuration = timedelta(hours=24)
    min_rows: Count = 200
    false_alarms: Annotated[float, Number, Field(gt=0, le=1000, allow_inf_nan=False)] = Field(
        default=1.0, description="looks that alarm without cause, over false_alarm_period, all questions together"
    )
    false_alarm_period: PositiveDuration = timedelta(days=91)
    material_psi: Share = Field(default=0.04, description="a smaller move stays quiet however sure it is, nats")
    stale_after: PositiveDuration | None = Field(
        default=None, description="no newer row than this: the window is stale; half the lookback if not given"
    )
    drift_share: Share = Field(default=0.5, description="other tools' limit for the share of features past threshold")
    threshold: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] = Field(
        default=0.1, description="Evidently's limit, shown beside ours"
    )
    outcomes_every: PositiveDuration = Field(
        default=timedelta(days=1), description="how often performance is measured and estimated anew"
    )
    label_jump: Annotated[float, Number, Field(gt=1, le=1000, allow_inf_nan=False)] = Field(
        default=2.0, description="factor by which the bad share of incoming outcomes has to change to alarm"
    )
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
    min_importance: Share = Field(default=0.5, description="share of what the score rests on that must have moved")
    metric: Literal["auc", "gini", "ks", "f1", "brier"] = Field(
        default="auc", description="of which realised performance has a floor"
    )
    max_loss: Margin = Field(default=0.2, description="of the promise; of AUC, of what is above 0.5")
