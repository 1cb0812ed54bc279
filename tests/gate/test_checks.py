"""A gate opens for evidence and for nothing else: not for luck, not for silence, not for a broken number."""

import dataclasses
import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError, MendError
from pipeline.gate.budget import spendable
from pipeline.gate.checks import CODES, all_checks, is_try, no_segment_regression, promotable, status
from pipeline.gate.evidence import JudgedRows, evidence, segment_alpha
from pipeline.gate.measured import METRICS, Evidence, ModelMetrics, Paired, SegmentEvidence, Trial, gain, relative_drop
from pipeline.gate.values import Check, GatePolicy, Interval, Outcome

POLICY = GatePolicy()
AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=90)
FIRST = spendable(policy=POLICY, as_of=AS_OF, last_try_at=None)  # what the first try may spend
PASSED, FAILED, UNDECIDED = Outcome.PASSED, Outcome.FAILED, Outcome.UNDECIDED
PRIMARIES = ("f1", "auc", "brier", "profit")
BASELINES = {"everyone_bad": "calling everyone bad", "base_rate": "the base rate for everyone"}


def a_model(rows, positives, *, recall=0.5, alarms=None, auc=0.7, brier=0.10, profit=0.01, ks=0.4):
    """Metrics that follow from the counts; as many false alarms as missed bad ones, so that F1 is the recall."""
    caught = round(recall * positives)
    called = caught + min(positives - caught if alarms is None else alarms, rows - positives)
    counts = {"threshold": 0.3, "called_bad": called, "caught_bad": caught}
    if not rows:
        return ModelMetrics(**counts, **dict.fromkeys(METRICS))
    return ModelMetrics(
        **counts,
        f1=2 * caught / (positives + called) if positives + called else 0.0,
        auc=auc,
        gini=None if auc is None else 2 * auc - 1,
        ks=ks,
        brier=brier,
        log_loss=0.3,
        calibration_intercept=0.0,
        calibration_slope=1.0,
        profit=profit,
    )


ONE = 1 - 2 * segment_alpha(GatePolicy(), 1)


def a_segment(
    value, *, champion=0.5, challenger=0.55, rows=400, positives=80, interval=(-0.2, 0.0), rise=(-0.1, 0.1), level=None
):
    judged, level = interval is not None, level or ONE
    return SegmentEvidence(
        segment="state",
        value=value,
        rows=rows,
        positives=positives,
        champion_f1=champion,
        challenger_f1=challenger,
        drop=relative_drop(champion, challenger),
        interval=Interval(*interval, level) if judged else None,
        log_loss_rise=0.0,
        loss=sum(rise) / 2 if judged else 0.0,
        loss_interval=Interval(*rise, level) if judged else None,
        detectable_drop=0.25 if judged else None,
    )


ONE_SEGMENT = (a_segment("CA"),)


def some_evidence(
    *,
    rows=1000,
    positives=200,
    mature_rows=1250,
    champion=None,
    challenger=None,
    original=None,
    everyone_bad=None,
    base_rate=None,
    primary="f1",
    alpha=FIRST,
    low=None,
    original_half=0.01,
    brier_high=None,
    brier_level=0.9,
    segments=ONE_SEGMENT,
    absent=(),
    brier_shift=0.001,
    labels_per_day=None,
):
    """Good evidence for a better challenger, but for what the caller changes.

    `champion` and the other models: what is different about them. `low`: lower end of the gain's interval.
    `brier_high`: upper end of the interval of the Brier score's rise.
    """
    share = positives / rows if rows else 0.0
    better = {"recall": 0.55, "auc": 0.75, "brier": 0.09, "profit": 0.02}
    nobody = {"recall": 1.0, "alarms": rows, "auc": 0.5, "brier": 1 - share, "profit": 0.0}
    everybody = {"recall": 0.0, "alarms": 0, "auc": 0.5, "brier": share * (1 - share), "profit": -0.01}
    models = {
        "champion": a_model(rows, positives, **champion or {}),
        "challenger": a_model(rows, positives, **better | (challenger or {})),
        "original": a_model(rows, positives, **(champion or {}) | (original or {})),
        "everyone_bad": a_model(rows, positives, **nobody | (everyone_bad or {})),
        "base_rate": a_model(rows, positives, **everybody | (base_rate or {})),
    }
    ours, theirs = models["champion"], models["challenger"]
    gained, over_first = (gain(primary, models[name], theirs) for name in ("champion", "original"))
    around = None
    if alpha and gained is not None:
        low = gained - 0.8 * abs(gained) if low is None else low
        around = Interval(min(low, gained), max(2 * gained - low, gained), 1 - 2 * alpha)
    first = None if over_first is None else Interval(over_first - original_half, over_first + original_half, 0.9)

    def paired(metric):
        ends = getattr(ours, metric), getattr(theirs, metric)
        change = None if None in ends else ends[1] - ends[0]
        interval = None
        if metric == "brier" and change is not None and brier_high != "no interval":
            high = change + 0.002 if brier_high is None else brier_high
            interval = Interval(min(2 * change - high, high), high, brier_level)
        return Paired(metric=metric, champion=ends[0], challenger=ends[1], difference=change, interval=interval)

    return Evidence(
        rows=rows,
        positives=positives,
        mature_rows=mature_rows,
        coverage=rows / mature_rows if mature_rows else None,
        coverage_interval=None,
        brier_shift=brier_shift,
        labels_per_day=labels_per_day,
        **models,
        paired=tuple(map(paired, METRICS)),
        trial=Trial(
            metric=primary,
            alpha=alpha,
            gain=gained,
            error=None if gained is None else 0.02,
            interval=around,
            original_gain=over_first,
            original_interval=first,
        ),
        segments=segments,
        absent_segments=absent,
    )


