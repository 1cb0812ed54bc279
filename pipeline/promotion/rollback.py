"""Back to an earlier champion: one signature, for that is the safe way; one transaction; the first answer stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError, MendError, NotInitialisedError, RefusedError
from pipeline.promotion.person import Person, require_authority
from pipeline.promotion.set_back import REFUSED as REFUSED_CLOCK
from pipeline.promotion.set_back import ClockSetBackError, require_clock_not_set_back
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Ledger, LedgerWriter
from pipeline.training.model_digests import require_model_files
from pipeline.wiring import Workspace

KIND, REFUSED = "rollback", "refused_rollback"  # in the ledger
RULE = "mend"  # who acts when no person does
_SHOWN = 50  # characters of a version in a refusal's key; people type anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A version that was champion before, in its last reign.

    `digest`: of the dossier by which it was promoted; None for the first champion. `why_not`: why nobody can go back
    to it; None where they can.
    """

    version: str
    since: datetime
    until: datetime
    how: str
    digest: str | None
    why_not: str | None


def earlier_champions(workspace: Workspace) -> list[Earlier]:
    """Every version that was champion before and is not now, the last first; model files are read and compared."""
    reigns = _reigns(workspace)
    ends = [reign["since"] for reign in reigns[1:]]
    last = {reign["version"]: (reign, end) for reign, end in zip(reigns, ends, strict=False)}
    found = []
    for version, (reign, end) in last.items():
        if version == reigns[-1]["version"]:
            continue
        digest, why_not = _proper(workspace, version, reigns)
        since, how = reign["since"], reign["how"]
        why_not = why_not or _files(workspace, version)
        found.append(Earlier(version=version, since=since, until=end, how=how, digest=digest, why_not=why_not))
    return sorted(found, key=lambda each: each.until, reverse=True)


def rollback(
    workspace: Workspace, version: str, *, person: Person, reason: str, now: datetime, seen: int | None = None
) -> dict[str, Any]:
    """Put an earlier champion back and return the rollback on record: `from_number, from_version, to_version, …`.

    The same act twice returns the first answer. The registry's alias follows with `reconcile`; the cooldown of G3
    begins, and what waits for a signature is out of date, because the champion is another.

    Args:
        workspace: Where.
        version: Which earlier champion.
        person: Who wants it; must be allowed to decide.
        reason: Why; goes on record.
        now: Time of the act, aware.
        seen: Number of the champion that the person saw and wants away from; without it, today's.

    Raises:
        RefusedError: May not decide, no reason, never properly champion, champion already, or somebody was faster.
        IntegrityError: The files of that version are not those that the ledger recorded.
    """
    number = _away_from(workspace, version) if seen is None else seen
    done = workspace.ledger.entry(KIND, _key(number, version))
    if done is not None and done.actor == person.actor:
        return done.body
    try:
        require_authority(person, workspace.settings.approval, workspace.settings.identity, wall=wall_clock())
        if not reason.strip():
            raise RefusedError("a rollback needs a reason")
        told = {"reason": reason.strip(), "person": person.to_json()}
        return _put_back(workspace, version, number=number, told=told, actor=person.actor, now=now)
    except (RefusedError, IntegrityError) as refusal:
        _record_refusal(workspace, version, number, person.actor, now, person.to_json(), refusal)
        raise


