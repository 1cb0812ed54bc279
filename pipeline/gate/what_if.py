"""What another policy would have said of a recorded dossier: its own evidence, other thresholds, nothing measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.gate.checks import Status, all_checks, status
from pipeline.gate.dossier import Dossier
from pipeline.gate.regression import judged_segments
from pipeline.gate.values import Check, GatePolicy

# A threshold is held against a number or an interval that the dossier holds; the interval does not depend on it.
ANSWERABLE = (
    "min_samples",
    "min_positives",
    "min_coverage",
    "max_brier_shift",
    "cooldown",
    "min_f1_gain",
    "min_auc_gain",
    "min_brier_gain",
    "min_profit_gain",
    "patience",
    "max_brier_rise",
    "max_segment_f1_drop",
    "min_segment_samples",  # while the same segments are judged: their number sets the level of their intervals
)
_ROWS = "`MEND_GATE__{variable}=… mend gate VERSION --as-of TIME` judges one again from its rows, off the record"
_CHANCES = "`MEND_GATE__{variable}=… mend simulate-gate` says what another one does on this portfolio"
# Everything else shapes what was measured: why, and what to do instead.
NEEDS_ROWS = {
    "primary": ("the trial was measured in one metric only", _ROWS),
    "yearly_false_promotions": ("the trial's interval stands at the error that this budget left", _CHANCES),
    "budget_carry": ("the trial's interval stands at the error that had accrued", _CHANCES),
    "segment_error": ("segments have their intervals at the level that they share out of it", _ROWS),
    "interval_level": ("the intervals of G5 and of the first champion stand at this level", _ROWS),
    "resamples": ("the interval of G5 was drawn with so many", _ROWS),
    "seed": ("the interval of G5 was drawn with it", _ROWS.replace("GATE__{variable}", "TRAIN__SEED")),
    "cost_of_bad": ("profit was counted with it", _ROWS.replace("GATE", "PROFIT")),
    "gain_of_good": ("profit was counted with it", _ROWS.replace("GATE", "PROFIT")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The six checks and the status that follow under another policy."""

    checks: tuple[Check, ...]
    status: Status


def require_answerable(name: str) -> None:
    """Refuse a threshold that recorded evidence cannot answer for.

    Raises:
        InputError: One line with why, and what to do instead; or no such threshold.

    >>> require_answerable("segment_error")
    Traceback (most recent call last):
    ...
    pipeline.errors.InputError: gate.segment_error: not told by recorded evidence: segments have their intervals at \
the level that they share out of it. `MEND_GATE__SEGMENT_ERROR=… mend gate VERSION --as-of TIME` judges one again from \
its rows, off the record
    """
    if name in ANSWERABLE:
        return
    if name not in NEEDS_ROWS:
        raise InputError(f"gate.{name}", f"no such threshold; those that can be replayed are {', '.join(ANSWERABLE)}")
    why, instead = NEEDS_ROWS[name]
    raise InputError(f"gate.{name}", f"not told by recorded evidence: {why}. {instead.format(variable=name.upper())}")


def what_if(dossier: Dossier, policy: GatePolicy) -> WhatIf:
    """Judge a dossier's own evidence by another policy: same rows, same intervals, same times, the gates' own rules.

    Raises:
        InputError: The policies differ in what the evidence was measured with, or other segments would be judged.
    """
    before = dataclasses.asdict(dossier.policy)
    for name, value in dataclasses.asdict(policy).items():
        if value != before[name]:
            require_answerable(name)
    _require_same_segments(dossier, policy)
    checks = all_checks(
        dossier.evidence,
        policy=policy,
        as_of=dossier.as_of,
        last_promotion_at=dossier.last_promotion_at,
        last_try_at=dossier.last_try_at,
    )
    return WhatIf(checks=checks, status=status(checks, policy=policy, as_of=dossier.as_of))


def _require_same_segments(dossier: Dossier, policy: GatePolicy) -> None:
    """With none left to judge G6 is undecided, which needs no interval; with others, each would need another one."""
    before, now = (len(judged_segments(dossier.evidence, policy=each)) for each in (dossier.policy, policy))
    if now not in (0, before):
        instead = _ROWS.format(variable="MIN_SEGMENT_SAMPLES")
        raise InputError(
            f"gate.min_segment_samples: {policy.min_segment_samples}",
            f"not told by recorded evidence: more or fewer segments would be judged, each at another level. {instead}",
        )
