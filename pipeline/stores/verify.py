"""Does the record still say what was written? Chain, rows and files, and where it breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.artefacts import sha256_file
from pipeline.stores import ledger_tables as tables
from pipeline.stores.ledger import GENESIS, Ledger, act_body, entry_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How much was checked and every break found, first first."""

    entries: int
    files: int
    head: str
    breaks: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """Nothing is broken."""
        return not self.breaks


def verify(ledger: Ledger, *, workspace: Path | None) -> Verification:
    """Check the chain, every act's row against its entry and, given a workspace, every file an entry names.

    Reads the whole ledger; with a workspace also every artefact, so it takes longer the more there is.
    """
    breaks: list[str] = []
    files: dict[str, tuple[int, str]] = {}
    with ledger.engine.connect() as connection:
        try:
            rows = connection.execute(sa.select(tables.entries).order_by(tables.entries.c.seq)).mappings()
            entries = [dict(row) for row in rows]
        except ValueError as error:
            return Verification(entries=0, files=0, head=GENESIS, breaks=(f"ledger: a time is not readable: {error}",))
        breaks.extend(_broken_chain(entries))
        breaks.extend(_broken_rows(connection, entries))
    for row in entries:
        for path, digest in _files(row).items():
            files[path] = (row["seq"], digest)
    if workspace is not None:
        breaks.extend(_broken_files(files, workspace))
    head = entries[-1]["hash"] if entries else GENESIS
    return Verification(entries=len(entries), files=len(files) if workspace else 0, head=head, breaks=tuple(breaks))


def _broken_chain(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    previous, expected = GENESIS, 1
    for row in entries:
        where = f"ledger entry {row['seq']} ({row['kind']} {row['key']})"
        if row["seq"] != expected:
            yield f"ledger entry {expected}: missing; the next one found is {row['seq']}"
        elif row["prev"] != previous:
            yield f"{where}: does not follow the entry before it"
        if row["hash"] != entry_hash(row):
            yield f"{where}: its content is not what was written"
        previous, expected = row["hash"], row["seq"] + 1


def _broken_rows(connection: sa.Connection, entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for kind, table in tables.ACTS.items():
        bodies: dict[int, str] = {row["seq"]: row["body"] for row in entries if row["kind"] == kind}
        try:
            rows = connection.execute(sa.select(table).order_by(table.c.entry)).mappings().all()
        except ValueError as error:
            yield f"ledger table {table.name}: a time is not readable: {error}"
            continue
        for row in rows:
            values = {name: value for name, value in row.items() if name != "entry"}
            if bodies.pop(row["entry"], None) != act_body(values):
                yield f"ledger table {table.name}, row of entry {row['entry']}: not what its entry says"
        yield from (f"ledger table {table.name}: the row of entry {seq} is gone" for seq in bodies)


def _files(row: Mapping[str, Any]) -> dict[str, str]:
    try:
        files = json.loads(row["files"])
    except ValueError:
        return {}  # the chain check has named this entry already
    return files if isinstance(files, dict) else {}


def _broken_files(files: Mapping[str, tuple[int, str]], workspace: Path) -> Iterator[str]:
    for path, (seq, digest) in sorted(files.items()):
        try:
            if sha256_file(workspace / path) != digest:
                yield f"{path}: not the file that ledger entry {seq} recorded"
        except FileNotFoundError:
            yield f"{path}: gone; ledger entry {seq} recorded it"
        except OSError as error:
            yield f"{path}: not readable: {error}"
