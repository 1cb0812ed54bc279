"""Labels that correct others, a quarantine, reasons beside scores, and ids in one order everywhere."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

IDS = {"applications": ["application_id"], "predictions": ["prediction_id", "application_id"]}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, names in IDS.items():
            for name in names:
                op.execute(f'ALTER TABLE {table} ALTER COLUMN {name} TYPE varchar(200) COLLATE "C"')
    op.add_column("predictions", sa.Column("reasons", sa.Text))
    op.create_index("ix_predictions_event_time_decision", "predictions", ["event_time", "decision"])
    op.drop_index("ix_predictions_event_time", "predictions")
    _labels()
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.Integer, primary_key=True, autoincrement=True),
        _id("application_id"),
        sa.Column("y", sa.Integer, nullable=False),
        sa.Column("known_at", sa.String(27), nullable=False),
        sa.Column("corrects", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(50), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.Column("released_at", sa.String(27)),
        sa.UniqueConstraint("application_id", "known_at", "y", "corrects", name="quarantined_once"),
    )


def _labels() -> None:
    """Written anew: SQLite cannot change a constraint, and then both databases go the same way."""
    op.rename_table("labels", "labels_before")
    if op.get_bind().dialect.name == "postgresql":  # names of constraints stay with the old table
        op.execute("ALTER TABLE labels_before DROP CONSTRAINT labels_said_once")
        op.execute("ALTER TABLE labels_before DROP CONSTRAINT labels_pkey")
        op.execute("ALTER SEQUENCE labels_label_id_seq RENAME TO labels_before_label_id_seq")
    op.create_table(
        "labels",
        sa.Column("label_id", sa.Integer, primary_key=True, autoincrement=True),
        _id("application_id"),
        sa.Column("y", sa.Integer, nullable=False),
        sa.Column("known_at", sa.String(27), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False, index=True),
        sa.Column("corrects", sa.Integer, nullable=False),
        sa.UniqueConstraint("application_id", "known_at", "y", "corrects", name="labels_said_once"),
        sa.CheckConstraint("y in (0, 1)", name="labels_are_0_or_1"),
        sa.CheckConstraint("corrects in (0, 1)", name="labels_correct_or_not"),
    )
    # Until today the latest outcome counted: what came after another one was a correction.
    op.execute(
        "INSERT INTO labels (application_id, y, known_at, recorded_at, corrects) "
        "SELECT application_id, y, known_at, recorded_at, CASE WHEN row_number() OVER "
        "(PARTITION BY application_id ORDER BY known_at, label_id) = 1 THEN 0 ELSE 1 END "
        "FROM labels_before ORDER BY known_at, label_id"
    )
    op.drop_table("labels_before")


def _id(name: str) -> sa.Column[str]:
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    return sa.Column(name, sa.String(200, collation=collation), nullable=False)


def downgrade() -> None:
    raise NotImplementedError("what was corrected or quarantined has no place in the schema before")
