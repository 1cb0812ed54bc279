"""What the watch of a promotion found, in words and in a table. Text in, text out, as it stands on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from dashboard.words import METRICS, Label, count, day, metric_number, percent, plain

Watch = Mapping[str, Any]
STATES: dict[str, Label] = {
    "watching": ("Under watch", ":material/visibility:", "blue"),
    "proposes": ("Rollback proposed", ":material/undo:", "red"),
    "kept": ("Kept its promise", ":material/check_circle:", "green"),
    "not told": ("Could not be told", ":material/help:", "gray"),
}


def headline(watch: Watch) -> str:
    """What the watch has come to."""
    new, old, until = f"version {watch['version']}", f"version {watch['replaced']}", day(_moment(watch["until"]))
    if watch["state"] == "proposes":
        return f"Going back to {old} is proposed since {day(_moment(watch['proposed_at']))}."
    if watch["state"] == "kept":
        return f"{new.capitalize()} is not worse than {old}, which it replaced. It was watched until {until}."
    if watch["state"] == "not told":
        return f"Whether {new} keeps its promise could not be told. It was watched until {until}."
    return f"{new.capitalize()} is watched until {until}: look {watch['look']} of {watch['looks']}."


def table(watch: Watch) -> pd.DataFrame | None:
    """Each metric that could be measured: what was promised and what came true; None if none could."""
    rows = [
        {
            "Metric": METRICS[each["metric"]],
            "Promised gain": metric_number(each["metric"], each["promised_gain"], signed=True),
            f"Gain so far (at {percent(each['level'], 1)})": _gain(each),
            f"Version {plain(watch['version'])}": metric_number(each["metric"], each["value"]),
            f"Version {plain(watch['replaced'])}, same loans": metric_number(each["metric"], each["replaced"]),
        }
        for each in watch["metrics"]
        if each["gain"] is not None
    ]
    return pd.DataFrame(rows) if rows else None


def lines(watch: Watch) -> list[str]:
    """What stands beside the table: on how many loans, what is not known, what is estimated, and the canary rows."""
    found = []
    if watch["trouble"]:
        found.append(watch["trouble"])
    if (rows := watch["rows"]) is not None:
        found.append(
            f"Outcomes: {count(rows['labelled'], 'loan')} ({rows['bad']:,} bad) of {rows['mature']:,} that came of age "
            f"after those of the dossier, of applications up to {day(_moment(rows['up_to']))}."
        )
    found += [f"{METRICS[each['metric']]}: {each['reason']}." for each in watch["metrics"] if each["gain"] is None]
    return [*found, *_own(watch), *(_estimate(each, watch) for each in watch["estimated"]), _canary(watch)]


def _own(watch: Watch) -> list[str]:
    own = watch["own"]
    if own is None:
        return []
    if not own["scored"]:
        return [f"Version {watch['version']} has scored no application itself yet."]
    scored = f"Version {watch['version']} scored {count(own['scored'], 'application')} itself"
    if own["mature"]:
        return [f"{scored}; {own['mature']:,} are final."]
    early = f" The {own['known_bad']:,} known to be bad say nothing: bad outcomes are known first."
    return [
        f"{scored}; none is final before {day(_moment(own['first_mature_at']))}.{early if own['known_bad'] else ''}"
    ]


def _estimate(each: Mapping[str, Any], watch: Watch) -> str:
    name, metric = METRICS[each["metric"]], each["metric"]
    if each["value"] is None:
        return f"{name}, estimated without outcomes: abstains, {each['why']}."
    span = f"[{metric_number(metric, each['low'])}, {metric_number(metric, each['high'])}] at {percent(each['level'])}"
    promised = next((held["promised"] for held in watch["metrics"] if held["metric"] == metric), None)
    beside = "" if promised is None else f"; the dossier had {metric_number(metric, promised)}"
    number = metric_number(metric, each["value"])
    return f"{name}, estimated without outcomes: {number} {span}{beside}. An estimate proposes nothing."


def _canary(watch: Watch) -> str:
    found = watch["canary"]
    if found["broken"] or not found["rows"]:
        return f"Canary rows: not compared, {found['reason']}."
    if found["differ"]:
        return f"Canary rows: {found['differ']:,} of {found['rows']:,} get another score than on record."
    return f"Canary rows: all {found['rows']:,} get the score that is on record."


def _gain(each: Mapping[str, Any]) -> str:
    number, low, high = (metric_number(each["metric"], each[name], signed=True) for name in ("gain", "low", "high"))
    return f"{number} [{low}, {high}]"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
