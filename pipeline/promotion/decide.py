"""A person's decision on a dossier: approve, which promotes, or reject. One transaction; the first answer stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pipeline.artefacts import sha256_text, stamp
from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError, MendError, RefusedError
from pipeline.judging import DECISIONS
from pipeline.promotion.documents import decision_document, write_missing_documents
from pipeline.promotion.person import Person, require_authority
from pipeline.promotion.review import read_dossier
from pipeline.promotion.set_back import REFUSED, ClockSetBackError, require_clock_not_set_back
from pipeline.promotion.state import Standing, standing
from pipeline.promotion.unchanged import require_unchanged
from pipeline.stores.engine import iso
from pipeline.stores.ledger import LedgerWriter
from pipeline.wiring import Workspace

Verdict = Literal["approved", "rejected"]


def decide(
    workspace: Workspace, digest: str, verdict: Verdict, *, person: Person, reason: str, now: datetime
) -> dict[str, Any]:
    """Sign or refuse a dossier and return the decision on record; signing makes its challenger the champion.

    The same act twice returns the first answer. The registry's alias follows with `reconcile`.

    Raises:
        RefusedError: Not on the list, own work, expired, stale, evidence changed, decided otherwise, refused by a gate,
            no reason.
        IntegrityError: The dossier, or a file that it stands on, is not what was judged.
    """
    decision = workspace.ledger.get("decision", digest)
    if decision is not None and _is(decision, verdict, person):
        write_missing_documents(workspace)
        return decision
    try:
        _require_standing_person(workspace, person, reason)
        dossier = read_dossier(workspace, digest)
        if decision is None and verdict == "approved":
            require_unchanged(workspace, dossier)
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            if not _is(writer.get("decision", digest), verdict, person):  # made in another tab meanwhile
                row = _require_decidable(writer, workspace, digest, verdict, person.actor, now)
                _record(writer, workspace, row, verdict, person=person, reason=reason.strip(), now=now)
    except (RefusedError, IntegrityError) as refusal:
        _record_refusal(workspace, digest, verdict, person, now, refusal)
        raise
    write_missing_documents(workspace)
    workspace.anchor(now=now)
    found = workspace.ledger.get("decision", digest)
    assert found is not None
    return found


def _is(decision: dict[str, Any] | None, verdict: Verdict, person: Person) -> bool:
    """This decision is on record already, by this person."""
    return decision is not None and (decision["verdict"], decision["actor"]) == (verdict, person.actor)


def _record(
    writer: LedgerWriter,
    workspace: Workspace,
    row: dict[str, Any],
    verdict: Verdict,
    *,
    person: Person,
    reason: str,
    now: datetime,
) -> None:
    digest, actor = row["digest"], person.actor
    signature = _signature(writer, workspace, row, person)
    if verdict == "approved":
        swap = {"expected": row["champion"], "new": row["challenger"], "how": "promotion", "digest": digest}
        writer.swap_champion(**swap, at=now, actor=actor)
    values = {"digest": digest, "verdict": verdict, "actor": actor, "reason": reason, "at": now}
    path = f"{DECISIONS}/decision_{stamp(row['as_of'])}_v{row['challenger']}_{verdict}.json"
    files = {path: sha256_text(decision_document(values, row, signature))}
    writer.record("signature", digest, signature, at=now, actor=actor)
    writer.record("decision", digest, {**values, "path": path}, at=now, actor=actor, files=files)


def _require_standing_person(workspace: Workspace, person: Person, reason: str) -> None:
    settings = workspace.settings
    require_authority(person, settings.approval, settings.identity, wall=wall_clock())
    if not reason.strip():
        raise RefusedError("a decision needs a reason")


def _signature(writer: LedgerWriter, workspace: Workspace, row: dict[str, Any], person: Person) -> dict[str, Any]:
    """Who signed what, how they were known, and whether four eyes looked."""
    return {
        "digest": row["digest"],
        **person.to_json(),
        "four_eyes": "asked for" if workspace.settings.approval.four_eyes else "switched off",
        "own_work": _asked_for(writer, row) == person.actor,
    }


def _asked_for(writer: LedgerWriter, row: dict[str, Any]) -> str | None:
    trained = writer.get("challenger", row["challenger"])
    return None if trained is None else str(trained["requested_by"])


def _require_decidable(
    writer: LedgerWriter, workspace: Workspace, digest: str, verdict: Verdict, actor: str, now: datetime
) -> dict[str, Any]:
    row = writer.get("dossier", digest)
    assert row is not None
    decision = writer.get("decision", digest)
    champion = writer.champion()
    require_clock_not_set_back(writer, now=now)
    state = standing(
        row,
        decision=decision,
        champion=champion,
        newest_of_challenger=writer.newest_dossier(row["challenger"]) == digest,
        now=now,
    )
    if decision is not None:
        raise RefusedError(
            f"already {decision['verdict']} by {decision['actor']} on {decision['at']:%Y-%m-%d}: {decision['reason']}"
        )
    if now < row["as_of"]:
        clock, judged = f"{now:%Y-%m-%d %H:%M}", f"{row['as_of']:%Y-%m-%d %H:%M}"
        raise RefusedError(f"the clock says {clock} UTC, before the dossier was judged ({judged}); set it right")
    allowed = {Standing.PENDING} if verdict == "approved" else {Standing.PENDING, Standing.WAITING}
    if state not in allowed:
        raise RefusedError(_why_not(state, row, _told(writer, champion)))
    if workspace.settings.approval.four_eyes and _asked_for(writer, row) == actor:
        raise RefusedError(
            f"{actor} asked for version {row['challenger']} to be trained; four eyes: somebody else must sign"
        )
    return row


def _told(writer: LedgerWriter, champion: dict[str, Any] | None) -> str:
    """Who is champion, and who put it there: what one who came too late wants to know."""
    crowned = writer.entry("champion", str(champion["number"])) if champion else None
    if champion is None or crowned is None:
        return "nobody"
    return f"version {champion['version']}, by {champion['how']} of {crowned.actor} on {champion['since']:%Y-%m-%d}"


def _why_not(state: Standing, row: dict[str, Any], champion: str) -> str:
    name = f"dossier {row['digest'][:12]} (version {row['challenger']})"
    return {
        Standing.REFUSED: f"{name} was refused by the gates; it cannot be signed",
        Standing.WAITING: f"{name} waits for labels; it cannot be signed yet",
        Standing.EXPIRED: f"{name} expired on {row['expires_at']:%Y-%m-%d}; train a new challenger",
        Standing.STALE: f"{name} was judged against version {row['champion']}; the champion is now {champion}",
        Standing.SUPERSEDED: f"{name} was judged again later; see `mend review`",
    }[state]


def _record_refusal(
    workspace: Workspace, digest: str, verdict: str, person: Person, now: datetime, refusal: MendError
) -> None:
    kind = REFUSED if isinstance(refusal, ClockSetBackError) else "refused_decision"
    body = {"digest": digest, "verdict": verdict, **person.to_json(), "why": str(refusal), "at": iso(now)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record(kind, f"{digest[:16]} {verdict} {writer.next_seq()}", body, at=now, actor=person.actor)