def judged(found, *, policy=POLICY, as_of=AS_OF, last=LONG_AGO, last_try=None):
    return all_checks(found, policy=policy, as_of=as_of, last_promotion_at=last, last_try_at=last_try)


def check(code, found, **context):
    return judged(found, **context)[CODES.index(code)]


def verdict(checks, policy=POLICY):
    return status(checks, policy=policy, as_of=AS_OF)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_better_challenger_passes_all_six_gates_in_order(primary):
    checks = judged(some_evidence(primary=primary), policy=GatePolicy(primary=primary))
    assert [(c.code, c.outcome) for c in checks] == [(code, PASSED) for code in CODES]
    assert (verdict(checks), promotable(checks), is_try(checks)) == ("promotable", True, True)
    assert all(c.margin is not None and c.margin >= 0 for c in checks)
    assert all(c.more_rows is c.decidable_at is None for c in checks)


def test_every_gate_is_judged_even_when_the_first_is_not_met():
    checks = judged(some_evidence(rows=100, positives=20, mature_rows=1000, segments=(), challenger={"recall": 0.4}))
    assert [c.outcome for c in checks] == [UNDECIDED, UNDECIDED, PASSED, FAILED, PASSED, UNDECIDED]


# --- G1 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "outcome", "observed", "unit", "note"),
    [
        pytest.param((200, 50), PASSED, 200, "mature labelled rows", "", id="exactly enough"),
        pytest.param(
            (199, 50), UNDECIDED, 199, "mature labelled rows", "1 more mature labelled rows", id="a row short"
        ),
        pytest.param((200, 49), UNDECIDED, 49, "bad outcomes", "1 more bad outcomes needed", id="a default short"),
        pytest.param(
            (200, 199), UNDECIDED, 1, "good outcomes", "1 more good outcomes needed", id="all but one default"
        ),
        pytest.param((200, 200), UNDECIDED, 0, "good outcomes", "2 more good outcomes needed", id="only defaults"),
        pytest.param((0, 0), UNDECIDED, 0, "mature labelled rows", "200 more", id="nothing at all"),
    ],
)
def test_g1_waits_for_enough_rows_of_both_outcomes(counts, outcome, observed, unit, note):
    rows, positives = counts
    got = check("G1", some_evidence(rows=rows, positives=positives, segments=()))
    assert (got.outcome, got.observed, got.unit) == (outcome, observed, unit)
    assert note in got.note


@pytest.mark.parametrize(
    ("counts", "rate", "rows", "days"),
    [
        pytest.param((150, 75), 10.0, 50, 5, id="50 rows at 10 a day"),
        pytest.param((150, 30), 10.0, 100, 10, id="20 defaults, one in 5 rows, take longer than the 50 rows"),
        pytest.param((150, 75), None, 50, None, id="at no known rate"),
        pytest.param((150, 75), 0.0, 50, None, id="while no labels come in"),
        pytest.param((150, 75), 0.0001, 50, None, id="in more than a lifetime"),
        pytest.param((150, 0), 10.0, None, None, id="defaults that have never been seen"),
        pytest.param((150, 150), 10.0, None, None, id="good outcomes that have never been seen"),
    ],
)
def test_g1_says_what_it_waits_for(counts, rate, rows, days):
    got = check("G1", some_evidence(rows=counts[0], positives=counts[1], segments=(), labels_per_day=rate))
    assert got.outcome is UNDECIDED
    assert got.more_rows == rows
    assert got.decidable_at == (None if days is None else AS_OF + timedelta(days=days))


# --- G2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "mature", "shift", "outcome", "note"),
    [
        pytest.param(300, 1000, 0.002, PASSED, "", id="exactly the share and exactly the shift"),
        pytest.param(299, 1000, 0.0, UNDECIDED, "wait for labels: 299 of 1000", id="a label short"),
        pytest.param(300, 1000, 0.0021, UNDECIDED, "missing unevenly", id="enough, but the wrong ones"),
        pytest.param(999, 1000, None, UNDECIDED, "no label", id="nobody knows which are missing"),
        pytest.param(1000, 1000, None, PASSED, "", id="all labelled: nothing can be missing"),
        pytest.param(1000, 1000, 0.5, PASSED, "", id="all labelled, whatever the shift says"),
        pytest.param(0, 1000, None, UNDECIDED, "0 of 1000", id="no label"),
        pytest.param(0, 0, None, UNDECIDED, "no mature rows", id="no mature row"),
    ],
)
def test_g2_waits_for_labels_and_for_those_that_are_missing_unevenly(rows, mature, shift, outcome, note):
    found = some_evidence(rows=rows, positives=rows // 5, mature_rows=mature, brier_shift=shift, segments=())
    got = check("G2", found)
    assert (got.outcome, got.observed) == (outcome, rows / mature if mature else None)
    assert note in got.note
    assert bool(got.note) == (outcome is UNDECIDED)


@pytest.mark.parametrize("mature", [0, 1000])
def test_g2_stays_shut_without_a_label_even_if_no_coverage_is_asked(mature):
    found = some_evidence(rows=0, positives=0, mature_rows=mature, brier_shift=None, segments=())
    assert check("G2", found, policy=GatePolicy(min_coverage=0.0)).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("rows", "shift", "more"), [(100, 0.0, 200), (299, None, 1), (400, 0.1, None), (400, None, None)]
)
def test_g2_forecasts_labels_that_are_too_few_and_not_those_that_are_uneven(rows, shift, more):
    found = some_evidence(
        rows=rows, mature_rows=1000, positives=50, brier_shift=shift, labels_per_day=10.0, segments=()
    )
    got = check("G2", found)
    assert got.more_rows == more
    assert got.decidable_at == (more and AS_OF + timedelta(days=math.ceil(more / 10)))


