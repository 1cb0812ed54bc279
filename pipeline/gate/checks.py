"""The six gates. Each is a rule over measured evidence with three outcomes; all are judged, none stops the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pipeline.errors import InputError
from pipeline.gate.budget import spendable
from pipeline.gate.forecast import more_rows, waiting
from pipeline.gate.improvement import primary_improvement
from pipeline.gate.measured import Evidence
from pipeline.gate.regression import no_segment_regression
from pipeline.gate.values import Check, GatePolicy, Outcome

CODES = ("G1", "G2", "G3", "G4", "G5", "G6")
Status = Literal["promotable", "refused", "waiting"]
_DAY = timedelta(days=1)


def all_checks(
    evidence: Evidence,
    *,
    policy: GatePolicy,
    as_of: datetime,
    last_promotion_at: datetime | None,
    last_try_at: datetime | None,
) -> tuple[Check, ...]:
    """Judge all six gates, in order, none depending on another.

    Args:
        evidence: What was measured, under the same policy.
        policy: The thresholds.
        as_of: Time of judging, timezone-aware.
        last_promotion_at: Last time a champion was put in place (promotion, rollback or init); None if on no record.
        last_try_at: Last time a challenger spent of the yearly budget; None if none has.

    Raises:
        InputError: A time without a timezone.
    """
    alpha = spendable(policy=policy, as_of=as_of, last_try_at=last_try_at)
    return (
        sufficient_samples(evidence, policy=policy, as_of=as_of),
        label_coverage(evidence, policy=policy, as_of=as_of),
        promotion_cooldown(policy=policy, as_of=as_of, last_promotion_at=last_promotion_at),
        primary_improvement(evidence, policy=policy, as_of=as_of, alpha=alpha),
        calibration_maintained(evidence, policy=policy, as_of=as_of),
        no_segment_regression(evidence, policy=policy),
    )


def promotable(checks: Iterable[Check]) -> bool:
    """Every required check passed. No checks is not passed."""
    required = [check for check in checks if check.required]
    return bool(required) and all(check.outcome is Outcome.PASSED for check in required)


def status(checks: Sequence[Check], *, policy: GatePolicy, as_of: datetime) -> Status:
    """Promotable; waiting, to be judged again; otherwise refused.

    It waits while rows or labels are too few (G1, G2), and while nothing failed and every undecided gate can be decided
    within the policy's patience, at today's rate.
    """
    if promotable(checks):
        return "promotable"
    undecided = [check for check in checks if check.outcome is Outcome.UNDECIDED]
    if any(check.code in ("G1", "G2") for check in undecided):
        return "waiting"
    soon = bool(undecided) and all(
        check.decidable_at and check.decidable_at - as_of <= policy.patience for check in undecided
    )
    return "waiting" if soon and not any(check.outcome is Outcome.FAILED for check in checks) else "refused"


def is_try(checks: Sequence[Check]) -> bool:
    """Whether this comparison could have promoted as far as rows, labels and cooldown go, and so spends of the budget.

    These three read no difference between the models, so that which comparisons count does not depend on their result.
    """
    return all(check.outcome is Outcome.PASSED for check in checks if check.code in ("G1", "G2", "G3"))


def sufficient_samples(evidence: Evidence, *, policy: GatePolicy, as_of: datetime) -> Check:
    """G1: enough mature labelled rows, enough bad ones, and two good ones. Shows the first that falls short."""
    share = evidence.positives / evidence.rows if evidence.rows else 0.0
    needs = [
        (evidence.rows, policy.min_samples, "mature labelled rows", 1.0),
        (evidence.positives, policy.min_positives, "bad outcomes", share),
        (evidence.rows - evidence.positives, 2, "good outcomes", 1 - share),
    ]
    short = [need for need in needs if need[0] < need[1]]
    got, need, unit, _ = (short or needs)[0]
    check = Check(
        code="G1",
        name="sufficient samples",
        outcome=Outcome.UNDECIDED if short else Outcome.PASSED,
        observed=got,
        threshold=need,
        unit=unit,
        interval=None,
        margin=got - need,
        note="; ".join(f"{need - got} more {unit} needed" for got, need, unit, _ in short),
    )
    known = [(need - got) / rate if rate else math.inf for got, need, _, rate in short]
    return waiting(check, max(known, default=0), evidence=evidence, as_of=as_of)


def label_coverage(evidence: Evidence, *, policy: GatePolicy, as_of: datetime) -> Check:
    """G2: enough of the mature window is labelled, and those missing do not shift what is read.

    Labels that are missing are rarely missing at random. Where more are missing in some score bands than in others,
    weighting the bands as they are among all mature rows moves the Brier score; by more than the policy allows, the
    labelled rows do not speak for the rest.
    """
    got, need, shift = evidence.coverage, policy.min_coverage, evidence.brier_shift
    outcome, note, more = Outcome.UNDECIDED, "no mature rows yet", math.inf
    if got is not None and got < need:
        note = f"wait for labels: {evidence.rows} of {evidence.mature_rows} mature rows have one"
        more = math.ceil(need * evidence.mature_rows) - evidence.rows
    elif got is not None and got < 1 and shift is None:
        note = "a score band has mature rows and no label: what is missing cannot be judged"
    elif got is not None and got < 1 and shift is not None and shift > policy.max_brier_shift:
        note = (
            f"labels are missing unevenly over the score bands: the Brier score read is off by about {shift:.4f}, "
            f"allowed is {policy.max_brier_shift:g}"
        )
    elif got is not None:
        outcome, note = Outcome.PASSED, ""
    check = Check(
        code="G2",
        name="label coverage",
        outcome=outcome,
        observed=got,
        threshold=need,
        unit="share of mature rows",
        interval=evidence.coverage_interval,
        margin=None if got is None else got - need,
        note=note,
    )
    return check if outcome is Outcome.PASSED else waiting(check, more, evidence=evidence, as_of=as_of)


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


def calibration_maintained(evidence: Evidence, *, policy: GatePolicy, as_of: datetime) -> Check:
    """G5: the Brier score does not rise by more than allowed: passed when its whole interval says so."""
    pair, most = evidence.pair("brier"), policy.max_brier_rise
    rise, interval, more = pair.difference, pair.interval, math.inf
    if rise is None:
        outcome, note = Outcome.UNDECIDED, "Brier score cannot be measured on these rows"
    elif rise > most:
        outcome, note = Outcome.FAILED, ""
    elif interval is None or not math.isclose(interval.level, policy.interval_level):
        outcome, note = Outcome.UNDECIDED, f"no interval at the policy's level of {policy.interval_level}"
    elif interval.high <= most:
        outcome, note = Outcome.PASSED, _calibration(evidence)
    else:
        outcome, note = Outcome.UNDECIDED, f"may rise by as much as {interval.high:.4f}"
        more = more_rows(evidence.rows, half=interval.high - rise, room=most - rise)
    check = Check(
        code="G5",
        name="calibration maintained",
        outcome=outcome,
        observed=rise,
        threshold=most,
        unit="Brier score, absolute rise",
        interval=interval,
        margin=None if rise is None else most - rise,
        note=note,
    )
    return waiting(check, more, evidence=evidence, as_of=as_of, patience=policy.patience)


def _calibration(evidence: Evidence) -> str:
    lines = [(model.calibration_intercept, model.calibration_slope) for model in evidence.both]
    (low, flat), (high, steep) = lines
    if low is None or flat is None or high is None or steep is None:
        return ""
    return f"intercept {low:+.2f} → {high:+.2f} (0 is right), slope {flat:.2f} → {steep:.2f} (1 is right)"
