"""`mend erase`: delete one applicant's rows on request, with proof in the ledger and no id in it."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artefacts import canonical_json, sha256_text, write_atomically
from pipeline.clock import wall_clock
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.initialise import SET_ASIDE
from pipeline.keeping.acting import only_keeper, require_person
from pipeline.keeping.erased import KEY, KIND, commitment, make_key, read_key, receipt_of
from pipeline.keeping.finishing import finish, staged
from pipeline.keeping.standing import dossiers_on_rows_of
from pipeline.promotion.person import Person
from pipeline.reference import DATA, METADATA, read_metadata
from pipeline.stores.ledger import Entry
from pipeline.wiring import Workspace

_LIMITS = "baseline"  # kind of the entries that name what was prepared from the reference, its scores row by row


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where an applicant is: rows per table of the traffic store, rows of the reference, rows set aside.

    `dossiers`: digests of those that took their rows from a stretch with this applicant in it.
    """

    rows: dict[str, int]
    reference: int
    set_aside: int
    dossiers: tuple[str, ...]

    @property
    def anything(self) -> bool:
        """Somewhere, at least."""
        return any(self.rows.values()) or self.reference > 0 or self.set_aside > 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"dossiers": list(self.dossiers)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """An erasure on record, with what the applicant is given; `again`: it was on record before."""

    entry: Entry
    receipt: str
    again: bool


def find(workspace: Workspace, application_id: str) -> Found:
    """Where an applicant is; changes nothing."""
    event_time = workspace.traffic.event_time_of(application_id)
    aside = _set_aside(workspace)
    return Found(
        rows=workspace.traffic.count_of(application_id),
        reference=int((workspace.reference()["application_id"] == application_id).sum()),
        set_aside=0 if aside is None else int((aside["application_id"] == application_id).sum()),
        dossiers=() if event_time is None else dossiers_on_rows_of(workspace, event_time),
    )


def erase(workspace: Workspace, application_id: str, *, person: Person, reason: str, now: datetime) -> Erased:
    """Delete an applicant's rows from the traffic store, the reference and the list of rows set aside.

    Recorded first, then deleted; a crash between is healed by a repeat, which gives the first answer. Where the
    applicant is in the reference, that is frozen anew without them, and the limits prepared from it go: a look by hand
    prepares its own from then on, and the next cycle puts new ones on record.

    Raises:
        RefusedError: This person may not, gives no reason, or cycles are running here.
        InputError: The reason names the applicant.
        NotEnoughDataError: Nothing here is of this applicant, and nothing was erased; nothing is recorded.
    """
    if application_id in reason:
        raise InputError("--reason", "expected one that does not name the applicant: it stays on record for ever")
    require_person(workspace, person, reason, act=KIND, now=now)
    with workspace.alone(), only_keeper(workspace.root):
        finish(workspace)
        if (known := _on_record(workspace, application_id)) is not None:
            workspace.traffic.wipe()
            return known
        if not find(workspace, application_id).anything:
            raise NotEnoughDataError(workspace.root, f"no row here is of application {application_id!r}")
        key = make_key(workspace.root)
        receipt = receipt_of(key, application_id)
        committed = commitment(receipt, application_id)
        _record(workspace, application_id, committed, person=person, reason=reason, now=now, key=key)
        finish(workspace)
        workspace.traffic.wipe()
    entry = workspace.ledger.entry(KIND, committed)
    assert entry is not None
    return Erased(entry=entry, receipt=receipt, again=False)


def _on_record(workspace: Workspace, application_id: str) -> Erased | None:
    key = read_key(workspace.root)
    if key is None:
        return None
    receipt = receipt_of(key, application_id)
    entry = workspace.ledger.entry(KIND, commitment(receipt, application_id))
    return None if entry is None else Erased(entry=entry, receipt=receipt, again=True)


def _record(
    workspace: Workspace,
    application_id: str,
    committed: str,
    *,
    person: Person,
    reason: str,
    now: datetime,
    key: bytes,
) -> None:
    found = find(workspace, application_id)
    reference = _stage_reference(workspace, application_id) if found.reference else {}
    aside = _stage_set_aside(workspace, application_id) if found.set_aside else {}
    body = {
        "commitment": committed,
        **found.to_json(),
        "pruned_files": _prepared(workspace) if found.reference else {},
        "reason": reason.strip(),
        "person": person.to_json(),
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        files = {KEY: sha256_text(key.hex())}
        writer.record(KIND, committed, body, at=now, actor=person.actor, files=files)
        because = {"because": f"erasure {committed[:12]}"}
        if reference:
            number = len(workspace.ledger.entries(kind="reference")) + 1
            rows = read_metadata(workspace.root)["rows"] - found.reference
            anew = {"sha256": reference[DATA.as_posix()], "rows": rows, **because}
            writer.record("reference", f"{number}", anew, at=now, actor=person.actor, files=reference)
        if aside:
            digest = aside[SET_ASIDE]
            writer.record("set_aside", digest, because, at=now, actor=person.actor, files=aside)


def _stage_reference(workspace: Workspace, application_id: str) -> dict[str, str]:
    rows, about = workspace.reference(), read_metadata(workspace.root)
    rest = rows[rows["application_id"] != application_id].reset_index(drop=True)
    buffer = io.BytesIO()
    rest.to_parquet(buffer, index=False)
    digest = _stage(workspace, DATA, buffer.getvalue())
    told = canonical_json({**about, "sha256": digest, "rows": len(rest)})
    return {DATA.as_posix(): digest, METADATA.as_posix(): _stage(workspace, METADATA, told)}


def _stage(workspace: Workspace, path: Path, content: str | bytes) -> str:
    waiting = staged(workspace.root / path)
    digest = write_atomically(waiting, content)
    waiting.chmod(0o444)
    return digest


def _prepared(workspace: Workspace) -> dict[str, str]:
    """SHA-256 by path of what was prepared from today's reference, for every champion, and is there."""
    found: dict[str, str] = {}
    for entry in workspace.ledger.entries(kind=_LIMITS):
        if entry.body["reference_sha256"] == workspace.reference_sha256:
            found |= entry.files
    return {path: digest for path, digest in found.items() if (workspace.root / path).is_file()}


def _set_aside(workspace: Workspace) -> pd.DataFrame | None:
    path = workspace.root / SET_ASIDE
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else None


def _stage_set_aside(workspace: Workspace, application_id: str) -> dict[str, str]:
    rows = _set_aside(workspace)
    assert rows is not None
    rest = rows[rows["application_id"] != application_id]
    return {SET_ASIDE: _stage(workspace, Path(SET_ASIDE), rest.to_csv(index=False))}


def to_json(erased: Erased) -> dict[str, Any]:
    """Plain JSON values."""
    return {
        "receipt": erased.receipt,
        "again": erased.again,
        "entry": json.loads(canonical_json(erased.entry.to_json())),
    }
