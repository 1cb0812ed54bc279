"""A person's decision on a dossier: approve, which promotes, or reject. One transaction; the first answer stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pipeline.artefacts import canonical_json, stamp, write_atomically
from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError, RefusedError
from pipeline.judging import DECISIONS
from pipeline.promotion.review import read_dossier
from pipeline.promotion.state import Standing, standing
from pipeline.stores.engine import iso
from pipeline.stores.ledger import LedgerWriter
from pipeline.wiring import Workspace

Verdict = Literal["approved", "rejected"]


def decide(
    workspace: Workspace, digest: str, verdict: Verdict, *, actor: str, reason: str, now: datetime
) -> dict[str, Any]:
    """Sign or refuse a dossier and return the decision on record; signing makes its challenger the champion.

    The same act twice returns the first answer. The registry's alias follows with `reconcile`.

    Raises:
        RefusedError: Not on the list, own work, expired, stale, decided otherwise, refused by a gate, no reason.
        IntegrityError: The dossier is not the file that was judged.
    """
    decision = workspace.ledger.get("decision", digest)
    if decision is not None and (decision["verdict"], decision["actor"]) == (verdict, actor):
        return decision
    try:
        _require_standing_person(workspace, actor, reason)
        dossier = read_dossier(workspace, digest)
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            row = _require_decidable(writer, workspace, digest, verdict, actor, now)
            if verdict == "approved":
                swap = {"expected": row["champion"], "new": row["challenger"], "how": "promotion", "digest": digest}
                writer.swap_champion(**swap, at=now, actor=actor)
            values = {"digest": digest, "verdict": verdict, "actor": actor, "reason": reason.strip(), "at": now}
            path = f"{DECISIONS}/decision_{stamp(dossier.as_of)}_v{row['challenger']}_{verdict}.json"
            content = canonical_json(
                {**values, "at": iso(now), "challenger": row["challenger"], "champion": row["champion"]}
            )
            written = write_atomically(workspace.root / path, content)
            writer.record("decision", digest, {**values, "path": path}, at=now, actor=actor, files={path: written})
    except (RefusedError, IntegrityError) as refusal:
        _record_refusal(workspace, digest, verdict, actor, now, str(refusal))
        raise
    found = workspace.ledger.get("decision", digest)
    assert found is not None
    return found


def _require_standing_person(workspace: Workspace, actor: str, reason: str) -> None:
    approvers = workspace.settings.approval.approvers
    if actor not in approvers:
        listed = ", ".join(approvers) or "nobody; add names to approval.approvers"
        raise RefusedError(f"{actor or 'nobody'} is not on the list of approvers: {listed}")
    if not reason.strip():
        raise RefusedError("a decision needs a reason")


def _require_decidable(
    writer: LedgerWriter, workspace: Workspace, digest: str, verdict: Verdict, actor: str, now: datetime
) -> dict[str, Any]:
    row = writer.get("dossier", digest)
    assert row is not None
    decision = writer.get("decision", digest)
    champion = writer.champion()
    state = standing(
        row,
        decision=decision,
        champion=champion["version"] if champion else "",
        newest_of_challenger=writer.newest_dossier(row["challenger"]) == digest,
        now=now,
    )
    if decision is not None:
        raise RefusedError(
            f"already {decision['verdict']} by {decision['actor']} on {decision['at']:%Y-%m-%d}: {decision['reason']}"
        )
    allowed = {Standing.PENDING} if verdict == "approved" else {Standing.PENDING, Standing.WAITING}
    if state not in allowed:
        raise RefusedError(_why_not(state, row, champion["version"] if champion else None))
    trained = writer.get("challenger", row["challenger"])
    if workspace.settings.approval.four_eyes and trained and trained["requested_by"] == actor:
        raise RefusedError(
            f"{actor} asked for version {row['challenger']} to be trained; four eyes: somebody else must sign"
        )
    return row


def _why_not(state: Standing, row: dict[str, Any], champion: str | None) -> str:
    name = f"dossier {row['digest'][:12]} (version {row['challenger']})"
    return {
        Standing.REFUSED: f"{name} was refused by the gates; it cannot be signed",
        Standing.WAITING: f"{name} waits for labels; it cannot be signed yet",
        Standing.EXPIRED: f"{name} expired on {row['expires_at']:%Y-%m-%d}; train a new challenger",
        Standing.STALE: f"{name} was judged against version {row['champion']}; the champion is now version {champion}",
        Standing.SUPERSEDED: f"{name} was judged again later; see `mend review`",
    }[state]


def _record_refusal(workspace: Workspace, digest: str, verdict: str, actor: str, now: datetime, why: str) -> None:
    body = {"digest": digest, "verdict": verdict, "actor": actor, "why": why, "at": iso(now)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("refused_decision", f"{digest[:16]} {verdict} {writer.next_seq()}", body, at=now, actor=actor)
