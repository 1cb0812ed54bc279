"""A file of outcomes into the traffic store, with a report of every row that does not count."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.keeping.erased import is_erased
from pipeline.labels.files import Row
from pipeline.labels.rules import WHAT, Status, Verdict
from pipeline.labels.taking import take
from pipeline.stores.engine import writing
from pipeline.stores.label_log import LabelLog
from pipeline.wiring import Workspace

REFUSED = "refused"  # it says nothing that could be kept, not even aside
_COUNTS = {Status.RECORDED, Status.KNOWN}
_HEADER = ("row", "prediction_id", "status", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Rows by what became of them, and where those that do not count are listed; None when all count."""

    counts: dict[str, int]
    report: Path | None


def import_outcomes(
    workspace: Workspace,
    pieces: Iterable[list[Row]],
    *,
    report: Path,
    now: datetime,
    tick: Callable[[int], None],
) -> Imported:
    """Take outcomes, a transaction for each piece; after a crash a repeat goes on and counts nothing twice.

    Args:
        workspace: Whose applications they are about.
        pieces: Rows as they were read.
        report: Where rows are listed that were refused, kept aside, or contradict what is on record.
        now: When they are recorded, UTC.
        tick: Told how many rows were taken.
    """
    counts: Counter[str] = Counter()
    erased = is_erased(workspace)
    with _list(report) as listed:
        for rows in pieces:
            told = _take(workspace, rows, erased=erased, now=now)
            counts.update(status for _, status, _ in told)
            listed((row.number, row.prediction_id, status, why) for row, status, why in told if status not in _COUNTS)
            tick(len(rows))
    return Imported(counts=dict(counts), report=report if report.exists() else None)


def _take(
    workspace: Workspace, rows: list[Row], *, erased: Callable[[str], bool] | None, now: datetime
) -> list[tuple[Row, str, str]]:
    gone = {row.number for row in rows if erased is not None and row.report and erased(row.prediction_id)}
    reports = [row.report for row in rows if row.report is not None and row.number not in gone]
    with writing(workspace.traffic.engine) as connection:
        verdicts = iter(take(LabelLog(connection), reports, now=now))
    told: list[tuple[Row, str, str]] = []
    for row in rows:
        if row.report is None:
            told.append((row, REFUSED, row.why))
        elif row.number in gone:
            told.append((row, Status.ERASED, "the applicant was erased"))
        else:
            told.append((row, *_said(next(verdicts))))
    return told


def _said(verdict: Verdict) -> tuple[str, str]:
    if verdict.reason is not None:
        return verdict.status, WHAT[verdict.reason]
    contradicts = "another outcome is on record, and this one does not say that it corrects it"
    return verdict.status, contradicts if verdict.status is Status.CONFLICTING else ""


@contextmanager
def _list(path: Path) -> Iterator[Callable[[Iterable[tuple[Any, ...]]], None]]:
    """A CSV that appears under its name when all is told, and not at all when there is nothing to tell."""
    unfinished, any_row = path.with_name(f".{path.name}.{os.getpid()}"), False
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)

            def add(rows: Iterable[tuple[Any, ...]]) -> None:
                nonlocal any_row
                for row in rows:
                    writer.writerow(_harmless(cell) for cell in row)
                    any_row = True

            yield add
        if any_row:
            unfinished.replace(path)
        else:
            path.unlink(missing_ok=True)  # of an earlier try
    except OSError as error:
        raise StoreError(path, f"cannot be written: {error.strerror}", "name another file with --report") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _harmless(cell: Any) -> Any:
    """A spreadsheet takes text that begins like a formula for one."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
