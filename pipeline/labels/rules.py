"""What a reported outcome is worth beside what was said before. Pure: no clock, no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """What became of a report."""

    RECORDED = "recorded"
    KNOWN = "known"
    CONFLICTING = "conflicting"
    QUARANTINED = "quarantined"
    ERASED = "erased"


class Reason(StrEnum):
    """Why a report is in quarantine."""

    UNKNOWN_ID = "unknown_id"
    BEFORE_APPLICATION = "before_application"
    IN_FUTURE = "in_future"


WHAT = {
    Reason.UNKNOWN_ID: "no application goes by this id",
    Reason.BEFORE_APPLICATION: "known before the application was made",
    Reason.IN_FUTURE: "known only in the future",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An outcome as somebody reports it. `corrects`: what was said before no longer counts."""

    prediction_id: str
    y: int
    known_at: datetime
    corrects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One outcome on record."""

    y: int
    known_at: datetime
    corrects: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done with a report; `reason` where it goes into quarantine, `adds` where it goes on record."""

    status: Status
    reason: Reason | None = None
    adds: bool = False


def standing(said: Sequence[Said]) -> tuple[Said, ...]:
    """What counts of what was said, in order: the last correction and what came after it.

    >>> now = datetime(2026, 1, 1)
    >>> bad, good = Said(y=1, known_at=now, corrects=False), Said(y=0, known_at=now, corrects=True)
    >>> [each.y for each in standing([bad, good])]
    [0]
    """
    corrections = [place for place, each in enumerate(said) if each.corrects]
    return tuple(said[corrections[-1] :] if corrections else said)


def judge(report: Report, *, made_at: datetime | None, said: Sequence[Said], now: datetime) -> Verdict:
    """What becomes of one report.

    Args:
        report: An outcome of 0 or 1.
        made_at: When the application was made; None if none goes by that id.
        said: What is on record of that application, in the order in which it was recorded.
        now: When the report arrived.

    Returns:
        `recorded`: it is new. `known`: it adds nothing. `conflicting`: it contradicts what stands and does not say that
        it corrects it, so that from now on neither counts. `quarantined`: it cannot be true of this application, yet.
    """
    if made_at is None:
        return Verdict(status=Status.QUARANTINED, reason=Reason.UNKNOWN_ID)
    if report.known_at > now:
        return Verdict(status=Status.QUARANTINED, reason=Reason.IN_FUTURE)
    if report.known_at < made_at:
        return Verdict(status=Status.QUARANTINED, reason=Reason.BEFORE_APPLICATION)
    stands = standing(said)
    outcomes = {each.y for each in stands}
    repeats = any(each.y == report.y and each.known_at <= report.known_at for each in stands)
    if outcomes == {report.y} and (report.corrects or repeats):
        return Verdict(status=Status.KNOWN)
    if report.corrects or outcomes <= {report.y}:
        return Verdict(status=Status.RECORDED, adds=True)
    return Verdict(status=Status.CONFLICTING, adds=not repeats)
