"""The ledger: append-only and hash-chained. Every act and its entry are one transaction; no record, no act."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import InputError, IntegrityError, RefusedError
from pipeline.stores import ledger_tables as tables
from pipeline.stores.engine import iso, writing

GENESIS = "0" * 64
# Number of PostgreSQL's advisory lock. Locking the table itself would take a role that may also change its rows.
_IN_LINE = 0x4C656467


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the chain. `at` is the act's own time, `recorded_at` the wall clock's."""

    seq: int
    at: datetime
    recorded_at: datetime
    kind: str
    key: str
    actor: str
    body: dict[str, Any]
    files: dict[str, str]
    prev: str
    hash: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "at": iso(self.at), "recorded_at": iso(self.recorded_at)}


def entry_hash(row: Mapping[str, Any]) -> str:
    """SHA-256 over everything in an entry but its own hash, every text as it is stored."""
    names = ("seq", "at", "recorded_at", "kind", "key", "actor", "body", "files", "prev")
    return sha256_text(act_body({name: row[name] for name in names}))


def act_body(values: Mapping[str, Any]) -> str:
    """An act's columns as canonical JSON, times as ISO text."""
    plain = {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}
    return canonical_json(plain)


class LedgerWriter:
    """What can be done inside one ledger transaction."""

    def __init__(self, connection: sa.Connection, recorded_at: datetime) -> None:
        self.connection, self.recorded_at = connection, recorded_at

    def record(
        self,
        kind: str,
        key: str,
        values: Mapping[str, Any],
        *,
        at: datetime,
        actor: str,
        files: Mapping[str, str] | None = None,
    ) -> bool:
        """Write one act and its entry; False, and nothing written, when this act is on record already."""
        table = tables.ACTS.get(kind)
        values = values if table is None else _as_stored(table, values)
        known = sa.select(tables.entries.c.seq).where(_under(kind, key))
        if self.connection.execute(known).first() is not None:
            return False
        last = self.connection.execute(
            sa.select(tables.entries.c.seq, tables.entries.c.hash).order_by(tables.entries.c.seq.desc()).limit(1)
        ).first()
        row = {
            "seq": last.seq + 1 if last else 1,
            "at": at.astimezone(UTC),
            "recorded_at": self.recorded_at,
            "kind": kind,
            "key": key,
            "actor": actor,
            "body": act_body(values),
            "files": canonical_json(dict(files or {})),
            "prev": last.hash if last else GENESIS,
        }
        _require_fitting(tables.entries, row)
        self.connection.execute(tables.entries.insert().values(**row, hash=entry_hash(row)))
        if table is not None:
            self.connection.execute(table.insert().values(**values, entry=row["seq"]))
        return True

    def swap_champion(
        self, *, expected: str | None, new: str, at: datetime, how: str, actor: str, digest: str | None
    ) -> None:
        """Put a version in the champion's place if `expected` still holds it (compare-and-swap)."""
        current = self.champion()
        holder = current["version"] if current else None
        if holder != expected:
            raise RefusedError(f"champion is version {holder}, the evidence was gathered against version {expected}")
        number = current["number"] + 1 if current else 1
        values = {"number": number, "version": new, "since": at.astimezone(UTC), "how": how, "digest": digest}
        self.record("champion", str(number), values, at=at, actor=actor)

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The act on record under this key, seen from inside the transaction."""
        return _get(self.connection, kind, key)

    def entry(self, kind: str, key: str) -> Entry | None:
        """The entry of the act on record under this key, seen from inside the transaction."""
        return _get_entry(self.connection, kind, key)

    def champion(self) -> dict[str, Any] | None:
        """Who is champion, seen from inside the transaction."""
        return _champion(self.connection, _latest(tables.champions, tables.champions.c.number))

    def newest_dossier(self, challenger: str) -> str | None:
        """Digest of the latest dossier on a challenger."""
        query = _latest(tables.dossiers, tables.dossiers.c.entry).where(tables.dossiers.c.challenger == challenger)
        row = self.connection.execute(query).mappings().first()
        return str(row["digest"]) if row else None

    def newest(self, *, but: str) -> Entry | None:
        """The newest entry of any kind but one."""
        query = sa.select(tables.entries).where(tables.entries.c.kind != but)
        row = self.connection.execute(query.order_by(tables.entries.c.seq.desc()).limit(1)).mappings().first()
        return _entry(row) if row else None

    def next_seq(self) -> int:
        """Number that the next entry will have."""
        last = self.connection.execute(sa.select(sa.func.max(tables.entries.c.seq))).scalar_one()
        return (last or 0) + 1


class Ledger:
    """Reads and transactions over one ledger database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self, *, recorded_at: datetime) -> Iterator[LedgerWriter]:
        """One transaction; writers stand in line, so that the chain has no forks."""
        with writing(self.engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_IN_LINE})")
            yield LedgerWriter(connection, recorded_at.astimezone(UTC))

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The act on record under this key, as its columns."""
        with self.engine.connect() as connection:
            return _get(connection, kind, key)

    def entry(self, kind: str, key: str) -> Entry | None:
        """The entry of the act on record under this key: for acts that are told in their entry's body alone."""
        with self.engine.connect() as connection:
            return _get_entry(connection, kind, key)

    def acts(self, kind: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """Acts of one kind, oldest first; the last `limit` of them."""
        table = tables.ACTS[kind]
        with self.engine.connect() as connection:
            rows = connection.execute(_latest(table, table.c.entry, limit)).mappings().all()
        return [dict(row) for row in reversed(rows)]

    def acts_before(self, kind: str, as_of: datetime, *, limit: int) -> list[dict[str, Any]]:
        """The last `limit` acts of one kind with an earlier `as_of`, oldest first, at a cost that does not grow."""
        table = tables.ACTS[kind]
        query = sa.select(table).where(table.c.as_of < as_of).order_by(table.c.as_of.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [dict(row) for row in reversed(connection.execute(query).mappings().all())]

    def last_report(self, before: datetime) -> datetime | None:
        """When Evidently's page was last written, before a moment."""
        table = tables.cycles
        query = sa.select(table.c.as_of).where(table.c.as_of < before, table.c.report_path.is_not(None))
        with self.engine.connect() as connection:
            found: datetime | None = connection.execute(query.order_by(table.c.as_of.desc()).limit(1)).scalar()
        return found

    def champion(self, at: datetime | None = None) -> dict[str, Any] | None:
        """Who is champion, or who was at a past time."""
        table = tables.champions
        query = _latest(table, table.c.number)
        if at is not None:
            query = query.where(table.c.since <= at)
        with self.engine.connect() as connection:
            return _champion(connection, query)

    def reign(self, at: datetime | None = None) -> dict[str, Any] | None:
        """The champion at a time (now, without one) with who put it there, and how they were known, in one query."""
        table, act, signed = tables.champions, tables.entries, tables.entries.alias("signed")
        promoted = (signed.c.kind == "signature") & (signed.c.key == table.c.digest)
        put_back = (signed.c.kind == "rollback") & (signed.c.seq == table.c.entry - 1)  # written just before, with it
        query = (
            _latest(table, table.c.number)
            .add_columns(act.c.actor.label("by"), act.c.recorded_at, signed.c.body.label("signature"))
            .join(act, act.c.seq == table.c.entry)
            .outerjoin(signed, ((table.c.how == "rollback") & put_back) | ((table.c.how != "rollback") & promoted))
        )
        if at is not None:
            query = query.where(table.c.since <= at)
        with self.engine.connect() as connection:
            row = _champion(connection, query)
        if row is None:
            return None
        told = json.loads(row["signature"] or "null")
        return {**row, "signature": told["person"] if told and row["how"] == "rollback" else told}

    def last_cycle(self, *, clock: str | None = None) -> dict[str, Any] | None:
        """The newest cycle, of one clock or of any."""
        query = _latest(tables.cycles, tables.cycles.c.as_of)
        if clock is not None:
            query = query.where(tables.cycles.c.clock == clock)
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return dict(row) if row else None

    def runs_of(self, as_of: datetime) -> list[dict[str, Any]]:
        """Notebook runs of one cycle, oldest first."""
        query = sa.select(tables.runs).where(tables.runs.c.as_of == as_of).order_by(tables.runs.c.entry)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def head(self) -> tuple[int, str]:
        """Number of entries and the newest hash."""
        with self.engine.connect() as connection:
            row = connection.execute(
                sa.select(tables.entries.c.seq, tables.entries.c.hash).order_by(tables.entries.c.seq.desc()).limit(1)
            ).first()
        return (row.seq, row.hash) if row else (0, GENESIS)

    def last_seq(self, at: datetime) -> int:
        """Number of the last entry whose act is not later than a moment; 0 where there is none."""
        query = sa.select(sa.func.max(tables.entries.c.seq)).where(tables.entries.c.at <= at)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one() or 0

    def newest_of(self, kind: str, *, upto: int) -> Entry | None:
        """The newest entry of a kind among the first `upto`."""
        query = sa.select(tables.entries).where(tables.entries.c.kind == kind, tables.entries.c.seq <= upto)
        with self.engine.connect() as connection:
            row = connection.execute(query.order_by(tables.entries.c.seq.desc()).limit(1)).mappings().first()
        return _entry(row) if row else None

    def at(self, seq: int) -> Entry | None:
        """The entry with this number."""
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(tables.entries).where(tables.entries.c.seq == seq)).mappings().first()
        return _entry(row) if row else None

    def entries(self, *, kind: str | None = None, limit: int | None = None, skip: int = 0) -> list[Entry]:
        """Entries, oldest first; the last `limit` of them, or of what is left without the newest `skip`.

        Numbers are looked up in the index first, so that only what is returned is read.
        """
        table = tables.entries
        query = sa.select(table.c.seq).order_by(table.c.seq.desc()).limit(limit).offset(skip or None)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        wanted = query.subquery()
        found = sa.select(table).join(wanted, wanted.c.seq == table.c.seq).order_by(table.c.seq)
        with self.engine.connect() as connection:
            return [_entry(row) for row in connection.execute(found).mappings()]

    def counts(self) -> dict[str, int]:
        """How many entries there are of each kind that there is."""
        table = tables.entries
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(table.c.kind, sa.func.count()).group_by(table.c.kind)).all()
        return {kind: int(number) for kind, number in sorted(rows)}


