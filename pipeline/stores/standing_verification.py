"""A ledger's verification while a process runs: all of it in the background, then only what was added since.

Reading a year's ledger takes a dozen seconds, which nobody waits for at every look. So a full pass is made when a
process first asks, once a day from then on, and when a person wants one; in between, every look checks what was added
since, and that the entry at which it ended before still is that entry. What is said is what was read, and when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.errors import MendError
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import Progress, Verification, verify, verify_added

FULL_EVERY = timedelta(days=1)  # how long a row that was changed under its hash may stay unseen while somebody looks


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPass:
    """A verification of the whole ledger, with every file if `with_files`: what it found, from when to when."""

    found: Verification
    began: datetime
    ended: datetime
    with_files: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What was checked after the last full pass: so many entries, the last time at `at`, and the breaks in them."""

    entries: int
    at: datetime
    breaks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A full pass that has not come to its end; `of_entries` there were when it began."""

    began: datetime
    with_files: bool
    of_entries: int
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of the record now. `full` is None until a first pass has ended; `failed`: why the last did not."""

    full: FullPass | None = None
    added: Added | None = None
    running: Running | None = None
    failed: str | None = None

    @property
    def breaks(self) -> tuple[str, ...]:
        """Every break that is known, first first."""
        found = self.full.found.breaks if self.full else ()
        return tuple(dict.fromkeys((*found, *(self.added.breaks if self.added else ()))))

    @property
    def verified(self) -> bool:
        """The whole ledger was read, then all that was added, and nothing is broken. What was not read is not."""
        return self.full is not None and self.failed is None and not self.breaks


class StandingVerification:
    """One ledger's; safe to ask from many threads. The full pass runs in a thread of its own, one at a time."""

    def __init__(self, ledger: Ledger, *, workspace: Path, clock: Callable[[], datetime]) -> None:
        self._ledger, self._workspace, self._clock = ledger, workspace, clock
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._standing = Standing()
        self._known: Verification | None = None  # where the next look goes on
        self._good: Verification | None = None  # the last that found nothing: what it ended with must stay for good

    def look(self, *, patience_s: float) -> Standing:
        """What is known, brought up to the newest entry; starts a full pass where one is due.

        Args:
            patience_s: How long to wait for a full pass that runs: a small ledger is read by then.
        """
        with self._lock:
            full = self._standing.full
            if full is None or self._clock() - full.ended >= FULL_EVERY:
                self.begin()
            thread = self._thread
        if thread is not None:
            thread.join(patience_s)
        with self._lock:
            self._look_at_added()
            return self._standing

    def begin(self, *, with_files: bool = False) -> None:
        """Start a full pass, unless one runs."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._standing = replace(self._standing, failed=None)
            self._thread = threading.Thread(target=self._pass, args=(with_files,), daemon=True, name="verify")
            self._thread.start()

    def _pass(self, with_files: bool) -> None:
        began, failed = self._clock(), "a fault of Mend's own; its log has it"
        try:
            of_entries = self._ledger.head()[0]

            def tell(progress: Progress) -> None:
                running = Running(began=began, with_files=with_files, of_entries=of_entries, progress=progress)
                with self._lock:
                    self._standing = replace(self._standing, running=running)

            tell(Progress(entries=0))
            found = verify(self._ledger, workspace=self._workspace if with_files else None, tell=tell)
            full = FullPass(found=found, began=began, ended=self._clock(), with_files=with_files)
            with self._lock:
                since = verify_added(self._ledger, self._good) if self._good else None
                added = Added(entries=0, at=full.ended, breaks=since.breaks if since else ())
                self._standing = Standing(full=full, added=added)
                self._keep(found)
            failed = ""
        except MendError as error:
            failed = str(error)
        finally:
            if failed:
                with self._lock:
                    self._standing = replace(self._standing, running=None, failed=failed)

    def _look_at_added(self) -> None:
        """Check what came after what is known; a break stays told until a full pass does not find it."""
        before = self._standing.added
        if self._known is None or before is None:
            return
        try:
            found = verify_added(self._ledger, self._known)
        except MendError as error:
            self._standing = replace(self._standing, failed=str(error))
            return
        breaks = tuple(dict.fromkeys((*before.breaks, *found.breaks)))
        added = Added(entries=before.entries + found.entries, at=self._clock(), breaks=breaks)
        self._standing = replace(self._standing, added=added, failed=None)
        self._keep(found)

    def _keep(self, found: Verification) -> None:
        self._known = found
        if self._standing.verified:
            self._good = found
