"""Files and rows changed behind the ledger's back: found and named, refused by those who would use them, never run."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import skops.io as sio
import sqlalchemy as sa
from kills import on
from model_builders import packed
from outcome import Outcome
from processes import in_child
from stage import NOW, SIGNER, Stage
from tampering import ALL, behind_its_back, cut_after, rewrite, swap
from test_model_format import RUNNING, Touch, by_pickle_file

from pipeline.artefacts import write_atomically
from pipeline.errors import IntegrityError, MendError
from pipeline.promotion.decide import decide
from pipeline.promotion.reconcile import reconcile
from pipeline.settings_ledger import LedgerSettings
from pipeline.stores import ledger_tables as tables
from pipeline.stores.anchors import anchor, read_anchors
from pipeline.stores.verify import verify
from pipeline.training.model_format import load_pipeline
from pipeline.wiring import Workspace

_SEED = 7
_HEX = "0123456789abcdef"
_NOTEBOOK = "monitoring/runs/gate_20060701.ipynb"
_ANCHORS = "anchors.jsonl"
Found = dict[str, Any]


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """A row for each kind of thing; tries are bytes, rows or files, drawn with a seed."""
    tries = 12 if quick else 200
    for name in ("dossier", "executed notebook", "reference", "model file", "decision document"):
        fault = f"a byte of the {name} changed; the file cut, longer, empty or gone"
        yield _row(stage, fault, lambda ws, kind=name: _bytes(ws, stage, kind, tries), decided=name.startswith("deci"))
    yield _row(stage, "a letter of a ledger entry changed", lambda ws: _letters(ws, [tables.entries], tries))
    yield _row(stage, "a letter of an act's row changed", lambda ws: _letters(ws, list(tables.ACTS.values()), tries))
    yield _row(stage, "a row deleted in the middle", _deleted)
    yield _row(stage, "two entries change places", _reordered)
    yield _row(stage, "the tail is cut off (an anchor file knows better)", _cut)
    yield _row(stage, "an entry rewritten with every hash after it (an anchor file knows better)", _forged)
    yield _row(stage, "a malicious pickle or skops file in a model's place", _malicious, decided=False)


def _row(stage: Stage, fault: str, act: Callable[[Workspace], Found], *, decided: bool = True) -> Outcome:
    with stage.copy() as config:
        prepared = in_child(lambda: on(config, lambda ws: _prepare(ws, stage, decided=decided)))
        answer = in_child(lambda: on(config, act)) if "value" in prepared else prepared
    found = answer.get("value", {"tries": 0, "seen": "nothing", "problems": [str(answer)]})
    return Outcome(fault=fault, stores=stage.name, **found | {"problems": tuple(found["problems"])})


def _prepare(workspace: Workspace, stage: Stage, *, decided: bool) -> None:
    """An executed notebook on record; and version 2 signed, if it shall be."""
    digest = write_atomically(workspace.root / _NOTEBOOK, '{"cells": [], "metadata": {}, "nbformat": 4}')
    as_of = workspace.ledger.acts("dossier")[0]["as_of"]
    run = {"run_id": "gate_1", "notebook": "gate", "as_of": as_of, "status": "done", "seconds": 1.5}
    run |= {"path": _NOTEBOOK, "artefact": None, "error": None}
    with workspace.ledger.transaction(recorded_at=NOW) as writer:
        writer.record("run", "gate_1", run, at=as_of, actor="mend", files={_NOTEBOOK: digest})
    if decided:
        decide(workspace, stage.digests["2"], "approved", person=SIGNER, reason="better", now=NOW)
        reconcile(workspace, now=NOW)


# --- files -------------------------------------------------------------------------------------------------------


def _bytes(workspace: Workspace, stage: Stage, kind: str, tries: int) -> Found:
    """Change a file in one way after another: `verify` names it, and whoever would use it refuses."""
    digest = stage.digests["3"]
    relative = {
        "dossier": workspace.ledger.get("dossier", digest)["path"],  # type: ignore[index]
        "executed notebook": _NOTEBOOK,
        "reference": "monitoring/reference/reference_data.parquet",
        "model file": "mlflow/3/model.skops",
        "decision document": next(iter(made["path"] for made in workspace.ledger.acts("decision")), ""),
    }[kind]
    path = workspace.root / relative
    good = path.read_bytes()
    wrong, tried = [], 0
    for what, changed in _changes(good, tries):
        _put(path, changed)
        tried += 1
        if not any(
            line.startswith(f"{relative}: ") for line in verify(workspace.ledger, workspace=workspace.root).breaks
        ):
            wrong.append(f"{what}: verify does not name {relative}")
        if kind != "decision document":
            wrong += [f"{what}: {line}" for line in _used(workspace, digest, kind, path)]
        _put(path, good)
    wrong += _untouched(workspace, digest if kind != "decision document" else "")
    seen = "each found and named by verify" + ("" if kind == "decision document" else "; signing and loading refused")
    return {"tries": tried, "seen": seen, "problems": wrong}


def _changes(good: bytes, tries: int) -> Iterator[tuple[str, bytes | None]]:
    yield from {"gone": None, "empty": b"", "cut": good[:-1], "longer": good + b"\n"}.items()
    chance = random.Random(_SEED)
    for place in [0, len(good) - 1, *(chance.randrange(len(good)) for _ in range(tries - 6))]:
        other = good[place] ^ chance.randrange(1, 256)
        yield f"byte {place}", good[:place] + bytes([other]) + good[place + 1 :]


def _put(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def _used(workspace: Workspace, digest: str, kind: str, path: Path) -> list[str]:
    """Who uses the file although it is not what was recorded."""
    wrong = _refused("signing", path, lambda: _sign(workspace, digest))
    workspace._models.clear()
    if kind == "model file":
        wrong += _refused("loading", path, lambda: workspace.model("3"))
    if kind == "reference":
        wrong += _refused("loading", path, workspace.reference)
    return wrong


def _sign(workspace: Workspace, digest: str) -> None:
    decide(workspace, digest, "approved", person=SIGNER, reason="better", now=NOW)


def _refused(use: str, path: Path, act: Callable[[], Any]) -> list[str]:
    try:
        act()
    except IntegrityError as error:
        named = path.name in str(error) or path.parent.name in str(error)
        return [] if named and "\n" not in str(error) else [f"{use} does not name the file in one line: {error}"]
    except Exception as error:  # noqa: BLE001  anything else is not how it should be refused
        return [f"{use}: {type(error).__name__}: {error}"]
    return [f"{use} was not refused"]


def _untouched(workspace: Workspace, digest: str) -> list[str]:
    """Put back as it was, nothing is broken and it can be signed: what was refused above was refused for the change."""
    wrong = [f"put back, and still: {line}" for line in verify(workspace.ledger, workspace=workspace.root).breaks]
    if digest:
        try:
            _sign(workspace, digest)
        except MendError as error:
            wrong.append(f"put back, and still not signed: {error}")
    return wrong


# --- rows --------------------------------------------------------------------------------------------------------


@contextmanager
def _changed(workspace: Workspace) -> Iterator[Callable[[Callable[[sa.Connection], Any]], list[str]]]:
    """What verify says after a change made behind the ledger's back; everything is put back after each."""
    ledger = workspace.ledger
    with ledger.engine.connect() as connection:
        rows = {table.name: connection.execute(_as_text(table)).mappings().all() for table in ALL}

    def breaks(change: Callable[[sa.Connection], Any]) -> list[str]:
        with behind_its_back(ledger) as connection:
            change(connection)
        known = read_anchors(workspace.root / _ANCHORS)[0]
        found = list(verify(ledger, workspace=None, anchors=known).breaks)
        with behind_its_back(ledger) as connection:
            for table in ALL:
                connection.exec_driver_sql(f"DELETE FROM {table.name}")
            for table in reversed(ALL):
                if rows[table.name]:
                    connection.execute(_plain(table).insert(), [dict(row) for row in rows[table.name]])
        return found

    settings = LedgerSettings(anchors=(f"file:{_ANCHORS}",))  # type: ignore[arg-type]
    anchor(ledger, settings, model="m", folder=workspace.root, now=NOW, say=lambda _: None)
    yield breaks


