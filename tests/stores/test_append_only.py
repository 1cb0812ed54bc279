"""The database itself refuses to change what is on record, and an older ledger learns to."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from tampering import a_full_ledger, behind_its_back, somebody_else

from pipeline.errors import IntegrityError, StoreError
from pipeline.stores import engine as engines
from pipeline.stores import ledger_tables as tables
from pipeline.stores.engine import SCHEMA, migrate, open_engine, writing
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import verify

ALL = ("entries", *(table.name for table in tables.ACTS.values()))
SAYS = "the ledger is append-only"


@pytest.fixture
def ledger(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    migrate(engine, "ledger", lock=tmp_path / "lock")
    made = Ledger(engine)
    a_full_ledger(made, tmp_path)
    yield made
    engine.dispose()


def somebody_says(ledger, statement):
    with somebody_else(ledger) as connection:
        connection.exec_driver_sql(statement)


def test_no_row_of_any_table_can_be_changed_or_deleted(ledger, tmp_path):
    for table in ALL:
        column = "seq" if table == "entries" else "entry"
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(sa.exc.DBAPIError, match=SAYS):
                somebody_says(ledger, statement)
    assert verify(ledger, workspace=tmp_path).verified


def test_no_row_can_be_replaced(ledger, tmp_path):
    """SQLite's REPLACE deletes without asking the trigger on DELETE; PostgreSQL's upsert is an update."""
    for table in ALL:
        key = next(iter(sa.inspect(ledger.engine).get_pk_constraint(table)["constrained_columns"]))
        statement = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
        if ledger.engine.dialect.name == "postgresql":
            statement = (
                f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {key} = EXCLUDED.{key}"
            )
        with pytest.raises(sa.exc.DBAPIError, match=SAYS):
            somebody_says(ledger, statement)
    assert verify(ledger, workspace=tmp_path).verified


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_on_sqlite_an_act_cannot_be_replaced_by_its_other_keys_either(ledger):
    same_act = "INSERT OR REPLACE INTO entries SELECT 99, at, recorded_at, kind, key, actor, body, files, prev, hash FROM entries WHERE seq = 2"
    same_entry = "INSERT OR REPLACE INTO signals SELECT 'k9', as_of, reason, note, windows, entry FROM signals"
    for statement in (same_act, same_entry):
        with pytest.raises(sa.exc.DBAPIError, match=SAYS):
            somebody_says(ledger, statement)


@pytest.mark.parametrize("store_urls", ["postgres"], indirect=True)
def test_on_postgresql_a_table_cannot_be_emptied_not_even_as_a_replica(ledger):
    for statement in ("TRUNCATE entries CASCADE", "TRUNCATE champions"):
        with pytest.raises(sa.exc.DBAPIError, match=SAYS):
            somebody_says(ledger, statement)
        with pytest.raises(sa.exc.DBAPIError, match=SAYS):
            somebody_says(ledger, f"SET session_replication_role = replica; {statement}")


def test_a_postgresql_role_that_may_only_add_is_enough_and_can_do_nothing_else(postgres, tmp_path):
    with postgres.database() as url:
        owner = open_engine(url)
        migrate(owner, "ledger", lock=tmp_path / "lock")
        name = f"clerk_of_{owner.url.database}"
        with writing(owner) as connection:
            connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
            connection.exec_driver_sql(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {name}")
        engine = open_engine(url.replace("mend@", f"{name}@"))
        migrate(engine, "ledger", lock=tmp_path / "lock")  # as every command does; there is nothing to change
        a_full_ledger(Ledger(engine), tmp_path)
        assert verify(Ledger(engine), workspace=tmp_path).verified
        for statement in ("UPDATE entries SET actor = 'eve'", "DELETE FROM champions", "TRUNCATE champions"):
            with (
                pytest.raises(StoreError, match=r"permission denied for table .*: grant the role"),
                writing(engine) as own,
            ):
                own.exec_driver_sql(statement)
        with pytest.raises(StoreError, match="must be owner"), writing(engine) as own:
            own.exec_driver_sql("ALTER TABLE entries DISABLE TRIGGER no_change")
        with writing(owner) as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {name}; DROP ROLE {name}")
        engine.dispose()
        owner.dispose()


def test_a_tamperer_can_take_the_guards_away_and_these_tests_do(ledger):
    with behind_its_back(ledger) as other:
        other.exec_driver_sql("UPDATE entries SET actor = 'eve' WHERE seq = 1")
    assert not verify(ledger, workspace=None).verified


def migrated(engine, act, revision):
    config = Config()
    config.set_main_option("script_location", str(engines._MIGRATIONS / "ledger"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        act(config, revision)


def test_a_ledger_of_the_schema_before_is_guarded_from_then_on_and_still_verifies(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    migrated(engine, command.upgrade, "0003")
    ledger = Ledger(engine)
    a_full_ledger(ledger, tmp_path)
    before = ledger.head()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE entries SET actor = actor")  # nothing guards it yet
    migrate(engine, "ledger", lock=tmp_path / "lock")
    with pytest.raises(sa.exc.DBAPIError, match=SAYS):
        somebody_says(ledger, "UPDATE entries SET actor = actor")
    assert verify(ledger, workspace=tmp_path).verified
    assert ledger.head() == before
    engine.dispose()


def test_the_guards_can_be_taken_down_in_order_again(ledger, tmp_path):
    migrated(ledger.engine, command.downgrade, "0003")
    somebody_says(ledger, "UPDATE entries SET actor = actor")
    migrate(ledger.engine, "ledger", lock=tmp_path / "lock")
    with pytest.raises(sa.exc.DBAPIError, match=SAYS):
        somebody_says(ledger, "UPDATE entries SET actor = actor")


def test_every_table_of_acts_is_guarded():
    """A later kind's migration has to add its own guards; this says so."""
    path = next((engines._MIGRATIONS / "ledger" / "versions").glob("0004_*.py"))
    scope = {}
    exec(path.read_text(), scope)
    assert tuple(scope["TABLES"]) == ALL
    assert SCHEMA["ledger"] == "0004"


def test_a_database_that_is_not_ours_is_told_in_one_line(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE entries (x int)")
    with pytest.raises(IntegrityError, match=r"cannot be brought to schema 0004: .*exists"):
        migrate(engine, "ledger", lock=tmp_path / "lock")
    engine.dispose()
