"""A person asks for a challenger: trained and judged at once, and on record as that person's wish."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitoring.signals import RetrainSignal
from pipeline.clock import wall_clock
from pipeline.errors import InputError, RefusedError
from pipeline.promotion.review import pending
from pipeline.running.steps import Steps


def request_challenger(steps: Steps, as_of: datetime, *, actor: str, reason: str) -> dict[str, Any]:
    """Train and judge a challenger because a person wants one; returns the dossier's ledger row.

    Raises:
        InputError: Nobody asked, or nobody said why.
        RefusedError: A challenger waits for a signature already.
    """
    workspace = steps.workspace
    if not actor.strip() or not reason.strip():
        raise InputError("train", "expected --as NAME and --reason WHY: who asks cannot sign under four eyes")
    if waiting := pending(workspace, now=as_of):
        raise RefusedError(f"version {waiting[0].row['challenger']} waits for a signature; decide on it first")
    signal = RetrainSignal(reason="person", as_of=as_of, note=reason)
    values = {
        "key": signal.key,
        "as_of": as_of,
        "reason": "person",
        "note": reason,
        "windows": "[]",
    }
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("signal", signal.key, values, at=as_of, actor=actor)
    version = steps.train(as_of, purpose="challenger", signal=signal.key, requested_by=actor)
    return steps.judge(as_of, version)
