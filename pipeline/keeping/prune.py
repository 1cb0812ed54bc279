"""`mend prune`: delete artefacts and traffic older than their retention. The ledger keeps what each file was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.artefacts import sha256_file
from pipeline.clock import wall_clock
from pipeline.errors import InputError, IntegrityError, SettingsError
from pipeline.estimating import BACK_TESTS, LOOKBACKS_OF_LABELS
from pipeline.keeping.acting import only_keeper, require_person
from pipeline.keeping.finishing import finish
from pipeline.keeping.standing import dossiers_on_rows_before, protected_moments
from pipeline.promotion.person import Person
from pipeline.realising import VINTAGES
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Entry
from pipeline.stores.pruned import KINDS
from pipeline.wiring import Workspace

KIND = "pruned"
_QUARTER = timedelta(days=92)  # the longest
Tick = Callable[[int, int], None]  # how many are done, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is older than its retention at `as_of`.

    `files`: SHA-256 by path. `rows` per table, of applications with event times before `traffic_before`.
    `dossiers`: those whose judged rows are among these, so that they can no longer be recomputed.
    """

    as_of: datetime
    files: dict[str, str]
    bytes: int
    traffic_before: datetime | None
    rows: dict[str, int]
    dossiers: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Nothing is."""
        return not self.files and not any(self.rows.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        before = None if self.traffic_before is None else iso(self.traffic_before)
        return asdict(self) | {"as_of": iso(self.as_of), "traffic_before": before, "dossiers": list(self.dossiers)}


def prune(
    workspace: Workspace, *, as_of: datetime, person: Person, reason: str, now: datetime, tick: Tick = lambda *_: None
) -> Plan:
    """Delete what `plan` names and return it. Recorded first, then deleted; a crash between is healed by a repeat.

    Runs beside cycles: nothing that a cycle reads is old enough.

    Raises:
        RefusedError: This person may not, or gives no reason.
        SettingsError, InputError, IntegrityError: See `plan`.
    """
    require_person(workspace, person, reason, act="prune", now=now)
    with only_keeper(workspace.root):
        finish(workspace)
        found = plan(workspace, as_of=as_of, now=now, tick=tick)
        if found.empty:
            return found
        told = found.to_json()
        body = {"pruned_files": told.pop("files"), **told, "reason": reason.strip(), "person": person.to_json()}
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            key = f"{iso(as_of)} {writer.next_seq()}"
            writer.record(KIND, key, body, at=now, actor=person.actor)
        finish(workspace)
    return found


def plan(workspace: Workspace, *, as_of: datetime, now: datetime, tick: Tick = lambda *_: None) -> Plan:
    """What is older than its retention; changes nothing.

    Raises:
        InputError: `as_of` is in the future.
        SettingsError: `keeping.keep_traffic` is shorter than what Mend computes with.
        IntegrityError: A file to delete is gone already or is not the recorded one: that is for a person to look into,
            not to be tidied away.
    """
    if as_of > now:
        raise InputError("--as-of", f"expected {now:%Y-%m-%d %H:%M} or earlier, got {as_of:%Y-%m-%d %H:%M}")
    files, size = {}, 0
    chosen = list(_old_files(workspace, as_of))
    for number, (path, seq, digest) in enumerate(chosen, start=1):
        place = workspace.root / path
        if not place.is_file() or sha256_file(place) != digest:
            raise IntegrityError(place, f"not the file that ledger entry {seq} recorded", "run `mend ledger verify`")
        files[path] = digest
        size += place.stat().st_size
        tick(number, len(chosen))
    keep = workspace.settings.keeping.keep_traffic
    if keep is not None and keep < (least := least_traffic(workspace)):
        days = -(-least // timedelta(days=1))
        raise SettingsError(
            workspace.settings.source,
            f"keeping.keep_traffic: expected at least {days}d: label horizon, training window and lookbacks "
            f"reach that far back; got {keep.days}d",
        )
    before = None if keep is None else as_of - keep
    return Plan(
        as_of=as_of,
        files=files,
        bytes=size,
        traffic_before=before,
        rows={} if before is None else workspace.traffic.count_before(before),
        dossiers=() if before is None else dossiers_on_rows_before(workspace, before),
    )


def least_traffic(workspace: Workspace) -> timedelta:
    """How far back training, judging, realised performance and the estimates' record read."""
    settings, horizon = workspace.settings, workspace.horizon
    lookback, train = settings.monitor.lookback, settings.train
    learnt = horizon + train.holdback + train.window + settings.gate.patience + settings.approval.expires_after
    realised = horizon + (VINTAGES + 1) * _QUARTER
    estimated = 2 * horizon + (BACK_TESTS + LOOKBACKS_OF_LABELS + 1) * lookback
    return max(learnt, realised, estimated) + lookback


def _old_files(workspace: Workspace, as_of: datetime) -> Iterator[tuple[str, int, str]]:
    """Path, number of the entry that recorded it, SHA-256: those past their age that nothing stands on."""
    entries = workspace.ledger.entries()
    recorded = {path: entry.seq for entry in entries for path in entry.files}
    taken = {path: entry.seq for entry in entries if entry.kind in KINDS for path in entry.body["pruned_files"]}
    elsewhere = {path for entry in entries if entry.kind not in ("cycle", "run") for path in entry.files}
    protected = protected_moments(workspace)
    for entry in entries:
        if entry.at in protected:
            continue
        for path, digest in entry.files.items():
            keep = _retention(workspace, entry, path)
            newest = recorded[path] == entry.seq and taken.get(path, 0) < entry.seq
            if keep is not None and entry.at < as_of - keep and newest and path not in elsewhere:
                yield path, entry.seq, digest


def _retention(workspace: Workspace, entry: Entry, path: str) -> timedelta | None:
    keeping = workspace.settings.keeping
    if entry.kind == "run":
        return keeping.keep_notebooks if entry.body["notebook"] == "drift" else None
    if entry.kind == "cycle":
        return keeping.keep_reports if path.endswith(".html") else keeping.keep_results
    return None
