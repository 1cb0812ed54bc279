"""Section 8 of the pack: how a reader without Mend finds out whether this file is genuine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboard import pack
from dashboard.pack_blocks import Block, Code, Heading, Points, Section, Table, Text
from dashboard.pack_case import Case
from dashboard.pack_front import moment
from pipeline.artefacts import canonical_json
from pipeline.gate.dossier import Dossier
from pipeline.stores import verify_alone
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Entry

CHECK = Path(__file__).with_name("check_pack.py")


def integrity(case: Case) -> Section:
    """Digest, chain position, code and libraries, and what to run; the dossier and the entries themselves."""
    return Section(
        number=8,
        title="Integrity",
        asks="Is this file genuine, and can the judgement be made again?",
        blocks=[
            Text(text="Digest of the dossier, the SHA-256 that an approver signs:"),
            Code(name="digest", text=case.dossier.digest),
            _chain(case),
            Points(lines=_record(case)),
            *_made_with(case.dossier),
            *_steps(case),
            *_embedded(case),
        ],
    )


def _chain(case: Case) -> Table:
    head = case.history.head
    shown = case.history.of("dossier", "signature", "decision", "champion")
    rows = [
        [str(entry.seq), f"{entry.kind} {entry.key[:12]}", moment(entry.recorded_at), entry.hash, entry.prev]
        for entry in [*shown, *([head] if head.seq not in {entry.seq for entry in shown} else [])]
    ]
    columns = ["Entry", "What", "Written, by the machine's clock", "Hash", "Hash of the entry before"]
    return Table(title=f"Where it stands in the chain; entry {head.seq} was the head", columns=columns, rows=rows)


def _record(case: Case) -> list[str]:
    checked, head = case.checked, case.history.head
    found = "every hash, every link and every row of an act is what was written"
    if not checked.verified:
        found = "BROKEN: " + "; ".join(checked.breaks[:20])
    return [
        f"The ledger was checked when this pack was made: {found}.",
        f"The pack is about its first {head.seq:,} entries: all acts until {moment(case.history.as_of)}.",
        "Files of models, notebooks and reports were not read again for it: “mend ledger verify” does that.",
    ]


def _made_with(dossier: Dossier) -> list[Block]:
    made = dossier.made_with
    rows = [["Mend", made.release], ["Code that judges (SHA-256)", made.code_sha256]]
    rows += [[f"Notebook {name} (SHA-256)", digest] for name, digest in sorted(made.notebooks.items())]
    rows += [[name, version] for name, version in sorted(made.libraries.items())]
    return [Table(title="What it was made with", columns=["Part", "Version or hash"], rows=rows)]


def _steps(case: Case) -> list[Block]:
    short, name, as_of = (
        case.dossier.digest[:12],
        pack.file_name(case.dossier.challenger, case.dossier.digest),
        iso(case.history.as_of),
    )
    return [
        Heading(text="How to check it without Mend"),
        Text(
            text="1. Save this file, and beside it the program below as check_pack.py: 80 lines, Python 3.9 or newer, "
            "nothing else. Read it, then run:"
        ),
        Code(name="command-1", text=f"python3 check_pack.py {name}"),
        Text(
            text="It takes the dossier out of this file and computes its SHA-256, computes the hash of every entry of "
            "the ledger that is embedded here, prints verdicts and decision from them, to be compared with the first "
            "page, and ends with “what is embedded holds”."
        ),
        Text(
            text="2. Are these entries in the bank's ledger, and is that whole? Ask for a copy, made by “mend ledger "
            "export ledger.jsonl”, put it beside, and run the program that step 1 took out of this file:"
        ),
        Code(name="command-2", text="python3 verify_alone.py ledger.jsonl --anchors anchors.jsonl"),
        Text(text="The anchors are the entries shown here: a ledger that was cut off or written anew does not match."),
        Heading(text="How to check it with Mend, in the bank's workspace"),
        Text(text="3. Is the judgement right? Derive it again from the stored rows, outcomes and models:"),
        Code(name="command-3", text=f"mend recompute {short}"),
        Text(
            text="4. Do words, tables and drawings say what the dossier says? They are not signed themselves. The same "
            "release of Mend writes this file again, byte for byte, on a machine with the same fonts:"
        ),
        Code(name="command-4", text=f"mend pack {short} --as-of {as_of} --out again_{name}"),
        Text(text="5. Are models, reference, notebooks and reports the recorded files?"),
        Code(name="command-5", text="mend ledger verify"),
    ]


def _embedded(case: Case) -> list[Block]:
    head, about = case.history.head, case.history.about
    entries = [*about, *([] if head in about else [head])]
    lines = [json.dumps({"table": "entries", "row": _row(entry)}, sort_keys=True) for entry in entries]
    folded: dict[str, Any] = {"folded": True}
    return [
        Heading(text="Embedded in this file"),
        Text(text="Folded on the screen, and not printed: open them there.", kind="note"),
        Code(name="check_pack", title="check_pack.py", text=CHECK.read_text(encoding="utf-8"), **folded),
        Code(
            name="dossier", title="The dossier, canonical JSON", text=canonical_json(case.dossier.to_json()), **folded
        ),
        Code(name="entries", title=f"{len(lines)} entries of the ledger", text="\n".join(lines), **folded),
        Code(name="verify_alone", title="verify_alone.py", text=_source(verify_alone), **folded),
    ]


def _row(entry: Entry) -> dict[str, Any]:
    """An entry's columns as the ledger stores and hashes them."""
    return {**entry.to_json(), "body": canonical_json(entry.body), "files": canonical_json(entry.files)}


def _source(module: Any) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")
