"""The policy page's tables and frames: values in, frames out. No Streamlit, no store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from dashboard import verdicts, words
from pipeline.gate.budget import YEAR
from pipeline.gate.simulate import Frequency, Simulated
from pipeline.policy_in_force import Threshold
from pipeline.policy_replay import Replay, Replayed

CANNOT_TELL = "cannot tell"
SIGNS = {"promotable": "✓ promotable", "waiting": "△ waiting", "refused": "✗ refused", CANNOT_TELL: "– cannot tell"}
SIDES = ("recorded", "another verdict", "the same verdict", CANNOT_TELL)
RULES = ("these gates", "plain rule")
_REPLAYED = ("as_of", "dossier", "happened", "changed", "reading", "side", "verdict")
_GATES = ("as_of", "dossier", "gate", "recorded", "would_be", "changed")


def thresholds_table(thresholds: Iterable[Threshold]) -> pd.DataFrame:
    """Settings with value, origin and reason; two columns, so that a phone holds them. Safe to show as Markdown."""
    return pd.DataFrame(
        [
            {
                "In force (set by)": f"**{words.plain(each.name)}**: {words.plain(each.shown)} ({_origin(each)})",
                "What it is, and why": words.plain(each.why),
            }
            for each in thresholds
        ]
    )


def _origin(each: Threshold) -> str:
    return words.plain(each.origin if each.shown == each.default else f"{each.origin}; default: {each.default}")


def tries_frame(tries: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per try that spent of the error budget: `as_of, challenger, spent`."""
    rows = [
        {"as_of": row["as_of"], "challenger": f"version {row['challenger']}", "spent": row["error_spent"]}
        for row in tries
        if row["error_spent"] > 0
    ]
    return pd.DataFrame(rows, columns=["as_of", "challenger", "spent"])


def spending_frame(tries: Iterable[Mapping[str, Any]], *, until: datetime) -> pd.DataFrame:
    """What the tries of the last 365 days took together, whenever that changes: `as_of, spent_365_days`."""
    spent = [(row["as_of"], row["error_spent"]) for row in tries if row["error_spent"] > 0]
    moments = sorted({moment for at, _ in spent for moment in (at, at + YEAR) if moment < until} | {until})
    rows = [(moment, sum(error for at, error in spent if moment - YEAR < at <= moment)) for moment in moments]
    return pd.DataFrame(rows, columns=["as_of", "spent_365_days"])


def kind(gain: float) -> str:
    """What kind of challenger.

    >>> kind(0.0), kind(0.05), kind(-0.025)
    ('equal', '5 % better', '2.5 % worse')
    """
    return f"{abs(gain) * 100:.3g} % {'better' if gain > 0 else 'worse'}" if gain else "equal"


def chances_frame(found: Sequence[Simulated]) -> pd.DataFrame:
    """One row per kind of challenger and rule: chance of one promotion or more in a year, with its interval."""
    rows = [
        {
            "challenger": kind(each.gain),
            "rule": rule,
            "share": years.share,
            "low": years.interval[0],
            "high": years.interval[1],
            "happened": years.happened,
            "years": years.of,
            "told": share_text(years.share),
        }
        for each in found
        for rule, years in zip(RULES, (each.years, each.plain_years), strict=True)
    ]
    return pd.DataFrame(rows)


def chances_table(found: Sequence[Simulated]) -> pd.DataFrame:
    """The same in numbers, with the chance of one try and the time until one passes."""
    rows = []
    for each in found:
        for rule, tries, years, weeks in (
            (RULES[0], each.tries, each.years, each.weeks_until_passed),
            (RULES[1], each.plain_tries, each.plain_years, each.plain_weeks_until_passed),
        ):
            rows.append(
                {
                    "Challenger": kind(each.gain),
                    "Rule": rule,
                    "One or more a year": frequency(years),
                    "One try": frequency(tries),
                    "Time until one passes": _weeks(weeks),
                }
            )
    return pd.DataFrame(rows)


