"""The database itself refuses to change, delete or replace a row of the ledger."""

from alembic import op

revision, down_revision = "0004", "0003"

# Table by its primary key, as they are in this revision.
TABLES = {
    "entries": "seq",
    "signals": "key",
    "challengers": "version",
    "dossiers": "digest",
    "trials": "digest",
    "decisions": "digest",
    "champions": "number",
    "cycles": "as_of",
    "runs": "run_id",
    "looks": "as_of",
    "alerts": "number",
    "alert_events": "number",
}
SAYS = "the ledger is append-only: its rows are never changed or deleted"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _postgresql()
        return
    for table, key in TABLES.items():
        for act in ("UPDATE", "DELETE"):
            op.execute(f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} BEGIN {_refuse()} END")
        # INSERT OR REPLACE deletes the row in its way without asking the trigger on DELETE.
        same = f"{key} = NEW.{key} OR entry = NEW.entry"
        if table == "entries":
            same = "seq = NEW.seq OR (kind = NEW.kind AND key = NEW.key)"
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608  names of our own
        op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {there} BEGIN {_refuse()} END")


def _refuse() -> str:
    return f"SELECT RAISE(ABORT, '{SAYS}');"


def _postgresql() -> None:
    op.execute(
        "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SAYS}'; END $$"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER no_change")  # whatever session_replication_role says


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    for table in TABLES:
        for name in ["no_change"] if postgres else [f"{table}_no_{act}" for act in ("update", "delete", "replace")]:
            op.execute(f"DROP TRIGGER {name} ON {table}" if postgres else f"DROP TRIGGER {name}")
    if postgres:
        op.execute("DROP FUNCTION ledger_is_append_only()")
