"""What somebody with the database's file or password can do to a ledger, triggers or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from pipeline.artefacts import sha256_file
from pipeline.stores import ledger_tables as tables
from pipeline.stores.engine import UtcTime, _sqlite_module, iso, migrate, open_engine
from pipeline.stores.ledger import GENESIS, Ledger, entry_hash

NOON = datetime(2006, 7, 1, 12, tzinfo=UTC)
ALL = (*tables.ACTS.values(), tables.entries)


@contextmanager
def somebody_else(ledger) -> Iterator[sa.Connection]:
    """A connection that knows nothing of Mend, in one transaction.

    By the same SQLite as ours: two copies of it in one process take each other's locks away.
    """
    url = ledger.engine.url
    sqlite = {"module": _sqlite_module()} if url.get_backend_name() == "sqlite" else {}
    engine = sa.create_engine(url, **sqlite)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def behind_its_back(ledger) -> Iterator[sa.Connection]:
    """The same with nothing in its way: triggers and foreign keys are off."""
    with somebody_else(ledger) as connection:
        if connection.dialect.name == "postgresql":
            for table in ALL:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL")
        else:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection


def pristine(folder) -> Path:
    """A full ledger's file, closed and packed: every byte of its pages that is in use is somebody's."""
    (folder / "workspace").mkdir()
    engine = open_engine(f"sqlite:///{folder}/growing.db")
    migrate(engine, "ledger", lock=folder / "lock")
    a_full_ledger(Ledger(engine), folder / "workspace")
    with engine.connect() as connection:
        connection.connection.driver_connection.execute(f"VACUUM INTO '{folder}/ledger.db'")
    engine.dispose()
    return folder / "ledger.db"


def rewrite(connection: sa.Connection, seq: int, **changes: str) -> None:
    """Change an entry and give it, and every one after it, a hash that fits: a forger who knows the rule."""
    entries = tables.entries
    rows = connection.execute(sa.select(entries).where(entries.c.seq >= seq).order_by(entries.c.seq)).mappings().all()
    prev = connection.execute(sa.select(entries.c.hash).where(entries.c.seq == seq - 1)).scalar() or GENESIS
    for row in rows:
        new = {**row, **(changes if row["seq"] == seq else {}), "prev": prev}
        prev = entry_hash({**new, "at": iso(new["at"]), "recorded_at": iso(new["recorded_at"])})
        connection.execute(
            entries.update()
            .where(entries.c.seq == row["seq"])
            .values(**changes if row["seq"] == seq else {}, prev=new["prev"], hash=prev)
        )


def cut_after(connection: sa.Connection, seq: int) -> None:
    """Take away every entry after this one, and its rows."""
    for table in tables.ACTS.values():
        connection.execute(table.delete().where(table.c.entry > seq))
    connection.execute(tables.entries.delete().where(tables.entries.c.seq > seq))


def swap(connection: sa.Connection, first: int, second: int) -> None:
    """Two entries change places."""
    for old, new in ((first, -1), (second, first), (-1, second)):
        connection.execute(tables.entries.update().where(tables.entries.c.seq == old).values(seq=new))


def a_full_ledger(ledger, folder) -> None:
    """An act of every kind, two champions, one kind without a table, and a model with its files."""
    (folder / "model").mkdir()
    (folder / "model" / "model.skops").write_text("a model")
    (folder / "report.json").write_text("{}")
    with ledger.transaction(recorded_at=NOON) as writer:
        for kind, table in tables.ACTS.items():
            values = {column.name: _sample(column, kind) for column in table.c if column.name != "entry"}
            files = {"report.json": sha256_file(folder / "report.json")} if kind == "dossier" else {}
            if kind == "challenger":
                files = {"model/model.skops": sha256_file(folder / "model" / "model.skops")}
            writer.record(kind, f"the {kind}", values, at=NOON, actor="Zoë", files=files)
        writer.record("signature", "k", {"digest": "k", "name": "\ufffd"}, at=NOON, actor="ann")
        writer.swap_champion(expected="version", new="2", at=NOON, how="promotion", actor="ann", digest="k")


def _sample(column, kind):
    if kind == "challenger" and column.name == "model_path":
        return "model"
    if isinstance(column.type, UtcTime):
        return NOON
    if isinstance(column.type, sa.Double):
        return 0.1
    if isinstance(column.type, sa.Integer):
        return 1
    return column.name[: column.type.length]
