"""Alembic's entry point for the traffic store."""

from pipeline.stores.migrations.run import run

run("alembic_version_traffic")
