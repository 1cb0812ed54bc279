"""Section 6 of the pack: the drift that called for the training, the alerts of the day, and the watch ever since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard import charts, findings, moves, watch_words, words
from dashboard.pack_blocks import Block, Heading, Points, Section, Table, Text, drawing, plain_table, table
from dashboard.pack_case import Case, Look
from dashboard.pack_front import moment
from monitoring.summary import DriftSummary
from pipeline.drift_frames import drift_checks_frame, joint_sentence
from pipeline.gate.shadow import Shadow
from pipeline.watching import units

ALERT_COLUMNS = ("Since", "What", "About", "Severity", "Said")


def monitoring(case: Case) -> Section:
    """Why a challenger was trained, how the champion did when it was judged, and what came of the promotion."""
    return Section(
        number=6,
        title="Monitoring",
        asks="What called for a new version, and how has it done since?",
        blocks=[
            *_cause(case),
            *_history(case),
            *_standing_when_judged(case),
            *_alerts(case),
            *_shadow(case),
            *_watch(case),
        ],
    )


def _cause(case: Case) -> list[Block]:
    signal, look = case.signal, case.cause
    why = f"No signal is on record. {case.made[case.dossier.challenger]['requested_by']} asked for the training."
    if signal is not None:
        note = signal["note"].rstrip(".")
        why = f"Signal {signal['key']} as of {signal['as_of'][:10]}, because of {signal['reason']}: {note}."
    blocks: list[Block] = [Heading(text="What called for the training"), Text(text=why)]
    if look is None:
        return [*blocks, Text(text="No cycle is on record for that moment: nothing is known here about drift then.")]
    if look.summary is None:
        return [
            *blocks,
            Text(text="The drift summary could not be read (section 5): that is not the same as no drift."),
        ]
    return [*blocks, *_window(case, look.summary, look.result)]


def _window(case: Case, summary: DriftSummary, result: Mapping[str, Any] | None) -> list[Block]:
    ends = f"{words.day(summary.window.start)} to {words.day(summary.window.end)}"
    blocks: list[Block] = [Text(text=f"Window of {ends}. {findings.verdict(summary, result)}")]
    if result is not None:
        blocks.append(Text(text=f"{findings.to_do(result['diagnosis'])}. {result['diagnosis']['reason']}"))
        blocks.append(Points(lines=result["moved"]))
    checks = drift_checks_frame(summary, units(case.settings))
    limited = checks[checks["limit"].notna()]
    if len(limited):
        beyond = ", ".join(dict.fromkeys(checks.loc[checks["drifted"], "feature"])) or "none"
        told = f"{limited['feature'].nunique()} features and their limits; past it: {beyond}."
        caption = "The worst question of each feature on its way to its limit (1 is at the limit)."
        blocks.append(drawing(charts.check_limits(checks), told=told, caption=caption))
    if len(checks):
        blocks.append(table(moves.questions_table(summary, checks), f"All {len(checks)} questions"))
    return [*blocks, *_score(result)]


def _score(result: Mapping[str, Any] | None) -> list[Block]:
    frame = moves.contributions(result) if result else pd.DataFrame()
    if result is None or frame.empty:
        return []
    most = frame.iloc[0]
    told = f"Contributions of {len(frame)} features; most: {most['feature']} {findings.pp(most['change'])} points."
    caption = (
        "Change of the champion's mean score by each feature's move alone, percentage points, with 95 % intervals."
    )
    return [
        drawing(charts.contributions(frame), told=told, caption=caption),
        table(moves.contributions_table(frame), "What each move does to the mean score"),
        Text(text=joint_sentence(result["joint"]) if result["joint"] else "How features go together was not tested."),
    ]


def _history(case: Case) -> list[Block]:
    looks, limit = case.looks, case.settings.retrain.min_importance
    if looks.empty:
        return [Heading(text="Drift before the judgement"), Text(text="No look is on record.")]
    looks = looks.astype({"weighted_share": "float64"})
    judged = int(looks["weighted_share"].notna().sum())
    rows = [
        [
            words.day(look["as_of"]),
            words.percent(look["weighted_share"]),
            findings.features_text(look),
            str(look["change_kind"] or "–"),
            str(look["recommendation"] or "–"),
            f"{look['rows']:,}",
        ]
        for look in looks.to_dict("records")
    ]
    blocks: list[Block] = [Heading(text=f"Drift before the judgement: the newest {words.count(len(looks), 'look')}")]
    if judged:
        told = f"Share of importance that moved, {words.count(judged, 'look')}; line at {words.percent(limit)}."
        caption = (
            "Share of what the score rests on that features beyond their limit carry. Dashed: from here a window calls "
            "for a new model. A grey line is a look without a number, which is not calm."
        )
        blocks.append(drawing(charts.weight_over_time(looks, limit=limit), told=told, caption=caption))
    columns = ["As of", "Importance that moved", "Features beyond their limit", "Change", "Recommended", "Rows"]
    return [*blocks, Table(title="Looks up to the judgement", columns=columns, rows=rows)]


def _standing_when_judged(case: Case) -> list[Block]:
    """Realised and estimated performance of the champion, as the judging cycle knew them."""
    heading = Heading(text="How the champion did when it was judged")
    result = _result(case.judged)
    if result is None:
        return [heading, Text(text="No monitoring result of the judging cycle is on record, or it could not be read.")]
    told, champion = result["outcomes"], result["outcomes"]["champion"]
    lines = [
        findings.realised(told),
        *(f"{name}, estimated: {said}." for name, said in findings.estimates(told["estimated"])),
    ]
    return [heading, Points(lines=[f"Version {champion}.", *lines])]


def _result(look: Look | None) -> Mapping[str, Any] | None:
    return look.result if look is not None and look.result and look.result.get("outcomes") else None


def _alerts(case: Case) -> list[Block]:
    heading = Heading(text=f"Alerts open on {words.day(case.dossier.as_of)}")
    if not case.alerts:
        return [heading, Text(text="None was open.")]
    rows = [
        [words.day(alert.since), alert.code, alert.subject, alert.severity.value, alert.text] for alert in case.alerts
    ]
    return [heading, Table(title=words.count(len(rows), "alert"), columns=list(ALERT_COLUMNS), rows=rows)]


def _shadow(case: Case) -> list[Block]:
    found = case.history.of("shadow")
    if not found:
        return []
    newest = Shadow.from_json(found[-1].body)
    heading = Heading(text="In the shadow")
    if newest.share is None:
        return [heading, Text(text=f"As of {words.day(newest.end)} no application was there to be decided twice.")]
    share, low, high = (words.percent(each, 1) for each in newest.share)
    gained, lost = (f"{each.applicants:,}" for each in (newest.swapped_in, newest.swapped_out))
    ends = f"{words.day(newest.start)} to {words.day(newest.end)}"
    lines = [
        f"Beside the champion, on {words.count(newest.rows, 'live application')} from {ends}.",
        f"Version {newest.challenger} decides {share} otherwise ({low} to {high} at 95 %): {gained} approved instead "
        f"of declined, {lost} the reverse.",
        "It says how much changes, not whether that is better.",
    ]
    return [heading, Points(lines=lines)]


def _watch(case: Case) -> list[Block]:
    heading, version = Heading(text="After the decision"), case.dossier.challenger
    reigns = [reign for reign in case.history.reigns if reign["digest"] == case.dossier.digest]
    if not reigns:
        return [heading, Text(text=f"Version {version} was not promoted on this dossier: there is nothing to watch.")]
    lines = [f"Version {version} is champion number {reigns[-1]['number']}, since {moment(reigns[-1]['since'])}."]
    lines += [
        f"{moment(entry.at)}: rolled back from version {entry.body['from_version']} to {entry.body['to_version']} by "
        f"{entry.actor}: {entry.body['reason']}"
        for entry in case.history.of("rollback")
        if entry.body["from_number"] == reigns[-1]["number"]
    ]
    if case.watch is None:
        return [heading, Points(lines=lines), Text(text="The watch has not looked yet: it begins with the next cycle.")]
    watch = case.watch.body
    stood = f"As it stood on {words.day(case.watch.at)}: {watch_words.headline(watch)} {watch['reason']}"
    blocks: list[Block] = [heading, Points(lines=lines), Text(text=stood)]
    measured = watch_words.table(watch)
    if measured is not None:
        blocks.append(plain_table(measured, "Promised and realised gain"))
    return [*blocks, Points(lines=watch_words.lines(watch))]
