"""The rule of the watch: a rollback is proposed for harm that is sure and matters, and never for what is not known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.promotion.canary import Canary, canary
from pipeline.promotion.promised_gain import FreshRows, Held, Promise, held, promise
from pipeline.promotion.watch import Ground, State, verdict
from pipeline.promotion.watch_policy import METRICS, WatchPolicy, look_due
from pipeline.settings_promotion import WatchSettings

DAY = timedelta(days=1)
POLICY = WatchPolicy(
    period=180 * DAY,
    every=30 * DAY,
    false_proposals=0.05,
    min_rows=200,
    min_bad=50,
    min_coverage=0.3,
    auc_margin=0.005,
    brier_margin=0.005,
)
PROMISE = {
    "auc": Promise(metric="auc", value=0.75, replaced=0.70, gain=0.05, error=0.01, degrees=200),
    "brier": Promise(metric="brier", value=0.14, replaced=0.15, gain=0.01, error=0.002, degrees=200),
}
FINE, NOT_ASKED = Canary(rows=200, largest=0.0), Canary(rows=0, reason="not asked")
NAMES = {"champion": "version 2", "replaced": "version 1"}


def rows(n=2000, *, ours=1.0, theirs=1.0, mature=None, seed=1, bad_share=0.2):
    """`ours` and `theirs`: how far apart good and bad are under either version, in standard deviations."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < bad_share).astype(np.int8)
    scores = [1 / (1 + np.exp(1.6 - (sight * y + rng.normal(0, 1, n)))) for sight in (ours, theirs)]
    return FreshRows(y=y, score=scores[0], replaced=scores[1], mature=n if mature is None else mature)


def both(found, *, policy=POLICY, promised=PROMISE):
    return [held(found, promised[metric], metric, policy=policy) for metric in METRICS]


def come_to(found, *, scores=FINE, of_replaced=NOT_ASKED, over=False, proposed=None):
    return verdict(found, scores, of_replaced, names=NAMES, over=over, proposed=proposed)


def test_a_champion_that_is_worse_than_before_and_than_promised_calls_for_a_rollback():
    found = come_to(both(rows(ours=0.3, theirs=1.0)))
    assert (found.state, found.grounds) == (State.PROPOSES, (Ground.OUTCOMES,))
    assert "worse than version 1 and than promised" in found.reason
    assert "promised +0.0500" in found.reason
    assert "at 99.2 %" in found.reason


def test_one_that_gains_what_was_promised_has_kept_it_when_the_period_is_over():
    found = both(rows(ours=1.3, theirs=0.6))
    assert come_to(found).state is State.WATCHING
    assert come_to(found, over=True).state is State.KEPT


def test_a_population_that_got_harder_for_both_versions_is_no_reason_to_go_back():
    hard = rows(ours=0.05, theirs=0.0, n=20_000)
    auc = both(hard)[0]
    assert auc.value < 0.55 < PROMISE["auc"].value
    assert come_to(both(hard)).state is State.WATCHING


def test_a_loss_that_was_promised_is_no_broken_promise():
    told = {name: replace(each, gain=-0.3) for name, each in PROMISE.items()}
    assert come_to(both(rows(ours=0.6, theirs=1.0), promised=told)).state is State.WATCHING
    assert come_to(both(rows(ours=0.6, theirs=1.0))).state is State.PROPOSES


def test_a_promise_that_was_hardly_measured_takes_more_to_break():
    unsure = {name: replace(each, error=0.2) for name, each in PROMISE.items()}
    assert come_to(both(rows(ours=0.6, theirs=1.0), promised=unsure)).state is State.WATCHING


def test_sure_is_not_enough_it_has_to_matter():
    a = rows(ours=0.95, theirs=1.0, n=300_000)
    little = both(a)
    wide = replace(POLICY, auc_margin=0.05, brier_margin=0.05)
    assert little[0].high < 0
    assert not any(each.harm for each in both(a, policy=wide))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        pytest.param(rows(0), "no outcome has become final", id="nothing"),
        pytest.param(rows(0, mature=500), "0 outcomes final", id="no label"),
        pytest.param(rows(150, ours=-3.0), "150 outcomes final", id="too few"),
        pytest.param(rows(2000, ours=-3.0, bad_share=0.01), "50 of either kind", id="too few bad"),
        pytest.param(rows(2000, ours=-3.0, bad_share=0.99), "50 of either kind", id="too few good"),
        pytest.param(rows(2000, ours=-3.0, bad_share=0.0), "50 of either kind", id="one outcome only"),
        pytest.param(rows(2000, ours=-3.0, mature=10_000), "labelled", id="thin coverage"),
    ],
)
def test_what_cannot_be_measured_is_said_in_words_and_proposes_nothing(found, says):
    for each in both(found):
        assert says in each.reason
        assert (each.value, each.high, each.harm, each.kept) == (None, None, False, False)
    assert come_to(both(found)).state is State.WATCHING
    assert come_to(both(found), over=True).state is State.NOT_TOLD
    assert come_to([], over=True).state is State.NOT_TOLD


