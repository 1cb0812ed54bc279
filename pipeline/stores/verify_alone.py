"""Verify a Mend ledger without Mend: this one file, Python 3.9 or newer, nothing else. Copy it, read it, run it.

    python verify_alone.py LEDGER.db|LEDGER.jsonl [--workspace DIR] [--anchors FILE]

A .jsonl is what `mend ledger export` wrote, anything else a SQLite ledger. Exit code 0: verified; 4: not.
An entry's hash is the SHA-256 of its other columns as JSON with sorted keys and no spaces; `prev` is the hash of the
entry before it. The row of an act, in the table called after its kind, repeats its entry's body by column.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import itertools
import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Rows = Iterator[tuple[str, dict[str, Any]]]
TABLES = "signals challengers dossiers trials decisions champions cycles runs looks alerts alert_events"
HASHED = ("seq", "at", "recorded_at", "kind", "key", "actor", "body", "files", "prev")


def canonical(row: dict[str, Any]) -> str | None:
    try:
        text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text if text.encode() else None
    except (TypeError, ValueError):
        return None  # bytes, an infinity or what is no UTF-8: only a changed file holds it


def parsed(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
        return found if isinstance(found, dict) else {}
    except (TypeError, ValueError):
        return {}


def from_database(path: Path) -> Rows:
    mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.row_factory = sqlite3.Row
    connection.execute("BEGIN")
    ask = connection.execute
    for (line,) in (found for found in ask("PRAGMA integrity_check(20)") if found[0] != "ok"):
        yield "damage", {"line": f"database: {line}"}
    there = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
    order = {"entries": "seq", **{table: "entry" for table in TABLES.split() if table in there}}  # fewer in an old one
    found = [zip(itertools.repeat(name), ask(f"SELECT * FROM {name} ORDER BY {n}")) for name, n in order.items()]  # noqa: S608
    for table, row in heapq.merge(*found, key=lambda each: (each[1][order[each[0]]], each[0] != "entries")):
        yield table, dict(row)


def from_export(path: Path) -> Rows:
    content: dict[str, Any] = {}
    with path.open(encoding="utf-8") as file:
        for content in map(parsed, file):
            yield content["table"], content["row"]  # a line that has no such is told as not readable
    if content.get("table") != "end":
        yield "damage", {"line": "the export is cut off: its last line is not the end"}


def read_anchors(path: Path) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}  # entry: hash: line
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        entry, value = (parsed(line).get(name) for name in ("entry", "hash"))
        if type(entry) is int and entry > 0 and isinstance(value, str):
            found.setdefault(entry, {})[value] = number
        elif line.strip():
            print(f"note: {path} line {number}: not a whole anchor; not used")  # noqa: T201
    return found


def check(rows: Rows, anchors: dict[int, dict[str, int]], state: dict[str, Any]) -> Iterator[str]:
    """A line for every break; `rows` are entries in order, each followed by the rows that name it."""
    owed = ("", "")  # table and content of the row that the act of the entry just read must have
    for table, row in itertools.chain(rows, [("end", {})]):
        if table in ("entries", "end") and owed[0]:
            yield f"table {owed[0]}: the row of entry {state['seq']} is gone"
            owed = ("", "")
        if table == "damage":
            yield row["line"]
        elif table == "entries":
            seq, kind, value, body = row["seq"], row["kind"], row["hash"], parsed(row["body"])
            where, text = f"entry {seq} ({kind} {row['key']})", canonical({name: row[name] for name in HASHED})
            if seq != state["seq"] + 1:
                yield f"entry {state['seq'] + 1}: missing; the next one found is {seq}"
            elif row["prev"] != state["head"]:
                yield f"{where}: does not follow the entry before it"
            if text is None or hashlib.sha256(text.encode()).hexdigest() != value:
                yield f"{where}: its content is not what was written"
            for line in (line for other, line in anchors.get(seq, {}).items() if other != value):
                yield f"entry {seq}: not the one that was anchored (line {line})"
            owed = (f"{kind}s", row["body"]) if f"{kind}s" in TABLES.split() else ("", "")
            state.update(seq=seq, head=value)
            state["files"].update({path: (seq, digest) for path, digest in parsed(row["files"]).items()})
            if kind in ("pruned", "erasure"):
                state["pruned"].update({path: (seq, was) for path, was in dict(body.get("pruned_files", ())).items()})
            if kind == "champion":
                state["champions"].append(f"{body.get('since')} version {body.get('version')} by {row['actor']}")
            if kind == "challenger" and body.get("model_path"):
                state["models"][body["model_path"]] = seq
        elif table != "end":
            entry = row.pop("entry", None)
            if (entry, table, canonical(row)) != (state["seq"], *owed):
                yield f"table {table}, row of entry {entry}: not what its entry says"
            owed = ("", "") if (entry, table) == (state["seq"], owed[0]) else owed
    if max(anchors, default=0) > state["seq"]:
        yield f"the tail after entry {state['seq']} is cut off: entry {max(anchors)} was anchored"


def check_files(folder: Path, state: dict[str, Any]) -> Iterator[str]:
    for path, (seq, digest) in sorted(state["files"].items()):
        file, (taken, was) = folder / path, state["pruned"].get(path, (0, ""))
        away = taken > seq and was == digest and not file.exists()  # on record, and that very file
        if not away and not (file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == digest):
            yield f"{path}: gone, or not the file that entry {seq} recorded"
    for model, seq in state["models"].items():
        for file in (folder / model).rglob("*"):
            path = file.relative_to(folder).as_posix()
            if path not in state["files"] and (file.is_symlink() or not file.is_dir()):
                yield f"{path}: extra; entry {seq} recorded no such file in this model's folder"


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a Mend ledger with nothing but Python.")
    for name in ("ledger", "--workspace", "--anchors"):
        parser.add_argument(name, type=Path)
    given, breaks = parser.parse_args(), list[str]()
    state: dict[str, Any] = {"seq": 0, "head": "0" * 64, "champions": [], "files": {}, "pruned": {}, "models": {}}
    try:
        rows = (from_export if given.ledger.suffix == ".jsonl" else from_database)(given.ledger)
        breaks += check(rows, read_anchors(given.anchors) if given.anchors else {}, state)
        breaks += check_files(given.workspace, state) if given.workspace else []
    except (OSError, ValueError, LookupError, TypeError, AttributeError, sqlite3.Error) as error:
        breaks.append(f"not readable after entry {state['seq']}: {error!r}")
    told = [f"BROKEN {line}" for line in breaks] + [f"champion since {line}" for line in state["champions"]]
    told.append(f"{state['seq']} entries, head {state['head']}: {len(breaks)} breaks" + ", verified" * (not breaks))
    sys.stdout.buffer.write("".join(f"{line}\n" for line in told).encode("utf-8", "backslashreplace"))
    return 4 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
