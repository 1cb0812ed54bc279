"""Gates, and where a dossier stands, as people read them. Text in, text out: no Streamlit, no store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dashboard import words
from pipeline.frames import level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Check, Outcome
from pipeline.promotion.state import Standing

OUTCOMES = {Outcome.PASSED: "✓ passed", Outcome.FAILED: "✗ failed", Outcome.UNDECIDED: "△ undecided"}
_AT_MOST = {"G5", "G6"}  # gates whose observed value must stay below the limit


def gate_number(check: Check, value: float | None, *, signed: bool = False) -> str:
    """A gate's number in its own unit."""
    if value is None:
        return "–"
    sign = "+" if signed else ""
    if "money" in check.unit:
        return words.money(value, signed=signed)
    if "relative" in check.unit or "share" in check.unit:
        return f"{value * 100:{sign}.1f} %"
    if "Brier" in check.unit or "absolute" in check.unit:
        return f"{value:{sign}.4f}"
    return f"{value:{sign},.0f}" + (" days" if check.unit == "days" else "")


def gate_in_short(check: Check) -> str:
    """What a gate saw and what it asks for, under its name in a chart."""
    return f"{gate_number(check, check.observed)}, asked {gate_limit(check)}"


def gate_limit(check: Check) -> str:
    """What the gate asks for."""
    return f"{'≤' if check.code in _AT_MOST else '≥'} {gate_number(check, check.threshold)}"


def gate_interval(check: Check) -> str:
    """The gate's interval in its own unit, and its level."""
    if check.interval is None:
        return "–"
    low, high = (gate_number(check, bound) for bound in (check.interval.low, check.interval.high))
    return f"{low} to {high} ({level_text(check.interval)})"


def gate_waits(check: Check) -> str:
    """What an undecided gate waits for, and until when; a dash for one that is decided."""
    if check.outcome is not Outcome.UNDECIDED:
        return "–"
    if check.more_rows is None:
        return "nothing that can be counted"
    when = f"by {words.day(check.decidable_at)}" if check.decidable_at else "no date in sight"
    return f"about {words.count(check.more_rows, 'more labelled row')}, {when}"


def gates_table(checks: Sequence[Check]) -> pd.DataFrame:
    """One row per gate, every number in its unit; safe to show as Markdown."""
    rows = [
        {
            "Gate": f"**{check.code}** {check.name}",
            "Outcome": OUTCOMES[check.outcome],
            "Observed": gate_number(check, check.observed),
            "Limit": gate_limit(check),
            "Margin": gate_number(check, check.margin, signed=True),
            "Interval": gate_interval(check),
            "Unit": check.unit,
            "Waits for": gate_waits(check),
        }
        for check in checks
    ]
    waits = any(check.outcome is Outcome.UNDECIDED for check in checks)
    return pd.DataFrame(rows) if waits else pd.DataFrame(rows).drop(columns="Waits for")


def beside_the_gates(dossier: Dossier) -> list[str]:
    """What this try spends of the error budget, and what each gate has to say."""
    return [budget(dossier), *(f"{check.code}: {check.note}." for check in dossier.checks if check.note)]


def passed(checks: Sequence[Check]) -> str:
    """How many gates passed."""
    return f"{sum(check.outcome is Outcome.PASSED for check in checks)} of {len(checks)} gates passed"


def not_passed(checks: Sequence[Check]) -> str:
    """The gates that stood in the way, each with what it saw and what it asks for."""
    told = [
        f"{check.code} {check.name} {check.outcome.value} ({gate_in_short(check)})"
        for check in checks
        if check.outcome is not Outcome.PASSED
    ]
    return "; ".join(told) or "every gate passed"


def gates_label(dossier: Dossier) -> words.Label:
    """The same as a badge."""
    failed = any(check.outcome is Outcome.FAILED for check in dossier.checks)
    colour: words.Colour = "green" if dossier.promotable else "red" if failed else "orange"
    return passed(dossier.checks), ":material/checklist:", colour


def budget(dossier: Dossier) -> str:
    """What this try spends of the year's chance of a false promotion, and so how sure G4 had to be."""
    policy, trial = dossier.policy, dossier.evidence.trial
    year = f"this year's {words.percent(policy.yearly_false_promotions)} for false promotions"
    if dossier.error_spent:
        sure = f" Its interval is at {level_text(trial.interval)}, to be wrong no more often." if trial.interval else ""
        return f"G4: this try spends {words.percent(dossier.error_spent, 2)} of {year}.{sure}"
    if trial.alpha:
        return f"G4: spends nothing of {year}: without enough rows, labels or days since the last change it is no try."
    return f"G4: nothing of {year} has accrued since the last try, so nothing can be shown today."


def waiting_until(dossier: Dossier) -> str:
    """Until when a waiting challenger waits, and for what."""
    dates = [check.decidable_at for check in dossier.checks if check.decidable_at]
    rows = max((check.more_rows for check in dossier.checks if check.more_rows), default=None)
    many = f"About {words.count(rows, 'more labelled row')} needed" if rows else "More labels needed"
    when = f"expected by {words.day(max(dates))}" if dates else "with no date in sight"
    recheck = dossier.recheck_at
    again = "at every cycle" if recheck is None or recheck <= dossier.as_of else f"from {words.day(recheck)} on"
    return f"{many}, {when}. It is judged again {again}."


def standing_story(standing: Standing, dossier: Dossier, champion: str) -> str:
    """What a dossier's standing means for the reader."""
    version, expires = dossier.challenger, words.day(dossier.expires_at)
    return {
        Standing.PENDING: f"Every gate passed. A listed person may sign until {expires}.",
        Standing.WAITING: f"{waiting_until(dossier)} Until then it can be rejected, not signed.",
        Standing.REFUSED: f"Version {version} cannot be signed: not every gate passed. Version {champion} stays.",
        Standing.APPROVED: f"Version {version} was signed and took the champion's place.",
        Standing.REJECTED: f"Version {version} was rejected by a person.",
        Standing.EXPIRED: f"Nobody signed by {expires}. Running out of time only ever refuses.",
        Standing.STALE: f"Judged against version {dossier.champion}; the champion is now version {champion}.",
        Standing.SUPERSEDED: f"Version {version} was judged again later; only the newest dossier can be signed.",
    }[standing]


def signed_as(signature: Mapping[str, Any] | None) -> str:
    """How the person who signed was known, and whether four eyes looked.

    >>> signed_as({"method": "local", "os_user": "ann", "verified": False, "four_eyes": "asked for", "own_work": False})
    'Known by: local, unverified (operating system user ann). Four eyes: asked for.'
    """
    if signature is None:
        return "Signed before signatures were on record."
    how = {"oidc": f"sign-in at {signature.get('issuer')}", "proxy": "the proxy", "token": "a token"}
    local = f"local, unverified (operating system user {signature.get('os_user') or 'unknown'})"
    name = f" as {signature['name']}" if signature.get("name") else ""
    own = " The signer had asked for this training." if signature["own_work"] else ""
    known = how.get(signature["method"], local)
    return f"Known by: {known}{name}. Four eyes: {signature['four_eyes']}.{own}"
