"""Doing what the record says was done: a removal is recorded first, so a crash can leave some of it undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.artefacts import sha256_file, sync_folder
from pipeline.initialise import SET_ASIDE
from pipeline.keeping.erased import is_erased
from pipeline.reference import DATA, METADATA
from pipeline.stores.ledger import Entry
from pipeline.stores.pruned import KINDS
from pipeline.wiring import Workspace

REPLACED = (DATA, METADATA, Path(SET_ASIDE))  # an erasure writes these anew, and puts them in place once recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What is on record as removed and is still there."""

    files: tuple[str, ...]
    staged: tuple[Path, ...]
    traffic_before: datetime | None
    applications: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """One line each; no id."""
        old = [] if self.traffic_before is None else [f"traffic from before {self.traffic_before:%Y-%m-%d}"]
        applicants = [f"rows of {len(self.applications)} erased applicants"] if self.applications else []
        return [*self.files, *(f"{path.name} is not in place" for path in self.staged), *old, *applicants]


def staged(path: Path) -> Path:
    """Where a file's next content waits until it is on record."""
    return path.with_name(f".{path.name}.next")


def unfinished(workspace: Workspace) -> Unfinished:
    """What a crash left undone. Reads the whole ledger and every application's id."""
    entries = workspace.ledger.entries()
    recorded = {path: (entry.seq, digest) for entry in entries for path, digest in entry.files.items()}
    root, traffic = workspace.root, workspace.traffic
    before = _traffic_before(entries)
    erased = is_erased(workspace)
    waiting = [path for path in REPLACED if staged(root / path).is_file()]
    return Unfinished(
        files=tuple(_still_there(root, entries, recorded)),
        staged=tuple(
            path for path in waiting if recorded.get(path.as_posix(), (0, ""))[1] == sha256_file(staged(root / path))
        ),
        traffic_before=before if before and any(traffic.count_before(before).values()) else None,
        applications=tuple(sorted(filter(erased, traffic.application_ids()))) if erased else (),
    )


def finish(workspace: Workspace) -> None:
    """Remove what is on record as removed; doing it again changes nothing."""
    left = unfinished(workspace)
    for path in REPLACED:
        waiting = staged(workspace.root / path)
        if path in left.staged:
            waiting.replace(workspace.root / path)
            sync_folder(waiting.parent)
        else:
            waiting.unlink(missing_ok=True)  # of an erasure that never came to be recorded
    workspace.__dict__.pop("reference_sha256", None)  # it may be another one now
    for name in left.files:
        (workspace.root / name).unlink(missing_ok=True)
    for folder in {(workspace.root / name).parent for name in left.files}:
        sync_folder(folder)
        if not any(folder.iterdir()):
            folder.rmdir()  # a run's own
    if left.traffic_before is not None:
        workspace.traffic.delete_before(left.traffic_before)
    for application_id in left.applications:
        workspace.traffic.delete_of(application_id)


def _still_there(root: Path, entries: list[Entry], recorded: dict[str, tuple[int, str]]) -> list[str]:
    removed = {
        path: (entry.seq, digest)
        for entry in entries
        if entry.kind in KINDS
        for path, digest in entry.body.get("pruned_files", {}).items()
    }
    return [
        path
        for path, (seq, digest) in removed.items()
        if recorded.get(path, (0, ""))[0] < seq and (root / path).is_file() and sha256_file(root / path) == digest
    ]


def _traffic_before(entries: list[Entry]) -> datetime | None:
    cutoffs = [entry.body["traffic_before"] for entry in entries if entry.kind == "pruned"]
    return max((datetime.fromisoformat(text) for text in cutoffs if text), default=None)
