"""The six gates. Every one is always judged, each on its own; a number that is missing never reads as passed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pipeline.errors import InputError
from pipeline.gate.evidence import corrected_level
from pipeline.gate.values import Check, Evidence, GatePolicy, Outcome, SegmentEvidence

CODES = ("G1", "G2", "G3", "G4", "G5", "G6")
Status = Literal["promotable", "refused", "waiting"]

_DAY = timedelta(days=1)
_LISTED = 5  # names spelled out in a note before it counts the rest


def all_checks(
    evidence: Evidence, *, policy: GatePolicy, as_of: datetime, last_promotion_at: datetime | None
) -> tuple[Check, ...]:
    """Judge all six gates, in order, none depending on another.

    Args:
        evidence: What was measured, under the same policy.
        policy: The thresholds.
        as_of: Time of judging, timezone-aware.
        last_promotion_at: Last time a champion was put in place (promotion, rollback or init); None if on no record.

    Raises:
        InputError: A time without a timezone.
    """
    return (
        sufficient_samples(evidence, policy=policy),
        label_coverage(evidence, policy=policy),
        promotion_cooldown(policy=policy, as_of=as_of, last_promotion_at=last_promotion_at),
        f1_improvement(evidence, policy=policy),
        calibration_maintained(evidence, policy=policy),
        no_segment_regression(evidence, policy=policy),
    )


def promotable(checks: Iterable[Check]) -> bool:
    """Every required check passed. No checks is not passed."""
    required = [check for check in checks if check.required]
    return bool(required) and all(check.outcome is Outcome.PASSED for check in required)


def status(checks: Sequence[Check]) -> Status:
    """Promotable; waiting while rows or labels are too few, to be judged again as they mature; otherwise refused."""
    if promotable(checks):
        return "promotable"
    waits = any(check.code in ("G1", "G2") and check.outcome is Outcome.UNDECIDED for check in checks)
    return "waiting" if waits else "refused"


def sufficient_samples(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G1: enough mature labelled rows, enough bad ones, and at least one good one. Shows the first that falls short."""
    needs = [
        (evidence.rows, policy.min_samples, "mature labelled rows"),
        (evidence.positives, policy.min_positives, "bad outcomes"),
        (evidence.rows - evidence.positives, 1, "good outcomes"),
    ]
    short = [need for need in needs if need[0] < need[1]]
    got, need, unit = (short or needs)[0]
    return Check(
        code="G1",
        name="sufficient samples",
        outcome=Outcome.UNDECIDED if short else Outcome.PASSED,
        observed=got,
        threshold=need,
        unit=unit,
        interval=None,
        margin=got - need,
        note="; ".join(f"{need - got} more {unit} needed" for got, need, unit in short),
    )


