"""A file's content, if it is the one that the ledger recorded."""

from __future__ import annotations

import hashlib

from pipeline.errors import IntegrityError
from pipeline.stores.pruned import taken_away
from pipeline.wiring import Workspace


def recorded(workspace: Workspace, path: str, sha256: str | None) -> bytes:
    """A file's content, if it is the one that the ledger recorded.

    Raises:
        IntegrityError: The file was pruned, is not readable, or is not the recorded one.
    """
    try:
        content = (workspace.root / path).read_bytes()
    except OSError as error:
        if (taken := taken_away(workspace.ledger, path, sha256)) is not None:
            told = f"{taken.kind} on {taken.recorded_at:%Y-%m-%d} by {taken.actor} (entry {taken.seq} of the ledger)"
            raise IntegrityError(path, told) from None
        raise IntegrityError(path, f"not readable: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(path, "not the file that the ledger recorded; not shown")
    return content
