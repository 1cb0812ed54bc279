"""The first page of the pack: what was decided, by whom, on which evidence, and whether the record holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard import judgement, verdicts, watch_words, words
from dashboard.concerns import concerns
from dashboard.pack_blocks import Block, Facts, Points, Table, Text, table
from dashboard.pack_case import Case
from pipeline.promotion.state import Standing

SIGNS = {Standing.APPROVED: "✓", Standing.REJECTED: "✗", Standing.REFUSED: "✗"}  # all others are open, or ended so: △
SHORT = 600  # characters of a reason that the first page has room for
POINTS = 5  # worth a look, likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The decision on one page."""

    title: str
    model: str
    sign: str
    standing: str
    story: str
    blocks: Sequence[Block]


def front(case: Case) -> Front:
    """The decision, the six verdicts and the one paragraph why."""
    dossier, standing = case.dossier, case.history.item.standing
    blocks: list[Block] = [*_record(case), Facts(rows=_facts(case)), *_reason(case), _gates(case)]
    summary = case.cause.summary if case.cause else None
    signal = None if case.signal is None else dict(case.signal)
    blocks.append(Text(text=words.unmarked(judgement.why(dossier, signal, summary))))
    blocks += _to_weigh(case)
    return Front(
        title=f"Shall version {dossier.challenger} take the place of version {dossier.champion}?",
        model=dossier.model_name,
        sign=SIGNS.get(standing, "△"),
        standing=words.STANDINGS[standing][0],
        story=verdicts.standing_story(standing, dossier, str(case.history.champion["version"])),
        blocks=blocks,
    )


def moment(at: datetime) -> str:
    """A time as it is printed, to the second, and in which zone."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def decided(case: Case) -> str:
    """Who decided what and when, or that nobody has."""
    decision = case.history.item.decision
    if decision is None:
        return "none on record"
    entry = case.history.of("decision")[-1]
    on_record = f"entry {entry.seq} of the ledger, written {moment(entry.recorded_at)} by the machine's clock"
    return f"{decision['verdict']} by {decision['actor']}, as of {moment(decision['at'])} ({on_record})"


def _record(case: Case) -> list[Block]:
    """A record that does not hold is said before anything else."""
    if case.checked.verified:
        return []
    broken = [*case.checked.breaks[:5], f"{words.count(len(case.checked.breaks), 'break')} in all."]
    return [Points(title="The ledger does not verify: nothing below is proven by it", lines=broken)]


def _facts(case: Case) -> dict[str, str]:
    dossier, item = case.dossier, case.history.item
    signed = case.history.of("signature")
    found = {"Decision": decided(case)}
    if item.decision is not None:
        found["Signature"] = verdicts.signed_as(signed[-1].body if signed else None)
    if item.standing is Standing.APPROVED:
        found["Since then"] = _since(case)
    entries = words.count(case.history.head.seq, "entry")
    verified = f"its first {entries} verify" if case.checked.verified else "BROKEN"
    return found | {
        "Judged": f"as of {moment(dossier.as_of)}; could be signed until {moment(dossier.expires_at)}",
        "On": f"{words.count(dossier.evidence.rows, 'mature booked loan')}, {dossier.evidence.positives:,} bad, "
        f"of applications from {words.day(dossier.window_start)} to {words.day(dossier.window_end)}",
        "Digest (SHA-256)": dossier.digest,
        "This pack": f"as things stood at {moment(case.history.as_of)}, ledger entry {case.history.head.seq}",
        "Ledger": f"{verified}; see section 8",
    }


def _since(case: Case) -> str:
    if case.watch is None:
        return "the watch of this promotion had not looked yet"
    return f"{watch_words.headline(case.watch.body)} As of {words.day(case.watch.at)}; see section 6."


def _reason(case: Case) -> list[Block]:
    decision = case.history.item.decision
    if decision is None:
        return []
    reason = " ".join(str(decision["reason"]).split())  # on one page: its lines are in section 7
    cut = reason if len(reason) <= SHORT else f"{reason[:SHORT]}… (in full in section 7)"
    return [Text(text=cut, kind="quote")]


def _gates(case: Case) -> Table:
    frame = verdicts.gates_table(case.dossier.checks)
    return table(
        frame[["Gate", "Outcome", "Observed", "Limit", "Interval", "Unit"]], verdicts.passed(case.dossier.checks)
    )


def _to_weigh(case: Case) -> list[Block]:
    found = concerns(case.dossier, unit=case.unit)
    more = [f"{words.count(len(found) - POINTS, 'more point')} in section 5."] if len(found) > POINTS else []
    lines = [words.legible(line, most=SHORT // 2) for line in found[:POINTS]]
    return [Points(title="Worth a look before deciding", lines=[*lines, *more])] if found else []
