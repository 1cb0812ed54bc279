"""Does the record still say what was written? Chain, rows, files and anchors, and where it breaks."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.artefacts import sha256_file
from pipeline.errors import IntegrityError
from pipeline.stores import ledger_tables as tables
from pipeline.stores.anchors import Anchor
from pipeline.stores.ledger import GENESIS, Ledger, act_body, entry_hash
from pipeline.stores.pruned import may_be_absent, pruned_files
from pipeline.stores.records import Record, reading, records

_TOLD_EVERY = {"entries": 2000, "files": 100}  # a tenth of a second, so that who waits sees it move


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How much was checked and every break found, first first; `anchors` of them agreed with the chain.

    `last` is the number of the newest entry that was read, `head` its hash.
    """

    entries: int
    files: int
    head: str
    breaks: tuple[str, ...]
    anchors: int = 0
    last: int = 0

    @property
    def verified(self) -> bool:
        """Nothing is broken."""
        return not self.breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a verification has come; how many files there are is known when every entry was read."""

    entries: int
    files: int = 0
    of_files: int | None = None


Tell = Callable[[Progress], None]


def verify(
    ledger: Ledger, *, workspace: Path | None, anchors: Sequence[Anchor] = (), tell: Tell = lambda _: None
) -> Verification:
    """Check the chain, every act's row against its entry, every anchor and, given a workspace, every file named.

    The ledger is read in pieces and as of one moment, whoever writes meanwhile. With a workspace every artefact is
    read too, so it takes longer the more there is. Without an anchor nobody can see that the newest entries were cut
    off, or all of them written anew. `tell` gets how far it has come, now and then.

    Raises:
        StoreError: The database does not answer now, so that nothing can be said.
    """
    seen = _Seen(keeps_files=workspace is not None, tell=tell)
    breaks = _read(ledger, seen, anchors)
    breaks.extend(_unseen(anchors, seen))
    if workspace is not None:
        breaks.extend(_broken_files(seen, workspace))
        breaks.extend(_extra_files(seen.models, seen.files, workspace))
    return _as_found(seen, breaks)


def verify_added(ledger: Ledger, known: Verification) -> Verification:
    """Check what was added after a verification, and that the entry it ended with is still that one.

    Whoever rewrites the chain from any entry on changes that hash, so that this is seen at once. What is older is not
    read again: a row that was changed and does not fit its hash any more is found by `verify`.

    Args:
        ledger: The same that was verified.
        known: What `verify`, or this, found before; its breaks are not told again.

    Returns:
        As `verify`, of the added entries alone: none added, no entries.

    Raises:
        StoreError: As `verify`.
    """
    seen = _Seen(keeps_files=False, head=known.head, last=known.last)
    return _as_found(seen, _read(ledger, seen, (), after=known))


def _read(ledger: Ledger, seen: _Seen, anchors: Sequence[Anchor], *, after: Verification | None = None) -> list[str]:
    """Breaks of the database, chain and rows; line by line, so that what was found before it gave up counts."""
    breaks: list[str] = []
    try:
        with reading(ledger.engine) as connection:
            for line in _damage(connection) if after is None else _changed_before(connection, after):
                breaks.append(line)
            found = records(connection, after=None if after is None else after.last)
            for line in _broken_record(found, seen, _by_entry(anchors)):
                breaks.append(line)
    except (IntegrityError, UnicodeError, sa.exc.SQLAlchemyError) as error:
        said = str(getattr(error, "orig", error)).partition("\n")[0]
        breaks.append(f"ledger: not readable after entry {seen.last}: {said}")
    return breaks


def _changed_before(connection: sa.Connection, known: Verification) -> Iterator[str]:
    entries = tables.entries
    stands = connection.execute(sa.select(entries.c.hash).where(entries.c.seq == known.last)).scalar()
    if not known.last or stands == known.head:
        return
    if stands is None:
        yield f"ledger entry {known.last}: gone; it was verified before"
    else:
        yield f"ledger entry {known.last}: not the one that was verified before: it, or one before it, was written anew"


def _as_found(seen: _Seen, breaks: Sequence[str]) -> Verification:
    return Verification(
        entries=seen.entries,
        files=len(seen.files),
        head=seen.head,
        breaks=tuple(line if line.isprintable() else ascii(line)[1:-1] for line in breaks),  # one line each
        anchors=seen.agreed,
        last=seen.last,
    )


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What has been read so far. Files are few beside entries, and are checked when the database is free again."""

    keeps_files: bool
    tell: Tell = lambda _: None
    entries: int = 0
    head: str = GENESIS
    last: int = 0
    agreed: int = 0
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    pruned: dict[str, tuple[int, str]] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)

    def keep(self, row: Mapping[str, Any]) -> None:
        """Count an entry, and remember the files that it names."""
        self.entries, self.head, self.last = self.entries + 1, str(row["hash"]), row["seq"]
        if self.entries % _TOLD_EVERY["entries"] == 0:
            self.tell(Progress(entries=self.entries))
        if not self.keeps_files:
            return
        for path, digest in _json(row["files"]).items():
            self.files[path] = (row["seq"], digest)
        with suppress(AttributeError, TypeError):  # a body that was changed, and is named for it
            self.pruned.update(pruned_files([row]))
        if row["kind"] == "challenger" and (folder := _json(row["body"]).get("model_path")):
            self.models[str(folder)] = row["seq"]


