"""How often an alert was right, judged by what followed: a person's word, or a promotion that it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.performance import wilson_interval
from pipeline.alerts.journal import read_state
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Ledger

# What a new model can confirm. A feed that is broken is not mended by training, so no promotion says it was.
_CONFIRMED_BY_PROMOTION = ("drift.", "performance.", "signal.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Real alerts among the judged ones, with Wilson's 95 % interval; None while none is judged."""

    real: int
    false: int
    not_judged: int

    @property
    def share(self) -> float | None:
        """Real / (real + false)."""
        judged = self.real + self.false
        return self.real / judged if judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the share may lie, 95 %."""
        judged = self.real + self.false
        return wilson_interval(self.real, judged) if judged else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        counts = {"real": self.real, "false": self.false, "not_judged": self.not_judged}
        return {**counts, "precision": self.share, "interval_95": self.interval}


def precision(rows: list[dict[str, Any]]) -> Precision:
    """Over the rows that `history` returned.

    >>> found = precision([{"verdict": "real"}, {"verdict": "real"}, {"verdict": "false"}, {"verdict": None}])
    >>> [round(bound, 3) for bound in (found.share, *found.interval)], found.not_judged
    ([0.667, 0.208, 0.939], 1)
    """
    verdicts = [row["verdict"] for row in rows]
    return Precision(real=verdicts.count("real"), false=verdicts.count("false"), not_judged=verdicts.count(None))


def history(ledger: Ledger) -> list[dict[str, Any]]:
    """Every alert on record, oldest first, with what became of it. Reads all of it: for a person, not for a cycle."""
    now_open = {alert.number: alert for alert in read_state(ledger).open}
    events = ledger.acts("alert_event")
    closed = {event["alert"]: event["at"] for event in events if event["event"] == "closed"}
    said = {event["alert"]: event for event in events if event["event"] == "judged"}  # the last word counts
    led = _led_to_promotions(ledger)
    rows = []
    for alert in ledger.acts("alert"):
        number = alert["number"]
        verdict, by = _verdict(said.get(number), alert, led)
        state = now_open.get(number)
        rows.append(
            {
                "id": number,
                **{name: alert[name] for name in ("code", "subject", "severity")},
                "text": state.text if state else alert["text"],
                "since": iso(alert["since"]),
                "opened_at": iso(alert["opened_at"]),
                "closed_at": iso(closed[number]) if number in closed else None,
                "owner": state.owner if state else None,
                "snoozed_until": iso(state.snoozed_until) if state and state.snoozed_until else None,
                "verdict": verdict,
                "verdict_by": by,
            }
        )
    return rows


def _verdict(
    said: Mapping[str, Any] | None, alert: Mapping[str, Any], led: Mapping[Any, str]
) -> tuple[str | None, str | None]:
    if said is not None:
        return said["verdict"], said["actor"]
    if alert["opened_at"] in led and alert["code"].startswith(_CONFIRMED_BY_PROMOTION):
        return "real", f"promotion of version {led[alert['opened_at']]}"
    return None, None


def _led_to_promotions(ledger: Ledger) -> dict[Any, str]:
    """Moments of the signals whose challenger was approved later, with its version. Derived anew each time."""
    approved = {row["digest"] for row in ledger.acts("decision") if row["verdict"] == "approved"}
    promoted = {row["challenger"] for row in ledger.acts("dossier") if row["digest"] in approved}
    trained = {row["signal"]: row["version"] for row in ledger.acts("challenger") if row["version"] in promoted}
    return {row["as_of"]: trained[row["key"]] for row in ledger.acts("signal") if row["key"] in trained}
