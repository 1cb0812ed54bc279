"""What happened, in order, and how performance went: frames for charts, from acts as the ledger holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard import findings, outcome_frames

Act = Mapping[str, Any]
Acts = Sequence[Act]

_GATES = {"promotable": "passed every gate", "waiting": "waits for labels", "refused": "refused by the gates"}
_PERFORMANCE = ["at", "value", "low", "high", "kind", "rows", "about"]


def events(acts: Mapping[str, Acts], looks: pd.DataFrame) -> pd.DataFrame:
    """Every act as a row: `at, lane, what, told`, oldest first.

    Args:
        acts: By kind: champion, challenger, dossier, decision, alert, as their tables have them.
        looks: `as_of, status, recommendation`, oldest first; only turns are told, not every look of a state.
    """
    rows = [*_drift(looks), *_training(acts), *_gates(acts["dossier"]), *_decisions(acts), *_alerts(acts["alert"])]
    frame = pd.DataFrame(rows, columns=["at", "lane", "what", "told"])
    return frame.sort_values("at", ignore_index=True)


def reigns(champions: pd.DataFrame, *, now: datetime) -> pd.DataFrame:
    """Who was in production: `version, since, until`; the last reign ends now."""
    until = champions["until"].fillna(pd.Timestamp(now))
    return champions.assign(until=until)[["version", "since", "until"]]


def performance(outcomes: Mapping[str, Any], *, metric: str) -> pd.DataFrame:
    """One metric as it came true and as it was estimated: `at, value, low, high, kind, rows, about`, oldest first.

    A vintage stands at its end, an estimate at the end of its window. One that is not final, and an estimate that
    abstains, has no row.
    """
    vintages = outcome_frames.vintages(outcomes["realised"])
    came_true = [
        {
            "at": row["start"] + pd.DateOffset(months=3),
            "value": row[metric],
            "low": row[f"{metric}_low"],
            "high": row[f"{metric}_high"],
            "kind": "realised",
            "rows": row["labelled"],
            "about": f"vintage {row['vintage']}, {row['models']}",
        }
        for row in vintages.to_dict("records")
        if row["status"] == "final"
    ]
    estimated = outcomes["estimated"]
    before = [
        _estimate(row["at"], row, bool(row["trusted"]), row["rows"])
        for row in outcome_frames.back_tests(estimated).to_dict("records")
        if row["metric"] == metric
    ]
    trusted = {each["metric"]: each["trusted"] for each in estimated["trust"]}
    end = pd.Timestamp(estimated["window"]["end"])
    now = [
        _estimate(end, {**each, "estimate": each["value"]}, bool(trusted[metric]), each["rows"])
        for each in estimated["estimates"]
        if each["metric"] == metric
    ]
    frame = pd.DataFrame([*came_true, *before, *now], columns=_PERFORMANCE)
    frame = frame.astype(dict.fromkeys(("value", "low", "high", "rows"), "float64"))
    return frame[frame["value"].notna()].sort_values("at", ignore_index=True)


def _estimate(at: Any, each: Mapping[Any, Any], trusted: bool, rows: int) -> dict[str, Any]:
    kind = "estimated" if trusted else "estimated, not trusted"
    about = f"window to {pd.Timestamp(at):%Y-%m-%d}"
    return {"at": at, "value": each["estimate"], "low": each["low"], "high": each["high"], "kind": kind} | {
        "rows": rows,
        "about": about,
    }


def _drift(looks: pd.DataFrame) -> list[dict[str, Any]]:
    """Turns between calm and drift; a look that could not judge is neither."""
    found, before = [], False
    for look in looks.to_dict("records"):
        if look["status"] not in ("ok", "drift"):
            continue
        now = look["status"] == "drift" or look["recommendation"] == "retrain"
        if now is not before:
            what = "drift, or a call for a new model" if now else "calm again"
            found.append(_event(look["as_of"], "Drift", what, findings.state_text(look)))
        before = now
    return found


def _training(acts: Mapping[str, Acts]) -> list[dict[str, Any]]:
    first = {row["version"] for row in acts["champion"] if row["how"] == "init"}
    return [
        _event(row["as_of"], "Training", "challenger trained", f"version {row['version']}, {row['rows']:,} rows")
        for row in acts["challenger"]
        if row["version"] not in first
    ]


def _gates(dossiers: Acts) -> list[dict[str, Any]]:
    """A challenger judged again and again while it waits is told at its turns only."""
    found, last = [], dict[str, str]()
    for row in dossiers:
        if last.get(row["challenger"]) != row["status"]:
            told = f"version {row['challenger']} against version {row['champion']}"
            found.append(_event(row["as_of"], "Gates", _GATES[row["status"]], told))
        last[row["challenger"]] = row["status"]
    return found


def _decisions(acts: Mapping[str, Acts]) -> list[dict[str, Any]]:
    versions = {row["digest"]: row["challenger"] for row in acts["dossier"]}
    signed = [
        _event(row["at"], "Decision", row["verdict"], f"version {versions.get(row['digest'], '?')} by {row['actor']}")
        for row in acts["decision"]
    ]
    back = [
        _event(row["since"], "Decision", "rolled back", f"to version {row['version']}")
        for row in acts["champion"]
        if row["how"] == "rollback"
    ]
    return signed + back


def _alerts(alerts: Acts) -> list[dict[str, Any]]:
    return [
        _event(row["opened_at"], "Alert", "alert that wants somebody", f"{row['code']} {row['subject']}")
        for row in alerts
        if row["severity"] == "page"
    ]


def _event(at: Any, lane: str, what: str, told: str) -> dict[str, Any]:
    return {"at": at, "lane": lane, "what": what, "told": told}
