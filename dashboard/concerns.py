"""What passed gates can hide, so that a signature is not given on a row of ticks alone."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import verdicts, words
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import SegmentEvidence
from pipeline.gate.swap import ALL, IN, OUT
from pipeline.gate.values import Outcome

COARSE = 0.50  # a segment that shows only a loss of F1 above this is as good as not judged


def concerns(dossier: Dossier, *, unit: str = "") -> list[str]:
    """Each in one sentence; none for a clean pass."""
    found = [
        f"{check.code} passed although {verdicts.gate_number(check, check.observed)} is beyond the limit of "
        f"{verdicts.gate_number(check, check.threshold)}: its interval does not exclude luck ({check.note})."
        for check in dossier.checks
        if check.outcome is Outcome.PASSED and check.margin is not None and check.margin < 0
    ]
    money = _below_baselines(dossier, unit) + _losing_swap(dossier, unit)
    return found + _blind(dossier) + money + _coarse(dossier.evidence.segments)


def _blind(dossier: Dossier) -> list[str]:
    return [
        f"In {segment.name} version {dossier.challenger} finds none of {segment.positives} bad loans; "
        f"version {dossier.champion} finds some (F1 {segment.champion_f1:.2f})."
        for segment in dossier.evidence.segments
        if segment.positives and segment.champion_f1 > 0 and segment.challenger_f1 == 0
    ]


def _below_baselines(dossier: Dossier, unit: str) -> list[str]:
    measured, found = dossier.evidence, []
    everyone, nobody = measured.everyone_bad, measured.base_rate
    for version, model in ((dossier.champion, measured.champion), (dossier.challenger, measured.challenger)):
        if model.f1 is not None and everyone.f1 is not None and model.f1 < everyone.f1:
            found.append(
                f"Version {version}'s F1 of {model.f1:.3f} is below that of calling every loan bad ({everyone.f1:.3f})."
            )
    theirs = measured.challenger.profit
    for what, baseline in (("booking nobody", everyone.profit), ("booking everybody", nobody.profit)):
        if theirs is not None and baseline is not None and theirs < baseline:
            found.append(
                f"Version {dossier.challenger} earns {words.money(theirs, unit)} per application, less than {what} "
                f"({words.money(baseline, unit)}), over {words.count(measured.rows, 'loan')}."
            )
    return found


def _losing_swap(dossier: Dossier, unit: str) -> list[str]:
    totals = {cell.direction: cell.result for cell in dossier.evidence.swap if cell.segment == ALL}
    f1 = dossier.evidence.pair("f1").difference
    if not totals or f1 is None or f1 <= 0 or (net := totals[IN] - totals[OUT]) >= 0:
        return []
    return [f"F1 gains {f1:.3f}, but the applicants whose decision changes lose {words.money(-net, unit)} in all."]


def _coarse(segments: Sequence[SegmentEvidence]) -> list[str]:
    named = [
        f"{segment.name} ({words.detectable(segment.detectable_drop)}, {words.count(segment.rows, 'row')})"
        for segment in segments
        if segment.detectable_drop is not None and segment.detectable_drop > COARSE
    ]
    if not named:
        return []
    return [f"So few rows that a loss of F1 smaller than this might not show: {', '.join(named)}."]
