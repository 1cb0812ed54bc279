"""What every act of keeping asks first: who, why, and that nobody else is at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.clock import wall_clock
from pipeline.errors import RefusedError, StoreError
from pipeline.promotion.person import Person, require_authority
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

LOCK = "keeping.lock"


@contextmanager
def only_keeper(root: Path) -> Iterator[None]:
    """Backup, prune and erase exclude one another: a set would otherwise lack what its ledger still names.

    Raises:
        RefusedError: Another one is at work.
        StoreError: A file could not be written or deleted: no room, no permission.
    """
    lock = FileLock(root / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RefusedError(root, "another `mend backup`, `prune` or `erase` is at work here; wait for it") from None
    try:
        yield
    except OSError as error:
        raise StoreError(
            error.filename or root, f"not done to its end: {error.strerror or error}", "repeat it"
        ) from None
    finally:
        lock.release()


def require_person(workspace: Workspace, person: Person, reason: str, *, act: str, now: datetime) -> None:
    """Raise unless this person may do it and says why; a refusal goes on record.

    Raises:
        RefusedError: Not on the list, not known the way this desk asks for, or no reason.
    """
    settings = workspace.settings
    try:
        require_authority(person, settings.approval, settings.identity, wall=wall_clock())
        if not reason.strip():
            raise RefusedError(f"{act}: expected a reason; it goes on record")
    except RefusedError as refusal:
        body = {**person.to_json(), "why": str(refusal), "at": iso(now)}
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            writer.record(f"refused_{act}", f"{writer.next_seq()}", body, at=now, actor=person.actor)
        raise
