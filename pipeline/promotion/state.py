"""Where a dossier stands. Derived from the record each time, so that it cannot disagree with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """What became, or may still become, of a dossier."""

    PENDING = "pending"  # every gate passed; a person may sign
    WAITING = "waiting"  # labels are still missing; it is judged again each cycle
    REFUSED = "refused"  # by a gate
    APPROVED = "approved"
    REJECTED = "rejected"  # by a person
    EXPIRED = "expired"  # nobody signed in time
    STALE = "stale"  # judged before the last change of champion, even if the same version is back by a rollback
    SUPERSEDED = "superseded"  # the same challenger was judged again later


def standing(
    dossier: Mapping[str, Any],
    *,
    decision: Mapping[str, Any] | None,
    champion: Mapping[str, Any] | None,
    newest_of_challenger: bool,
    now: datetime,
) -> Standing:
    """Where one dossier stands at a time.

    Args:
        dossier: Its ledger row.
        decision: The ledger row of a person's decision on it, if there is one.
        champion: The ledger row of who is in production now.
        newest_of_challenger: No later dossier judges the same challenger.
        now: Aware time.
    """
    if decision is not None:
        return Standing.APPROVED if decision["verdict"] == "approved" else Standing.REJECTED
    if dossier["status"] == "refused":
        return Standing.REFUSED
    if not newest_of_challenger:
        return Standing.SUPERSEDED
    if champion is None or dossier["champion"] != champion["version"] or champion["entry"] > dossier["entry"]:
        return Standing.STALE
    if dossier["status"] == "waiting":
        return Standing.WAITING
    return Standing.EXPIRED if now >= dossier["expires_at"] else Standing.PENDING
