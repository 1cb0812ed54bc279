"""What both stores' `env.py` do: run the migrations on the connection that was handed in."""

from __future__ import annotations

from alembic import context


def run(version_table: str) -> None:
    """Migrate inside the caller's transaction; two stores may share one database."""
    context.configure(connection=context.config.attributes["connection"], version_table=version_table)
    context.run_migrations()