def test_a_metric_that_was_not_promised_is_not_held_to_anything():
    found = [held(rows(ours=-3.0), None, metric, policy=POLICY) for metric in METRICS]
    assert [each.reason for each in found] == ["the dossier promised nothing in it"] * 2
    assert come_to(found).state is State.WATCHING


def test_a_brier_score_that_falls_is_a_gain():
    fallen = promise("brier", champion=0.20, challenger=0.18, interval=(-0.03, -0.01, 0.9), degrees=100)
    assert (fallen.gain, fallen.value, fallen.replaced) == (pytest.approx(0.02), 0.18, 0.20)


def test_about_as_good_as_before_on_few_rows_is_not_told():
    found = both(rows(400, ours=1.1, theirs=1.0))
    assert all(each.gain > -each.margin > each.low_90 for each in found)
    assert come_to(found, over=True).state is State.NOT_TOLD


@pytest.mark.parametrize("missing", ["champion", "challenger", "interval"])
def test_half_a_promise_is_none(missing):
    whole = {"champion": 0.7, "challenger": 0.75, "interval": (0.01, 0.09, 0.9)}
    assert promise("auc", **whole, degrees=100).gain == pytest.approx(0.05)
    assert promise("auc", **whole | {missing: None}, degrees=100) is None
    assert promise("auc", **whole, degrees=0) is None


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -0.1, 1.1])
def test_a_score_that_is_none_never_becomes_evidence(spoilt):
    good = rows(300)
    for name in ("score", "replaced"):
        with pytest.raises(ValueError, match=r"scores in \[0, 1\]"):
            replace(good, **{name: np.append(getattr(good, name)[:-1], spoilt)})
    with pytest.raises(ValueError, match="outcomes 0 or 1"):
        replace(good, y=np.append(good.y[:-1], 2))


def test_the_same_scores_from_both_say_nothing():
    one = rows(2000)
    found = both(replace(one, replaced=one.score))
    assert [each.reason for each in found] == ["every row says the same of both versions"] * 2


def some_rows():
    kinds = {
        "n": st.integers(0, 900),
        "ours": st.floats(-3, 3),
        "theirs": st.floats(-3, 3),
        "seed": st.integers(0, 50),
        "bad_share": st.floats(0, 1),
    }
    return st.builds(lambda **given: rows(**given), **kinds)


@given(found=some_rows())
@settings(max_examples=60, deadline=None)
def test_a_proposal_always_shows_its_numbers(found):
    for each in both(found):
        if each.harm:
            assert each.gain <= each.high < -each.margin
            assert each.low <= each.gain
            assert each.gain < each.promised_gain
            assert len(found.y) >= POLICY.min_rows
        if each.reason is not None:
            assert not each.harm
            assert not each.kept
        assert not (each.harm and each.kept)


@given(found=some_rows(), times=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_more_of_the_same_evidence_never_takes_a_proposal_back(found, times):
    more = FreshRows(
        y=np.tile(found.y, times),
        score=np.tile(found.score, times),
        replaced=np.tile(found.replaced, times),
        mature=found.mature * times,
    )
    for before, after in zip(both(found), both(more), strict=True):
        assert after.harm or not before.harm


@given(
    high=st.floats(-0.5, 0.5),
    short=st.floats(-0.5, 0.5),
    worse=st.floats(0, 0.3),
    shorter=st.floats(0, 0.3),
    wrong=st.booleans(),
    over=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_more_harm_never_takes_a_proposal_back(high, short, worse, shorter, wrong, over):
    def one(limit, gap):
        at = {"metric": "auc", "promised": 0.75, "promised_gain": 0.05, "margin": 0.005, "level": 0.99}
        return Held(**at, value=0.6, replaced=0.7, gain=-0.1, low=-1.0, high=limit, low_90=-0.9, short_high=gap)

    before = come_to([one(high, short)], over=over)
    after = come_to(
        [one(high - worse, short - shorter)], scores=Canary(rows=9, differ=int(wrong), largest=0.1), over=over
    )
    if before.state is State.PROPOSES:
        assert after.state is State.PROPOSES
        assert set(before.grounds) <= set(after.grounds)


def test_a_proposal_stands_until_the_champion_changes():
    later = come_to(both(rows(ours=1.5, theirs=0.5)), proposed="it was worse in March", over=True)
    assert (later.state, later.grounds) == (State.PROPOSES, (Ground.OUTCOMES,))
    assert later.reason == later.on_outcomes == "it was worse in March"


def test_other_scores_for_the_same_rows_call_for_a_rollback_and_say_how_many_and_how_far():
    found = come_to([], scores=canary(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.25, np.nan])))
    assert (found.state, found.grounds, found.on_outcomes) == (State.PROPOSES, (Ground.SCORES,), None)
    assert "2 of 3 reference rows get another score from version 2 than on record, by up to 0.05" in found.reason


