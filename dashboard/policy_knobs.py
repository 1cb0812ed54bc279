"""Sliders for thresholds: which there are, how far they go, and what a position means. No Streamlit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pipeline.gate.dossier import Dossier
from pipeline.gate.values import GatePolicy
from pipeline.gate.what_if import ANSWERABLE
from pipeline.policy_in_force import in_words
from pipeline.settings_deciding import GateSettings

Position = int | float
Scale = Literal["per cent", "days", "number"]
_DAY = timedelta(days=1)
# How far a slider goes and in which steps, as it is shown; None: as far as the record does, see `_furthest`.
_REACH: dict[str, tuple[Position | None, Position]] = {
    "min_samples": (None, 1),
    "min_positives": (None, 1),
    "min_coverage": (100.0, 1.0),
    "max_brier_shift": (0.01, 0.0005),
    "cooldown": (365.0, 1.0),
    "min_f1_gain": (50.0, 0.5),
    "min_auc_gain": (0.1, 0.001),
    "min_brier_gain": (20.0, 0.1),
    "min_profit_gain": (None, 0.01),
    "patience": (730.0, 5.0),
    "max_brier_rise": (0.05, 0.001),
    "max_segment_f1_drop": (50.0, 1.0),
    "min_segment_samples": (None, 1),
}
_ABOVE_ZERO = ("min_coverage", "max_brier_shift")  # settings refuse a zero here


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One threshold as a slider from `low` to `high`, at `today` at the start."""

    name: str
    label: str
    help: str
    scale: Scale
    today: Position
    low: Position
    high: Position
    step: Position

    def setting(self, position: Position) -> Any:
        """The value that the settings would hold."""
        return {"per cent": position / 100, "days": position * _DAY, "number": position}[self.scale]


def replay_knobs(policy: GatePolicy, dossiers: Iterable[Dossier]) -> list[Knob]:
    """A slider for every threshold that recorded evidence can answer for; of the gains, that of today's metric."""
    known = list(dossiers)
    names = [name for name in ANSWERABLE if not name.endswith("_gain") or name == f"min_{policy.primary}_gain"]
    return [_knob(name, policy, known) for name in names]


def moved(knobs: Iterable[Knob], positions: Iterable[Position]) -> dict[str, Any]:
    """Settings of the sliders that are not where today's policy has them."""
    pairs = zip(knobs, positions, strict=True)
    return {knob.name: knob.setting(position) for knob, position in pairs if position != knob.today}


def asked(policy: GatePolicy, names: Iterable[str]) -> str:
    """Thresholds as they were set, with their units.

    >>> asked(GatePolicy(cooldown=30 * _DAY), ["cooldown", "min_f1_gain"]), asked(GatePolicy(), [])
    ("cooldown 30 days, min_f1_gain 2 % of the champion's F1", 'the policy in force')
    """
    told = [f"{name} {in_words(getattr(policy, name), GateSettings.model_fields[name].title or '')}" for name in names]
    return ", ".join(told) or "the policy in force"


def _knob(name: str, policy: GatePolicy, dossiers: list[Dossier]) -> Knob:
    field, value = GateSettings.model_fields[name], getattr(policy, name)
    unit = field.title or "days"
    scale: Scale = "days" if isinstance(value, timedelta) else "per cent" if unit.startswith("%") else "number"
    today = value / _DAY if scale == "days" else round(value * 100, 9) if scale == "per cent" else value
    reach, step = _REACH[name]
    high = max(today, _furthest(name, dossiers) if reach is None else reach)
    low = step if name in _ABOVE_ZERO else 1 if isinstance(value, int) else 0.0
    return Knob(
        name=name,
        label=f"{name} ({unit})",
        help=field.description or "",
        scale=scale,
        today=today,
        low=min(low, today),
        high=high if isinstance(today, int) else float(high),
        step=step,
    )


def _furthest(name: str, dossiers: list[Dossier]) -> Position:
    """A little beyond everything on record, so that a slider can shut its gate for all."""
    evidence = [dossier.evidence for dossier in dossiers]
    seen: dict[str, Iterable[Position]] = {
        "min_samples": (each.rows for each in evidence),
        "min_positives": (each.positives for each in evidence),
        "min_segment_samples": (segment.rows for each in evidence for segment in each.segments),
        "min_profit_gain": (abs(each.trial.gain or 0.0) for each in evidence if each.trial.metric == "profit"),
    }
    return max(seen[name], default=0) * 11 // 10 + 1
