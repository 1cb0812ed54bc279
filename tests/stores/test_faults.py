"""A store that fails says so in one line, keeps nothing half done, and works again when the cause is gone."""

import subprocess
import sys
import threading
import time

import pandas as pd
import pytest
import sqlalchemy as sa
from tampering import NOON, somebody_else

from pipeline.errors import InputError, IntegrityError, MendError, StoreError
from pipeline.stores import engine as engines
from pipeline.stores.engine import migrate, open_engine, writing
from pipeline.stores.ledger import Ledger
from pipeline.stores.traffic import TrafficStore
from pipeline.stores.verify import verify


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(engines, "_PATIENCE_S", 1)


@pytest.fixture
def ledger(store_urls, tmp_path):
    yield from a_ledger(store_urls["ledger"], tmp_path)


@pytest.fixture
def sqlite_ledger(tmp_path):
    yield from a_ledger(f"sqlite:///{tmp_path}/ledger.db", tmp_path)


@pytest.fixture
def postgres_ledger(postgres, tmp_path):
    with postgres.database() as url:
        yield from a_ledger(url, tmp_path)


def a_ledger(url, folder):
    engine = open_engine(url)
    migrate(engine, "ledger", lock=folder / "lock")
    yield Ledger(engine)
    engine.dispose()


def record(ledger, key, note="n"):
    values = {"key": key, "as_of": NOON, "reason": "drift", "note": note, "windows": "[]"}
    with ledger.transaction(recorded_at=NOON) as writer:
        return writer.record("signal", key, values, at=NOON, actor="mend")


def works_again(ledger, entries):
    assert ledger.head()[0] == entries
    assert record(ledger, "afterwards")
    assert verify(ledger, workspace=None).verified


# --- either store --------------------------------------------------------------------------------------------------


def test_a_writer_that_stood_in_line_too_long_says_so_and_has_done_nothing(ledger):
    record(ledger, "k1")
    with somebody_else(ledger) as other:
        lock = "UPDATE alembic_version_ledger SET version_num = version_num"
        other.exec_driver_sql("LOCK TABLE entries" if other.dialect.name == "postgresql" else lock)
        began = time.monotonic()
        with pytest.raises(StoreError, match="nothing was written: another process held it for longer than") as caught:
            record(ledger, "k2")
        assert 0.9 < time.monotonic() - began < 5
    assert (caught.value.exit_code, "\n" in str(caught.value)) == (3, False)
    works_again(ledger, 1)


def test_a_database_that_takes_no_writes_says_so(ledger):
    postgres = ledger.engine.dialect.name == "postgresql"
    read_only = "SET default_transaction_read_only = on" if postgres else "PRAGMA query_only = ON"

    @sa.event.listens_for(ledger.engine, "connect")
    def be_read_only(connection, _):
        connection.execute(read_only)
        if postgres:
            connection.commit()

    ledger.engine.dispose()
    with pytest.raises(StoreError, match="nothing was written"):
        record(ledger, "k1")
    sa.event.remove(ledger.engine, "connect", be_read_only)
    ledger.engine.dispose()
    works_again(ledger, 0)


def test_what_postgresql_could_not_hold_is_refused_by_either(ledger):
    """SQLite takes a text of any length and with a NUL inside; a ledger must be able to move."""
    for key, values in (("k" * 201, {}), ("k1", {"note": "a\0b"}), ("k1", {"reason": "r" * 31})):
        row = {"key": "k1", "as_of": NOON, "reason": "drift", "note": "n", "windows": "[]"} | values
        with pytest.raises(InputError, match="expected at most"), ledger.transaction(recorded_at=NOON) as writer:
            writer.record("signal", key, row, at=NOON, actor="mend")
    works_again(ledger, 0)


def test_a_number_comes_back_as_its_entry_says_it(ledger):
    values = {"digest": "d", "challenger": "2", "as_of": NOON, "metric": "f1", "recheck_at": None}
    for key, spent in {"whole": 1, "minus": -0.0, "small": 5e-324, "third": 1 / 3}.items():
        with ledger.transaction(recorded_at=NOON) as writer:
            writer.record("trial", key, values | {"digest": key, "error_spent": spent}, at=NOON, actor="mend")
    assert verify(ledger, workspace=None).breaks == ()


def test_an_act_with_a_column_too_few_is_refused_before_it_is_written(ledger):
    with pytest.raises(ValueError, match="signals: expected"), ledger.transaction(recorded_at=NOON) as writer:
        writer.record("signal", "k", {"key": "k"}, at=NOON, actor="mend")
    works_again(ledger, 0)