def test_when_the_platform_changed_both_versions_going_back_would_not_mend_it():
    wrong = Canary(rows=10, differ=10, largest=0.2)
    found = come_to([], scores=wrong, of_replaced=wrong)
    assert (found.state, found.grounds) == (State.WATCHING, ())
    assert "10 of 10" in found.reason
    assert "would not mend it" in found.reason


def test_a_champion_whose_files_are_not_its_own_calls_for_a_rollback():
    found = come_to([], scores=Canary(rows=0, reason="model.skops: changed", broken=True))
    assert found.state is State.PROPOSES
    assert "Version 2 cannot be loaded: model.skops: changed" in found.reason


@pytest.mark.parametrize(
    ("apart", "differ"),
    [
        pytest.param(0.0, 0, id="the same"),
        pytest.param(9e-10, 0, id="the last digits"),
        pytest.param(2e-9, 1, id="more than those"),
        pytest.param(np.nan, 1, id="no number"),
        pytest.param(np.inf, 1, id="beyond any"),
    ],
)
def test_a_canary_row_may_differ_in_its_last_digits_only(apart, differ):
    assert canary(np.array([0.5, 0.25]), np.array([0.5 + apart, 0.25])).differ == differ


def test_canary_rows_that_are_not_there_are_neither_well_nor_ill():
    nothing = canary(np.array([]), np.array([]))
    assert (nothing.rows, nothing.wrong, nothing.reason) == (0, False, "no score is on record")
    assert come_to([], scores=nothing).state is State.WATCHING
    with pytest.raises(ValueError, match="as many scores"):
        canary(np.array([0.1]), np.array([0.1, 0.2]))


def test_the_error_is_shared_out_over_looks_and_metrics():
    assert POLICY.looks == 6
    assert POLICY.alpha * POLICY.looks * len(METRICS) == pytest.approx(0.05)
    assert both(rows())[0].level == pytest.approx(1 - 2 * POLICY.alpha)


@given(age=st.integers(-400, 800), period=st.integers(1, 400), every=st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_there_are_never_more_looks_than_the_error_is_shared_out_over(age, period, every):
    policy = replace(POLICY, period=period * DAY, every=min(every, period) * DAY)
    due = look_due(age * DAY, period=policy.period, every=policy.every)
    assert 0 <= due <= policy.looks
    assert (due == policy.looks) is (age >= period)


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": 0 * DAY},
        {"every": 200 * DAY},
        {"false_proposals": 0.0},
        {"false_proposals": float("nan")},
        {"min_bad": 0},
        {"min_coverage": -1.0},
        {"auc_margin": -0.1},
    ],
)
def test_an_impossible_policy_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|must be|finite"):
        replace(POLICY, **wrong)


def test_the_settings_refuse_looks_further_apart_than_the_period():
    assert WatchSettings().act is False
    with pytest.raises(ValueError, match="at most the period"):
        WatchSettings(period=10 * DAY, every=11 * DAY)


def test_equal_models_are_rarely_proposed_against_over_a_whole_period():
    """Under a promise that was luck. Target: at most 5 % per promotion; the limit below is wrong once in 1,000 runs."""
    rng, proposed, tries = np.random.default_rng(3), 0, 150
    for _ in range(tries):
        drawn = rows(900, ours=1.0, theirs=1.0, seed=int(rng.integers(1 << 30)))
        looks = [
            FreshRows(y=drawn.y[:n], score=drawn.score[:n], replaced=drawn.replaced[:n], mature=n)
            for n in range(150, 901, 150)
        ]
        proposed += any(each.harm for seen in looks for each in both(seen))
    assert proposed <= 17  # binomial, 150 tries at 5 %
