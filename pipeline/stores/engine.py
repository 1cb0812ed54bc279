"""Opening a database so that what was committed stays, and bringing it to today's schema."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from filelock import FileLock

from pipeline.errors import InputError, IntegrityError, StoreError
from pipeline.stores.faults import in_one_line, place

Store = Literal["traffic", "ledger"]
_ROWS_AT_ONCE = 500  # in one statement; SQLite takes 32,766 parameters
_SQLITE_BUSY = 5
_TAKEN = "23505"  # PostgreSQL's SQLSTATE of a broken unique constraint
_PATIENCE_S = 30  # how long a writer stands in line before it says so
_MIGRATING = 0x4D656E64  # number of PostgreSQL's advisory lock: "Mend"
_MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA: dict[Store, str] = {"traffic": "0002", "ledger": "0004"}  # newest revision; a test holds it to the migrations


class UtcTime(sa.types.TypeDecorator[datetime]):
    """Timezone-aware time as ISO 8601 text in UTC: sorts as time, reads as time, hashes the same everywhere."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: sa.Dialect) -> str | None:
        """Refuse a naive time; write the rest with microseconds and Z."""
        return None if value is None else iso(value)

    def process_result_value(self, value: str | None, _dialect: sa.Dialect) -> datetime | None:
        """Back to an aware time."""
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise IntegrityError("stores", f"expected a time in UTC, found {value!r}", "run `mend ledger verify`")
        return found


@lru_cache(maxsize=256)  # a batch writes one moment a hundred times
def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z.

    >>> iso(datetime(2006, 7, 1, tzinfo=UTC))
    '2006-07-01T00:00:00.000000Z'
    """
    if moment.tzinfo is None:
        raise ValueError(f"expected a timezone-aware time, got {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def open_engine(url: str) -> sa.Engine:
    """An engine for SQLite (WAL, synchronous FULL) or PostgreSQL; other databases are refused."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InputError("stores", f"expected a database URL like sqlite:///var/ledger.db, got {url!r}") from None
    if parsed.get_backend_name() == "postgresql":
        # Said here, whatever the server's default is: a writer must see what was committed while it stood in line.
        engine = sa.create_engine(parsed, pool_pre_ping=True, isolation_level="READ COMMITTED")
        sa.event.listen(engine, "handle_error", in_one_line)
        return engine
    if parsed.get_backend_name() != "sqlite":
        raise InputError("stores", f"expected SQLite or PostgreSQL, got {parsed.get_backend_name()}")
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = sa.create_engine(parsed, module=_sqlite_module())
    sa.event.listen(engine, "handle_error", in_one_line)
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(folder, f"cannot be made: {error.strerror}", "see the disk and who may write there") from None


def _sqlite_module() -> Any:
    """The driver that carries a SQLite without the WAL-reset bug (fixed in 3.51.3); off Linux, Python's own."""
    if sys.platform == "linux":
        from pysqlite3 import dbapi2

        return dbapi2
    import sqlite3

    return sqlite3


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that a writer takes its lock first
    try:
        connection.execute(f"PRAGMA busy_timeout={_PATIENCE_S}000")
        _to_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
    except UnicodeDecodeError:  # SQLite complains of its schema, and quotes what it found there
        raise IntegrityError("stores", "the schema of a SQLite database is damaged", "restore a backup") from None


def _to_wal(connection: Any) -> None:
    """Switch to the write-ahead log; SQLite does not wait its turn for that when several open a new file."""
    for turn in range(_PATIENCE_S * 20, -1, -1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except _sqlite_module().OperationalError as error:
            if turn == 0 or error.sqlite_errorcode != _SQLITE_BUSY:
                raise
            time.sleep(0.05)
        else:
            return


def _on_begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that writes: all of it or nothing.

    Raises:
        StoreError: Somebody else wrote for too long, no room, no permission, no connection.
    """
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'")
        yield connection


def insert_missing(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows whose key is new and leave the others as they are; returns how many were new.

    The key is the table's unique constraint or, without one, its primary key.

    Raises:
        StoreError: The database gave out a number of its own again, as PostgreSQL does for up to 32 rows after a crash
            of a copied database (CREATE DATABASE ... TEMPLATE); trying again goes on to numbers that are free.
    """
    if not rows:
        return 0
    first = next(column.name for column in table.c if column.name in rows[0])
    rows = sorted(rows, key=lambda row: str(row[first]))  # in one order, or two PostgreSQL writers wait for each other
    parts = (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
    return sum(_insert_at_once(connection, table, part) for part in parts)


def _insert_at_once(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> int:
    """One statement for all rows: the driver lets go of Python's lock at each, and has to wait to get it back.

    Beside a busy event loop that wait, row by row, took longer than the disk.
    """
    names = list(rows[0])
    processors = [table.c[name].type.bind_processor(connection.dialect) for name in names]
    values = tuple(
        row[name] if process is None else process(row[name])
        for row in rows
        for name, process in zip(names, processors, strict=True)
    )
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    places = ", ".join([f"({', '.join([mark] * len(names))})"] * len(rows))
    key = ", ".join(column.name for column in _key(table).columns)
    words = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {places} ON CONFLICT ({key}) DO NOTHING"  # noqa: S608  ours
    try:
        return int(connection.exec_driver_sql(words, values).rowcount)
    except sa.exc.IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _TAKEN:
            raise
        said = f"a number of {table.name} was given out twice; nothing was written"
        raise StoreError(place(connection.engine.url), said, "try again: numbers go on") from None


def _key(table: sa.Table) -> sa.UniqueConstraint | sa.PrimaryKeyConstraint:
    """By which a row is the same row. Left to the database, any clash of numbers would pass for a row said twice."""
    unique = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    return unique[0] if unique else table.primary_key


def migrate(engine: sa.Engine, store: Store, *, lock: Path) -> None:
    """Bring a store to today's schema; one process at a time."""
    if _revision(engine, store) == SCHEMA[store]:
        return
    from alembic import command  # costs 0.8 s, and there is rarely anything to migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / store).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock), writing(engine) as connection:
            if connection.dialect.name == "postgresql":  # other machines do not see our lock file
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.DBAPIError as error:
        said = str(error.orig).partition("\n")[0]
        where = place(engine.url)
        raise IntegrityError(where, f"cannot be brought to schema {SCHEMA[store]}: {said}", "is it Mend's?") from None


def _revision(engine: sa.Engine, store: Store) -> str | None:
    table = sa.table(f"alembic_version_{store}", sa.column("version_num"))
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(table.name):
            return None
        return connection.execute(sa.select(table.c.version_num)).scalar_one_or_none()