def _plain(table: sa.Table) -> sa.TableClause:
    """The table with times as the texts that they are stored as."""
    return sa.table(table.name, *(sa.column(column.name) for column in table.c))


def _as_text(table: sa.Table) -> sa.Select[Any]:
    return sa.select(*_plain(table).c)


def _number(table: sa.Table) -> str:
    return "seq" if table is tables.entries else "entry"


def _cells(workspace: Workspace, of: Sequence[sa.Table]) -> list[tuple[sa.Table, int, str, Any]]:
    """Every value of every row: table, entry, column, value."""
    found = []
    with workspace.ledger.engine.connect() as connection:
        for table in of:
            for row in connection.execute(_as_text(table)).mappings():
                found += [(table, row[_number(table)], name, value) for name, value in row.items() if value is not None]
    return found


def _letters(workspace: Workspace, of: Sequence[sa.Table], tries: int) -> Found:
    chance, wrong, refused = random.Random(_SEED), list[str](), 0
    with _changed(workspace) as breaks:
        cells = _cells(workspace, of)
        drawn = chance.sample(cells, min(tries, len(cells)))
        for table, number, name, value in drawn:
            other = _another(value, chance)
            plain = _plain(table)
            update = plain.update().where(plain.c[_number(table)] == number).values({name: other})
            try:
                found = breaks(lambda connection, act=update: connection.execute(act))
            except sa.exc.IntegrityError:
                refused += 1  # another row's key: the database itself does not take it, whoever asks
                continue
            if not any(f"entry {number}" in line for line in found):
                wrong.append(f"{table.name}.{name} of entry {number}, {value!r} → {other!r}: {found[:2]}")
        wrong += _untouched(workspace, "")
    columns = len({(table.name, name) for table, _, name, _ in drawn})
    seen = f"{columns} columns; each found, its entry named" + (
        f"; {refused} refused by the database" if refused else ""
    )
    return {"tries": len(drawn), "seen": seen, "problems": wrong}