# --- G3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "outcome", "observed", "note"),
    [
        pytest.param(AS_OF - timedelta(days=7), PASSED, 7.0, "", id="exactly over"),
        pytest.param(AS_OF - timedelta(days=6, hours=12), FAILED, 6.5, "over in 0.5 days", id="half a day early"),
        pytest.param(AS_OF, FAILED, 0.0, "over in 7.0 days", id="promoted just now"),
        pytest.param(AS_OF + timedelta(days=1), FAILED, -1.0, "clock or record is wrong", id="promoted tomorrow"),
        pytest.param(None, UNDECIDED, None, "no record", id="no champion on record"),
    ],
)
def test_g3_holds_until_the_champion_is_known(last, outcome, observed, note):
    got = check("G3", some_evidence(), last=last)
    assert (got.outcome, got.observed) == (outcome, observed)
    assert note in got.note


def test_g3_without_any_cooldown_still_refuses_a_record_from_the_future():
    late = AS_OF + timedelta(seconds=1)
    assert check("G3", some_evidence(), policy=GatePolicy(cooldown=timedelta(0)), last=late).outcome is FAILED


@pytest.mark.parametrize(
    "times",
    [{"as_of": datetime(2006, 7, 1)}, {"last": datetime(2006, 1, 1)}, {"last_try": datetime(2006, 1, 1)}],
    ids=lambda times: next(iter(times)),
)
def test_a_time_without_a_timezone_is_refused(times):
    with pytest.raises(InputError, match="timezone"):
        judged(some_evidence(), **times)


# --- G4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recall", "low", "outcome", "note"),
    [
        pytest.param(0.51, 0.001, PASSED, "", id="exactly enough, and sure"),
        pytest.param(0.51, 0.0, UNDECIDED, "luck", id="enough, but no better is inside the interval"),
        pytest.param(0.51, -0.01, UNDECIDED, "luck", id="enough, and may be luck"),
        pytest.param(0.505, 0.001, FAILED, "less than what is asked", id="sure, but too small to be worth it"),
        pytest.param(0.50, -0.01, FAILED, "less than what is asked", id="no gain"),
        pytest.param(0.40, -0.30, FAILED, "worse than the champion", id="a loss"),
    ],
)
def test_g4_asks_for_a_gain_that_is_large_and_not_luck(recall, low, outcome, note):
    got = check("G4", some_evidence(challenger={"recall": recall}, low=low))
    assert got.outcome is outcome
    assert got.observed == pytest.approx(recall / 0.5 - 1)
    assert got.interval.low == low / 0.5
    assert note in got.note
    assert (got.more_rows is not None) == (outcome is UNDECIDED)


@pytest.mark.parametrize(
    ("primary", "enough", "short", "threshold"),
    [
        ("f1", {"recall": 0.51}, {"recall": 0.505}, 0.02),
        ("auc", {"auc": 0.7051}, {"auc": 0.7049}, 0.005),
        ("brier", {"brier": 0.0994}, {"brier": 0.0996}, 0.005),
        ("profit", {"profit": 0.0101}, {"profit": 0.01}, 0.0),
    ],
)
def test_g4_asks_each_primary_metric_for_its_own_gain(primary, enough, short, threshold):
    policy = GatePolicy(primary=primary)
    passed, failed = (
        check("G4", some_evidence(primary=primary, challenger=changes), policy=policy) for changes in (enough, short)
    )
    assert (passed.outcome, failed.outcome) == (PASSED, FAILED)
    assert passed.threshold == failed.threshold == threshold
    assert failed.observed < passed.observed and passed.margin >= 0 >= failed.margin


def test_g4_never_passes_a_gain_of_nothing_even_if_none_is_asked():
    policy = GatePolicy(min_f1_gain=0.0)
    assert check("G4", some_evidence(challenger={"recall": 0.5}), policy=policy).outcome is FAILED
    assert check("G4", some_evidence(challenger={"recall": 0.505}), policy=policy).outcome is PASSED


def test_g4_forecasts_from_the_width_of_the_interval_and_the_rate_of_labels():
    found = some_evidence(low=-0.05, labels_per_day=10.0)  # a gain of 0.05 whose interval must halve
    got = check("G4", found)
    assert (got.outcome, got.more_rows) == (UNDECIDED, 3000)
    assert got.decidable_at == AS_OF + timedelta(days=300)
    assert "about 3,000 more labelled rows, at today's rate by 2007-04-27" in got.note


@pytest.mark.parametrize("rate", [None, 0.0, 0.01])
def test_g4_gives_no_date_where_none_is_in_sight(rate):
    got = check("G4", some_evidence(low=-0.05, labels_per_day=rate))
    assert (got.outcome, got.more_rows, got.decidable_at) == (UNDECIDED, 3000, None)
    assert "not in sight" in got.note


@given(st.floats(-0.2, 0.0), st.integers(110, 200))
@settings(max_examples=100, deadline=None)
def test_with_the_rows_g4_waits_for_the_same_gain_would_be_sure(low, caught):
    found = some_evidence(challenger={"recall": caught / 200}, low=low)
    gained, more = found.trial.gain, check("G4", found).more_rows or 0
    assert gained - (gained - low) * (1000 / (1000 + more)) ** 0.5 >= -1e-9
    assert gained - (gained - low) * (1000 / (1000 + max(more - 2, 0))) ** 0.5 <= 1e-9


