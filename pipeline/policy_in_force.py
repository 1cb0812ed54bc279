"""The thresholds in force: each with its value in words, the reason for its default, and who set it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from pipeline.settings import Settings
from pipeline.settings_origin import origin_of
from pipeline.settings_types import Section

SECTIONS: Mapping[str, str] = {
    "gate": "The six gates",
    "profit": "What a decision is worth",
    "monitor": "Watching for drift",
    "retrain": "Training a challenger",
    "approval": "Who signs",
    "watch": "After a promotion",
}
NOT_GIVEN = "not given"
_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One setting. `value` is as JSON holds it, `shown` and `default` are in words with their unit."""

    section: str
    name: str
    value: Any
    shown: str
    default: str
    why: str
    origin: str


def in_force(settings: Settings) -> tuple[Threshold, ...]:
    """Every setting of the policy, section by section, in the order in which they are explained."""
    return tuple(
        _threshold(settings, section, name, field)
        for section in SECTIONS
        for name, field in type(getattr(settings, section)).model_fields.items()
    )


def _threshold(settings: Settings, section: str, name: str, field: FieldInfo) -> Threshold:
    part: Section = getattr(settings, section)
    unit = field.title or ""
    return Threshold(
        section=section,
        name=name,
        value=part.model_dump(mode="json")[name],
        shown=in_words(getattr(part, name), unit),
        default=in_words(field.default, unit),
        why=field.description or "",
        origin=origin_of(settings, section, name),
    )


def in_words(value: Any, unit: str) -> str:
    """A setting's value with its unit, as `Section` writes it; a duration in the largest unit that leaves no rest.

    >>> in_words(0.3, "% of the mature rows"), in_words(1.0, "looks"), in_words(timedelta(hours=36), "")
    ('30 % of the mature rows', '1 look', '36 hours')
    >>> in_words(None, ""), in_words(("ann", "bob"), ""), in_words(True, ""), in_words((), "")
    ('not given', 'ann, bob', 'yes', 'nobody')
    """
    if value is None or value == "":
        return NOT_GIVEN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "nobody"
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, (str, Path)):
        return str(value)
    number = f"{value * 100:.6g}" if unit.startswith("%") else f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return f"{number} {unit.removesuffix('s') if value == 1 and ' ' not in unit else unit}".rstrip()


def _duration(value: timedelta) -> str:
    for noun, seconds in _UNITS:
        many, rest = divmod(value.total_seconds(), seconds)
        if many and not rest:
            return f"{many:,.0f} {noun}" + "s" * (many != 1)
    return f"{value.total_seconds():g} seconds"