def _another(value: Any, chance: random.Random) -> Any:
    """The value with one letter changed, or another number."""
    if not isinstance(value, str):
        return value + 1000
    if not value:
        return "x"
    place = chance.randrange(len(value))
    return value[:place] + chance.choice([each for each in _HEX if each != value[place]]) + value[place + 1 :]


def _deleted(workspace: Workspace) -> Found:
    """Each entry but the last with its act's row, then each act's row alone."""
    wrong, tried = [], 0
    with _changed(workspace) as breaks:
        last = workspace.ledger.head()[0]
        for number in range(1, last):
            tried += 1
            found = breaks(lambda connection, at=number: _delete(connection, ALL, at))
            if not any(f"entry {number}: missing" in line for line in found):
                wrong.append(f"entry {number} deleted: {found[:2]}")
        for table, number in {(table, number) for table, number, _, _ in _cells(workspace, list(tables.ACTS.values()))}:
            tried += 1
            found = breaks(lambda connection, of=table, at=number: _delete(connection, [of], at))
            if not any(f"row of entry {number} is gone" in line for line in found):
                wrong.append(f"{table.name} row of entry {number} deleted: {found[:2]}")
        wrong += _untouched(workspace, "")
    return {"tries": tried, "seen": "each found, the missing entry or row named", "problems": wrong}


def _delete(connection: sa.Connection, of: Sequence[sa.Table], number: int) -> None:
    for table in of:
        connection.execute(table.delete().where(table.c[_number(table)] == number))