@pytest.mark.parametrize(
    ("primary", "baseline", "told"),
    [
        pytest.param("f1", {"everyone_bad": {}}, "calling everyone bad (F1 0.6667)", id="F1: yes to all"),
        pytest.param("auc", {"base_rate": {"auc": 0.75}}, "(AUC 0.7500)", id="AUC: one score for all"),
        pytest.param("brier", {"base_rate": {"brier": 0.09}}, "(Brier score 0.0900)", id="Brier: the base rate"),
        pytest.param("profit", {"everyone_bad": {"profit": 0.02}}, "(profit 0.0200)", id="profit: book nobody"),
        pytest.param("profit", {"base_rate": {"profit": 0.5}}, "(profit 0.5000)", id="profit: book everybody"),
    ],
)
def test_g4_refuses_what_is_no_better_than_a_rule_that_knows_nothing(primary, baseline, told):
    (name,) = baseline
    positives = 500 if primary == "f1" else 200  # at every second bad, calling everyone bad has an F1 of 2/3
    found = some_evidence(primary=primary, positives=positives, challenger={"recall": 0.6}, **baseline)
    got = check("G4", found, policy=GatePolicy(primary=primary))
    assert got.outcome is FAILED
    assert "no better than" in got.note and BASELINES[name] in got.note and told in got.note


def test_g4_refuses_a_challenger_that_says_yes_to_all():
    got = check("G4", some_evidence(champion={"recall": 0.2}, challenger={"recall": 1.0, "alarms": 800}))
    assert got.observed > 0.5
    assert (got.outcome, got.more_rows) == (FAILED, None)
    assert "no better than calling everyone bad" in got.note


@pytest.mark.parametrize(
    ("recall", "half", "outcome", "note"),
    [
        pytest.param(
            0.60, 0.01, FAILED, "the first champion does better on these rows, by 0.0500", id="and it is shown"
        ),
        pytest.param(0.60, 0.06, UNDECIDED, "by 0.0500, which may be luck", id="and it may be luck"),
        pytest.param(0.55, 0.06, PASSED, "", id="as good as the first"),
        pytest.param(0.40, 0.30, PASSED, "", id="better than the first, sure or not"),
    ],
)
def test_g4_lets_no_chain_of_small_steps_fall_behind_the_first_champion(recall, half, outcome, note):
    got = check("G4", some_evidence(original={"recall": recall}, original_half=half))
    assert (got.outcome, got.more_rows) == (outcome, None)
    assert note in got.note


@pytest.mark.parametrize(
    ("recall", "low", "outcome"),
    [(0.35, 0.1, PASSED), (0.35, 0.0, UNDECIDED), (0.3, 0.1, FAILED), (0.0, 0.0, FAILED)],
    ids=["finds something, and sure", "may be luck", "no better than calling everyone bad", "finds nothing either"],
)
def test_g4_lets_a_champion_that_finds_nothing_be_replaced_by_one_that_finds_something(recall, low, outcome):
    got = check("G4", some_evidence(champion={"recall": 0.0}, challenger={"recall": recall}, low=low))
    assert (got.outcome, got.observed, got.threshold, got.unit) == (outcome, recall, 0.0, "F1, absolute gain")
    assert {PASSED: "champion finds no bad outcome", UNDECIDED: "luck"}.get(outcome, "") in got.note


@pytest.mark.parametrize(
    ("found", "note"),
    [
        pytest.param(some_evidence(alpha=0.0), "no interval at the error of 0.9978%", id="evidence without an error"),
        pytest.param(some_evidence(alpha=0.05), "no interval at the error", id="evidence at a laxer error"),
        pytest.param(some_evidence(alpha=0.001), "no interval at the error", id="evidence at a stricter error"),
        pytest.param(some_evidence(primary="auc"), "F1 cannot be measured", id="evidence for another metric"),
        pytest.param(some_evidence(positives=0, segments=()), "F1 cannot be measured", id="no bad outcome"),
        pytest.param(some_evidence(rows=0, positives=0, segments=()), "F1 cannot be measured", id="no rows"),
    ],
)
def test_g4_is_undecided_when_the_gain_cannot_be_judged(found, note):
    got = check("G4", found)
    assert (got.outcome, got.more_rows) == (UNDECIDED, None)
    assert note in got.note


@pytest.mark.parametrize("primary", ["auc", "brier", "profit"])
@pytest.mark.parametrize("side", ["champion", "challenger", "original"])
def test_g4_is_undecided_when_a_model_cannot_be_measured(primary, side):
    unknown = {"original": {primary: 0.1}} | {side: {primary: None}}
    assert (
        check("G4", some_evidence(primary=primary, **unknown), policy=GatePolicy(primary=primary)).outcome is UNDECIDED
    )


@pytest.mark.parametrize("alpha", [0.0, FIRST])
@pytest.mark.parametrize("since", [timedelta(0), timedelta(days=-1)], ids=["just tried", "tried tomorrow"])
def test_g4_has_nothing_to_spend_at_or_before_the_last_try(alpha, since):
    got = check("G4", some_evidence(alpha=alpha), last_try=AS_OF - since)
    assert (got.outcome, got.more_rows) == (UNDECIDED, None)
    assert "nothing has accrued" in got.note


def test_g4_needs_the_interval_of_what_has_accrued_since_the_last_try():
    week = AS_OF - timedelta(days=7)
    alpha = spendable(policy=POLICY, as_of=AS_OF, last_try_at=week)
    assert check("G4", some_evidence(alpha=alpha), last_try=week).outcome is PASSED
    assert check("G4", some_evidence(alpha=FIRST), last_try=week).outcome is UNDECIDED


