"""Outcomes in the traffic store, inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from pipeline.labels.rules import Report, Said
from pipeline.stores.engine import insert_missing
from pipeline.stores.traffic_tables import applications, labels, predictions, quarantine

_Each = TypeVar("_Each")
_IDS_AT_ONCE = 1000  # in one query; databases take some ten thousand parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A report that waits, under its number, and why it does."""

    number: int
    report: Report
    reason: str
    recorded_at: datetime


class LabelLog:
    """What can be done with outcomes over one connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def applications(self, prediction_ids: Collection[str]) -> dict[str, tuple[str, datetime]]:
        """Of each id that is on record: the application's, and when it was made. History was never scored."""
        asked = dict.fromkeys(prediction_ids)
        found: dict[str, tuple[str, datetime]] = {}
        for table, column in (
            (predictions, predictions.c.prediction_id),
            (applications, applications.c.application_id),
        ):
            for some in _in_parts([key for key in asked if key not in found]):
                query = sa.select(column, *table.c["application_id", "event_time"]).where(column.in_(some))
                found |= {key: (application, made_at) for key, application, made_at in self._connection.execute(query)}
        return found

    def said(self, application_ids: Collection[str]) -> dict[str, list[Said]]:
        """What is on record of these applications, in the order in which it was recorded."""
        found: dict[str, list[Said]] = {}
        for some in _in_parts(application_ids):
            query = (
                sa.select(*labels.c["application_id", "y", "known_at", "corrects"])
                .where(labels.c.application_id.in_(some))
                .order_by(labels.c.label_id)
            )
            for key, y, known_at, corrects in self._connection.execute(query):
                found.setdefault(key, []).append(Said(y=y, known_at=known_at, corrects=bool(corrects)))
        return found

    def add(self, reports: Sequence[tuple[str, Report]], *, recorded_at: datetime) -> None:
        """Put outcomes on record, each with its application's id; one that another process just put there stays one."""
        rows = [{"application_id": key} | _values(report, recorded_at) for key, report in reports]
        insert_missing(self._connection, labels, rows)

    def put_aside(self, reports: Sequence[tuple[Report, str]], *, recorded_at: datetime) -> None:
        """Put reports into quarantine, each with its reason; one that is there already stays as it is."""
        rows = [
            {"application_id": report.prediction_id, "reason": reason} | _values(report, recorded_at)
            for report, reason in reports
        ]
        insert_missing(self._connection, quarantine, rows)

    def in_quarantine(self) -> list[Quarantined]:
        """What waits, oldest first."""
        query = sa.select(quarantine).where(quarantine.c.released_at.is_(None)).order_by(quarantine.c.quarantine_id)
        return [
            Quarantined(
                number=row["quarantine_id"],
                report=Report(
                    prediction_id=row["application_id"],
                    y=row["y"],
                    known_at=row["known_at"],
                    corrects=bool(row["corrects"]),
                ),
                reason=row["reason"],
                recorded_at=row["recorded_at"],
            )
            for row in self._connection.execute(query).mappings()
        ]

    def release(self, numbers: Sequence[int], *, at: datetime) -> None:
        """Note of reports that they wait no longer."""
        for some in _in_parts(numbers):
            statement = quarantine.update().where(quarantine.c.quarantine_id.in_(some)).values(released_at=at)
            self._connection.execute(statement)

    def conflicting(self) -> list[str]:
        """Applications whose outcomes contradict each other, so that none counts."""
        corrected = sa.func.max(sa.case((labels.c.corrects == 1, labels.c.label_id), else_=0))
        said = sa.select(
            *labels.c["application_id", "label_id", "y"],
            corrected.over(partition_by=labels.c.application_id).label("corrected"),
        ).subquery()
        query = (
            sa.select(said.c.application_id)
            .where(said.c.label_id >= said.c.corrected)
            .group_by(said.c.application_id)
            .having(sa.func.min(said.c.y) != sa.func.max(said.c.y))
            .order_by(said.c.application_id)
        )
        return list(self._connection.execute(query).scalars())


def _values(report: Report, recorded_at: datetime) -> dict[str, Any]:
    return {
        "y": report.y,
        "known_at": report.known_at,
        "corrects": int(report.corrects),
        "recorded_at": recorded_at,
    }


def _in_parts(values: Iterable[_Each]) -> Iterator[list[_Each]]:
    rest = iter(values)
    while some := list(islice(rest, _IDS_AT_ONCE)):
        yield some
