"""Applications, predictions and labels."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("application_id", sa.String(200), primary_key=True),
        sa.Column("event_time", sa.String(27), nullable=False, index=True),
        sa.Column("received_at", sa.String(27), nullable=False),
        sa.Column("features", sa.Text, nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.String(200), primary_key=True),
        sa.Column("application_id", sa.String(200), nullable=False, index=True),
        sa.Column("event_time", sa.String(27), nullable=False, index=True),
        sa.Column("model_version", sa.String(50), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("decision", sa.Integer, nullable=False),
        sa.Column("scored_at", sa.String(27), nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("label_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("application_id", sa.String(200), nullable=False),
        sa.Column("y", sa.Integer, nullable=False),
        sa.Column("known_at", sa.String(27), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.UniqueConstraint("application_id", "known_at", "y", name="labels_said_once"),
        sa.CheckConstraint("y in (0, 1)", name="labels_are_0_or_1"),
    )


def downgrade() -> None:
    for table in ("labels", "predictions", "applications"):
        op.drop_table(table)