def share_text(share: float) -> str:
    """A chance in as many digits as matter.

    >>> share_text(0.0), share_text(0.00047), share_text(0.0131), share_text(0.994)
    ('0 %', '0.05 %', '1.3 %', '99.4 %')
    """
    percent = share * 100
    return f"{percent:.2f} %" if 0 < percent < 0.1 else f"{percent:.1f} %".replace(".0 %", " %")


def frequency(of: Frequency) -> str:
    """A chance with its interval (Wilson, 95 %).

    >>> frequency(Frequency(happened=26, of=1000))
    '2.6 % (1.8 % to 3.8 %)'
    """
    low, high = of.interval
    return f"{share_text(of.share)} ({share_text(low)} to {share_text(high)})"


def _weeks(weeks: tuple[float | None, float, float | None]) -> str:
    mean, low, high = weeks
    if mean is None or high is None:
        return f"over {_span(low)}"
    return f"{_span(mean)} ({_span(low)} to {_span(high)})"


def _span(weeks: float) -> str:
    """Weeks, or years where there are many."""
    years = weeks * timedelta(weeks=1) / YEAR
    return f"{weeks:,.0f} weeks" if years < 2 else f"{years:,.0f} years"


def replay_frame(replay: Replay) -> pd.DataFrame:
    """Two rows per dossier, what was recorded and what would have been: `verdict`, and which of the two in `side`."""
    rows = []
    for each in replay.dossiers:
        about = {
            "as_of": each.as_of,
            "dossier": f"version {each.challenger} against {each.champion}",
            "happened": words.STANDINGS[each.standing][0],
            "changed": each.changed,
            "reading": reading(each),
        }
        side = CANNOT_TELL if each.would_be is None else SIDES[1] if each.changed else SIDES[2]
        rows += [
            about | {"side": SIDES[0], "verdict": each.recorded},
            about | {"side": side, "verdict": each.would_be or CANNOT_TELL},
        ]
    return pd.DataFrame(rows, columns=list(_REPLAYED))


def gates_frame(replay: Replay) -> pd.DataFrame:
    """One row per dossier and gate; dossiers that cannot be told are left out."""
    rows = [
        {
            "as_of": each.as_of,
            "dossier": f"version {each.challenger} against {each.champion}",
            "gate": gate.code,
            "recorded": gate.recorded.value,
            "would_be": gate.would_be.value,
            "changed": gate.changed,
        }
        for each in replay.dossiers
        for gate in each.gates
    ]
    return pd.DataFrame(rows, columns=list(_GATES))


def reading(each: Replayed) -> str:
    """Which gates say something else.

    A dossier of which the record cannot tell has no gates; why is said once, for all of them (`Replay.why_unknown`).
    """
    if each.would_be is None:
        return "the record cannot tell"
    if each.changed and not each.changed_gates:  # it may wait for another time
        return f"same outcomes, {'' if each.would_be == 'waiting' else 'not '}to be waited for"
    shown = verdicts.OUTCOMES
    return "; ".join(f"{gate.code} {shown[gate.recorded]} → {shown[gate.would_be]}" for gate in each.changed_gates)


def replay_table(replay: Replay, *, most: int) -> pd.DataFrame:
    """The first dossiers as text, each linked to its page; safe to show as Markdown."""
    return pd.DataFrame(
        [
            {
                "Dossier": f"[version {words.plain(each.challenger)} against {words.plain(each.champion)}]"
                f"(review?digest={each.digest}), {words.day(each.as_of)}",
                "What happened": words.STANDINGS[each.standing][0],
                "Verdict": _verdict(each),
                "Gates": words.plain(reading(each) or "no change"),
            }
            for each in replay.dossiers[:most]
        ]
    )


def _verdict(each: Replayed) -> str:
    if each.would_be == each.recorded:
        return SIGNS[each.recorded]
    return f"**{SIGNS[each.recorded]} → {SIGNS[each.would_be or CANNOT_TELL]}**"
