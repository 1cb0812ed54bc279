"""Settings of what follows a promotion: `[watch]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Number, PositiveDuration, Section


class WatchSettings(Section):
    """How a promotion is watched. See docs/reliability.md for each default's reason."""

    period: PositiveDuration = Field(
        default=timedelta(days=180),
        description="outcomes become final every day, whatever the horizon: on the loans some 860 rows in that time",
    )
    every: PositiveDuration = Field(
        default=timedelta(days=30), description="six looks; each costs a share of the error below"
    )
    false_proposals: Annotated[float, Number, Field(gt=0, le=0.5)] = Field(
        default=0.05,
        title="% of promotions",
        description="chance per promotion, all looks and both metrics together (Bonferroni), to propose without "
        "cause; as much as a year of gates may promote in error",
    )
    canary_rows: Count = Field(
        default=200,
        title="rows",
        description="reference rows scored again at every cycle; a score that moved by more than 1e-9 means that the "
        "model, a library or the platform is another",
    )
    act: bool = Field(
        default=False, description="true: go back without a person, to the version that was replaced, once"
    )

    @model_validator(mode="after")
    def _looks_in_time(self) -> Self:
        if self.every > self.period:
            raise ValueError(f"every: expected at most the period, {self.period.days}d")
        return self
