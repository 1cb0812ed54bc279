"""The tables of the traffic store."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipeline.stores.engine import UtcTime

# Ids sort by their bytes in every database: PostgreSQL would go by its server's language.
_Id = sa.String(200).with_variant(postgresql.VARCHAR(200, collation="C"), "postgresql")

metadata = sa.MetaData()
applications = sa.Table(
    "applications",
    metadata,
    sa.Column("application_id", _Id, primary_key=True),
    sa.Column("event_time", UtcTime, nullable=False, index=True),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("features", sa.Text, nullable=False),
)
predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("prediction_id", _Id, primary_key=True),
    sa.Column("application_id", _Id, nullable=False, index=True),
    sa.Column("event_time", UtcTime, nullable=False),
    sa.Column("model_version", sa.String(50), nullable=False),
    sa.Column("model_sha256", sa.String(64), nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("decision", sa.Integer, nullable=False),
    sa.Column("scored_at", UtcTime, nullable=False),
    sa.Column(
        "reasons", sa.Text
    ),  # JSON list of features, the one that moved the score most first; null: not asked for
    sa.Index("ix_predictions_event_time_decision", "event_time", "decision"),  # counted from the index alone
)
labels = sa.Table(
    "labels",
    metadata,
    sa.Column("label_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("application_id", _Id, nullable=False),
    sa.Column("y", sa.Integer, nullable=False),
    sa.Column("known_at", UtcTime, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False, index=True),
    sa.Column("corrects", sa.Integer, nullable=False, default=0),
    sa.UniqueConstraint("application_id", "known_at", "y", "corrects", name="labels_said_once"),
    sa.CheckConstraint("y in (0, 1)", name="labels_are_0_or_1"),
    sa.CheckConstraint("corrects in (0, 1)", name="labels_correct_or_not"),
)
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("quarantine_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("application_id", _Id, nullable=False),
    sa.Column("y", sa.Integer, nullable=False),
    sa.Column("known_at", UtcTime, nullable=False),
    sa.Column("corrects", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(50), nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("released_at", UtcTime),  # when it became a label after all
    sa.UniqueConstraint("application_id", "known_at", "y", "corrects", name="quarantined_once"),
)
