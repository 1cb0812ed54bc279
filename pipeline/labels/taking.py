"""Reports of outcomes, from whomever they come: each is recorded, known already, contradictory, or in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.labels.rules import Report, Said, Status, Verdict, judge
from pipeline.stores.label_log import LabelLog


def take(log: LabelLog, reports: Sequence[Report], *, now: datetime) -> list[Verdict]:
    """Judge reports in their order and write down what is to be kept; the caller's transaction commits it."""
    made = log.applications([report.prediction_id for report in reports])
    said = log.said({application_id for application_id, _ in made.values()})
    verdicts: list[Verdict] = []
    kept: list[tuple[str, Report]] = []
    aside: list[tuple[Report, str]] = []
    for report in reports:
        application_id, made_at = made.get(report.prediction_id, (None, None))
        before = said.setdefault(application_id, []) if application_id is not None else []
        verdict = judge(report, made_at=made_at, said=before, now=now)
        verdicts.append(verdict)
        if verdict.reason is not None:
            aside.append((report, verdict.reason))
        elif application_id is not None and verdict.adds:
            before.append(Said(y=report.y, known_at=report.known_at, corrects=report.corrects))
            kept.append((application_id, report))
    log.add(kept, recorded_at=now)
    log.put_aside(aside, recorded_at=now)
    return verdicts


def retry(log: LabelLog, *, now: datetime) -> tuple[int, int]:
    """Judge again what is in quarantine; returns how many reports came out of it, and how many stay."""
    waiting = log.in_quarantine()
    verdicts = take(log, [each.report for each in waiting], now=now)
    freed = [
        each.number for each, verdict in zip(waiting, verdicts, strict=True) if verdict.status is not Status.QUARANTINED
    ]
    log.release(freed, at=now)
    return len(freed), len(waiting) - len(freed)