RACER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from pipeline.errors import RefusedError
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
url, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
(folder / f"{name}.here").touch()
while not (folder / "go").exists():
    time.sleep(0.005)
engine = open_engine(url)
migrate(engine, "ledger", lock=folder / f"{name}.lock")  # a lock file of its own, as on another machine
ledger, at, won = Ledger(engine), datetime(2006, 7, 1, tzinfo=UTC), 0
for turn in range(20):
    holder = ledger.champion()
    with ledger.transaction(recorded_at=at) as writer:
        values = {"key": f"{name}.{turn}", "as_of": at, "reason": "drift", "note": "", "windows": "[]"}
        assert writer.record("signal", values["key"], values, at=at, actor=name)
    try:
        with ledger.transaction(recorded_at=at) as writer:
            writer.swap_champion(expected=holder and holder["version"], new=values["key"], at=at, how="promotion",
                                 actor=name, digest=None)
        won += 1
    except RefusedError:
        pass
print(won)
"""


def test_eight_processes_migrate_and_write_at_once_and_the_chain_has_no_fork(store_urls, tmp_path):
    command = [sys.executable, "-c", RACER, store_urls["ledger"], str(tmp_path)]
    racers = [
        subprocess.Popen([*command, f"p{n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(8)
    ]
    while len(list(tmp_path.glob("*.here"))) < 8 and all(racer.poll() is None for racer in racers):
        time.sleep(0.05)
    (tmp_path / "go").touch()
    answers = [racer.communicate(timeout=120) for racer in racers]
    assert [err for _, err in answers] == [""] * 8
    won = sum(int(out) for out, _ in answers)
    engine = open_engine(store_urls["ledger"])
    ledger = Ledger(engine)
    found = verify(ledger, workspace=None)
    assert (found.breaks, found.entries) == ((), 160 + won)
    assert [row["number"] for row in ledger.acts("champion")] == list(range(1, won + 1))
    engine.dispose()


def test_who_verifies_sees_one_moment_while_others_write(ledger):
    record(ledger, "k1")
    writer = Ledger(open_engine(ledger.engine.url.render_as_string(hide_password=False)))
    written = []

    @sa.event.listens_for(ledger.engine, "before_cursor_execute")
    def meanwhile(_connection, _cursor, statement, *_):
        if "FROM signals" in statement and not written:
            written.append(record(writer, "k2"))  # after the entries were asked for, before the rows are

    found = verify(ledger, workspace=None)
    assert (written, found.breaks, found.entries) == ([True], (), 1)
    sa.event.remove(ledger.engine, "before_cursor_execute", meanwhile)
    works_again(ledger, 2)
    writer.engine.dispose()


# --- SQLite --------------------------------------------------------------------------------------------------------


def test_a_full_disk_says_so_and_leaves_nothing_half_done(sqlite_ledger):
    record(sqlite_ledger, "k1")

    @sa.event.listens_for(sqlite_ledger.engine, "connect")
    def be_small(connection, _):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    sqlite_ledger.engine.dispose()
    with pytest.raises(StoreError, match="full; nothing was written: make room"):
        record(sqlite_ledger, "k2", note="x" * 100_000)
    sa.event.remove(sqlite_ledger.engine, "connect", be_small)
    sqlite_ledger.engine.dispose()
    works_again(sqlite_ledger, 1)


FILLER = """
import resource, sys
from datetime import UTC, datetime
from pipeline.errors import StoreError
from pipeline.stores.engine import open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import verify
ledger, at = Ledger(open_engine(sys.argv[1])), datetime(2006, 7, 1, tzinfo=UTC)
def record(key):
    with ledger.transaction(recorded_at=at) as writer:
        writer.record("note", key, {"text": "x" * 5000}, at=at, actor="mend")
record("first")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
done = 1
try:
    for number in range(1000):
        record(str(number))
        done += 1
except StoreError as error:
    print(error)
