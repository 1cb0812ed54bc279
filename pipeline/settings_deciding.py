"""Settings of deciding: `[gate]`, `[profit]`, `[approval]`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Amount, Count, Duration, Margin, Multiple, Number, PositiveDuration, Section, Share


class GateSettings(Section):
    """What a challenger must show. See docs/gates.md for each default's reason."""

    primary: Literal["f1", "auc", "brier", "profit"] = Field(default="f1", description="metric that G4 judges")
    min_samples: Count = 200
    min_positives: Count = 50
    min_coverage: Share = 0.30
    max_brier_shift: Share = Field(default=0.002, description="by labels missing in some score bands, Brier score")
    cooldown: Duration = timedelta(days=7)
    min_f1_gain: Margin = Field(default=0.02, description="relative to the champion's F1")
    min_auc_gain: Margin = Field(default=0.005, description="absolute")
    min_brier_gain: Margin = Field(default=0.005, description="relative to the champion's Brier score")
    min_profit_gain: Amount = Field(default=0.0, description="money per applicant")
    yearly_false_promotions: Annotated[float, Number, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="chance in any 365 days that a challenger no better is promoted"
    )
    budget_carry: PositiveDuration = Field(default=timedelta(days=91), description="most of that budget to save up")
    patience: Duration = Field(default=timedelta(days=180), description="how long an undecided challenger may wait")
    max_brier_rise: Margin = 0.01
    max_segment_f1_drop: Margin = 0.05
    min_segment_samples: Count = 200
    segment_error: Annotated[float, Number, Field(gt=0, lt=0.5)] = Field(
        default=0.09, description="chance that G6 refuses an equal challenger"
    )
    interval_level: Annotated[float, Number, Field(gt=0.5, lt=1)] = 0.90
    resamples: Annotated[int, Number, Field(ge=200, le=1_000_000)] = 2000
    fairness_policy: Path | None = Field(default=None, description="dated file; relative to the settings file")

    @model_validator(mode="after")
    def _within_a_year(self) -> Self:
        if self.budget_carry > timedelta(days=365):
            raise ValueError("budget_carry: expected at most 365d")
        return self


class ProfitSettings(Section):
    """What a decision is worth: how profit and the money in the swap set are counted."""

    amount: str | None = Field(default=None, description="numeric feature: money at stake; else 1 per applicant")
    unit: str = Field(default="", description="the money's name, as in USD")
    cost_of_bad: Multiple = Field(default=0.45, description="share of the amount that a bad outcome loses")
    gain_of_good: Multiple = Field(default=0.05, description="share of the amount that a good outcome earns")


class ApprovalSettings(Section):
    """Who may sign, and for how long a dossier can be signed."""

    approvers: tuple[str, ...] = Field(default=(), description="names, or issuer#subject of a sign-in")
    approver_roles: tuple[str, ...] = Field(default=(), description="roles that may sign, as the sign-in says them")
    expires_after: PositiveDuration = timedelta(days=14)
    four_eyes: bool = True