def _as_stored(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """An act's values as its row will give them back, so that row and entry say the same on every database."""
    columns = [column for column in table.c if column.name != "entry"]
    if {column.name for column in columns} != set(values):
        raise ValueError(f"{table.name}: expected {[column.name for column in columns]}, got {list(values)}")
    _require_fitting(table, values)
    stored = dict(values)
    for column in columns:
        if isinstance(column.type, sa.Double) and stored[column.name] is not None:
            stored[column.name] = float(stored[column.name]) + 0.0  # a whole number, and -0.0, come back as 1.0 and 0.0
    return stored


def _require_fitting(table: sa.Table, values: Mapping[str, Any]) -> None:
    """PostgreSQL refuses a text that is too long or holds a NUL, SQLite takes it: what one cannot hold, none gets."""
    for name, value in values.items():
        longest = getattr(table.c[name].type, "length", None)
        if isinstance(value, str) and ("\0" in value or len(value) > (longest or len(value))):
            raise InputError(
                f"{table.name}.{name}", f"expected at most {longest} characters and no NUL, got {value[:60]!r}"
            )


def _latest(table: sa.Table, order: sa.ColumnElement[Any], limit: int | None = 1) -> sa.Select[Any]:
    return sa.select(table).order_by(order.desc()).limit(limit)


def _champion(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(query).mappings().first()
    if row is not None and row["since"] is None:
        raise IntegrityError("ledger", f"champion {row['number']} has no date", "run `mend ledger verify`")
    return dict(row) if row else None


def _get(connection: sa.Connection, kind: str, key: str) -> dict[str, Any] | None:
    table = tables.ACTS[kind]
    joined = sa.select(table).join(tables.entries, tables.entries.c.seq == table.c.entry)
    row = connection.execute(joined.where(_under(kind, key))).mappings().first()
    return dict(row) if row else None


def _get_entry(connection: sa.Connection, kind: str, key: str) -> Entry | None:
    query = sa.select(tables.entries).where(_under(kind, key))
    row = connection.execute(query).mappings().first()
    return _entry(row) if row else None


def _under(kind: str, key: str) -> sa.ColumnElement[bool]:
    """The one entry of this kind and key; none where a NUL is in it, which PostgreSQL refuses even to look for."""
    if "\0" in key:
        return sa.false()
    return (tables.entries.c.kind == kind) & (tables.entries.c.key == key)


def _entry(row: sa.RowMapping) -> Entry:
    try:
        return Entry(**{**row, "body": json.loads(row["body"]), "files": json.loads(row["files"])})
    except ValueError:
        raise IntegrityError("ledger", f"entry {row['seq']}", "its body or files are not JSON") from None