def rollback_by_rule(
    workspace: Workspace, version: str, *, number: int, reason: str, evidence: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Put back the version that a promotion replaced, without a person: only where `[watch] act` says so.

    Args:
        workspace: Where.
        version: The one that champion `number` replaced.
        number: Of the champion that is watched.
        reason: What the watch found, in words.
        evidence: The watch's numbers.
        now: Time of the act, aware.

    Raises:
        RefusedError: The settings do not allow it, or as `rollback`.
        IntegrityError: As `rollback`.
    """
    done = workspace.ledger.entry(KIND, _key(number, version))
    if done is not None and done.actor == RULE:
        return done.body
    try:
        if not workspace.settings.watch.act:
            raise RefusedError("watch.act is false: a rollback takes a person")
        if version != (replaced := replaced_by(workspace, number)):
            raise RefusedError(f"champion {number} replaced version {replaced}; only that one is put back by rule")
        told = {"reason": reason, "person": None, "evidence": dict(evidence)}
        return _put_back(workspace, version, number=number, told=told, actor=RULE, now=now)
    except (RefusedError, IntegrityError) as refusal:
        _record_refusal(workspace, version, number, RULE, now, {"actor": RULE}, refusal)
        raise


def replaced_by(workspace: Workspace, number: int) -> str | None:
    """The version that the champion of this number took the place of; None of the first."""
    before = workspace.ledger.get("champion", str(number - 1))
    return None if before is None else str(before["version"])


def _put_back(
    workspace: Workspace, version: str, *, number: int, told: Mapping[str, Any], actor: str, now: datetime
) -> dict[str, Any]:
    """Everything is checked before anything changes; then one transaction."""
    champion = workspace.require_champion()
    if champion["number"] != number:
        raise RefusedError(_overtaken(workspace.ledger, champion))
    if champion["version"] == version:
        raise RefusedError(f"version {version} is the champion")
    digest, why_not = _proper(workspace, version, _reigns(workspace))
    if why_not is not None:
        raise RefusedError(why_not)
    require_model_files(workspace, version)
    body = {"from_number": number, "from_version": champion["version"], "to_version": version, **told, "at": iso(now)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        done = writer.entry(KIND, _key(number, version))
        if done is not None and done.actor == actor:
            return done.body
        if (holder := writer.champion() or {}).get("number") != number:
            raise RefusedError(_overtaken(writer, holder))
        require_clock_not_set_back(writer, now=now)
        writer.record(KIND, _key(number, version), body, at=now, actor=actor)
        writer.swap_champion(expected=champion["version"], new=version, at=now, how=KIND, actor=actor, digest=digest)
    workspace.anchor(now=now)
    return body


def _overtaken(ledger: Ledger | LedgerWriter, holder: Mapping[str, Any]) -> str:
    """Who was faster."""
    if not holder:
        return "there is no champion"
    entry = ledger.entry("champion", str(holder["number"]))
    who = "" if entry is None else f" by {entry.actor}"
    return (
        f"version {holder['version']} is champion since {holder['since']:%Y-%m-%d} ({holder['how']}{who}); "
        "look again before you roll back"
    )


def _reigns(workspace: Workspace) -> list[dict[str, Any]]:
    """Every champion from the entries that the chain protects, first first."""
    bodies = [entry.body for entry in workspace.ledger.entries(kind="champion")]
    return [{**body, "since": datetime.fromisoformat(body["since"])} for body in bodies]


def _proper(workspace: Workspace, version: str, reigns: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    """By which dossier a version properly became champion (None: the first one), and why it did not, if it did not.

    A reign by rollback rests on the one before it.
    """
    held = [reign for reign in reigns if reign["version"] == version]
    why_not = f"version {version} was never {'promoted' if held else 'champion'}"
    for reign in reversed(held):
        if reign["how"] == "init" and reign["number"] == 1:
            return None, None
        if reign["how"] == "promotion":
            unsigned = _unsigned(workspace, version, reign["digest"])
            if unsigned is None:
                return reign["digest"], None
            why_not = unsigned
    return None, why_not


def _unsigned(workspace: Workspace, version: str, digest: str | None) -> str | None:
    """Why a promotion was none; None where a signed dossier on this very version is on record."""
    decision = dossier = None
    if digest is not None:
        decision, dossier = (workspace.ledger.entry(kind, digest) for kind in ("decision", "dossier"))
    if decision is None or decision.body["verdict"] != "approved":
        return f"version {version} became champion without an approved decision on record"
    if dossier is None or dossier.body["challenger"] != version:
        return f"version {version} became champion by the dossier of another version"
    return None


def _files(workspace: Workspace, version: str) -> str | None:
    """What is wrong with a version's files; None where they are those on record."""
    try:
        require_model_files(workspace, version)
    except (IntegrityError, NotInitialisedError) as error:
        return str(error)
    return None


def _away_from(workspace: Workspace, version: str) -> int:
    """The champion to go back from: today's, or the one before if today's is the answer to this very wish."""
    champion = workspace.require_champion()
    answered = champion["how"] == KIND and champion["version"] == version
    return int(champion["number"]) - (1 if answered else 0)


def _key(number: int, version: str) -> str:
    return f"{number} {version[:_SHOWN]}"


def _record_refusal(
    workspace: Workspace,
    version: str,
    number: int,
    actor: str,
    now: datetime,
    who: Mapping[str, Any],
    refusal: MendError,
) -> None:
    """A person's every try; a rule would try at each cycle, so that its first refusal of a kind is enough."""
    kind = REFUSED_CLOCK if isinstance(refusal, ClockSetBackError) else REFUSED
    body = {"from_number": number, "to_version": version, **who, "why": str(refusal), "at": iso(now)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        tried = "by rule" if actor == RULE else str(writer.next_seq())
        writer.record(kind, f"{_key(number, version)} {tried}", body, at=now, actor=actor)
