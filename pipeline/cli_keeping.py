"""Keeping and letting go at the command line: backup, restore, prune, erase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli_terminal import As, AsOf, Json, Reason, TokenFile, argument, out, print_json, waiting
from pipeline.errors import InputError, NotEnoughDataError, RefusedError
from pipeline.settings import load_settings
from pipeline.settings_types import parse_day
from pipeline.wiring import open_workspace

keeping_app = typer.Typer()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")]


@keeping_app.command()
def backup(
    destination: Annotated[Path, typer.Argument(help="A new file, as in /backups/2006-07-01.tar.gz.")],
    as_json: Json = False,
) -> None:
    """Write stores, registry and files as one consistent set, while cycles go on."""
    from pipeline.clock import wall_clock
    from pipeline.keeping.backup import back_up

    settings = load_settings()
    if not settings.workspace.is_dir():
        raise NotEnoughDataError(settings.workspace, "no workspace there to back up")
    workspace = open_workspace(settings)
    with _counting("files") as tick:
        made = back_up(workspace, destination.absolute(), wall=wall_clock(), tick=tick)
    size = destination.stat().st_size
    if as_json:
        told = {"entries": made.entries, "head": made.head, "files": len(made.files), "bytes": size}
        print_json({"backup": str(destination.absolute()), **told})
        return
    out.print(
        f"{destination}: {len(made.files)} files, {size / 1e6:.1f} MB, "
        f"ledger of {made.entries} entries, head {made.head[:12]}"
    )
    out.print(
        f"not in it: {settings.source} and {settings.data_path}. It holds applicants' data and the key that knows the "
        "erased: keep it where the workspace may be kept."
    )


@keeping_app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `mend backup` wrote.")],
    into: Annotated[
        str, typer.Option("--into", help="A new or empty folder. Default: the settings' workspace.", metavar="DIR")
    ] = "",
    as_json: Json = False,
) -> None:
    """Restore a backup into a new or empty folder, once every byte and the whole ledger are verified."""
    from pipeline.keeping.restore import restore as run

    folder = Path(into).absolute() if into else _own_folder()
    with waiting("checking and unpacking"):
        done = run(source, folder)
    made = done.manifest
    if as_json:
        told = {"made_at": str(made.made_at), "entries": made.entries, "head": made.head, "files": len(made.files)}
        print_json({"workspace": str(done.folder), "model": made.model, **told, "locations_moved": done.moved})
        return
    out.print(
        f"restored {escape(made.model)} of {made.made_at:%Y-%m-%d %H:%M} UTC into {done.folder}: {len(made.files)} "
        f"files, ledger of {made.entries} entries, head {made.head[:12]}: verified"
    )
    out.print("an anchor elsewhere that is newer than this head names acts that this set lacks")
    out.print(f"registry: {done.moved} locations moved here")


@keeping_app.command()
def prune(
    as_of: AsOf = "",
    dry_run: DryRun = False,
    as_: As = "",
    reason: Reason = "",
    token_file: TokenFile = "",
    as_json: Json = False,
) -> None:
    """Delete artefacts and traffic older than the `keeping` settings say. The ledger stays, and says what went."""
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.keeping.prune import plan
    from pipeline.keeping.prune import prune as run

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_champion()
    now = workspace.now()
    moment = argument("--as-of", parse_day, as_of) if as_of else now
    with _counting("files") as tick:
        if dry_run:
            found = plan(workspace, as_of=moment, now=now, tick=tick)
        else:
            person = person_at_terminal(settings, as_, token_file)
            found = run(workspace, as_of=moment, person=person, reason=reason, now=now, tick=tick)
    if as_json:
        print_json({"dry_run": dry_run, **found.to_json()})
        return
    if found.empty:
        kept = settings.keeping.model_dump().values()
        why = "nothing is older than its retention" if any(kept) else "no retention is set, see [keeping]"
        out.print(f"nothing to delete: {why}")
        return
    rows = ", ".join(f"{count:,} {table}" for table, count in found.rows.items()) or "no traffic"
    said = "would delete" if dry_run else "deleted"
    out.print(f"{said} {len(found.files):,} files, {found.bytes / 1e6:.1f} MB; {rows}")
    if found.dossiers:
        out.print(f"rows of {len(found.dossiers)} dossiers are among them, which cannot be recomputed without")


@keeping_app.command()
def erase(
    application_id: Annotated[str, typer.Argument(help="The applicant's id, as in the portfolio.")],
    check: Annotated[
        str, typer.Option("--check", help="Say whether this receipt and the id are on record.", metavar="RECEIPT")
    ] = "",
    dry_run: DryRun = False,
    as_: As = "",
    reason: Reason = "",
    token_file: TokenFile = "",
    as_json: Json = False,
) -> None:
    """Delete one applicant's rows on request, with proof in the ledger and no id in it."""
    workspace = open_workspace(load_settings())
    workspace.require_champion()
    if check:
        _check(workspace, check, application_id, as_json=as_json)
    elif dry_run:
        _would_erase(workspace, application_id, as_json=as_json)
    else:
        _erase(workspace, application_id, as_, reason, token_file, as_json=as_json)


