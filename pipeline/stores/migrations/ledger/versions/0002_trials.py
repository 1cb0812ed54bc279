"""What each comparison of a challenger spent of the yearly error budget, and when one that waits is judged again."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("challenger", sa.String(50), nullable=False),
        sa.Column("as_of", sa.String(27), nullable=False),
        sa.Column("metric", sa.String(20), nullable=False),
        sa.Column("error_spent", sa.Double, nullable=False),
        sa.Column("recheck_at", sa.String(27), nullable=True),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.seq"), nullable=False, unique=True),
    )


def downgrade() -> None:
    op.drop_table("trials")
