"""The traffic store: what was asked, what was answered, and what came true. Rows are added, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipeline.errors import StoreError
from pipeline.stores.engine import insert_missing, writing
from pipeline.stores.snapshot import opened
from pipeline.stores.traffic_tables import applications, labels, predictions, quarantine


class TrafficStore:
    """Applications, predictions and labels of one model."""

    def __init__(self, engine: sa.Engine, kinds: Mapping[str, str]) -> None:
        self.engine, self.kinds = engine, kinds

    def add_applications(self, rows: pd.DataFrame, *, received_at: datetime) -> int:
        """Store applications not seen before (`application_id, event_time`, features); returns how many were new."""
        texts = [_features_json(record) for record in rows[list(self.kinds)].to_dict("records")]
        records = [
            {"application_id": key, "event_time": moment, "received_at": received_at, "features": text}
            for key, moment, text in zip(rows["application_id"], _moments(rows["event_time"]), texts, strict=True)
        ]
        with writing(self.engine) as connection:
            return insert_missing(connection, applications, records)

    def add_predictions(self, rows: pd.DataFrame) -> int:
        """Store answers not given before (the table's columns); an application once scored keeps its first score."""
        times = {name: _moments(rows[name]) for name in ("event_time", "scored_at")}
        records: list[dict[str, Any]] = rows.drop(columns=list(times)).to_dict("records")  # type: ignore[assignment]
        for position, record in enumerate(records):
            record.update({name: column[position] for name, column in times.items()})
        with writing(self.engine) as connection:
            return insert_missing(connection, predictions, records)

    def add_labels(self, rows: pd.DataFrame, *, recorded_at: datetime) -> int:
        """Append outcomes (`application_id, y, known_at`) as they are; the same outcome said twice is kept once."""
        records = [
            {"application_id": key, "y": int(y), "known_at": moment, "recorded_at": recorded_at, "corrects": 0}
            for key, y, moment in zip(rows["application_id"], rows["y"], _moments(rows["known_at"]), strict=True)
        ]
        with writing(self.engine) as connection:
            return insert_missing(connection, labels, records)

    def scored(self, start: datetime, end: datetime, *, as_of: datetime, features: bool = True) -> pd.DataFrame:
        """Scored traffic with event times in [start, end): features, answer, and the label where known at `as_of`.

        Without `features` it is read several times faster.
        """
        known = _known_labels(start, end, as_of=as_of)
        query = (
            sa.select(
                *predictions.c[
                    "prediction_id", "application_id", "event_time", "model_version", "score", "threshold", "decision"
                ],
                *([applications.c.features] if features else []),
                *known.c["y", "known_at"],
            )
            .join(applications, applications.c.application_id == predictions.c.application_id)
            .outerjoin(known, known.c.application_id == predictions.c.application_id)
            .where(predictions.c.event_time >= start, predictions.c.event_time < end, predictions.c.scored_at <= as_of)
            .order_by(predictions.c.event_time, predictions.c.prediction_id)
        )
        return self._frame(query)

    def sampled(self, start: datetime, end: datetime, *, as_of: datetime, at_most: int) -> pd.DataFrame:
        """Scored traffic as `scored` tells it, without labels: all of it or, of more, every so many-th row in time.

        Each row is as likely to be there as any other, so that shares are those of the window.
        """
        inside = (predictions.c.event_time >= start) & (predictions.c.event_time < end)
        with self.engine.connect() as connection:
            rows = int(connection.execute(sa.select(sa.func.count()).where(inside)).scalar_one())
        every = max(1, -(-rows // at_most))
        place = sa.func.row_number().over(order_by=[predictions.c.event_time, predictions.c.prediction_id])
        numbered = (
            sa.select(predictions.c.prediction_id, place.label("place"))
            .where(inside, predictions.c.scored_at <= as_of)
            .subquery()
        )
        query = (
            sa.select(
                *predictions.c[
                    "prediction_id", "application_id", "event_time", "model_version", "score", "threshold", "decision"
                ],
                applications.c.features,
            )
            .join(numbered, numbered.c.prediction_id == predictions.c.prediction_id)
            .join(applications, applications.c.application_id == predictions.c.application_id)
            .where(numbered.c.place % every == 0)
            .order_by(predictions.c.event_time, predictions.c.prediction_id)
        )
        return self._frame(query)

    def outcomes(self, start: datetime, end: datetime, *, as_of: datetime) -> pd.DataFrame:
        """Applications with event times in [start, end): features, and `y`, `known_at` where known at `as_of`."""
        known = _known_labels(start, end, as_of=as_of)
        query = (
            sa.select(*applications.c["application_id", "event_time", "features"], *known.c["y", "known_at"])
            .outerjoin(known, known.c.application_id == applications.c.application_id)
            .where(
                applications.c.event_time >= start, applications.c.event_time < end, applications.c.received_at <= as_of
            )
            .order_by(applications.c.event_time, applications.c.application_id)
        )
        return self._frame(query)

    def counts(self) -> dict[str, int]:
        """How many applications, predictions and labels there are."""
        with self.engine.connect() as connection:
            return {
                table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
                for table in (applications, predictions, labels)
            }

    def volumes(self, start: datetime, end: datetime) -> dict[str, Any]:
        """What came in [start, end]: predictions by event time, with how many called bad and the newest of all; labels.

        Read from indexes: what lies outside costs nothing.
        """
        scored = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(predictions.c.decision), 0)).where(
            predictions.c.event_time.between(start, end)
        )
        told = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(labels.c.y), 0)).where(
            labels.c.recorded_at.between(start, end)
        )
        with self.engine.connect() as connection:
            rows, positive = connection.execute(scored).one()
            labelled, bad = connection.execute(told).one()
            return {
                "predictions": int(rows),
                "positive": int(positive),
                "labels": int(labelled),
                "bad": int(bad),
                "newest": connection.execute(sa.select(sa.func.max(predictions.c.event_time))).scalar_one(),
            }

    def recorded_outcomes(self, after: datetime, until: datetime) -> tuple[int, int]:
        """Outcomes recorded in (after, until], and how many of them are bad; read from an index."""
        inside = (labels.c.recorded_at > after) & (labels.c.recorded_at <= until)
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(labels.c.y), 0)).where(inside)
        with self.engine.connect() as connection:
            recorded, bad = connection.execute(query).one()
        return int(recorded), int(bad)

    def newest_event(self) -> datetime | None:
        """Event time of the newest application."""
        with self.engine.connect() as connection:
            newest: datetime | None = connection.execute(sa.select(sa.func.max(applications.c.event_time))).scalar_one()
            return newest

    def application_ids(self) -> set[str]:
        """Every application that some row is about."""
        with self.engine.connect() as connection:
            return {key for table in _TABLES for key in connection.execute(sa.select(table.c.application_id)).scalars()}

    def count_before(self, moment: datetime) -> dict[str, int]:
        """Rows per table that `delete_before` would delete."""
        return self._count(_before(moment))

    def delete_before(self, moment: datetime) -> dict[str, int]:
        """Delete applications with event times before a moment, with their predictions and labels; rows per table."""
        return self._delete(_before(moment))

    def event_time_of(self, application_id: str) -> datetime | None:
        """When an application was made."""
        query = sa.select(applications.c.event_time).where(applications.c.application_id == application_id)
        with self.engine.connect() as connection:
            found: datetime | None = connection.execute(query).scalar_one_or_none()
            return found

    def count_of(self, application_id: str) -> dict[str, int]:
        """Rows per table that `delete_of` would delete."""
        return self._count(_of(application_id))

    def delete_of(self, application_id: str) -> dict[str, int]:
        """Delete one application with its predictions and labels; rows per table."""
        return self._delete(_of(application_id))

    def _count(self, chosen: Mapping[sa.Table, sa.ColumnElement[bool]]) -> dict[str, int]:
        with self.engine.connect() as connection:
            return {
                table.name: int(connection.execute(sa.select(sa.func.count()).where(which)).scalar_one())
                for table, which in chosen.items()
            }

    def _delete(self, chosen: Mapping[sa.Table, sa.ColumnElement[bool]]) -> dict[str, int]:
        with writing(self.engine) as connection:
            return {
                table.name: int(connection.execute(table.delete().where(which)).rowcount)
                for table, which in chosen.items()
            }

    def wipe(self) -> None:
        """Leave no deleted row in the file: SQLite keeps them on free pages, and copies from when it moved them.

        The file is written anew, and writers wait. PostgreSQL does it by itself (autovacuum).

        Raises:
            StoreError: Somebody writes for too long, or there is no room.
        """
        if self.engine.dialect.name != "sqlite" or not self.engine.url.database:
            return
        try:
            with opened(Path(self.engine.url.database)) as connection:
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    connection.execute(statement).fetchall()
        except OSError as error:
            raise StoreError("traffic store", f"deleted, but not written anew: {error.strerror}", "repeat it") from None

    def _frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        with self.engine.connect() as connection:
            result = connection.execute(query)
            frame = pd.DataFrame(result.fetchall(), columns=list(result.keys()))
        texts = frame.pop("features") if "features" in frame else None
        for name in {"event_time", "known_at"} & set(frame.columns):
            frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
        for name in {"y", "score", "threshold", "decision"} & set(frame.columns):
            frame[name] = frame[name].astype("float64")
        return frame if texts is None else pd.concat([frame, self._features(texts)], axis=1)

    def _features(self, texts: pd.Series) -> pd.DataFrame:
        records = [json.loads(text) for text in texts]
        features = pd.DataFrame(records, index=texts.index, columns=list(self.kinds), dtype=object)
        numeric = [name for name, kind in self.kinds.items() if kind == "numeric"]
        features[numeric] = features[numeric].astype("float64")
        return features