# --- G5 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("brier", "high", "outcome"),
    [
        pytest.param(0.05, -0.04, PASSED, id="falls"),
        pytest.param(0.05, 0.01, PASSED, id="falls, and rises by no more than allowed at worst"),
        pytest.param(0.105, 0.01, PASSED, id="rises, and the whole interval is within"),
        pytest.param(0.105, 0.011, UNDECIDED, id="rises by less than allowed, and perhaps by more"),
        pytest.param(0.05, 0.011, UNDECIDED, id="falls, and perhaps rises by more than allowed"),
        pytest.param(0.112, 0.12, FAILED, id="rises by more than allowed"),
        pytest.param(0.105, "no interval", UNDECIDED, id="no interval"),
        pytest.param(None, None, UNDECIDED, id="not measured"),
    ],
)
def test_g5_passes_when_the_whole_interval_of_the_rise_is_within(brier, high, outcome):
    got = check("G5", some_evidence(challenger={"brier": brier}, brier_high=high))
    assert got.outcome is outcome
    assert got.margin == (None if brier is None else pytest.approx(0.11 - brier))
    assert ("slope 1.00 → 1.00" in got.note) == (outcome is PASSED)


def test_g5_forecasts_when_the_interval_will_fit():
    found = some_evidence(
        challenger={"brier": 0.104}, brier_high=0.016, labels_per_day=10.0
    )  # 0.006 of room, 0.012 wide
    got = check("G5", found)
    assert (got.outcome, got.more_rows) == (UNDECIDED, pytest.approx(3000, abs=1))
    assert got.decidable_at == AS_OF + timedelta(days=math.ceil(got.more_rows / 10))
    assert "may rise by as much as 0.0160" in got.note


def test_g5_without_any_room_waits_for_nothing():
    same = some_evidence(challenger={"brier": 0.1}, brier_high=0.001)
    got = check("G5", same, policy=GatePolicy(max_brier_rise=0.0))
    assert (got.outcome, got.more_rows) == (UNDECIDED, None)


def test_g5_needs_an_interval_at_the_policys_level():
    assert check("G5", some_evidence(brier_level=0.8)).outcome is UNDECIDED


# --- G6 ---------------------------------------------------------------------------------------------------------------

TWO = 1 - 2 * segment_alpha(POLICY, 2)


@pytest.mark.parametrize(
    ("challenger", "interval", "rise", "outcome", "note"),
    [
        pytest.param(0.40, (0.01, 0.4), (-0.1, 0.1), PASSED, "which may be luck", id="F1 shows some loss, both do not"),
        pytest.param(0.40, (0.06, 0.4), (-0.1, 0.1), FAILED, "regressed: state=NY", id="F1 shows more than allowed"),
        pytest.param(0.40, (-0.1, 0.4), (0.01, 0.1), FAILED, "regressed: state=NY (F1 -20.0%)", id="both show it"),
        pytest.param(
            0.48, (-0.1, 0.2), (0.01, 0.1), FAILED, "regressed: state=NY (F1 -4.0%)", id="small, may be large"
        ),
        pytest.param(
            0.48, (0.01, 0.05), (0.01, 0.1), PASSED, "worst: state=NY (F1 -4.0%", id="F1 stays within for sure"
        ),
        pytest.param(
            0.40, (-0.1, 0.4), (-0.1, 0.1), PASSED, "(F1 -20.0%, which may be luck", id="neither shows a loss"
        ),
        pytest.param(0.40, (0.0, 0.4), (0.0, 0.1), PASSED, "which may be luck", id="no loss is inside both"),
        pytest.param(0.50, (-0.1, 0.1), (0.01, 0.1), PASSED, "worst: state=NY", id="log loss is worse, F1 the same"),
        pytest.param(
            0.60, (-0.3, 0.1), (0.01, 0.1), PASSED, "worst: state=CA (F1 +10.0%", id="log loss worse, F1 better"
        ),
    ],
)
def test_g6_refuses_a_loss_that_is_shown_and_not_shown_to_stay_within(challenger, interval, rise, outcome, note):
    other = a_segment("NY", challenger=challenger, interval=interval, rise=rise, level=TWO)
    got = check("G6", some_evidence(segments=(a_segment("CA", level=TWO), other)))
    assert got.outcome is outcome
    assert note in got.note


def test_g6_says_how_large_a_loss_might_not_show():
    assert check("G6", some_evidence()).note == "worst: state=CA (F1 +10.0%; a loss below 25% might not show there)"


def test_g6_shows_the_regressed_segment_even_where_a_larger_loss_was_luck():
    sure = a_segment("sure", challenger=0.40, interval=(0.06, 0.4), level=TWO)
    luck = a_segment("luck", challenger=0.20, interval=(-0.1, 0.9), level=TWO)
    got = check("G6", some_evidence(segments=(luck, sure)))
    assert (got.outcome, got.observed, got.interval) == (FAILED, sure.drop, sure.interval)


def test_g6_names_small_and_absent_segments_and_is_not_blocked_by_them():
    small = [a_segment(f"S{i}", challenger=0.0, rows=100, interval=None) for i in range(7)]
    got = check("G6", some_evidence(segments=(a_segment("CA"), *small), absent=("state=TX",)))
    assert got.outcome is PASSED
    assert "too small to judge: state=S0, state=S1, state=S2, state=S3, state=S4 and 2 more" in got.note
    assert "expected and absent: state=TX" in got.note


