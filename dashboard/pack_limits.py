"""Section 5 of the pack: what was not decided, what is worth a look, and what this evidence cannot show."""

from __future__ import annotations

from dashboard import words
from dashboard.concerns import concerns
from dashboard.pack_blocks import Block, Points, Section
from dashboard.pack_case import EARLIER, Case
from pipeline.gate.values import Outcome

BLIND_SPOTS = (
    "Booked loans with a final outcome only. How either version does on applicants who were rejected is not known.",
    "Labels that never come because of what they would say: no check on the known ones can show that.",
    "“Passed” on G6 means that no loss was shown, not that there is none; section 4 says what loss each segment could "
    "have shown with so many rows.",
    "Whoever looks by hand, off the record, and then times a try by what was seen, spends more than the error budget "
    "counts.",
    "The record shows what Mend was told. That a named person sat there is as sure as the sign-in beside the name.",
)


def limits(case: Case) -> Section:
    """Undecided and failed gates, concerns, blind spots, and files that could not be read."""
    found = concerns(case.dossier, unit=case.unit)
    blocks: list[Block] = [
        Points(title="Gates that did not pass", lines=_not_passed(case)),
        Points(title="Worth a look before deciding", lines=found or ["Nothing that Mend's rules point at."]),
        Points(title="What this evidence cannot show", lines=[*BLIND_SPOTS, *_estimates(case), *_signature(case)]),
        Points(title="What this pack lacks", lines=_lacking(case)),
    ]
    return Section(
        number=5, title="Limits", asks="What was undecided, and what would this not have seen?", blocks=blocks
    )


def _not_passed(case: Case) -> list[str]:
    lines = []
    for check in case.dossier.checks:
        if check.outcome is Outcome.PASSED:
            continue
        needs = (
            f"; about {words.count(check.more_rows, 'more labelled row')} would decide it" if check.more_rows else ""
        )
        lines.append(f"{check.code} {check.name}: {check.outcome.value}. {check.note or 'No note on record'}{needs}.")
    return lines or ["None: all six passed."]


def _estimates(case: Case) -> list[str]:
    """What estimates without labels say of themselves."""
    result = case.judged.result if case.judged else None
    if not result or not result.get("outcomes"):
        return []
    estimated = result["outcomes"]["estimated"]
    return [estimated["cannot_see"], estimated["booked_only"]]


def _signature(case: Case) -> list[str]:
    signed = case.history.of("signature")
    if signed and not signed[-1].body.get("verified"):
        return [f"The signature is local and unverified: it is {signed[-1].actor}'s by that person's word alone."]
    return []


def _lacking(case: Case) -> list[str]:
    lines = [f"Not readable: {line}." for line in case.missing]
    older = len(case.history.earlier) - EARLIER
    if older > 0:
        lines.append(f"Section 7 tells the newest {EARLIER} earlier dossiers; {older:,} older ones are in the ledger.")
    return [
        *lines,
        "Rows of applicants and model files: they stay in the bank's stores, known here by their SHA-256.",
        "Whether the ledger's newest entries are all there: only a head left elsewhere shows that (section 8).",
    ]
