"""G4: is the challenger better in the primary metric, by enough and by more than luck?"""

from __future__ import annotations

import math
from datetime import datetime

from pipeline.gate.forecast import more_rows, waiting
from pipeline.gate.measured import Evidence
from pipeline.gate.values import Check, GatePolicy, Interval, Outcome

_NOTHING = 1e-9  # a metric below this is no scale to measure a gain by
_NAMES = {"f1": "F1", "auc": "AUC", "brier": "Brier score", "profit": "profit"}
_UNITS = {
    "f1": "relative gain of F1",
    "auc": "AUC, absolute gain",
    "brier": "relative fall of the Brier score",
    "profit": "money per applicant, absolute gain",
}


def primary_improvement(evidence: Evidence, *, policy: GatePolicy, as_of: datetime, alpha: float) -> Check:
    """G4: the gain in the primary metric is large enough, and not luck at the error this try may take.

    Failed: the gain is below what is asked, or no better than a baseline that knows nothing, or worse than the first
    champion: more rows with these figures would not help. Undecided: enough gain, and it may be luck. A champion at
    F1 = 0 finds no bad outcome at all and must be replaceable: it has no relative gain, so any absolute one will do.
    """
    trial, metric = evidence.trial, policy.primary
    scale, need, unit = _asked(evidence, policy)
    gained = None if trial.gain is None or evidence.positives == 0 else trial.gain / scale
    sure = trial.interval
    more = math.inf
    if gained is None or trial.gain is None or trial.metric != metric:
        outcome, note = Outcome.UNDECIDED, f"{_NAMES[metric]} cannot be measured on these rows"
        gained = None
    elif gained < need or gained <= 0:
        outcome, note = Outcome.FAILED, _below(evidence, policy)
    elif (baseline := _baseline(evidence, policy)) is not None:
        outcome, note = Outcome.FAILED, f"no better than {baseline}"
    elif trial.original_gain is None or trial.original_interval is None:
        outcome, note = Outcome.UNDECIDED, "the first champion cannot be compared on these rows"
    elif trial.original_gain < 0:
        lost = f"the first champion does better on these rows, by {-trial.original_gain:.4f}"
        shown = trial.original_interval.high < 0
        outcome, note = (Outcome.FAILED, lost) if shown else (Outcome.UNDECIDED, f"{lost}, which may be luck")
    elif alpha <= 0:
        outcome, note = Outcome.UNDECIDED, "nothing has accrued of the yearly error budget since the last try"
    elif sure is None or trial.error is None or not math.isclose(trial.alpha, alpha):
        outcome, note = Outcome.UNDECIDED, f"no interval at the error of {alpha:.4%} that this try may take"
    elif sure.low > 0:
        outcome, note = (
            Outcome.PASSED,
            "champion finds no bad outcome: judged by the absolute gain" * _dead(evidence, policy),
        )
    else:
        outcome, note = Outcome.UNDECIDED, f"not told apart from luck: gain at least {sure.low:+.4f}"
        more = more_rows(evidence.rows, half=trial.gain - sure.low, room=trial.gain)
    check = Check(
        code="G4",
        name=f"{_NAMES[metric]} improvement",
        outcome=outcome,
        observed=gained,
        threshold=need,
        unit=unit,
        interval=None if gained is None or sure is None else _scaled(sure, scale),
        margin=None if gained is None else gained - need,
        note=note,
    )
    return waiting(
        check, more, evidence=evidence, as_of=as_of, patience=policy.patience, not_before=policy.budget_carry
    )


def _scaled(interval: Interval, scale: float) -> Interval | None:
    low, high = interval.low / scale, interval.high / scale
    return Interval(low, high, interval.level) if math.isfinite(low) and math.isfinite(high) else None


def _dead(evidence: Evidence, policy: GatePolicy) -> bool:
    return policy.primary == "f1" and evidence.champion.f1 == 0


def _asked(evidence: Evidence, policy: GatePolicy) -> tuple[float, float, str]:
    """What the gain is divided by, what it must reach then, and the unit."""
    if _dead(evidence, policy):
        return 1.0, 0.0, "F1, absolute gain"
    need = {
        "f1": policy.min_f1_gain,
        "auc": policy.min_auc_gain,
        "brier": policy.min_brier_gain,
        "profit": policy.min_profit_gain,
    }[policy.primary]
    relative = {"f1": evidence.champion.f1, "brier": evidence.champion.brier}.get(policy.primary)
    return relative if relative and relative > _NOTHING else 1.0, need, _UNITS[policy.primary]


def _below(evidence: Evidence, policy: GatePolicy) -> str:
    gained = evidence.trial.gain
    if _dead(evidence, policy):
        return "neither model finds a bad outcome"
    return "worse than the champion" if gained is not None and gained < 0 else "less than what is asked"


def _baseline(evidence: Evidence, policy: GatePolicy) -> str | None:
    """A rule that knows nothing and does as well as the challenger; None when it beats both."""
    baselines = {"calling everyone bad": evidence.everyone_bad, "the base rate for everyone": evidence.base_rate}
    sign = -1 if policy.primary == "brier" else 1
    reached = getattr(evidence.challenger, policy.primary)
    for name, baseline in baselines.items():
        level = getattr(baseline, policy.primary)
        if level is not None and reached is not None and sign * level >= sign * reached:
            return f"{name} ({_NAMES[policy.primary]} {level:.4f})"
    return None