def _damage(connection: sa.Connection) -> Iterator[str]:
    """Pages and indexes of a SQLite file: an index that was changed hides rows from whoever asks for them."""
    if connection.dialect.name == "sqlite":
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
            if line != "ok":
                yield f"ledger database: {line}"


def _broken_record(found: Iterable[Record], seen: _Seen, anchors: Mapping[int, Sequence[Anchor]]) -> Iterator[str]:
    """Every entry against the one before it and against itself, and every act's row against its entry."""
    seq, owed = 0, ("", "")  # the entry just read, and table and content of the row that its act must have
    for table, row in found:
        if table != tables.entries.name:
            values = {name: value for name, value in row.items() if name != "entry"}
            if (row["entry"], table, _as_told(values)) != (seq, *owed):
                yield f"ledger table {table}, row of entry {row['entry']}: not what its entry says"
            if (row["entry"], table) == (seq, owed[0]):
                owed = ("", "")
            continue
        yield from _gone(seq, owed)
        seq = row["seq"]
        act = tables.ACTS.get(row["kind"])
        owed = ("", "") if act is None else (act.name, row["body"])
        yield from _broken_link(row, seen)
        for anchor in anchors.get(seq, ()):
            if anchor.hash == row["hash"]:
                seen.agreed += 1
            else:
                yield f"ledger entry {seq}: not the one that was anchored ({anchor.file} line {anchor.line})"
        seen.keep(row)
    yield from _gone(seq, owed)


def _gone(seq: int, owed: tuple[str, str]) -> Iterator[str]:
    if owed[0]:
        yield f"ledger table {owed[0]}: the row of entry {seq} is gone"


def _broken_link(row: Mapping[str, Any], seen: _Seen) -> Iterator[str]:
    where = f"ledger entry {row['seq']} ({row['kind']} {row['key']})"
    if row["seq"] != seen.last + 1:
        yield f"ledger entry {seen.last + 1}: missing; the next one found is {row['seq']}"
    elif row["prev"] != seen.head:
        yield f"{where}: does not follow the entry before it"
    try:
        written = row["hash"] == entry_hash(row)
    except (TypeError, ValueError):  # bytes, or a text that is no UTF-8
        written = False
    if not written:
        yield f"{where}: its content is not what was written"


def _as_told(values: Mapping[str, Any]) -> str | None:
    try:
        return act_body(values)
    except (TypeError, ValueError):  # bytes or an infinity, which only a changed file holds
        return None


def _by_entry(anchors: Sequence[Anchor]) -> dict[int, list[Anchor]]:
    found: dict[int, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        found[anchor.entry].append(anchor)
    return found


def _unseen(anchors: Sequence[Anchor], seen: _Seen) -> Iterator[str]:
    """The furthest anchor of each file beyond the last entry. One inside the chain was met, or its entry is missing."""
    beyond = [anchor for anchor in anchors if anchor.entry > seen.last]
    furthest = {anchor.file: anchor for anchor in sorted(beyond, key=lambda anchor: anchor.entry)}
    for anchor in furthest.values():
        yield (
            f"ledger: the tail after entry {seen.last} is cut off: "
            f"entry {anchor.entry} was anchored ({anchor.file} line {anchor.line})"
        )


def _json(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, TypeError):
        return {}  # the chain check has named this entry already
    return content if isinstance(content, dict) else {}


def _broken_files(seen: _Seen, workspace: Path) -> Iterator[str]:
    for number, (path, (seq, digest)) in enumerate(sorted(seen.files.items())):
        if number % _TOLD_EVERY["files"] == 0:
            seen.tell(Progress(entries=seen.entries, files=number, of_files=len(seen.files)))
        try:
            if sha256_file(workspace / path) != digest:
                yield f"{path}: not the file that ledger entry {seq} recorded"
        except FileNotFoundError:
            if not may_be_absent(path, seq=seq, digest=digest, pruned=seen.pruned):
                yield f"{path}: gone; ledger entry {seq} recorded it"
        except (OSError, ValueError) as error:
            yield f"{path}: not readable: {error}"


def _extra_files(models: Mapping[str, int], files: Mapping[str, tuple[int, str]], workspace: Path) -> Iterator[str]:
    """What lies in a model's folder and was not there when it was recorded: it would be loaded, or run, with it."""
    for folder, seq in sorted(models.items()):
        if not Path(os.path.normpath(workspace / folder)).is_relative_to(workspace):
            yield f"{folder}: ledger entry {seq} names a model's folder that is not in the workspace"
            continue
        for base, folders, names in os.walk(os.path.normpath(workspace / folder)):
            links = [name for name in folders if (Path(base) / name).is_symlink()]
            for name in sorted([*names, *links]):
                path = (Path(base) / name).relative_to(workspace).as_posix()
                if path not in files:
                    yield f"{path}: extra; ledger entry {seq} recorded no such file in this model's folder"
