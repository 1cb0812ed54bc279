"""The file of a backup: a .tar.gz that any tar reads, sealed so that one wrong byte anywhere is found.

One file, because it can be moved, counted and written whole or not at all; a folder can lose a file on the way. Its end
is an empty gzip member (RFC 1952 allows several) whose comment is the SHA-256 of everything before it. The format's own
CRC-32 would not do: it covers no header and no padding. The seal finds damage, not malice: who can write the file can
seal it again. Against that there is the ledger's head, kept elsewhere.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.artefacts import sha256_file
from pipeline.errors import IntegrityError

FILES, MANIFEST = "workspace/", "manifest.json"
_PIECE = 1 << 20  # bytes
_LEVEL = 6  # gzip's own default
_BEFORE = b"\x1f\x8b\x08\x10\x00\x00\x00\x00\x00\xffmend backup sha256 "  # gzip's header, with a comment
_AFTER = b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"  # its end, and no data
_SEAL_LENGTH = len(_BEFORE) + 64 + len(_AFTER)

Manifested = Callable[[dict[str, str]], str]


def write_archive(path: Path, members: Iterable[tuple[str, Path]], manifest: Manifested) -> None:
    """Write a sealed archive, for its owner alone to read, and have it on the disk.

    Args:
        path: A new file.
        members: Name in the workspace, and where the content is now. A file that has gone meanwhile is left out: it was
            a temporary one, or the manifest will miss it.
        manifest: Given the SHA-256 of every member as it went in, the manifest's text.
    """
    digests = {}
    path.touch(mode=0o600, exist_ok=False)  # applicants' data: nobody else's to read
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=_LEVEL) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, source in members:
            if (digest := _add(tar, FILES + name, source)) is not None:
                digests[name] = digest
        _add_text(tar, MANIFEST, manifest(digests))
    with path.open("ab") as file:
        file.write(_seal(sha256_file(path)))
        file.flush()
        os.fsync(file.fileno())


def check_seal(path: Path) -> None:
    """Raise unless every byte is the one that was written.

    Raises:
        IntegrityError: It is not a backup, or not a whole one, or a byte is wrong.
    """
    try:
        length = path.stat().st_size - _SEAL_LENGTH
        with path.open("rb") as file:
            if length < 0 or file.read(2) != b"\x1f\x8b":
                raise IntegrityError(path, "not a backup made by `mend backup`")
            file.seek(0)
            digest, left = hashlib.sha256(), length
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                digest.update(piece)
                left -= len(piece)
            sealed = file.read()
    except OSError as error:
        raise IntegrityError(path, f"not readable: {error.strerror}") from None
    if sealed != _seal(digest.hexdigest()):
        raise IntegrityError(path, "damaged: it is not the file that `mend backup` wrote; fetch it again")


def unpack(path: Path, folder: Path, *, tick: Callable[[], None]) -> tuple[dict[str, str], str]:
    """Unpack the files into an empty folder; returns their SHA-256 by name, and the manifest's text.

    Only plain files with plain relative names are taken, and each is on the disk when this returns.

    Raises:
        IntegrityError: Anything else is in it, or it cannot be read.
    """
    digests: dict[str, str] = {}
    text = None
    try:
        with gzip.open(path) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise IntegrityError(path, f"{member.name!r} is not a plain file")
                if member.name == MANIFEST and text is None:
                    text = content.read().decode()
                    continue
                name = _plain_name(path, member.name)
                if name in digests:
                    raise IntegrityError(path, f"{member.name!r} is in it twice")
                digests[name] = _unpacked(content, folder / name, mode=member.mode)
                tick()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise IntegrityError(path, f"not readable as a backup: {error}") from None
    if text is None:
        raise IntegrityError(path, f"no {MANIFEST} in it")
    return digests, text


def _seal(digest: str) -> bytes:
    return _BEFORE + digest.encode() + _AFTER


def _add(tar: tarfile.TarFile, name: str, source: Path) -> str | None:
    """Add a file as it is at this moment, of the length that it has now: others may be writing."""
    try:
        file = source.open("rb")
    except FileNotFoundError:
        return None
    with file:
        found = os.fstat(file.fileno())
        about = tarfile.TarInfo(name)
        about.size, about.mode, about.mtime = found.st_size, found.st_mode & 0o777, int(found.st_mtime)
        reading = _Hashing(file)
        tar.addfile(about, reading)
        return reading.digest.hexdigest()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    about = tarfile.TarInfo(name)
    about.size = len(content)
    tar.addfile(about, io.BytesIO(content))


class _Hashing:
    """A file that is read once, hashed on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.digest.update(piece)
        return piece


def _plain_name(archive: Path, given: str) -> str:
    name = given.removeprefix(FILES)
    path = PurePosixPath(name)
    plain = given.startswith(FILES) and path.as_posix() == name and not path.is_absolute() and path.parts
    if not plain or any(part in ("..", ".") for part in path.parts) or "\\" in name or "\0" in name:
        raise IntegrityError(archive, f"{given!r} is not a place in a workspace")
    return name


def _unpacked(content: IO[bytes], target: Path, *, mode: int) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while piece := content.read(_PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    target.chmod(mode & 0o755 | 0o400)
    return digest.hexdigest()