@pytest.mark.parametrize(
    "segments",
    [
        pytest.param((), id="no segment"),
        pytest.param((a_segment("CA", rows=199, interval=None),), id="too small"),
        pytest.param((a_segment("CA", rows=199),), id="too small, whatever interval it has"),
        pytest.param((a_segment("CA", positives=1, interval=None),), id="one bad outcome"),
        pytest.param((a_segment("CA", rows=200, positives=199, interval=None),), id="one good outcome"),
        pytest.param((a_segment("CA", interval=None),), id="large, but without an interval"),
        pytest.param((a_segment("CA", level=0.99),), id="an interval at another level"),
        pytest.param((a_segment("CA", level=ONE), a_segment("NY", level=TWO)), id="one of two at another level"),
    ],
)
def test_g6_is_undecided_when_a_segment_that_counts_cannot_be_judged(segments):
    got = check("G6", some_evidence(segments=segments))
    assert (got.outcome, got.more_rows) == (UNDECIDED, None)


# --- what happens next ------------------------------------------------------------------------------------------------

SPELLED = {"P": PASSED, "F": FAILED, "U": UNDECIDED}


def spelled_checks(outcomes, days=None):
    """One check a letter; undecided ones can be decided after `days` (None: nobody knows)."""
    at = None if days is None else AS_OF + timedelta(days=days)
    return tuple(
        Check(
            code=code,
            name=code,
            outcome=SPELLED[letter],
            observed=1.0,
            threshold=1.0,
            unit="",
            interval=None,
            margin=0.0,
            decidable_at=at if letter == "U" else None,
        )
        for code, letter in zip(CODES, outcomes, strict=False)
    )


@pytest.mark.parametrize(
    ("outcomes", "days", "expected"),
    [
        pytest.param("PPPPPP", None, "promotable", id="all passed"),
        pytest.param("UPPPPP", None, "waiting", id="too few rows"),
        pytest.param("UPPPPP", 10_000, "waiting", id="too few rows for a long time"),
        pytest.param("PUPFFF", None, "waiting", id="too few labels, whatever else"),
        pytest.param("UPFFPP", None, "waiting", id="too few rows just after a promotion"),
        pytest.param("PPUPPP", None, "refused", id="no record of a champion"),
        pytest.param("PPFPPP", None, "refused", id="just after a promotion"),
        pytest.param("PPPUPP", 180, "waiting", id="may be luck: to be told just within patience"),
        pytest.param("PPPUUP", 180, "waiting", id="luck and calibration, both to be told within patience"),
        pytest.param("PPPUPP", 181, "refused", id="may be luck: to be told too late"),
        pytest.param("PPPUPP", None, "refused", id="may be luck, and no rate of labels"),
        pytest.param("PPPUPU", None, "refused", id="no segment can be judged"),
        pytest.param("PPPUFP", 10, "refused", id="may be luck, and calibration is lost"),
        pytest.param("PPFUPP", 10, "refused", id="may be luck, just after a promotion"),
        pytest.param("PPPPPF", None, "refused", id="a segment regressed"),
        pytest.param("", None, "refused", id="no check at all"),
    ],
)
def test_status_says_what_happens_next(outcomes, days, expected):
    checks = spelled_checks(outcomes, days)
    assert verdict(checks) == expected
    assert promotable(checks) == (expected == "promotable")


def test_it_waits_only_while_every_undecided_gate_can_be_told_in_time():
    soon, late, unknown = (spelled_checks("PPPUUP", days) for days in (10, 200, None))
    assert verdict((*soon[:4], *late[4:])) == verdict((*late[:4], *soon[4:])) == "refused"
    assert verdict((*soon[:4], *unknown[4:])) == verdict((*unknown[:4], *soon[4:])) == "refused"
    assert verdict(late, GatePolicy(patience=timedelta(days=200))) == "waiting"


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 0.0, None])
def test_a_rate_next_to_nothing_gives_no_date(rate):
    got = check("G4", some_evidence(low=-0.05, labels_per_day=rate))
    assert (got.outcome, got.decidable_at) == (UNDECIDED, None)


def test_a_challenger_that_may_be_lucky_waits_until_it_can_be_told():
    assert verdict(judged(some_evidence(low=-0.05, labels_per_day=20.0))) == "waiting"  # 3,000 rows in 150 days
    assert verdict(judged(some_evidence(low=-0.05, labels_per_day=10.0))) == "refused"


def test_what_counts_as_a_try_depends_on_rows_labels_and_cooldown_and_not_on_the_result():
    for letters in itertools.product("PFU", repeat=6):
        checks = spelled_checks(letters, 10)
        assert is_try(checks) == (letters[:3] == ("P", "P", "P"))


def test_only_optional_checks_are_not_a_pass():
    optional = tuple(dataclasses.replace(one, required=False) for one in judged(some_evidence()))
    assert not promotable(optional)


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_check_cannot_pass_on_nothing_or_hold_a_nan():
    good = judged(some_evidence())[0]
    with pytest.raises(ValueError, match="passed without an observed value"):
        dataclasses.replace(good, observed=None)
    for name in ("observed", "threshold", "margin"):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(good, **{name: math.nan})


