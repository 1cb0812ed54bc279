"""Alembic's entry point for the ledger store."""

from pipeline.stores.migrations.run import run

run("alembic_version_ledger")