def label_coverage(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G2: enough of the mature window is labelled; labels that are missing are rarely missing at random."""
    got, need = evidence.coverage, policy.min_coverage
    note = "" if got is not None else "no mature rows yet"
    if got is not None and got < need:
        note = f"wait for labels: {evidence.rows} of {evidence.mature_rows} mature rows have one"
    return Check(
        code="G2",
        name="label coverage",
        outcome=Outcome.PASSED if got is not None and got >= need else Outcome.UNDECIDED,
        observed=got,
        threshold=need,
        unit="share of mature rows",
        interval=evidence.coverage_interval,
        margin=None if got is None else got - need,
        note=note,
    )


def promotion_cooldown(*, policy: GatePolicy, as_of: datetime, last_promotion_at: datetime | None) -> Check:
    """G3: the champion has been in place long enough to be known. The first champion's arrival counts."""
    if as_of.tzinfo is None or (last_promotion_at is not None and last_promotion_at.tzinfo is None):
        raise InputError("gate", "as_of and last_promotion_at", "expected times with a timezone")
    need = policy.cooldown / _DAY
    waited = None if last_promotion_at is None else as_of - last_promotion_at
    if waited is None:
        outcome, note = Outcome.UNDECIDED, "no record of a champion being put in place"
    elif waited < timedelta(0):
        outcome, note = Outcome.FAILED, f"last promotion {last_promotion_at} is after {as_of}: clock or record is wrong"
    elif waited < policy.cooldown:
        outcome, note = Outcome.FAILED, f"over in {(policy.cooldown - waited) / _DAY:.1f} days"
    else:
        outcome, note = Outcome.PASSED, ""
    days = None if waited is None else waited / _DAY
    return Check(
        code="G3",
        name="promotion cooldown",
        outcome=outcome,
        observed=days,
        threshold=need,
        unit="days",
        interval=None,
        margin=None if days is None else days - need,
        note=note,
    )


def f1_improvement(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G4: the relative gain is large enough, and the paired interval of the F1 difference excludes "no better".

    A champion whose F1 is 0 finds no bad outcome at all and must be replaceable: no relative gain exists, so any
    absolute gain will do whose interval lies above 0.
    """
    dead = evidence.champion.f1 == 0
    paired, need = (evidence.f1, 0.0) if dead else (evidence.f1_gain, policy.min_f1_gain)
    gain, sure = paired.difference, evidence.f1.interval
    if gain is None or evidence.positives == 0:
        outcome, note = Outcome.UNDECIDED, "F1 cannot be measured on these rows"
        gain = None
    elif gain < need or (dead and gain == 0):
        outcome, note = Outcome.FAILED, "neither model finds a bad outcome" if dead else ""
    elif sure is None or not math.isclose(sure.level, policy.interval_level):
        outcome, note = Outcome.UNDECIDED, f"no interval at the policy's level of {policy.interval_level}"
    elif sure.low > 0:
        outcome, note = Outcome.PASSED, "champion finds no bad outcome: judged by the absolute gain" if dead else ""
    else:
        outcome, note = Outcome.UNDECIDED, f"not told apart from luck: F1 difference at least {sure.low:+.4f}"
    return Check(
        code="G4",
        name="F1 improvement",
        outcome=outcome,
        observed=gain,
        threshold=need,
        unit="F1, absolute gain" if dead else "relative gain of F1",
        interval=None if gain is None else paired.interval,
        margin=None if gain is None else gain - need,
        note=note,
    )


def calibration_maintained(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G5: the Brier score rises by no more than the policy allows."""
    rise, most = evidence.brier.difference, policy.max_brier_rise
    outcome = Outcome.UNDECIDED if rise is None else Outcome.FAILED
    if rise is not None and rise <= most:
        outcome = Outcome.PASSED
    return Check(
        code="G5",
        name="calibration maintained",
        outcome=outcome,
        observed=rise,
        threshold=most,
        unit="Brier score, absolute rise",
        interval=evidence.brier.interval,
        margin=None if rise is None else most - rise,
        note="Brier score cannot be measured on these rows" if rise is None else "",
    )


def no_segment_regression(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G6: no segment loses more of its F1 than allowed by more than luck.

    A point comparison over a handful of segments refuses an equal model more often than not. So a segment regresses
    when its relative drop exceeds the limit *and* the interval of the drop, corrected for the number of segments, lies
    wholly above 0. Segments too small to judge are named and block nothing, unless none can be judged.
    """
    big = [s for s in evidence.segments if s.rows >= policy.min_segment_samples and 0 < s.positives < s.rows]
    level, most = corrected_level(policy.interval_level, len(big)), policy.max_segment_f1_drop
    measured = all(s.interval is not None and math.isclose(s.interval.level, level) for s in big)
    regressed = [s for s in big if s.drop > most and s.interval is not None and s.interval.low > 0]
    worst = max(regressed or big, key=lambda s: s.drop, default=None)
    notes = [_listed("regressed", [f"{s.name} ({s.drop:+.1%})" for s in regressed])]
    if worst is None:
        outcome = Outcome.UNDECIDED
        notes += [f"no segment has {policy.min_segment_samples} rows and both outcomes"]
    elif not measured:
        outcome = Outcome.UNDECIDED
        notes = [f"no interval at the level of {level:.4f} that {len(big)} segments need"]
    else:
        outcome = Outcome.FAILED if regressed else Outcome.PASSED
        notes += [] if regressed else [_worst(worst, most)]
    notes += [_listed("too small to judge", [s.name for s in evidence.segments if s not in big])]
    notes += [_listed("expected and absent", evidence.absent_segments)]
    return Check(
        code="G6",
        name="no segment regression",
        outcome=outcome,
        observed=worst.drop if worst else None,
        threshold=most,
        unit="relative drop of F1, worst segment",
        interval=worst.interval if worst else None,
        margin=most - worst.drop if worst else None,
        note="; ".join(note for note in notes if note),
    )


def _worst(segment: SegmentEvidence, most: float) -> str:
    luck = ", not told apart from luck" if segment.drop > most else ""
    return f"worst: {segment.name} ({segment.drop:+.1%}{luck})"


def _listed(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{what}: {', '.join(names[:_LISTED])}{more}" if names else ""
