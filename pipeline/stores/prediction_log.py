"""Answers on record before they are given: applications and predictions, many in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from pipeline.stores.engine import insert_missing, writing
from pipeline.stores.label_log import LabelLog
from pipeline.stores.traffic_tables import applications, predictions


class Answer(NamedTuple):
    """One scored application as it is on record. `features` is its canonical JSON."""

    prediction_id: str
    features: str
    model_version: str
    model_sha256: str
    score: float
    threshold: float
    decision: int
    scored_at: datetime
    reasons: tuple[str, ...] | None = None  # features, the one that moved the score most first; None: nobody asked


class TakenError(Exception):
    """Another process put one of these ids on record a moment ago: look again."""


class LogWriter:
    """What can be done inside one transaction of the log."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.labels = LabelLog(connection)

    def answers(self, prediction_ids: Sequence[str]) -> dict[str, Answer]:
        """The answers on record under these ids."""
        if not prediction_ids:
            return {}
        columns = predictions.c[
            "prediction_id", "model_version", "model_sha256", "score", "threshold", "decision", "scored_at", "reasons"
        ]
        query = (
            sa.select(*columns, applications.c.features)
            .join(applications, applications.c.application_id == predictions.c.application_id)
            .where(predictions.c.prediction_id.in_(prediction_ids))
        )
        return {row["prediction_id"]: _answer(row) for row in self._connection.execute(query).mappings()}

    def add(self, answers: Sequence[Answer]) -> None:
        """Put new answers on record; an application scored by the service goes by its prediction's id.

        Raises:
            TakenError: One of the ids is on record already. The transaction has to be given up.
        """
        asked = [
            {
                "application_id": each.prediction_id,
                "event_time": each.scored_at,
                "received_at": each.scored_at,
                "features": each.features,
            }
            for each in answers
        ]
        answered = [
            {
                "prediction_id": each.prediction_id,
                "application_id": each.prediction_id,
                "event_time": each.scored_at,
                "model_version": each.model_version,
                "model_sha256": each.model_sha256,
                "score": each.score,
                "threshold": each.threshold,
                "decision": each.decision,
                "scored_at": each.scored_at,
                "reasons": None if each.reasons is None else json.dumps(each.reasons, ensure_ascii=False),
            }
            for each in answers
        ]
        for table, rows in ((applications, asked), (predictions, answered)):
            if insert_missing(self._connection, table, rows) < len(rows):
                raise TakenError


def _answer(row: sa.RowMapping) -> Answer:
    reasons = None if row["reasons"] is None else tuple(json.loads(row["reasons"]))
    return Answer(**{**row, "reasons": reasons})


class PredictionLog:
    """The log of one traffic store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def writing(self) -> Iterator[LogWriter]:
        """One transaction: at its end everything added is on disk; after an exception nothing is.

        Raises:
            StoreError: No room, no permission, no connection, or somebody else wrote for too long.
        """
        with writing(self._engine) as connection:
            yield LogWriter(connection)