@pytest.mark.parametrize("outcome", [PASSED, FAILED])
@pytest.mark.parametrize("waiting", [{"more_rows": 1}, {"decidable_at": AS_OF}], ids=str)
def test_a_decided_check_waits_for_nothing(outcome, waiting):
    good = judged(some_evidence())[0]
    with pytest.raises(ValueError, match=f"G1: {outcome} and still waiting"):
        dataclasses.replace(good, outcome=outcome, **waiting)
    assert dataclasses.replace(good, outcome=UNDECIDED, **waiting).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("primary", "gini"),
        ("min_samples", 0),
        ("min_samples", 200.5),
        ("min_positives", -1),
        ("min_coverage", 1.01),
        ("min_coverage", math.nan),
        ("max_brier_shift", -0.01),
        ("max_brier_shift", math.nan),
        ("cooldown", timedelta(days=-1)),
        ("cooldown", 7),
        ("min_f1_gain", -0.01),
        ("min_f1_gain", math.inf),
        ("min_auc_gain", -0.01),
        ("min_brier_gain", math.nan),
        ("min_profit_gain", -1.0),
        ("yearly_false_promotions", 0.0),
        ("yearly_false_promotions", 0.51),
        ("budget_carry", timedelta(0)),
        ("budget_carry", timedelta(days=366)),
        ("patience", timedelta(days=-1)),
        ("max_brier_rise", math.nan),
        ("max_brier_rise", -0.01),
        ("max_segment_f1_drop", 1.5),
        ("min_segment_samples", 0),
        ("segment_error", 0.0),
        ("segment_error", 0.5),
        ("cost_of_bad", 0.0),
        ("gain_of_good", -0.05),
        ("interval_level", 1.0),
        ("interval_level", 0.5),
        ("resamples", 199),
        ("seed", -1),
    ],
)
def test_a_senseless_policy_is_refused_at_birth_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        GatePolicy(**{name: value})


# --- any numbers, any rows --------------------------------------------------------------------------------------------

share = st.one_of(st.sampled_from([0.0, 1.0, 1e-9]), st.floats(0, 1, allow_subnormal=False).map(lambda x: round(x, 9)))
maybe = st.none() | share
money = st.none() | st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
ends = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(sorted)
levels = st.sampled_from([0.9, ONE, TWO, 1 - 2 * FIRST])
moment = st.none() | st.integers(-30, 3000).map(lambda hours: AS_OF - timedelta(hours=hours))
counts = st.lists(st.integers(0, 2000) | st.just(2**53), min_size=3, max_size=3).map(sorted)


