"""A consistent copy of a SQLite database while others write to it, and plain SQL on a copy nobody else has open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.stores.engine import _sqlite_module

_BUSY_S = 30  # as the stores themselves wait


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite store; None for another database.

    >>> sqlite_path("sqlite:///var/ledger.db")
    PosixPath('var/ledger.db')
    >>> sqlite_path("postgresql+psycopg://db.example/ledger")
    """
    parsed = sa.make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def snapshot(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, by SQLite's own online backup; writers go on meanwhile.

    Raises:
        OSError: It could not be read or written, or the copy is damaged.
    """
    if not source.is_file():
        raise FileNotFoundError(2, "no such database", str(source))
    with opened(source) as original, opened(target) as copy:
        original.backup(copy)  # in one step: in several, a busy writer could start it again for ever
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise OSError(5, f"the database is damaged: {found}", str(source))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The driver's connection to a database file; its errors are OSErrors, like those of any file."""
    driver = _sqlite_module()
    try:
        with closing(driver.connect(str(path), timeout=_BUSY_S)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
    except driver.Error as error:
        raise OSError(5, f"{type(error).__name__}: {error}", str(path)) from None


def untouched(path: Path) -> sa.Engine:
    """An engine that only reads a copy nobody writes to: no lock, no log beside it, not a byte changed."""
    quoted = path.resolve().as_uri().removeprefix("file://")
    return sa.create_engine(f"sqlite:///file:{quoted}?immutable=1&uri=true", module=_sqlite_module())
