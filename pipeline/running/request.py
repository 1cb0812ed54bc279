"""A person asks for a challenger: trained and judged at once, and on record as that person's wish."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring.signals import RetrainSignal
from pipeline.clock import wall_clock
from pipeline.errors import InputError, RefusedError
from pipeline.promotion.person import Person, require_known
from pipeline.promotion.review import pending
from pipeline.running.steps import Steps
from pipeline.settings import Settings
from pipeline.settings_identity import UNKNOWN_TOKEN
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace


def request_challenger(steps: Steps, as_of: datetime, *, person: Person, reason: str) -> dict[str, Any]:
    """Train and judge a challenger because a person wants one; returns the dossier's ledger row.

    Raises:
        InputError: Nobody said why.
        RefusedError: A challenger waits for a signature already, or this desk does not know people in that way.
    """
    workspace = steps.workspace
    if not reason.strip():
        raise InputError("train", "expected --reason WHY, which goes on record")
    try:
        _require_known(person, workspace.settings)
        if waiting := pending(workspace, now=as_of):
            raise RefusedError(f"version {waiting[0].row['challenger']} waits for a signature; decide on it first")
    except RefusedError as refusal:
        _record_refusal(workspace, person, reason, as_of, str(refusal))
        raise
    signal = RetrainSignal(reason="person", as_of=as_of, note=reason)
    values = {
        "key": signal.key,
        "as_of": as_of,
        "reason": "person",
        "note": reason,
        "windows": "[]",
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("signal", signal.key, values, at=as_of, actor=person.actor)
        writer.record("request", signal.key, person.to_json(), at=as_of, actor=person.actor)
    version = steps.train(as_of, purpose="challenger", signal=signal.key, requested_by=person.actor)
    return steps.judge(as_of, version)


def _require_known(person: Person, settings: Settings) -> None:
    """Anybody may ask, but as themselves: under a made-up name they could sign their own work afterwards."""
    if person.actor == UNKNOWN_TOKEN:
        raise RefusedError("the token is nobody's; see `mend token new`")
    if not person.actor:
        raise RefusedError("nobody asked; say who, as in --as NAME")
    require_known(person, settings.identity, wall=wall_clock())


def _record_refusal(workspace: Workspace, person: Person, reason: str, as_of: datetime, why: str) -> None:
    body = {**person.to_json(), "reason": reason, "why": why, "at": iso(as_of)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("refused_request", f"request {writer.next_seq()}", body, at=as_of, actor=person.actor)
