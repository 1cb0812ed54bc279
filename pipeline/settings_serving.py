"""Settings of `[serving]`: the scoring service."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from pipeline.settings_types import Count, PositiveDuration, Section


class ServingSettings(Section):
    """How much the service takes at once, and how soon it follows a promotion."""

    max_batch: Count = Field(default=1000, le=100_000, description="applications in one request")
    max_body_bytes: Count = Field(default=2_000_000, description="largest body of a request, bytes")
    max_waiting: Count = Field(default=5000, description="applications that may wait for their answer; more get 503")
    follow_every: PositiveDuration = Field(
        default=timedelta(seconds=1), description="time between two looks at who is champion"
    )
    require_key: bool = Field(default=False, description="ask for a key; without, only this machine may ask")
    hosts: tuple[str, ...] = Field(default=(), description="names it may be asked by; its address always is one")
