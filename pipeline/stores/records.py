"""The ledger as its rows say it, text for text: what verification reads, and what an export writes."""

from __future__ import annotations

import heapq
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.artefacts import sync_folder
from pipeline.errors import StoreError
from pipeline.stores import ledger_tables as tables
from pipeline.stores.engine import UtcTime
from pipeline.stores.ledger import GENESIS, Ledger

Record = tuple[str, dict[str, Any]]
"""A table's name, and one row of it."""

_BATCH = 500  # rows in memory at a time, of each table
_FIRST, _LAST = float("-inf"), float("inf")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One moment's view of every table, whoever writes meanwhile; bytes that are no UTF-8 become lone surrogates."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            yield connection.execution_options(isolation_level="REPEATABLE READ")
            return
        driver: Any = connection.connection.dbapi_connection
        driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        try:
            yield connection
        finally:
            driver.text_factory = str


def records(connection: sa.Connection, *, after: int | None = None) -> Iterator[Record]:
    """Every entry in order, each followed by the rows of acts that name it; read in pieces, times as their text.

    With `after` only entries with a higher number, and the rows that name these.
    """
    streams = [_rows(connection, tables.entries, "seq", 0, after)]
    streams += [_rows(connection, table, "entry", 1, after) for table in tables.ACTS.values()]
    for _, name, row in heapq.merge(*streams, key=itemgetter(0)):
        yield name, row


def _rows(
    connection: sa.Connection, table: sa.Table, order: str, rank: int, after: int | None
) -> Iterator[tuple[tuple[float, int], str, dict[str, Any]]]:
    columns = [sa.type_coerce(c, sa.Text).label(c.name) if isinstance(c.type, UtcTime) else c for c in table.c]
    query = sa.select(*columns).order_by(table.c[order]).execution_options(yield_per=_BATCH)
    if after is not None:
        query = query.where(table.c[order] > after)
    for row in connection.execute(query).mappings():
        yield (_position(row[order]), rank), table.name, dict(row)


def _position(number: object) -> float:
    """Where SQLite sorts what is no number, which only a changed file holds: nothing first, text and bytes last."""
    if isinstance(number, int | float):
        return number
    return _FIRST if number is None else _LAST


def export(ledger: Ledger, path: Path) -> tuple[int, str]:
    """Write the whole ledger as JSON lines, whole or not at all; returns how many entries it has, and its head.

    Each line is `{"table": …, "row": {…}}`, times as text; the last is `{"table": "end", "row": {"entries", "head"}}`,
    so that a file that was cut off is seen.
    """
    entries, head = 0, GENESIS
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                with reading(ledger.engine) as connection:
                    for table, row in records(connection):
                        file.write(_line(table, row))
                        if table == tables.entries.name:
                            entries, head = entries + 1, row["hash"]
                file.write(_line("end", {"entries": entries, "head": head}))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(path, f"not written: {error.strerror}", "see its disk and folder, then try again") from None
    return entries, head


def _line(table: str, row: dict[str, Any]) -> str:
    return json.dumps({"table": table, "row": row}, default=repr) + "\n"  # bytes, in a changed file, as their repr
