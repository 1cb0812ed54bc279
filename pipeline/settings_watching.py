"""Settings of watching: `[monitor]`, `[retrain]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Duration, Margin, Number, PositiveDuration, Section, Share


class MonitorSettings(Section):
    """When to look, how far back, and when a window counts as drifted."""

    interval: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="between two looks: a broken feed shows within minutes, and limits are set for that many looks",
    )
    lookback: PositiveDuration = Field(
        default=timedelta(hours=24), description="the window of a look: a whole day, so that its hours are in it alike"
    )
    min_rows: Count = Field(
        default=200,
        title="rows in the window",
        description="fewer is a state of its own, never no drift: deciles of 200 rows reach a PSI of 0.1 by chance",
    )
    false_alarms: Annotated[float, Number, Field(gt=0, le=1000, allow_inf_nan=False)] = Field(
        default=1.0,
        title="looks",
        description="that alarm without cause over false_alarm_period, all features, all questions and all looks "
        "together",
    )
    false_alarm_period: PositiveDuration = Field(
        default=timedelta(days=91), description="a quarter: an alarm without cause once in it is one still looked into"
    )
    material_psi: Share = Field(
        default=0.04,
        title="nats",
        description="a smaller move stays quiet however sure it is: a fifth of a standard deviation, or 0.2 on "
        "Cohen's scale h, a small effect",
    )
    stale_after: PositiveDuration | None = Field(
        default=None,
        description="no younger row than this, and the window says how things were; not given, half the lookback",
    )
    drift_share: Share = Field(
        default=0.5,
        title="% of the features",
        description="past threshold: other tools' limit, shown beside ours; decides nothing",
    )
    threshold: Annotated[float, Number, Field(gt=0, allow_inf_nan=False)] = Field(
        default=0.1,
        title="Wasserstein (normed) or Jensen–Shannon distance",
        description="Evidently's limit, shown beside ours; decides nothing",
    )
    outcomes_every: PositiveDuration = Field(
        default=timedelta(days=1),
        description="how often performance is measured and estimated anew: outcomes become final day by day",
    )
    label_jump: Annotated[float, Number, Field(gt=1, le=1000, allow_inf_nan=False)] = Field(
        default=2.0,
        title="times",
        description="as many or as few bad among incoming outcomes: swapped labels show at once, and a portfolio that "
        "gets worse seldom doubles within a window",
    )
    min_violations: Count = Field(
        default=2,
        title="looks",
        description="of of_last that call for a new model, the newest included: one is no trend",
    )
    of_last: Count = Field(
        default=3, title="looks", description="looked back at, so that one calm look between stops nothing"
    )
    report_every: PositiveDuration = Field(
        default=timedelta(days=1),
        description="Evidently's page at least this often, and on a change of verdict: it is 4.5 MB",
    )

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.min_violations > self.of_last:
            raise ValueError(f"min_violations {self.min_violations} cannot exceed of_last {self.of_last}")
        return self


class RetrainSettings(Section):
    """When a challenger is trained, beside persistent drift."""

    min_gap: Duration = Field(
        default=timedelta(days=7), description="between two trainings, as between two champions (gate.cooldown)"
    )
    schedule: PositiveDuration | None = Field(
        default=None,
        description="train this long after the last training, drift or not; not given, only when something calls for "
        "it",
    )
    min_importance: Share = Field(
        default=0.5,
        title="% of what the score rests on",
        description="must have moved: less than half, and most of what the score rests on is as it was",
    )
    metric: Literal["auc", "gini", "ks", "f1", "brier"] = Field(
        default="auc", description="of which realised performance has a floor: AUC needs fewer labels than F1"
    )
    max_loss: Margin = Field(
        default=0.2,
        title="% of the promise",
        description="may be lost; of AUC, of what lies above 0.5, so that AUC and Gini give one verdict. A fifth: we "
        "chose",
    )
