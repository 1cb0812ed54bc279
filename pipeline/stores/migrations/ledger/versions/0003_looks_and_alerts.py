"""What each cycle saw and took it for; alerts, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.create_table(
        "looks",
        sa.Column("as_of", sa.String(27), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("features_total", sa.Integer, nullable=False),
        sa.Column("features_judged", sa.Integer, nullable=False),
        sa.Column("features_drifted", sa.Integer, nullable=False),
        sa.Column("weighted_share", sa.Double, nullable=True),
        sa.Column("worst_feature", sa.String(200), nullable=True),
        sa.Column("worst_psi", sa.Double, nullable=True),
        sa.Column("score_psi", sa.Double, nullable=True),
        sa.Column("change_kind", sa.String(30), nullable=True),
        sa.Column("recommendation", sa.String(30), nullable=True),
        sa.Column("signal_reason", sa.String(30), nullable=True),
        sa.Column("fired", sa.Integer, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
    )
    op.create_table(
        "alerts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("code", sa.String(50), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("since", sa.String(27), nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
    )
    op.create_table(
        "alert_events",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("alert", sa.Integer, nullable=True),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("target", sa.String(200), nullable=True),
        sa.Column("verdict", sa.String(10), nullable=True),
        sa.Column("until", sa.String(27), nullable=True),
        sa.Column("note", sa.Text, nullable=True),
        sa.Column("told", sa.Text, nullable=True),
        sa.Column("state", sa.Text, nullable=True),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
    )


def downgrade() -> None:
    for table in ("alert_events", "alerts", "looks"):
        op.drop_table(table)