_TABLES = (labels, quarantine, predictions, applications)  # in this order: labels are found by their application


def _before(moment: datetime) -> dict[sa.Table, sa.ColumnElement[bool]]:
    old = sa.select(applications.c.application_id).where(applications.c.event_time < moment)
    return {
        labels: labels.c.application_id.in_(old),
        quarantine: quarantine.c.known_at < moment,
        predictions: predictions.c.event_time < moment,
        applications: applications.c.event_time < moment,
    }


def _of(application_id: str) -> dict[sa.Table, sa.ColumnElement[bool]]:
    return {table: table.c.application_id == application_id for table in _TABLES}


def _known_labels(start: datetime, end: datetime, *, as_of: datetime) -> sa.Subquery:
    """The outcome per application as it was known at `as_of`; where two contradict each other, none.

    A correction stands for itself and what was said since: what was said before it no longer counts. `known_at` is when
    the outcome was first known.
    """
    inside = (applications.c.event_time >= start) & (applications.c.event_time < end)
    corrected = sa.func.max(sa.case((labels.c.corrects == 1, labels.c.label_id), else_=0))
    said = (
        sa.select(
            *labels.c["application_id", "label_id", "y", "known_at"],
            corrected.over(partition_by=labels.c.application_id).label("corrected"),
        )
        .join(applications, applications.c.application_id == labels.c.application_id)
        .where(inside, labels.c.recorded_at <= as_of)
        .subquery()
    )
    first, last = sa.func.min(said.c.y), sa.func.max(said.c.y)
    return (
        sa.select(said.c.application_id, first.label("y"), sa.func.min(said.c.known_at).label("known_at"))
        .where(said.c.label_id >= said.c.corrected)
        .group_by(said.c.application_id)
        .having(first == last)
        .subquery("known")
    )


def _moments(column: pd.Series) -> list[datetime]:
    return [moment.to_pydatetime() for moment in column]


def _features_json(record: dict[Any, Any]) -> str:
    """One row's features; a missing value is null, never NaN."""
    return json.dumps(
        {name: None if pd.isna(value) else value for name, value in record.items()}, ensure_ascii=False, allow_nan=False
    )
