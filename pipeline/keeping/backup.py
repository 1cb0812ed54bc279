"""`mend backup`: stores, registry and files of a workspace as one consistent set, while cycles go on.

The ledger is copied first, then the other stores, then the files. Whatever the ledger names was there before it was
named, and nothing but `mend prune` and `mend erase` ever takes it away, which stand back meanwhile: so everything that
the copied ledger names is in the set. What came later is in it too, and is what a crash would have left: unnamed.
Cycles are not held up, and need not be: each database is copied by its own snapshot. A backup that could not be
restored is not made.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from pipeline.artefacts import sync_folder
from pipeline.errors import InputError, IntegrityError, RefusedError
from pipeline.keeping.acting import only_keeper
from pipeline.keeping.archive import write_archive
from pipeline.keeping.manifest import LEDGER, MLFLOW, TRAFFIC, Manifest
from pipeline.settings import Settings
from pipeline.stores.engine import SCHEMA
from pipeline.stores.ledger import Ledger
from pipeline.stores.pruned import may_be_absent
from pipeline.stores.snapshot import snapshot, sqlite_path, untouched
from pipeline.stores.verify import verify
from pipeline.wiring import Workspace

Tick = Callable[[int, int], None]  # how many are done, of how many
_ORDER = {LEDGER: "ledger", TRAFFIC: "traffic", MLFLOW: "mlflow"}  # the ledger first: see above


def back_up(workspace: Workspace, destination: Path, *, wall: datetime, tick: Tick = lambda *_: None) -> Manifest:
    """Write a backup, whole or not at all, and return its manifest.

    Raises:
        InputError: The destination is there already, lies inside the workspace, or cannot be written.
        RefusedError: A store is not SQLite, or prune or erase is at work.
        IntegrityError: The workspace is not what its ledger says, so that it could not be restored.
    """
    databases = _databases(workspace.settings)
    _require_free(destination, workspace.root)
    unfinished = destination.with_name(f".{destination.name}.unfinished")
    with only_keeper(workspace.root):
        try:
            shutil.rmtree(unfinished, ignore_errors=True)  # of a backup that was killed
            unfinished.mkdir(mode=0o700)
            for name, source in databases.items():
                (unfinished / name).parent.mkdir(exist_ok=True)
                snapshot(source, unfinished / name)
            manifest = _write(workspace, unfinished, list(databases), wall=wall, tick=tick)
            _require_free(destination, workspace.root)
            (unfinished / "archive").replace(destination)
            sync_folder(destination.parent)
        except OSError as error:
            raise InputError(
                destination, f"not written, and nothing is left of it: {error.strerror or error}"
            ) from None
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def _databases(settings: Settings) -> dict[str, Path]:
    """Where each database is, by its name in the set."""
    found = {}
    for name, store in _ORDER.items():
        path = sqlite_path(settings.store_url(store))  # type: ignore[arg-type]
        if path is None:
            raise RefusedError(
                f"stores.{store} is not SQLite: use its own tools, the ledger first, with `mend prune` and `erase` at "
                f"rest: `pg_dump --format=custom` of stores.ledger, stores.traffic, stores.mlflow, then the files in "
                f"{settings.workspace}"
            )
        if path.is_file() or name != MLFLOW:
            found[name] = path
    return found


def _require_free(destination: Path, root: Path) -> None:
    if destination.exists() or destination.is_symlink():
        raise InputError(destination, "is there already; a backup never overwrites")
    if not destination.parent.is_dir():
        raise InputError(destination, f"{destination.parent} is not a folder")
    if destination.resolve().is_relative_to(root):
        raise InputError(destination, "lies inside the workspace: it would be lost with it")


def _write(workspace: Workspace, unfinished: Path, databases: list[str], *, wall: datetime, tick: Tick) -> Manifest:
    engine = untouched(unfinished / LEDGER)
    checked = verify(Ledger(engine), workspace=None)
    if not checked.verified:
        raise IntegrityError("ledger", f"{checked.breaks[0]}; not backed up, it could not be restored")
    made: list[Manifest] = []

    def manifest(files: dict[str, str]) -> str:
        _require_complete(Ledger(engine), files)
        made.append(
            Manifest(
                made_at=wall,
                model=workspace.settings.model.name,
                artifacts=workspace.registry.artifacts.as_uri(),
                stores={"ledger": SCHEMA["ledger"], "traffic": SCHEMA["traffic"]},
                head=checked.head,
                entries=checked.entries,
                files=files,
            )
        )
        return made[0].to_text()

    try:
        write_archive(unfinished / "archive", _members(workspace, unfinished, databases, tick), manifest)
    finally:
        engine.dispose()
    return made[0]


def _members(workspace: Workspace, unfinished: Path, databases: list[str], tick: Tick) -> Iterator[tuple[str, Path]]:
    members = [(name, unfinished / name) for name in databases]
    members += [(workspace.relative(path), path) for path in _files(workspace)]
    for number, member in enumerate(members):
        tick(number, len(members))
        yield member


def _files(workspace: Workspace) -> list[Path]:
    """Every file but databases, locks and what is being written at this moment."""
    stores = {path.resolve() for path in _databases(workspace.settings).values()}
    beside = {path.with_name(path.name + end) for path in stores for end in ("", "-wal", "-shm", "-journal")}
    return [
        path
        for path in sorted(workspace.root.rglob("*"))
        if path.is_file()
        and path.resolve() not in beside
        and path.suffix != ".lock"
        and not path.name.startswith(".")
        and ".unfinished" not in path.name
    ]


def _require_complete(ledger: Ledger, files: dict[str, str]) -> None:
    """Everything that this ledger names is in the set, as it was recorded."""
    entries = ledger.entries()
    recorded = {path: (entry.seq, digest) for entry in entries for path, digest in entry.files.items()}
    pruned = {
        path: (entry.seq, digest) for entry in entries for path, digest in entry.body.get("pruned_files", {}).items()
    }
    for path, (seq, digest) in sorted(recorded.items()):
        gone = path not in files and may_be_absent(path, seq=seq, digest=digest, pruned=pruned)
        if not gone and files.get(path) != digest:
            what = "not what" if path in files else "gone; it is what"
            raise IntegrityError(path, f"{what} ledger entry {seq} recorded; not backed up, it could not be restored")
