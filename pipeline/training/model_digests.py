"""A model's files against the ledger: which one is changed, extra, missing or swapped. Nothing in them is loaded."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.wiring import Workspace

# Bytes of all files of one model together. We chose: a boosted model of the shipped recipe has under 1 MB, so this
# leaves room for 70 times the trees, and a file that somebody let grow cannot fill the memory.
LARGEST_MODEL_BYTES = 64 * 2**20
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """What the ledger says a model's files are; `files` is SHA-256 by path inside the folder."""

    version: str
    folder: Path
    files: Mapping[str, str]
    threshold: float

    @property
    def sha256(self) -> str:
        """The folder's digest."""
        return folder_digest(self.files)


def folder_digest(files: Mapping[str, str]) -> str:
    """One SHA-256 for a folder, from its files' names and SHA-256s."""
    return sha256_text(canonical_json(dict(files)))


def recorded_model(workspace: Workspace, version: str) -> RecordedModel:
    """What was recorded when this version was trained, from the entry that the chain protects.

    Raises:
        NotInitialisedError: The version is not in the ledger.
        IntegrityError: The record contradicts itself, or names no files.
    """
    row, entry = workspace.challenger(version), workspace.ledger.entry("challenger", version)
    where = f"ledger, model version {version}"
    if entry is None:
        raise IntegrityError(where, "its row has no entry")
    for name in ("model_path", "model_sha256", "threshold"):
        if row[name] != entry.body.get(name):
            raise IntegrityError(where, f"{name} is {row[name]} in its row and {entry.body.get(name)} in its entry")
    below = f"{row['model_path']}/"
    files = {path.removeprefix(below): digest for path, digest in entry.files.items() if path.startswith(below)}
    if not files:
        raise IntegrityError(where, f"no file of {row['model_path']} is on record")
    if folder_digest(files) != row["model_sha256"]:
        raise IntegrityError(where, "the files on record are not those that model_sha256 was taken of")
    return RecordedModel(
        version=version, folder=workspace.root / row["model_path"], files=files, threshold=row["threshold"]
    )


def require_model_files(workspace: Workspace, version: str) -> None:
    """The files of a version are exactly those that the ledger recorded; nothing in them is loaded or run.

    Raises:
        NotInitialisedError: The version is not in the ledger.
        IntegrityError: A file is changed, extra, missing, swapped or not a plain file, or its signature is missing or
            not good while the settings name a public key; the message names it.
    """
    verified_files(recorded_model(workspace, version), workspace.settings)


def verified_files(model: RecordedModel, settings: Settings) -> dict[str, bytes]:
    """The bytes of every file of a model, read once and verified: use these, never the files again.

    Raises:
        IntegrityError: As `require_model_files`.
    """
    found = recorded_files(model)
    if settings.signing.public_key is not None:
        from pipeline.training.signing import require_signature

        require_signature(model, settings)
    return found


def recorded_files(model: RecordedModel) -> dict[str, bytes]:
    """The bytes of every file of a model, read once and compared with the ledger, whoever signed them.

    Raises:
        IntegrityError: A file is changed, extra, missing, swapped or not a plain file; the message names it.
    """
    found = read_folder(model.folder)
    held = {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}
    wrong = [f"{_printable(name)}: {what}" for name, what in _differences(held, model.files)]
    if wrong:
        more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
        raise IntegrityError(
            model.folder, f"model version {model.version} is not used", "; ".join(wrong[:_SHOWN]) + more
        )
    return found


def folder_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a new model, by path inside its folder, as `verified_files` will ask for them.

    Raises:
        IntegrityError: It holds what no model folder may hold, or is larger than we would load.
    """
    return {name: hashlib.sha256(content).hexdigest() for name, content in read_folder(folder).items()}


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path inside, each read once through one descriptor, in order of path.

    Raises:
        IntegrityError: The folder is gone or a link, holds anything but plain files and folders, or is too large.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise IntegrityError(folder, "the model's folder is " + ("a symbolic link" if folder.is_symlink() else "gone"))
    found: dict[str, bytes] = {}
    left = LARGEST_MODEL_BYTES
    for path in sorted(_entries(folder)):
        try:
            content = _read(path, left)
        except OSError as error:
            raise IntegrityError(folder, _printable(path.name), f"not readable: {error.strerror}") from None
        found[path.relative_to(folder).as_posix()] = content
        left -= len(content)
    return found


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders; a link to a folder is an entry, and is not followed."""
    for base, folders, files in os.walk(folder, followlinks=False):
        yield from (Path(base) / name for name in files)
        yield from (Path(base) / name for name in folders if (Path(base) / name).is_symlink())


def _read(path: Path, most: int) -> bytes:
    """A plain file's bytes. A link is not followed and a pipe not waited for."""
    if path.is_symlink():
        raise IntegrityError(path.parent, _printable(path.name), "a symbolic link, not a file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise IntegrityError(path.parent, _printable(path.name), "not a plain file")
        content = file.read(most + 1) if about.st_size <= most else b""
    if max(about.st_size, len(content)) > most:
        size = f"{max(about.st_size, len(content)):,} bytes; a model may have {LARGEST_MODEL_BYTES:,} in all"
        raise IntegrityError(path.parent, _printable(path.name), size)
    return content


def _differences(held: Mapping[str, str], recorded: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and what is wrong with each, in order of name."""
    owner = {digest: name for name, digest in recorded.items()}
    for name in sorted({*held, *recorded}):
        if name not in recorded:
            yield name, "extra, the ledger recorded no such file"
        elif name not in held:
            yield name, "missing, or a folder in its place"
        elif held[name] != recorded[name] and held[name] in owner:
            yield name, f"swapped, it holds what was recorded as {_printable(owner[held[name]])}"
        elif held[name] != recorded[name]:
            yield name, f"changed, SHA-256 {held[name][:12]}… where the ledger recorded {recorded[name][:12]}…"


def _printable(name: str) -> str:
    """A file's name on one line, whatever its bytes are."""
    return name if name.isprintable() else ascii(name)
