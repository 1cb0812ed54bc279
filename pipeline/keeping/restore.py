"""`mend restore`: a backup into a new or empty folder, checked to the last byte and by its ledger before it counts."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.artefacts import sync_folder
from pipeline.errors import InputError, IntegrityError, RefusedError
from pipeline.keeping.archive import check_seal, unpack
from pipeline.keeping.manifest import LEDGER, MLFLOW, TRAFFIC, Manifest
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.snapshot import opened
from pipeline.stores.verify import verify

ARTIFACTS = "mlflow/artifacts"  # in the workspace
# Where MLflow 3 writes down where its files are. Their absolute place is in nothing else that it reads.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored, and how many locations in the registry were moved."""

    folder: Path
    manifest: Manifest
    moved: int


def restore(source: Path, folder: Path, *, tick: Callable[[], None] = lambda: None) -> Restored:
    """Restore a backup into a folder that is new or empty; anything wrong, and nothing is left there.

    Raises:
        InputError: The folder holds something, or cannot be written.
        IntegrityError: The backup is not whole, holds what it should not, or its ledger does not verify.
        RefusedError: Somebody else is restoring into this folder.
    """
    _require_empty(folder)
    check_seal(source)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _working_folder(folder.with_name(f".{folder.name}.restoring")) as work:
            digests, text = unpack(source, work, tick=tick)
            manifest = Manifest.from_text(text)
            _require_as_listed(source, digests, manifest)
            moved = _move_registry(work, folder, manifest)
            _require_verified(work, manifest)
            _sync(work)
            _require_empty(folder)
            work.replace(folder)  # refused by the system, too, where the folder is not empty
            sync_folder(folder.parent)
    except OSError as error:
        raise InputError(folder, f"not restored, and nothing is left of it: {error.strerror or error}") from None
    return Restored(folder=folder, manifest=manifest, moved=moved)


def _require_empty(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise InputError(folder, "expected a new or an empty folder; a restore never overwrites")


@contextmanager
def _working_folder(work: Path) -> Iterator[Path]:
    """A folder for one restore alone, gone afterwards unless it was given its own name."""
    work.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however that ends
    except BlockingIOError:
        os.close(handle)
        raise RefusedError(work, "another `mend restore` is at work there; wait for it") from None
    try:
        _empty(work)  # of a restore that was killed
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(handle)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _require_as_listed(source: Path, digests: dict[str, str], manifest: Manifest) -> None:
    for name in sorted(digests.keys() | manifest.files.keys()):
        if name not in manifest.files:
            raise IntegrityError(source, f"{name}: not in the manifest")
        if name not in digests:
            raise IntegrityError(source, f"{name}: missing; the manifest lists it")
        if digests[name] != manifest.files[name]:
            raise IntegrityError(source, f"{name}: not the file that the manifest lists")
    for name in (LEDGER, TRAFFIC):
        if name not in digests:
            raise IntegrityError(source, f"{name}: missing")


def _require_verified(work: Path, manifest: Manifest) -> None:
    engine = open_engine(f"sqlite:///{work / LEDGER}")
    try:
        migrate(engine, "ledger", lock=work / "migrate.lock")  # of an earlier version of Mend, perhaps
        found = verify(Ledger(engine), workspace=work)
    finally:
        engine.dispose()
    if not found.verified:
        raise IntegrityError("ledger", f"{len(found.breaks)} breaks; the first: {found.breaks[0]}")
    if (found.entries, found.head) != (manifest.entries, manifest.head):
        raise IntegrityError("ledger", f"ends at entry {found.entries}, the manifest says {manifest.entries}")


def _move_registry(work: Path, folder: Path, manifest: Manifest) -> int:
    """Make MLflow's store name its files where they will be; returns how many locations were changed."""
    if MLFLOW not in manifest.files:
        return 0
    there = (folder.resolve() / ARTIFACTS).as_uri()
    moved = 0
    with opened(work / MLFLOW) as connection:
        for old, new in _places(connection, manifest, there):
            for table, column in LOCATIONS:
                moved += connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  names of our own
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
                ).rowcount
        connection.commit()
    return moved


def _places(connection: Any, manifest: Manifest, there: str) -> list[tuple[str, str]]:
    """Where the files are said to be, and where they will be, as a URI and as the bare path that MLflow takes too.

    Said by the backup, and by the experiments: a workspace that was copied by hand still names the place it came from.
    """
    said = {row[0] for row in connection.execute("SELECT artifact_location FROM experiments")}
    olds = {manifest.artifacts, *(each for each in said if each and each.endswith(f"/{ARTIFACTS}"))} - {there}
    return [pair for old in sorted(olds) for pair in ((old, there), (_bare(old), _bare(there)))]


def _bare(uri: str) -> str:
    return unquote(urlsplit(uri).path)


def _sync(folder: Path) -> None:
    """Have the folders on the disk, the deepest first; their files are there already."""
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        sync_folder(path)
    sync_folder(folder)