def _reordered(workspace: Workspace) -> Found:
    wrong, tried = [], 0
    with _changed(workspace) as breaks:
        last = workspace.ledger.head()[0]
        for first in range(1, last):
            tried += 1
            found = breaks(lambda connection, at=first: swap(connection, at, at + 1))
            if not any(f"entry {first} " in line or f"entry {first}:" in line for line in found):
                wrong.append(f"entries {first} and {first + 1}: {found[:2]}")
        wrong += _untouched(workspace, "")
    return {"tries": tried, "seen": "each found, the first of the two named", "problems": wrong}


def _cut(workspace: Workspace) -> Found:
    wrong, tried = [], 0
    with _changed(workspace) as breaks:
        last = workspace.ledger.head()[0]
        for end in range(last):
            tried += 1
            found = breaks(lambda connection, at=end: cut_after(connection, at))
            if not any(f"the tail after entry {end} is cut off" in line for line in found):
                wrong.append(f"cut after entry {end}: {found[:2]}")
        wrong += _untouched(workspace, "")
    return {"tries": tried, "seen": "each found, the last entry that is left named", "problems": wrong}


def _forged(workspace: Workspace) -> Found:
    wrong, tried = [], 0
    with _changed(workspace) as breaks:
        last = workspace.ledger.head()[0]
        for number in range(1, last + 1):
            tried += 1
            found = breaks(lambda connection, at=number: rewrite(connection, at, actor="somebody else"))
            if not any("not the one that was anchored" in line for line in found):
                wrong.append(f"entry {number} rewritten: {found[:2]}")
        wrong += _untouched(workspace, "")
    return {"tries": tried, "seen": "each found: the anchored entry is another one", "problems": wrong}


# --- models ------------------------------------------------------------------------------------------------------


def _malicious(workspace: Workspace) -> Found:
    """Each file would touch a canary if anything in it ran; that it would is tried, too."""
    place, canary = workspace.root / "mlflow/3/model.skops", workspace.root.parent / "canary"
    digest = workspace.ledger.acts("dossier")[-1]["digest"]
    good, wrong, tried = place.read_bytes(), [], 0
    for name, (file, content) in _payloads(workspace.root.parent, canary).items():
        path = place.with_name(file)
        path.write_bytes(content)
        tried += 1
        workspace._models.clear()
        wrong += [f"{name}: {line}" for line in _refused("loading", path, lambda: workspace.model("3"))]
        wrong += [f"{name}: {line}" for line in _refused("signing", path, lambda: _sign(workspace, digest))]
        with_its_digest_on_record = in_child(lambda data=content: load_pipeline(data))
        if not str(with_its_digest_on_record.get("error", "")).startswith("ValueError"):
            wrong.append(f"{name}: loaded once its digest is on record: {with_its_digest_on_record}")
        if canary.exists():
            wrong.append(f"{name}: it was run")
        in_child(lambda data=content: _run(data))
        if not canary.exists():
            wrong.append(f"{name}: no fault: it does not run even where nothing stops it")
        canary.unlink(missing_ok=True)
        path.unlink()
        place.write_bytes(good)
    wrong += _untouched(workspace, digest)
    return {"tries": tried, "seen": "none was run; loading and signing refused, the file named", "problems": wrong}


def _payloads(folder: Path, canary: Path) -> dict[str, tuple[str, bytes]]:
    joblib.dump(Touch(canary), folder / "evil.joblib")
    pickled = pickle.dumps(Touch(canary))
    found = {"a pickle in its place": ("model.skops", pickled), "a pickle beside it": ("model.pkl", pickled)}
    for name, payload in RUNNING.items():
        evil = payload(str(folder / "evil.joblib") if payload is by_pickle_file else f"touch {canary}")
        found[f"skops: {name}"] = ("model.skops", packed({**evil, "protocol": 2}, {}))
    return found


def _run(content: bytes) -> None:
    """What a loader without our checks would do with it."""
    if content.startswith(b"PK"):
        sio.loads(content, trusted=sio.get_untrusted_types(data=content))
    else:
        pickle.loads(content)