@st.composite
def odd_evidence(draw):
    """Whatever numbers can be brought into the shape of evidence, likely or not."""
    positives, rows, mature = draw(counts)
    names = ("champion", "challenger", "original", "everyone_bad", "base_rate")
    models = {
        name: draw(st.fixed_dictionaries({"recall": share, "auc": maybe, "brier": maybe, "profit": money}))
        for name in names
    }
    for name in ("everyone_bad", "base_rate"):  # whom a baseline calls bad is not a matter of chance
        del models[name]["recall"]
    segments = []
    for value in range(draw(st.integers(0, 2)) if rows else 0):
        size = {"rows": (rows + 1) // 2, "positives": positives // 4}
        level = {"level": draw(levels), "interval": draw(st.none() | ends), "rise": draw(ends)}
        segments.append(a_segment(str(value), champion=draw(share), challenger=draw(share), **size, **level))
    return some_evidence(
        rows=rows,
        positives=positives,
        mature_rows=mature,
        **models,
        primary=draw(st.sampled_from(PRIMARIES)),
        alpha=draw(st.sampled_from([FIRST, FIRST, 0.0, 0.05])),
        low=draw(st.none() | st.floats(-1, 1)),
        brier_high=draw(st.just("no interval") | st.none() | st.floats(-1, 1)),
        brier_level=draw(levels),
        original_half=draw(st.floats(0, 1)),
        segments=tuple(segments),
        brier_shift=draw(maybe),
        labels_per_day=draw(st.none() | st.floats(0, 1e9)),
    )


def may_pass_g4(found, primary):
    """Rewritten from docs: enough gain, sure of it, better than nothing and than the first champion."""
    trial, ours, theirs = found.trial, found.champion, found.challenger
    if found.positives == 0 or trial.metric != primary or not trial.interval or trial.alpha != FIRST:
        return False
    sign, now, then = (-1 if primary == "brier" else 1), getattr(ours, primary), getattr(theirs, primary)
    need = {"f1": 0.02, "auc": 0.005, "brier": 0.005, "profit": 0.0}[primary]
    asked = need * now if primary in ("f1", "brier") else need
    trivial = [getattr(model, primary) for model in (found.everyone_bad, found.base_rate)]
    return (
        sign * (then - now) > 0
        and sign * (then - now) >= asked * (1 - 1e-9)
        and trial.interval.low > 0
        and trial.original_gain is not None
        and trial.original_gain >= 0
        and all(level is None or sign * then > sign * level for level in trivial)
    )


def may_pass_g6(found):
    big = [s for s in found.segments if s.rows >= 200 and 2 <= s.positives <= s.rows - 2]
    level = ONE if len(big) == 1 else TWO
    sure = all(s.interval and s.interval.level == s.loss_interval.level == pytest.approx(level) for s in big)
    return (
        bool(big)
        and sure
        and all(
            s.challenger_f1 >= s.champion_f1
            or s.interval.high <= 0.05
            or (s.interval.low <= 0.05 and s.loss_interval.low <= 0)
            for s in big
        )
    )


@given(odd_evidence(), moment, st.sampled_from(PRIMARIES))
@settings(max_examples=250, deadline=None)
def test_no_odd_number_opens_a_gate(found, last, primary):
    checks = judged(found, last=last, policy=GatePolicy(primary=primary))
    assert tuple(c.code for c in checks) == CODES
    opened = {c.code for c in checks if c.outcome is PASSED}
    brier = found.pair("brier")
    even = found.rows == found.mature_rows or (found.brier_shift is not None and found.brier_shift <= 0.002)
    reasons = {
        "G1": found.rows >= 200 and found.positives >= 50 and found.rows >= found.positives + 2,
        "G2": found.mature_rows > 0 and found.rows >= 0.3 * found.mature_rows * (1 - 1e-12) and even,
        "G3": last is not None and AS_OF - last >= timedelta(days=7),
        "G4": may_pass_g4(found, primary),
        "G5": bool(brier.interval)
        and max(brier.difference, brier.interval.high) <= 0.01
        and brier.interval.level == 0.9,
        "G6": may_pass_g6(found),
    }
    assert opened <= {code for code, holds in reasons.items() if holds}
    assert promotable(checks) == (opened == set(CODES))
    assert all(c.observed is not None for c in checks if c.outcome is PASSED)
    assert all(c.decidable_at is None or c.decidable_at > AS_OF for c in checks)


@pytest.mark.parametrize(
    ("primary", "champion", "challenger", "low"),
    [
        pytest.param("profit", {"profit": 0.0}, {"profit": 1e-200}, -0.1, id="a gain of next to nothing"),
        pytest.param("brier", {"brier": 1e-320}, {"brier": 0.5}, -0.6, id="a champion next to perfect"),
    ],
)
def test_numbers_next_to_nothing_are_judged_without_an_error(primary, champion, challenger, low):
    found = some_evidence(primary=primary, champion=champion, challenger=challenger, low=low)
    assert check("G4", found, policy=GatePolicy(primary=primary)).outcome is not PASSED


cell = st.sampled_from([0.0, 0.3, 0.5, 1.0])
table = st.lists(st.tuples(st.integers(0, 1), cell, cell, st.sampled_from("ab")), max_size=40)
EASY = GatePolicy(
    min_samples=1,
    min_positives=1,
    min_coverage=0.0,
    cooldown=timedelta(0),
    min_segment_samples=1,
    max_brier_rise=1.0,
    max_segment_f1_drop=1.0,
    yearly_false_promotions=0.5,
    resamples=200,
)


def rows_of(table, *, twin=False):
    y, ours, theirs, group = zip(*table, strict=True) if table else ([], [], [], [])
    return JudgedRows(
        ids=[str(i) for i in range(len(table))],
        y=y,
        champion_score=ours,
        challenger_score=ours if twin else theirs,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        segments={"group": np.array(group, dtype=str)},
        mature_rows=len(table),
    )


def measured(rows, policy):
    return evidence(rows, policy=policy, alpha=spendable(policy=policy, as_of=AS_OF, last_try_at=None))


@given(table, st.sampled_from(PRIMARIES))
@settings(max_examples=150, deadline=None)
def test_a_challenger_that_scores_as_the_champion_never_passes_g4(table, primary):
    none_asked = {"min_f1_gain": 0.0, "min_auc_gain": 0.0, "min_brier_gain": 0.0, "min_profit_gain": 0.0}
    policy = dataclasses.replace(EASY, primary=primary, **none_asked)
    assert check("G4", measured(rows_of(table, twin=True), policy), policy=policy).outcome is not PASSED


@given(table, moment, st.sampled_from(PRIMARIES))
@settings(max_examples=200, deadline=None)
def test_any_rows_are_judged_without_an_error_and_promoted_only_if_better(table, last, primary):
    policy = dataclasses.replace(EASY, primary=primary)
    found = measured(rows_of(table), policy)
    try:
        checks = judged(found, policy=policy, last=last)
    except MendError:
        pytest.fail("evidence that could be measured must be judged")
    if promotable(checks):
        assert gain(primary, found.champion, found.challenger) > 0
        assert 2 <= found.positives <= found.rows - 2


# --- as often as it says ----------------------------------------------------------------------------------------------


def two_equal_models(rng, n):
    """Two noisy readings of one risk, over five unequal segments: neither model is better anywhere."""
    risk = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(1.2 - 1.2 * risk))).astype(int)
    ours, theirs = (1 / (1 + np.exp(1.2 - risk - rng.normal(scale=0.7, size=n))) for _ in range(2))
    return JudgedRows(
        ids=np.arange(n).astype(str),
        y=y,
        champion_score=ours,
        challenger_score=theirs,
        champion_threshold=0.35,
        challenger_threshold=0.35,
        segments={"age": rng.choice(list("abcde"), size=n, p=[0.3, 0.25, 0.2, 0.15, 0.1])},
        mature_rows=n,
    )


@pytest.mark.parametrize("n", [1000, 2000])
def test_an_equal_model_is_rarely_refused_by_g6_and_rarely_let_through_by_g4(n):
    rng, policy, tries = np.random.default_rng(n), GatePolicy(resamples=200), 80
    refused = passed = point = 0
    for _ in range(tries):
        found = measured(two_equal_models(rng, n), policy)
        refused += no_segment_regression(found, policy=policy).outcome is FAILED
        passed += check("G4", found, policy=policy).outcome is PASSED
        point += any(segment.drop > policy.max_segment_f1_drop for segment in found.segments)
    assert refused / tries <= 0.10
    assert passed / tries <= 0.03
    assert point / tries > 0.25  # what a comparison of points would have refused


def test_a_model_that_truly_fails_one_segment_is_refused_by_g6():
    rng = np.random.default_rng(5)
    rows = two_equal_models(rng, 4000)
    noise = np.where(rows.segments["age"] == "c", rng.random(4000), rows.challenger_score)
    got = check("G6", measured(dataclasses.replace(rows, challenger_score=noise), POLICY))
    assert got.outcome is FAILED
    assert "regressed: age=c" in got.note


@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_model_that_is_truly_much_better_is_let_through(primary):
    rows, policy = two_equal_models(np.random.default_rng(6), 4000), GatePolicy(primary=primary, cost_of_bad=0.05)
    better = np.clip(rows.challenger_score + 0.25 * (rows.y - 0.4), 0, 1)
    checks = judged(measured(dataclasses.replace(rows, challenger_score=better), policy), policy=policy)
    assert promotable(checks), [c.note for c in checks if c.outcome is not PASSED]
