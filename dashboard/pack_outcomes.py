"""Section 4 of the pack: what came out, gate by gate, model against model, segment by segment, and in money."""

from __future__ import annotations

from dashboard import applicant_tables, charts, judgement, pack_charts, verdicts, words
from dashboard.pack_blocks import Block, Drawing, Heading, Points, Section, Text, drawing, plain_table, table
from dashboard.pack_case import Case
from pipeline.frames import approvals_frame, checks_frame, comparison_frame, segments_frame, swap_frame
from pipeline.gate.fairness import DISCLAIMER
from pipeline.gate.swap import ALL


def outcomes(case: Case) -> Section:
    """The six gates, both models with intervals, segments, approval rates, and the swap set with its money."""
    return Section(
        number=4,
        title="Outcomes",
        asks="What came out, how sure is it, and who gains or loses?",
        blocks=[*_gates(case), *_comparison(case), *_segments(case), *_approvals(case), *_swap(case)],
    )


def _gates(case: Case) -> list[Block]:
    checks = case.dossier.checks
    told = "; ".join(f"{check.code} {check.name}: {check.outcome.value}" for check in checks)
    return [
        Heading(text="The six gates"),
        drawing(
            charts.gates(checks_frame(case.dossier)),
            told=f"Margins of six gates, {verdicts.passed(checks)}. {told}.",
            caption="Distance to each limit, in units of that limit; right of the line is within it. A gate that also "
            "asks for significance can pass on the left, or stay undecided on the right: see its note.",
        ),
        table(verdicts.gates_table(checks), verdicts.passed(checks)),
        Points(lines=verdicts.beside_the_gates(case.dossier)),
    ]


def _comparison(case: Case) -> list[Block]:
    dossier, drawings = case.dossier, []
    for panel, rows in charts.panels(comparison_frame(dossier.evidence)):
        told = "; ".join(judgement.spoken(dossier.evidence.pair(metric), case.unit) for metric in rows["metric"])
        figure = charts.comparison_panel(rows, unit=case.unit if panel == "money" else "")
        drawings.append(pack_charts.drawn(figure, told=f"{told}.", width_px=pack_charts.PANEL_PX))
    blocks: list[Block] = [Heading(text=f"Version {dossier.challenger} against version {dossier.champion}")]
    if drawings:
        blocks.append(Drawing(svgs=drawings, caption=judgement.compared_how(dossier)))
    return [
        *blocks,
        table(judgement.metrics_table(dossier, case.unit), "Both versions and three baselines on the same loans"),
        Points(lines=judgement.beside_the_metrics(dossier, case.unit)),
    ]


def _segments(case: Case) -> list[Block]:
    frame = segments_frame(case.dossier.evidence)
    if frame.empty:
        return [Heading(text="Segments"), Text(text="No segments are set: gate G6 has nothing to judge.")]
    told = applicant_tables.segments_told(frame)
    how = applicant_tables.segments_read_how(case.dossier)
    return [
        Heading(text="Segments"),
        drawing(charts.segments(frame), told=told, caption=told),
        plain_table(applicant_tables.segments_table(case.dossier.evidence), "Gains and losses by segment"),
        Text(text=how, kind="note"),
    ]


def _approvals(case: Case) -> list[Block]:
    policy, measured = case.dossier.evidence.fairness, case.dossier.evidence
    heading = Heading(text="Approval rates by segment")
    if policy is None or approvals_frame(measured).empty:
        why = "no policy is" if policy is None else "no segments are"
        return [heading, Text(text=f"Not looked at: {why} set. It would be {DISCLAIMER}.")]
    return [
        heading,
        Text(text=words.unmarked(applicant_tables.approvals_told(case.dossier, policy))),
        plain_table(applicant_tables.approvals_table(measured), "Whom each version approves"),
        Text(text=words.unmarked(applicant_tables.approvals_read_how(policy)), kind="note"),
    ]


def _swap(case: Case) -> list[Block]:
    measured, frame = case.dossier.evidence, swap_frame(case.dossier.evidence)
    blocks: list[Block] = [
        Heading(text="Swap set: who is booked instead of whom"),
        Text(text=words.swap_sentence(measured, unit=case.unit)),
    ]
    if frame.empty:
        return blocks
    totals, parts = frame[frame["segment"] == ALL], frame[frame["segment"] != ALL]
    blocks.append(plain_table(applicant_tables.swap_table(totals, case.unit), "Decisions that change"))
    if len(parts):
        blocks.append(plain_table(applicant_tables.swap_table(parts, case.unit), "The same by segment"))
    return [*blocks, Text(text=applicant_tables.swap_read_how(case.dossier), kind="note")]
