"""Section 2 of the pack: which rows were judged, which were not, and what they are known by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dashboard import applicant_tables, charts, judgement, words
from dashboard.pack_blocks import Block, Facts, Heading, Points, Section, Table, Text, drawing, plain_table
from dashboard.pack_case import Case
from pipeline.frames import coverage_frame
from pipeline.gate.coverage import VINTAGE


def data(case: Case) -> Section:
    """Rows, windows, maturity, coverage, exclusions, reference and hashes."""
    return Section(
        number=2,
        title="Data",
        asks="On which rows does the judgement rest, and whom does it leave out?",
        blocks=[
            Points(lines=applicant_tables.covered(case.dossier)),
            *_coverage(case),
            Points(title="Left out of the judgement", lines=_left_out(case)),
            Heading(text="Reference"),
            _reference(case),
            Table(
                title="What these rows are known by",
                columns=["Of", "SHA-256"],
                rows=[[of, digest] for of, digest in judgement.hashes(case.dossier).items()],
            ),
        ],
    )


def _coverage(case: Case) -> list[Block]:
    frame = coverage_frame(case.dossier.evidence)
    if frame.empty:
        return [Text(text="Coverage by group was not recorded in this dossier.")]
    vintages, rest = frame[frame["group"] == VINTAGE], frame[frame["group"] != VINTAGE]
    told, last = applicant_tables.vintages_told(vintages), applicant_tables.last_final(case.dossier.evidence)
    final = f" The youngest applicant's outcome is final on {words.day(last.ceil('D'))}." if last is not None else ""
    return [
        Heading(text="Whose outcome is known"),
        drawing(
            charts.coverage_by_vintage(frame),
            told=told,
            caption=f"Applicants by quarter of application. {told} Solid: mature and labelled; pale: mature without a "
            f"label; outline only: not mature.{final}",
        ),
        plain_table(applicant_tables.coverage_table(vintages, final=True), "By quarter of application"),
        plain_table(applicant_tables.coverage_table(rest, final=False), "By score band of the champion and segment"),
    ]


def _left_out(case: Case) -> list[str]:
    measured = case.dossier.evidence
    vintages = [cell for cell in measured.cells if cell.group == VINTAGE]
    young = sum(cell.applicants - cell.mature for cell in vintages)
    lines = [
        f"Mature without a label: {words.count(measured.mature_rows - measured.rows, 'loan')}.",
        f"Applications before {words.day(case.dossier.window_start)}: until then reach the training windows.",
        "Rejected applicants: none has an outcome.",
    ]
    if vintages:
        lines.insert(0, f"Not mature at {words.day(case.dossier.as_of)}: {words.count(young, 'applicant')}.")
    if measured.absent_segments:
        lines.append(f"Segments that the reference holds and these rows do not: {', '.join(measured.absent_segments)}.")
    return lines


def _reference(case: Case) -> Block:
    found = case.reference
    if found is None:
        return Text(text=f"No entry of the ledger froze the reference {case.dossier.reference_sha256}.")
    told = {"Rows": f"{found['rows']:,}", "Applications": _span(found)}
    told |= {"Frozen": f"as of {words.day(found['frozen_at'])}, entry {found['entry']} of the ledger"}
    told |= {"SHA-256": found["sha256"]}
    if given := found.get("data_file_sha256"):
        told["Portfolio file (SHA-256)"] = given
    return Facts(rows=told)


def _span(found: Any) -> str:
    if "start" not in found or "end" not in found:
        return "not readable: see section 5"
    return " to ".join(words.day(datetime.fromisoformat(found[name])) for name in ("start", "end"))
