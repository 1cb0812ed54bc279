"""A gate opens for evidence and for nothing else: not for luck, not for silence, not for a broken number."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError, MendError
from pipeline.gate.checks import CODES, all_checks, no_segment_regression, promotable, status
from pipeline.gate.evidence import JudgedRows, corrected_level, evidence
from pipeline.gate.values import (
    Evidence,
    GatePolicy,
    Interval,
    ModelMetrics,
    Outcome,
    Paired,
    SegmentEvidence,
    difference,
    relative_drop,
    relative_gain,
)

POLICY = GatePolicy()
AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=90)
PASSED, FAILED, UNDECIDED = Outcome.PASSED, Outcome.FAILED, Outcome.UNDECIDED


def a_model(*, f1=0.5, brier=0.10, auc=0.7):
    gini = None if auc is None else 2 * auc - 1
    rate = None if f1 is None else 0.3
    return ModelMetrics(f1=f1, brier=brier, auc=auc, ks=auc, gini=gini, predicted_positive_rate=rate, threshold=0.3)


def a_segment(value, *, champion=0.5, challenger=0.55, rows=400, positives=80, interval=(-0.2, 0.0), level=0.9):
    return SegmentEvidence(
        segment="state",
        value=value,
        rows=rows,
        positives=positives,
        champion_f1=champion,
        challenger_f1=challenger,
        drop=relative_drop(champion, challenger),
        interval=interval and Interval(*interval, level),
    )


SURE, ONE_SEGMENT = Interval(0.01, 0.09, 0.9), (a_segment("CA"),)


def some_evidence(
    *,
    rows=1000,
    positives=200,
    mature_rows=1250,
    champion=None,
    challenger=None,
    f1_interval=SURE,
    segments=ONE_SEGMENT,
    absent=(),
):
    """Good evidence for a better challenger, but for what the caller changes."""
    models = champion or a_model(), challenger or a_model(f1=0.55, brier=0.09, auc=0.75)

    def paired(metric, change=difference, interval=None):
        ours, theirs = (getattr(model, metric.removesuffix("_gain")) for model in models)
        return Paired(
            metric=metric, champion=ours, challenger=theirs, difference=change(ours, theirs), interval=interval
        )

    return Evidence(
        rows=rows,
        positives=positives,
        mature_rows=mature_rows,
        coverage=rows / mature_rows if mature_rows else None,
        coverage_interval=None,
        baseline_f1=None,
        champion=models[0],
        challenger=models[1],
        f1=paired("f1", interval=f1_interval),
        f1_gain=paired("f1_gain", relative_gain),
        brier=paired("brier"),
        auc=paired("auc"),
        segments=segments,
        absent_segments=absent,
    )


def judged(found, *, policy=POLICY, as_of=AS_OF, last=LONG_AGO):
    return all_checks(found, policy=policy, as_of=as_of, last_promotion_at=last)


def check(code, found, **context):
    return judged(found, **context)[CODES.index(code)]


def test_a_better_challenger_passes_all_six_gates_in_order():
    checks = judged(some_evidence())
    assert [(c.code, c.outcome) for c in checks] == [(code, PASSED) for code in CODES]
    assert status(checks) == "promotable"
    assert all(c.margin is not None and c.margin >= 0 for c in checks)


def test_every_gate_is_judged_even_when_the_first_is_not_met():
    checks = judged(some_evidence(rows=100, positives=20, mature_rows=1000, segments=(), challenger=a_model(f1=0.4)))
    assert [c.outcome for c in checks] == [UNDECIDED, UNDECIDED, PASSED, FAILED, PASSED, UNDECIDED]


@pytest.mark.parametrize(
    ("counts", "outcome", "observed", "unit", "note"),
    [
        pytest.param((200, 50), PASSED, 200, "mature labelled rows", "", id="exactly enough"),
        pytest.param(
            (199, 50), UNDECIDED, 199, "mature labelled rows", "1 more mature labelled rows", id="a row short"
        ),
        pytest.param((200, 49), UNDECIDED, 49, "bad outcomes", "1 more bad outcomes needed", id="a default short"),
        pytest.param((200, 200), UNDECIDED, 0, "good outcomes", "1 more good outcomes needed", id="only defaults"),
        pytest.param((0, 0), UNDECIDED, 0, "mature labelled rows", "200 more", id="nothing at all"),
    ],
)
def test_g1_waits_for_enough_rows_of_both_outcomes(counts, outcome, observed, unit, note):
    rows, positives = counts
    got = check("G1", some_evidence(rows=rows, positives=positives, segments=()))
    assert (got.outcome, got.observed, got.unit) == (outcome, observed, unit)
    assert note in got.note


@pytest.mark.parametrize(
    ("rows", "mature", "outcome", "observed"),
    [
        pytest.param(300, 1000, PASSED, 0.3, id="exactly the share"),
        pytest.param(299, 1000, UNDECIDED, 0.299, id="a label short"),
        pytest.param(0, 1000, UNDECIDED, 0.0, id="no label"),
        pytest.param(0, 0, UNDECIDED, None, id="no mature row"),
    ],
)
def test_g2_waits_for_labels(rows, mature, outcome, observed):
    got = check("G2", some_evidence(rows=rows, positives=rows // 5, mature_rows=mature, segments=()))
    assert (got.outcome, got.observed) == (outcome, observed)


def test_g2_stays_shut_over_an_empty_window_even_if_no_coverage_is_asked():
    found = some_evidence(rows=0, positives=0, mature_rows=0, segments=())
    assert check("G2", found, policy=GatePolicy(min_coverage=0.0)).outcome is UNDECIDED


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


@pytest.mark.parametrize(("as_of", "last"), [(datetime(2006, 7, 1), LONG_AGO), (AS_OF, datetime(2006, 1, 1))])
def test_a_time_without_a_timezone_is_refused(as_of, last):
    with pytest.raises(InputError, match="timezone"):
        judged(some_evidence(), as_of=as_of, last=last)


@pytest.mark.parametrize(
    ("f1", "low", "outcome"),
    [
        pytest.param(0.511, 0.001, PASSED, id="enough and sure"),
        pytest.param(0.511, 0.0, UNDECIDED, id="enough, but no better is inside the interval"),
        pytest.param(0.511, -0.01, UNDECIDED, id="enough, and may be luck"),
        pytest.param(0.509, 0.001, FAILED, id="sure, but too small to be worth it"),
        pytest.param(0.500, 0.001, FAILED, id="no gain"),
        pytest.param(0.400, 0.001, FAILED, id="a loss, whatever the interval says"),
    ],
)
def test_g4_asks_for_a_gain_that_is_large_and_not_luck(f1, low, outcome):
    got = check("G4", some_evidence(challenger=a_model(f1=f1), f1_interval=Interval(low, 0.5, 0.9)))
    assert got.outcome is outcome
    assert got.observed == pytest.approx(f1 / 0.5 - 1)
    assert ("luck" in got.note) == (outcome is UNDECIDED)


@pytest.mark.parametrize(
    ("f1", "low", "outcome"),
    [(0.3, 0.1, PASSED), (0.3, 0.0, UNDECIDED), (0.0, 0.0, FAILED), (0.0, 0.1, FAILED)],
)
def test_g4_lets_a_champion_that_finds_nothing_be_replaced_by_one_that_finds_something(f1, low, outcome):
    dead = a_model(f1=0.0)
    got = check("G4", some_evidence(champion=dead, challenger=a_model(f1=f1), f1_interval=Interval(low, 0.5, 0.9)))
    assert (got.outcome, got.observed, got.threshold, got.unit) == (outcome, f1, 0.0, "F1, absolute gain")
    assert "no bad outcome" in got.note or "neither" in got.note or outcome is UNDECIDED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"f1_interval": None}, id="no interval"),
        pytest.param({"f1_interval": Interval(0.01, 0.09, 0.5)}, id="an interval at a laxer level"),
        pytest.param({"positives": 0, "segments": ()}, id="no bad outcome"),
        pytest.param({"challenger": a_model(f1=None), "f1_interval": None}, id="challenger not measured"),
        pytest.param({"champion": a_model(f1=None), "f1_interval": None}, id="champion not measured"),
    ],
)
def test_g4_is_undecided_when_the_gain_cannot_be_measured(changes):
    assert check("G4", some_evidence(**changes)).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("brier", "outcome"), [(0.05, PASSED), (0.1, PASSED), (0.109, PASSED), (0.112, FAILED), (None, UNDECIDED)]
)
def test_g5_bounds_the_rise_of_the_brier_score(brier, outcome):
    got = check("G5", some_evidence(challenger=a_model(f1=0.55, brier=brier)))
    assert got.outcome is outcome
    assert got.margin == (None if brier is None else pytest.approx(0.11 - brier))


@pytest.mark.parametrize(
    ("challenger", "low", "outcome", "note"),
    [
        pytest.param(0.40, 0.01, FAILED, "regressed: state=NY (+20.0%)", id="a loss, and sure"),
        pytest.param(0.40, -0.01, PASSED, "worst: state=NY (+20.0%, not told apart", id="a loss that may be luck"),
        pytest.param(0.48, 0.01, PASSED, "worst: state=NY (+4.0%)", id="a sure loss too small to matter"),
        pytest.param(0.60, -0.30, PASSED, "worst: state=CA (-10.0%)", id="a gain"),
    ],
)
def test_g6_refuses_a_segment_loss_that_is_large_and_not_luck(challenger, low, outcome, note):
    level = corrected_level(0.9, 2)
    loser = a_segment("NY", challenger=challenger, interval=(low, 0.5), level=level)
    got = check("G6", some_evidence(segments=(a_segment("CA", level=level), loser)))
    assert got.outcome is outcome
    assert note in got.note


def test_g6_shows_the_regressed_segment_even_where_a_larger_loss_was_luck():
    level = corrected_level(0.9, 2)
    sure = a_segment("sure", challenger=0.40, interval=(0.01, 0.4), level=level)
    luck = a_segment("luck", challenger=0.20, interval=(-0.1, 0.9), level=level)
    got = check("G6", some_evidence(segments=(luck, sure)))
    assert (got.outcome, got.observed) == (FAILED, sure.drop)


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
        pytest.param((a_segment("CA", positives=0, interval=None),), id="only good outcomes"),
        pytest.param((a_segment("CA", positives=400, interval=None),), id="only bad outcomes"),
        pytest.param((a_segment("CA", interval=None),), id="large, but without an interval"),
        pytest.param((a_segment("CA", level=0.99),), id="an interval at another level"),
    ],
)
def test_g6_is_undecided_when_no_segment_can_be_judged(segments):
    assert check("G6", some_evidence(segments=segments)).outcome is UNDECIDED


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param("PPPPPP", "promotable", id="all passed"),
        pytest.param("UPPPPP", "waiting", id="too few rows"),
        pytest.param("PUPFFF", "waiting", id="too few labels, whatever else"),
        pytest.param("PPUPPP", "refused", id="no record of a champion"),
        pytest.param("PPPUPP", "refused", id="may be luck"),
        pytest.param("PPPPPF", "refused", id="a segment regressed"),
        pytest.param("", "refused", id="no check at all"),
    ],
)
def test_status_says_what_happens_next(outcomes, expected):
    spelled = {"P": PASSED, "F": FAILED, "U": UNDECIDED}
    checks = tuple(
        dataclasses.replace(one, outcome=spelled[letter])
        for one, letter in zip(judged(some_evidence()), outcomes, strict=False)
    )
    assert status(checks) == expected
    assert promotable(checks) == (expected == "promotable")


def test_only_optional_checks_are_not_a_pass():
    optional = tuple(dataclasses.replace(one, required=False) for one in judged(some_evidence()))
    assert not promotable(optional)


def test_a_check_cannot_pass_on_nothing_or_hold_a_nan():
    good = judged(some_evidence())[0]
    with pytest.raises(ValueError, match="passed without an observed value"):
        dataclasses.replace(good, observed=None)
    for name in ("observed", "threshold", "margin"):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(good, **{name: math.nan})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_samples", 0),
        ("min_samples", 200.5),
        ("min_positives", -1),
        ("min_coverage", 1.01),
        ("min_coverage", math.nan),
        ("cooldown", timedelta(days=-1)),
        ("cooldown", 7),
        ("min_f1_gain", -0.01),
        ("min_f1_gain", math.inf),
        ("max_brier_rise", math.nan),
        ("max_brier_rise", -0.01),
        ("max_segment_f1_drop", 1.5),
        ("min_segment_samples", 0),
        ("interval_level", 1.0),
        ("interval_level", 0.0),
        ("resamples", 10),
        ("seed", -1),
    ],
)
def test_a_senseless_policy_is_refused_at_birth_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        GatePolicy(**{name: value})


share = st.one_of(st.sampled_from([0.0, 1.0, 5e-324, 1e-9]), st.floats(0, 1))
maybe = st.none() | share
bound = st.floats(-1, 1) | st.floats(allow_nan=False, allow_infinity=False)
interval = st.none() | st.builds(
    lambda ends, level: Interval(min(ends), max(ends), level),
    st.tuples(bound, bound),
    st.sampled_from([0.9, 0.95, 0.5]),
)
moment = st.none() | st.integers(-30, 3000).map(lambda hours: AS_OF - timedelta(hours=hours))
counts = st.lists(st.integers(0, 2000) | st.just(2**53), min_size=3, max_size=3).map(sorted)


@st.composite
def odd_evidence(draw):
    """Whatever numbers can be brought into the shape of evidence, likely or not."""
    positives, rows, mature = draw(counts)
    models = [a_model(f1=draw(maybe), brier=draw(maybe), auc=draw(maybe)) for _ in range(2)]
    whole = None if None in (models[0].f1, models[1].f1) else draw(interval)
    try:
        segments = tuple(
            a_segment(
                str(i), champion=draw(share), challenger=draw(share), rows=max(rows // 2, 1), positives=positives // 4
            )
            for i in range(draw(st.integers(0, 2)))
        )
        segments = tuple(dataclasses.replace(segment, interval=draw(interval)) for segment in segments)
        return some_evidence(
            rows=rows,
            positives=positives,
            mature_rows=mature,
            champion=models[0],
            challenger=models[1],
            f1_interval=whole,
            segments=segments,
        )
    except ValueError:  # a ratio too large for a float: refused where it is made
        return some_evidence(rows=0, positives=0, mature_rows=0, segments=())


@given(odd_evidence(), moment)
@settings(max_examples=400, deadline=None)
def test_no_odd_number_opens_a_gate(found, last):
    checks = judged(found, last=last)
    assert tuple(c.code for c in checks) == CODES
    opened = {c.code for c in checks if c.outcome is PASSED}
    ours, theirs = found.champion, found.challenger
    big = [s for s in found.segments if s.rows >= 200 and 0 < s.positives < s.rows]
    reasons = {
        "G1": found.rows >= 200 and found.positives >= 50 and found.rows > found.positives,
        "G2": found.mature_rows > 0 and found.rows >= 0.3 * found.mature_rows * (1 - 1e-12),
        "G3": last is not None and AS_OF - last >= timedelta(days=7),
        "G4": None not in (ours.f1, theirs.f1, found.f1.interval)
        and found.positives > 0
        and theirs.f1 >= ours.f1 * 1.02 * (1 - 1e-12)
        and theirs.f1 > 0
        and found.f1.interval.low > 0
        and found.f1.interval.level == 0.9,
        "G5": None not in (ours.brier, theirs.brier) and theirs.brier - ours.brier <= 0.01,
        "G6": bool(big) and all(s.interval and (s.drop <= 0.05 or s.interval.low <= 0) for s in big),
    }
    assert opened <= {code for code, holds in reasons.items() if holds}
    assert promotable(checks) == (opened == set(CODES))
    assert all(c.observed is not None for c in checks if c.outcome is PASSED)


cell = st.sampled_from([0.0, 0.3, 0.5, 1.0])
table = st.lists(st.tuples(st.integers(0, 1), cell, cell, st.sampled_from("ab")), max_size=40)
EASY = GatePolicy(
    min_samples=1, min_positives=1, min_coverage=0.0, cooldown=timedelta(0), min_segment_samples=1, resamples=200
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


@given(table, st.sampled_from([0.0, 0.02]))
@settings(max_examples=150, deadline=None)
def test_a_challenger_that_scores_as_the_champion_never_passes_g4(table, gain):
    policy = dataclasses.replace(EASY, min_f1_gain=gain)
    got = check("G4", evidence(rows_of(table, twin=True), policy=policy), policy=policy)
    assert got.outcome is not PASSED


@given(table, moment)
@settings(max_examples=150, deadline=None)
def test_any_rows_are_judged_without_an_error_and_promoted_only_if_better(table, last):
    found = evidence(rows_of(table), policy=EASY)
    try:
        checks = judged(found, policy=EASY, last=last)
    except MendError:
        pytest.fail("evidence that could be measured must be judged")
    if promotable(checks):
        assert found.challenger.f1 > found.champion.f1
        assert 0 < found.positives < found.rows


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


@pytest.mark.parametrize("n", [1000, 4000])
def test_an_equal_model_is_rarely_refused_by_g6_and_rarely_let_through_by_g4(n):
    rng, policy, tries = np.random.default_rng(n), GatePolicy(resamples=500), 200
    refused = passed = point = 0
    for _ in range(tries):
        found = evidence(two_equal_models(rng, n), policy=policy)
        refused += no_segment_regression(found, policy=policy).outcome is FAILED
        passed += check("G4", found, policy=policy).outcome is PASSED
        point += any(segment.drop > policy.max_segment_f1_drop for segment in found.segments)
    assert refused / tries <= 0.10
    assert passed / tries <= 0.10
    assert point / tries > 0.25  # what a comparison of points would have refused


def test_a_model_that_truly_fails_one_segment_is_refused_by_g6():
    rng = np.random.default_rng(5)
    rows = two_equal_models(rng, 4000)
    noise = np.where(rows.segments["age"] == "c", rng.random(4000), rows.challenger_score)
    got = check("G6", evidence(dataclasses.replace(rows, challenger_score=noise), policy=POLICY))
    assert got.outcome is FAILED
    assert "regressed: age=c" in got.note
