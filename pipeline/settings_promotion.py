"""Settings of what follows a promotion: `[watch]`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Count, Number, PositiveDuration, Section


class WatchSettings(Section):
    """How a promotion is watched. See docs/reliability.md for each default's reason."""

    period: PositiveDuration = Field(default=timedelta(days=180), description="how long after a promotion")
    every: PositiveDuration = Field(default=timedelta(days=30), description="how often outcomes are looked at in it")
    false_proposals: Annotated[float, Number, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="chance per promotion, all looks together, that a rollback is proposed without cause"
    )
    canary_rows: Count = Field(default=200, description="reference rows that every cycle scores again")
    act: bool = Field(default=False, description="roll back by itself when a rollback is proposed")

    @model_validator(mode="after")
    def _looks_in_time(self) -> Self:
        if self.every > self.period:
            raise ValueError(f"every: expected at most the period, {self.period.days}d")
        return self
