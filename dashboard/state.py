"""Is the model well? One badge and one sentence, from what is known; what is not known never reads as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard import findings, watch_words
from dashboard.words import Label, day
from monitoring.diagnosis import Recommendation
from monitoring.summary import DriftSummary

UNWATCHED: Label = ("Nobody is watching", ":material/heart_broken:", "red")
NOT_LOOKED: Label = ("Not looked yet", ":material/hourglass_empty:", "gray")
NOT_KNOWN: Label = ("Not known", ":material/help:", "orange")
NEEDS_YOU: Label = ("Needs you", ":material/pan_tool:", "orange")
NOT_WELL: Label = ("Not well", ":material/warning:", "red")
LOOK_AT_IT: Label = ("Look at it", ":material/visibility:", "orange")
WELL: Label = ("Well", ":material/check_circle:", "green")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the model at one moment.

    `silence`: why the heartbeat is none, if so. `summary` and `result`: of the newest look, None where it failed.
    `waiting`: versions that wait for a signature, with the day until which they can be signed. `watch`: what the watch
    of the last promotion says.
    """

    champion: str
    silence: str | None
    looked: bool
    summary: DriftSummary | None
    result: Mapping[str, Any] | None
    waiting: Sequence[tuple[str, Any]]
    watch: Mapping[str, Any] | None


def state_of(known: Known) -> tuple[Label, str]:
    """The first that holds: nobody looks, nothing is known, a person is asked, something is wrong, all is well."""
    version = f"Version {known.champion}"
    if known.silence is not None:
        return UNWATCHED, f"Nothing is known of {version.lower()} now: {known.silence}."
    if not known.looked:
        return NOT_LOOKED, f"No cycle has looked at {version.lower()} yet."
    if known.summary is None or not known.summary.judged:
        why = "the last look failed" if known.summary is None else findings.verdict(known.summary, known.result)
        return NOT_KNOWN, f"How {version.lower()} is doing is not known: {why[0].lower()}{why[1:].rstrip('.')}."
    if known.watch is not None and known.watch["state"] == "proposes":
        return NEEDS_YOU, watch_words.headline(known.watch)
    if known.waiting:
        return NEEDS_YOU, _waits(known.waiting)
    return _on_its_own(version, known.summary, known.result)


def _waits(waiting: Sequence[tuple[str, Any]]) -> str:
    version, until = waiting[0]
    others = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    return f"Version {version} passed every gate and waits for a signature until {day(until)}{others}."


def _on_its_own(version: str, summary: DriftSummary, result: Mapping[str, Any] | None) -> tuple[Label, str]:
    if result is None:
        return NOT_KNOWN, f"No diagnosis of {version.lower()} is on record."
    diagnosis, floor = result["diagnosis"], result["outcomes"]["realised"]["floor"]
    if floor["state"] == "below":
        return NOT_WELL, f"{version} does not keep its promise: {floor['reason']}."
    do = Recommendation(diagnosis["recommendation"])
    if do is not Recommendation.NOTHING:
        label = NOT_WELL if do in (Recommendation.RETRAIN, Recommendation.RECALIBRATE) else LOOK_AT_IT
        return label, f"{findings.to_do(diagnosis)}. {diagnosis['reason']}"
    if summary.state == "drift" or findings.joint_drift(result):
        return WELL, f"{version} is well although applicants have moved: {diagnosis['reason']}"
    return (
        WELL,
        f"{version} is well: {findings.verdict(summary, result)[0].lower()}{findings.verdict(summary, result)[1:]}",
    )
