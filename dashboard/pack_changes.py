"""Section 7 of the pack: everything on record about the challenger and its dossiers, and what was tried before."""

from __future__ import annotations

import pandas as pd

from dashboard import charts, verdicts, words
from dashboard.pack_blocks import Block, Heading, Section, Table, Text, drawing
from dashboard.pack_case import Case
from pipeline.frames import level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Outcome
from pipeline.promotion.review import Reviewed
from pipeline.stores.ledger import Entry

_EARLIER = (
    "Judged as of", "Version", "Against", "Rows (bad)", "Champion → challenger", "Gain, at the level it was judged by",
    "Standing", "Gates that did not pass", "Decided by, and why", "Digest",
)  # fmt: skip


def changes(case: Case) -> Section:
    """The ledger's entries in order, the champions, and earlier dossiers with what became of them."""
    return Section(
        number=7,
        title="Change log",
        asks="What happened, in which order, and what was refused before?",
        blocks=[*_reason(case), _log(case), *_reigns(case), *_earlier(case)],
    )


def _reason(case: Case) -> list[Block]:
    decision = case.history.item.decision
    if decision is None:
        return []
    heading = Heading(text=f"The reason that {decision['actor']} gave")
    return [heading, Text(text=decision["reason"], kind="quote")]


def _log(case: Case) -> Table:
    rows = [[str(entry.seq), words.day(entry.at), told(entry), entry.actor] for entry in case.history.about]
    title = f"{words.count(len(rows), 'entry')} of the ledger about version {case.dossier.challenger} and its dossiers"
    return Table(title=title, columns=["Entry", "As of", "What", "By"], rows=rows)


def told(entry: Entry) -> str:
    """One entry in words; a kind that has none here is named, with its key."""
    body, at = entry.body, entry.key[:12]
    match entry.kind:
        case "signal":
            return f"Signal {entry.key}: {body['reason']}. {body['note']}"
        case "challenger":
            return f"Version {entry.key} trained on {body['rows']:,} rows, {body['positives']:,} bad"
        case "dossier":
            return f"Dossier {at} recorded: {body['status']}"
        case "trial":
            return f"Comparison {at} spent {words.percent(body['error_spent'], 2)} of the year's error budget"
        case "run":
            return f"Notebook {body['notebook']} {body['status']} in {body['seconds']:,.1f} s" + _error(body["error"])
        case "look":
            return f"Look: {body['state']}, {body['rows']:,} rows; recommended: {body['recommendation'] or 'not known'}"
        case "cycle":
            return f"Cycle: {body['status']}. {body['note']}"
        case "shadow":
            return f"Held beside version {body['champion']} on {body['rows']:,} live applications"
        case "signature":
            return f"Signature on {at}. {verdicts.signed_as(body)}"
        case "decision":
            return f"Decision on {at}: {body['verdict']}"
        case "refused_decision" | "refused_clock" | "refused_rollback":
            return f"Refused: {body.get('verdict', 'rollback')}: {body['why']}"
        case "champion":
            return f"Version {body['version']} is champion number {body['number']}, by {body['how']}"
        case "rollback":
            return f"Rolled back from version {body['from_version']} to {body['to_version']}: {body['reason']}"
        case "watch":
            return f"Watch, look {body['look']}: {body['state']}. {body['reason']}"
        case "registry_followed":
            return f"Registry followed: {body['change']}"
    return f"{entry.kind.replace('_', ' ')} {entry.key}"


def _error(error: str | None) -> str:
    return f": {error}" if error else ""


def _reigns(case: Case) -> list[Block]:
    frame = pd.DataFrame(case.history.reigns)
    frame = frame.assign(until=frame["since"].shift(-1).fillna(case.history.as_of))
    rows = [
        [str(reign["number"]), reign["version"], words.day(reign["since"]), reign["how"], (reign["digest"] or "–")[:12]]
        for reign in case.history.reigns
    ]
    told = f"{words.count(len(rows), 'champion')} until {words.day(case.history.as_of)}."
    return [
        Heading(text="Who was champion when"),
        drawing(charts.reigns(frame), told=told, caption=told),
        Table(title="Champions", columns=["Number", "Version", "Since", "By", "Dossier"], rows=rows),
    ]


def _earlier(case: Case) -> list[Block]:
    heading = Heading(text="What was judged before")
    if not case.earlier:
        return [heading, Text(text="Nothing: this is the first dossier that can be read.")]
    rows = [_row(item, dossier) for item, dossier in reversed(case.earlier)]
    return [
        heading,
        Table(title=f"{words.count(len(rows), 'earlier dossier')}, newest first", columns=_EARLIER, rows=rows),
    ]


def _row(item: Reviewed, dossier: Dossier) -> list[str]:
    measured, trial = dossier.evidence, dossier.evidence.trial
    pair = measured.pair(trial.metric)
    before, after = (words.metric_number(trial.metric, value) for value in (pair.champion, pair.challenger))
    sure = words.metric_interval(trial.metric, trial.interval)
    sure += f" at {level_text(trial.interval)}" if trial.interval else ""
    failed = [f"{check.code} {check.outcome}" for check in dossier.checks if check.outcome is not Outcome.PASSED]
    decision = item.decision
    return [
        words.day(dossier.as_of),
        dossier.challenger,
        dossier.champion,
        f"{measured.rows:,} ({measured.positives:,})",
        f"{words.METRICS[trial.metric]} {before} → {after}",
        f"{words.metric_number(trial.metric, trial.gain, signed=True)}, {sure}",
        words.STANDINGS[item.standing][0],
        ", ".join(failed) or "none",
        f"{decision['actor']}: {decision['reason']}" if decision else "–",
        dossier.digest[:12],
    ]
