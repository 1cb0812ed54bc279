"""The ledger at the command line: read it, verify it, anchor it, hand it to an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from pipeline.cli_terminal import Json, argument, err, out, print_json, table, waiting
from pipeline.errors import NotInitialisedError, StoreError
from pipeline.settings import load_settings
from pipeline.settings_types import parse_day
from pipeline.wiring import Workspace, open_workspace

if TYPE_CHECKING:
    from pipeline.stores.anchors import Anchor

ledger_app = typer.Typer(help="The record of every act: append-only and hash-chained.", no_args_is_help=True)
_SHOWN = 20  # breaks on a terminal; --json has all


@ledger_app.command("show")
def ledger_show(
    kind: Annotated[str, typer.Option(help="Only entries of this kind, as in decision.")] = "",
    last: Annotated[int, typer.Option(help="How many, from the newest.", min=1)] = 30,
    as_json: Json = False,
) -> None:
    """Who did what, and when."""
    workspace = open_workspace(load_settings())
    entries = workspace.ledger.entries(kind=kind or None, limit=last)
    if as_json:
        print_json([entry.to_json() for entry in entries])
        return
    rows = [
        {
            "seq": entry.seq,
            "at": f"{entry.at:%Y-%m-%d %H:%M}",
            "kind": entry.kind,
            "key": entry.key[:28],
            "actor": entry.actor,
            "hash": entry.hash[:12],
        }
        for entry in entries
    ]
    table(rows)


@ledger_app.command("champion")
def ledger_champion(
    at: Annotated[str, typer.Option("--at", help="UTC time, ISO 8601. Default: the newest.", metavar="TIME")] = "",
    as_json: Json = False,
) -> None:
    """Who was champion at a time: since when, how, by whose hand and on what evidence."""
    workspace = open_workspace(load_settings())
    moment = argument("--at", parse_day, at) if at else None
    found = workspace.ledger.reign(moment)
    if found is None:
        raise NotInitialisedError(workspace.root, f"no champion {f'at {at}' if at else 'yet; run `mend init`'}")
    if as_json:
        from pipeline.stores.engine import iso

        print_json({**found, "since": iso(found["since"]), "recorded_at": iso(found["recorded_at"])})
        return
    signature: dict[str, Any] = found["signature"] or {}
    known = f", known by {signature['method']}" if "method" in signature else ""
    evidence = f"dossier {found['digest']}" if found["digest"] else "no dossier: it was put there, not promoted"
    out.print(
        f"version {found['version']} since {found['since']:%Y-%m-%d %H:%M} UTC, number {found['number']}, by "
        f"{found['how']}: {escape(found['by'])}{known}; {evidence}; ledger entry {found['entry']}"
    )


@ledger_app.command("verify")
def ledger_verify(
    anchors: Annotated[
        str, typer.Option("--anchors", help="Anchor file. Default: every file: of ledger.anchors.", metavar="FILE")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check every entry, every row, every file it names and every anchor; says where it breaks."""
    from pipeline.stores.verify import verify

    workspace = open_workspace(load_settings())
    known, notes = _anchors(workspace, anchors)
    with waiting("reading every file on record"):
        found = verify(workspace.ledger, workspace=workspace.root, anchors=known)
    if not known:
        notes.append("no anchor was compared: that the newest entries are all there, nobody can see from here")
    if as_json:
        numbers = {name: getattr(found, name) for name in ("verified", "entries", "files", "anchors", "head")}
        print_json({**numbers, "breaks": list(found.breaks), "notes": notes})
    else:
        for line in found.breaks[:_SHOWN]:
            err.print(f"BROKEN {escape(line)}")
        if (more := len(found.breaks) - _SHOWN) > 0:
            err.print(f"and {more} more; --json has all")
        for note in notes:
            out.print(f"note: {escape(note)}")
        counted = f"{found.entries} entries, {found.files} files, {found.anchors} anchors, head {found.head[:12]}"
        out.print(f"{counted}: " + ("verified" if found.verified else f"{len(found.breaks)} breaks"))
    if not found.verified:
        raise typer.Exit(4)


@ledger_app.command("anchor")
def ledger_anchor() -> None:
    """Leave the newest hash at every address of ledger.anchors, and print it. Runs by itself after every act."""
    from pipeline.stores.anchors import anchor

    settings = load_settings()
    workspace = open_workspace(settings)
    entry, value = workspace.ledger.head()
    out.print(f"entry {entry}, hash {value}")
    if not settings.ledger.anchors:
        out.print("ledger.anchors is empty: write this down where whoever changes the ledger does not reach")
    trouble = anchor(
        workspace.ledger,
        settings.ledger,
        model=settings.model.name,
        folder=workspace.root,
        now=workspace.now(),
        say=lambda line: err.print(escape(line)),
    )
    if trouble:
        raise StoreError("ledger.anchors", f"{len(trouble)} of {len(settings.ledger.anchors)} do not hold")


@ledger_app.command("export")
def ledger_export(
    file: Annotated[Path, typer.Argument(help="Where to; a file there is replaced.", metavar="FILE")],
) -> None:
    """Write the whole ledger as JSON lines, for pipeline/stores/verify_alone.py and whoever audits."""
    from pipeline.stores.records import export

    workspace = open_workspace(load_settings())
    with waiting("writing every entry"):
        entries, head = export(workspace.ledger, file)
    out.print(f"{entries} entries, head {head[:12]}, in {file}")


def _anchors(workspace: Workspace, given: str) -> tuple[list[Anchor], list[str]]:
    """Anchors to compare with, and what is to be said of their files."""
    from pipeline.stores.anchors import anchor_files, read_anchors

    if given:
        return read_anchors(Path(given))
    known: list[Anchor] = []
    notes: list[str] = []
    for path in anchor_files(workspace.settings.ledger, workspace.root):
        if not path.exists():
            notes.append(f"{path}: not there; if it ever was, somebody took it. `mend ledger anchor` begins it")
            continue
        more, said = read_anchors(path)
        known, notes = [*known, *more], [*notes, *said]
    return known, notes