assert done < 1000
assert ledger.head()[0] == done, (ledger.head(), done)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
record("afterwards")
found = verify(ledger, workspace=None)
assert (found.breaks, found.entries) == ((), done + 1), found
"""


def test_a_file_that_may_not_grow_says_so_and_every_acknowledged_act_is_there(sqlite_ledger):
    command = [sys.executable, "-c", FILLER, sqlite_ledger.engine.url.render_as_string()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was written" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_of_many_who_open_a_new_file_at_once_nobody_is_turned_away(tmp_path):
    """The switch to the write-ahead log does not wait for a lock by itself."""
    errors = []
    for turn in range(5):
        barrier = threading.Barrier(8)

        def look(url=f"sqlite:///{tmp_path}/{turn}.db", barrier=barrier):
            engine = open_engine(url)
            barrier.wait()
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql("SELECT 1")
            except MendError as error:
                errors.append(error)
            engine.dispose()

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


@pytest.mark.parametrize("what", ["a folder", "under a file"])
def test_a_place_where_no_database_can_be_says_so(tmp_path, what):
    (tmp_path / "file").touch()
    path = tmp_path if what == "a folder" else tmp_path / "file" / "ledger.db"
    with pytest.raises(StoreError, match="see "), writing(open_engine(f"sqlite:///{path}")):
        pass


def test_a_file_that_is_no_database_is_a_record_that_is_not_what_it_was(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"not a database, but long enough to be read as one" * 100)
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    with pytest.raises(IntegrityError, match="file is not a database: restore it from a backup") as caught:
        migrate(engine, "ledger", lock=tmp_path / "lock")
    assert caught.value.exit_code == 4
    engine.dispose()


def test_a_mistake_of_ours_is_not_taken_for_a_store_that_fails(ledger):
    for statement in ("SELECT nonsense", "SELECT FROM WHERE"):
        with pytest.raises(sa.exc.DBAPIError), writing(ledger.engine) as connection:
            connection.exec_driver_sql(statement)


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def hang_up(server, ledger):
    """What an administrator, a failover or a crash of the server does to every connection."""
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{ledger.engine.url.database}'")


@pytest.mark.parametrize("when", ["before the act", "between entry and row", "before the commit"])
def test_a_connection_lost_in_the_middle_leaves_nothing_half_written(postgres, postgres_ledger, when):
    ledger = postgres_ledger
    record(ledger, "k1")

    def promote():
        with ledger.transaction(recorded_at=NOON) as writer:
            if when == "before the act":
                hang_up(postgres, ledger)
            if when == "between entry and row":
                sa.event.listen(writer.connection, "after_cursor_execute", lambda *_: hang_up(postgres, ledger))
            writer.swap_champion(expected=None, new="1", at=NOON, how="init", actor="mend", digest=None)
            hang_up(postgres, ledger)

    with pytest.raises(StoreError, match="only the answer was lost; run it again") as caught:
        promote()
    assert "\n" not in str(caught.value)
    assert ledger.champion() is None
    works_again(ledger, 1)


def test_connections_that_died_in_the_pool_are_not_noticed(postgres, postgres_ledger):
    for turn in range(3):
        record(postgres_ledger, f"k{turn}")
        hang_up(postgres, postgres_ledger)
    works_again(postgres_ledger, 3)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("postgresql+psycopg://ann:s3cr3t@/x?host=/nowhere", "see that the server runs", id="no server"),
        pytest.param("postgresql+psycopg://ann:s3cr3t@127.0.0.1:1/x", "see that the server runs", id="refused"),
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_password(url, says):
    with pytest.raises(StoreError, match=says) as caught:
        Ledger(open_engine(url)).head()
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there_says_so(postgres):
    with pytest.raises(StoreError, match="has this database"):
        Ledger(open_engine(postgres.url("nowhere"))).head()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_writers_stand_in_line_whatever_isolation_the_server_prefers(postgres, postgres_ledger, level):
    ledger = postgres_ledger
    postgres.sql(f"ALTER DATABASE {ledger.engine.url.database} SET default_transaction_isolation = '{level}'")
    ledger.engine.dispose()
    errors = []

    def write(name):
        try:
            for turn in range(10):
                record(ledger, f"{name}.{turn}")
        except (MendError, sa.exc.SQLAlchemyError) as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    works_again(ledger, 80)


def test_two_writers_of_the_same_rows_in_another_order_do_not_fail_each_other(store_urls, tmp_path):
    """They would wait for each other's rows, or, on a server that prefers a stricter isolation, refuse each other's."""
    strict = open_engine(store_urls["traffic"])
    if strict.dialect.name == "postgresql":
        with strict.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            name = strict.url.database
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    strict.dispose()
    engine = open_engine(store_urls["traffic"])
    migrate(engine, "traffic", lock=tmp_path / "lock")
    store = TrafficStore(engine, {"amount": "numeric"})
    times = pd.to_datetime([NOON] * 1000, utc=True)
    there = pd.DataFrame({"application_id": [f"a{n:04d}" for n in range(1000)], "event_time": times, "amount": 1.0})
    barrier, added, errors = threading.Barrier(2), [], []

    def add(rows):
        try:
            barrier.wait()
            added.append(store.add_applications(rows, received_at=NOON))
        except (MendError, sa.exc.SQLAlchemyError) as error:
            errors.append(error)

    threads = [threading.Thread(target=add, args=(rows,)) for rows in (there, there[::-1].reset_index(drop=True))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(added) == 1000
    engine.dispose()