def _erase(workspace: Any, application_id: str, as_: str, reason: str, token_file: str, *, as_json: bool) -> None:
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.keeping.erase import erase as run
    from pipeline.keeping.erase import to_json
    from pipeline.keeping.mentions import SHORTEST, mentions

    settings = workspace.settings
    person = person_at_terminal(settings, as_, token_file)
    with waiting("erasing"):
        done = run(workspace, application_id, person=person, reason=reason, now=workspace.now())
    with waiting("looking for the id in texts"):
        left = list(mentions(workspace, application_id))
    outside = [
        f"{settings.data_path}: your own file",
        "earlier backups",
        "models trained with the rows, and what was counted over them",
    ]
    if as_json:
        print_json(to_json(done) | {"not_reached": outside, "still_spelled_in": left})
        return
    out.print(f"{'was erased' if done.again else 'erased'}: {_where(done.entry.body)}; ledger entry {done.entry.seq}")
    out.print(f"receipt for the applicant, kept nowhere: {done.receipt}")
    out.print(f"  mend erase --check {done.receipt} ID")
    out.print(f"not reached: {escape('; '.join(outside))}")
    for line in left:
        out.print(f"still spelled in: {escape(line)}")
    if len(application_id) < SHORTEST:
        out.print(f"texts were not searched: an id of fewer than {SHORTEST} characters is found everywhere")


def _would_erase(workspace: Any, application_id: str, *, as_json: bool) -> None:
    from pipeline.keeping.erase import find

    found = find(workspace, application_id)
    if not found.anything:
        raise NotEnoughDataError(workspace.root, f"no row here is of application {application_id!r}")
    if as_json:
        print_json({"dry_run": True, **found.to_json()})
        return
    out.print(f"would erase: {_where(found.to_json())}")
    if found.dossiers:
        out.print(f"{len(found.dossiers)} dossiers took their rows from a stretch with this applicant in it")


def _check(workspace: Any, receipt: str, application_id: str, *, as_json: bool) -> None:
    from pipeline.keeping.erased import find_erasure

    entry = find_erasure(workspace.ledger, receipt, application_id)
    if as_json:
        print_json({"found": entry is not None, "entry": None if entry is None else entry.to_json()})
    elif entry is not None:
        out.print(f"on record: ledger entry {entry.seq}, erased as of {entry.at:%Y-%m-%d}, {_where(entry.body)}")
    if entry is None:
        raise RefusedError("no erasure on record for this receipt and this id")


def _where(found: Any) -> str:
    parts = [
        f"{count} {table.removesuffix('s') if count == 1 else table}" for table, count in found["rows"].items() if count
    ]
    parts += [f"{found['reference']} row of the reference"] if found["reference"] else []
    parts += [f"{found['set_aside']} row set aside"] if found["set_aside"] else []
    return ", ".join(parts)


def _own_folder() -> Path:
    settings = load_settings()
    named = [name for name, url in settings.stores.model_dump().items() if url]
    if named:
        raise InputError(
            f"stores.{named[0]}", "is set, and a restore puts stores into the workspace: unset it, or give --into DIR"
        )
    return settings.workspace


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
