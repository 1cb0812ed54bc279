"""Check a Mend evidence pack with nothing but Python 3.9 or newer: python3 check_pack.py PACK.html

Exit code 0: what is embedded in the pack is what was signed; 4: it is not. Writes into this folder dossier.json,
anchors.jsonl (the entries of the ledger that the pack shows) and verify_alone.py (which checks a whole ledger).
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def block(page: str, name: str) -> str:
    found = re.search(f'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    return html.unescape(found.group(1)) if found else ""


def canonical(row: Row) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def checked(text: str, digest: str, rows: list[Row]) -> Iterator[tuple[bool, str]]:
    """Whether it holds, and what was looked at."""
    yield sha256(text) == digest, f"dossier: its SHA-256 is {sha256(text)}, the digest is {digest}"
    named = [row for row in rows if row["kind"] == "dossier" and json.loads(row["body"])["digest"] == digest]
    yield len(named) == 1, f"an entry of the ledger records a dossier under {digest}"
    for place, row in enumerate(rows):
        content = {name: value for name, value in row.items() if name != "hash"}
        yield sha256(canonical(content)) == row["hash"], f"entry {row['seq']}, {row['kind']}: hash {row['hash']}"
        if place and row["seq"] == rows[place - 1]["seq"] + 1:
            yield row["prev"] == rows[place - 1]["hash"], f"entry {row['seq']} follows entry {row['seq'] - 1}"


def told(dossier: Row, digest: str, rows: list[Row]) -> Iterator[str]:
    """What dossier and entries say, to be compared with the first page."""
    pair = f"version {dossier['challenger']} against {dossier['champion']}"
    yield f"{pair}, judged as of {dossier['as_of']}: {dossier['status']}"
    for check in dossier["checks"]:
        limit = f"observed {check['observed']}, limit {check['threshold']}, {check['unit']}"
        yield f"{check['code']} {check['name']}: {check['outcome']}; {limit}"
    bodies = [json.loads(row["body"]) for row in rows if row["kind"] == "decision"]
    for body in (each for each in bodies if each["digest"] == digest):
        yield f"{body['verdict']} by {body['actor']}, as of {body['at']}: {json.dumps(body['reason'])}"


def main() -> int:
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    text, digest = block(page, "dossier"), block(page, "digest")
    rows = [json.loads(line)["row"] for line in block(page, "entries").split("\n")]
    found = list(checked(text, digest, rows))
    broken = sum(not holds for holds, _ in found)
    anchors = "".join(json.dumps({"entry": row["seq"], "hash": row["hash"]}) + "\n" for row in rows)
    files = {"dossier.json": text, "anchors.jsonl": anchors, "verify_alone.py": block(page, "verify_alone")}
    for name, content in files.items():
        Path(name).write_bytes(content.encode())
    lines = [("holds   " if holds else "BROKEN  ") + line for holds, line in found]
    lines += told(json.loads(text), digest, rows)
    lines.append(f"what is embedded {'holds' if not broken else f'does not hold: {broken} breaks'}")
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
    return 4 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
