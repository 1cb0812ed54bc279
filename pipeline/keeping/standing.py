"""What decisions stand on: which moments' files are never pruned, and whose evidence the deletion of rows reaches."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime

from pipeline.wiring import Workspace


def protected_moments(workspace: Workspace) -> set[datetime]:
    """Moments whose looks, reports and notebooks are kept for ever.

    Those at which a model was trained or a challenger judged; the looks up to a signal, since these are its cause;
    and the newest looks, which the next one carries on.
    """
    ledger, of_last = workspace.ledger, workspace.settings.monitor.of_last
    looked = sorted(row["as_of"] for row in ledger.acts("cycle"))
    kept = {row["as_of"] for kind in ("challenger", "dossier") for row in ledger.acts(kind)}
    for row in ledger.acts("signal"):
        upto = bisect_right(looked, row["as_of"])
        kept |= {row["as_of"], *looked[max(0, upto - of_last) : upto]}
    return kept | set(looked[-of_last:])


def dossiers_on_rows_before(workspace: Workspace, moment: datetime) -> tuple[str, ...]:
    """Digests of dossiers that judged rows with event times before a moment, oldest first."""
    return tuple(digest for digest, start, _ in _judged_windows(workspace) if start < moment)


def dossiers_on_rows_of(workspace: Workspace, event_time: datetime) -> tuple[str, ...]:
    """Digests of dossiers that took their rows from a stretch with this event time in it, oldest first."""
    return tuple(digest for digest, start, end in _judged_windows(workspace) if start <= event_time < end)


def _judged_windows(workspace: Workspace) -> list[tuple[str, datetime, datetime]]:
    """Each dossier's applicants: those since all three models were trained, until it was judged."""
    ledger = workspace.ledger
    dossiers = ledger.acts("dossier")
    if not dossiers:
        return []
    trained_until = {row["version"]: row["train_end"] for row in ledger.acts("challenger")}
    first = ledger.acts("champion")[0]["version"]
    return [
        (
            row["digest"],
            max(trained_until[version] for version in (first, row["champion"], row["challenger"])),
            row["as_of"],
        )
        for row in dossiers
    ]
