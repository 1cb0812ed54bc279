"""The chain of entries, and one table per kind of act."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def _act(name: str, *columns: sa.Column[object]) -> None:
    entry: sa.Column[int] = sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True)
    op.create_table(name, *columns, entry)


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("recorded_at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("kind", "key", name="an_act_happens_once"),
    )
    _act(
        "signals",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("as_of", sa.String(27), nullable=False),
        sa.Column("reason", sa.String(30), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("windows", sa.Text, nullable=False),
    )
    _act(
        "challengers",
        sa.Column("version", sa.String(50), primary_key=True),
        sa.Column("signal", sa.String(64), nullable=True),
        sa.Column("as_of", sa.String(27), nullable=False),
        sa.Column("train_start", sa.String(27), nullable=False),
        sa.Column("train_end", sa.String(27), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("positives", sa.Integer, nullable=False),
        sa.Column("recipe", sa.String(50), nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("data_sha256", sa.String(64), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("model_path", sa.Text, nullable=False),
        sa.Column("mlflow_run", sa.String(64), nullable=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
    )
    _act(
        "dossiers",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("challenger", sa.String(50), nullable=False, index=True),
        sa.Column("champion", sa.String(50), nullable=False),
        sa.Column("as_of", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
    )
    _act(
        "decisions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
    )
    _act(
        "champions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.String(50), nullable=False),
        sa.Column("since", sa.String(27), nullable=False, index=True),
        sa.Column("how", sa.String(20), nullable=False),
        sa.Column("digest", sa.String(64), nullable=True),
    )
    _act(
        "cycles",
        sa.Column("as_of", sa.String(27), primary_key=True),
        sa.Column("clock", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("drift_share", sa.Double, nullable=True),
        sa.Column("dataset_drift_detected", sa.Integer, nullable=True),
        sa.Column("rows", sa.Integer, nullable=True),
        sa.Column("champion", sa.String(50), nullable=False),
        sa.Column("summary_path", sa.Text, nullable=True),
        sa.Column("metrics_path", sa.Text, nullable=True),
        sa.Column("report_path", sa.Text, nullable=True),
        sa.Column("note", sa.Text, nullable=False),
    )
    _act(
        "runs",
        sa.Column("run_id", sa.String(100), primary_key=True),
        sa.Column("notebook", sa.String(50), nullable=False),
        sa.Column("as_of", sa.String(27), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("artefact", sa.Text, nullable=True),
        sa.Column("error", sa.Text, nullable=True),
    )


def downgrade() -> None:
    for table in ("runs", "cycles", "champions", "decisions", "dossiers", "challengers", "signals", "entries"):
        op.drop_table(table)
