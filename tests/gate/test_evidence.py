"""Evidence is exact, paired, the same for the same rows, and honest about what it cannot tell."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from pipeline.errors import InputError
from pipeline.gate.evidence import Applicants, JudgedRows, evidence, segment_alpha
from pipeline.gate.measured import LOWER_IS_BETTER, METRICS, Paired, Trial
from pipeline.gate.values import GatePolicy, Interval

POLICY = GatePolicy()
ALPHA = 0.01
PRIMARIES = ("f1", "auc", "brier", "profit")


def some_rows(n=600, *, seed=0, skill=0.5, **changes):
    """Rows of a champion and a challenger; a higher skill is a better challenger (the champion has 0.5)."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    champion, challenger = ((0.25 + 0.3 * level * y + rng.normal(scale=0.15, size=n)) for level in (0.5, skill))
    return JudgedRows(
        **{
            "ids": np.array([f"row-{i:06d}" for i in range(n)]),
            "y": y,
            "champion_score": champion.clip(0, 1),
            "challenger_score": challenger.clip(0, 1),
            "champion_threshold": 0.33,
            "challenger_threshold": 0.34,
            "amount": rng.lognormal(size=n),
            "segments": {"state": np.array(["CA", "NY"])[rng.integers(0, 2, n)]},
            "mature_rows": n + n // 4,
        }
        | changes
    )


def measure(rows, *, policy=POLICY, alpha=ALPHA, **more):
    return evidence(rows, policy=policy, alpha=alpha, **more)


def everybody(rows, *, young=20, **changes):
    """The applicants the rows were taken from: those without a label and those not mature come after them."""
    n, missing = len(rows.y), rows.mature_rows - len(rows.y)
    as_of, total = datetime(2006, 7, 1, tzinfo=UTC), rows.mature_rows + young

    def filled(name, value):
        return np.concatenate([getattr(rows, name), np.full(total - n, value)])

    columns = {name: filled(name, 0.4) for name in ("champion_score", "challenger_score", "original_score")}
    columns |= {"ids": np.concatenate([rows.ids, [f"row-x{i:05d}" for i in range(total - n)]])}
    columns |= {"y": filled("y", -1), "amount": filled("amount", 1.0)}
    columns |= {
        f"{name}_threshold": getattr(rows, f"{name}_threshold") for name in ("champion", "challenger", "original")
    }
    columns |= {"segments": {name: np.concatenate([c, ["CA"] * (total - n)]) for name, c in rows.segments.items()}}
    days = np.concatenate([np.arange(n) % 300 + 60, np.full(missing, 100), np.full(young, 10)])
    times = np.datetime64(as_of.replace(tzinfo=None), "us") - days * np.timedelta64(1, "D")
    return Applicants(**columns | {"event_time": times, "as_of": as_of, "horizon": timedelta(days=30)} | changes)


# --- each metric is what others say it is -----------------------------------------------------------------------------


def cox(y, score):
    """Calibration intercept and slope by sklearn's optimiser: an unpenalised fit, and a search for the offset."""
    clipped = np.clip(score, 1e-6, 1 - 1e-6)
    x = np.log(clipped / (1 - clipped))
    slope = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x[:, None], y).coef_[0, 0]
    low, high = -20.0, 20.0
    for _ in range(80):  # the offset at which as many are expected to go bad as did
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-x - middle))).sum() < y.sum() else (low, middle)
    return low, slope


@pytest.mark.parametrize("seed", range(3))
def test_each_model_is_measured_as_sklearn_and_scipy_measure_it(seed):
    original = np.round(np.random.default_rng(seed + 100).random(600), 1)  # ties, and scores of exactly 0 and 1
    rows = some_rows(seed=seed, skill=0.8, original_score=original, original_threshold=0.6)
    found = measure(rows)
    for name, threshold in [("champion", 0.33), ("challenger", 0.34), ("original", 0.6)]:
        told, score, y = getattr(found, name), getattr(rows, f"{name}_score"), rows.y
        assert (told.threshold, told.called_bad) == (threshold, (score >= threshold).sum())
        assert told.caught_bad == ((score >= threshold) & (y == 1)).sum()
        assert told.f1 == pytest.approx(metrics.f1_score(y, score >= threshold))
        assert told.auc == pytest.approx(metrics.roc_auc_score(y, score))
        assert told.gini == pytest.approx(2 * metrics.roc_auc_score(y, score) - 1)
        assert told.ks == pytest.approx(stats.ks_2samp(score[y == 1], score[y == 0]).statistic)
        assert told.brier == pytest.approx(metrics.brier_score_loss(y, score))
        assert told.log_loss == pytest.approx(metrics.log_loss(y, np.clip(score, 1e-6, 1 - 1e-6)))
        assert (told.calibration_intercept, told.calibration_slope) == pytest.approx(cox(y, score), rel=1e-4, abs=1e-6)


def four_rows(**changes):
    """One caught, one missed, one false alarm, one booked well, at amounts that differ."""
    return JudgedRows(
        **{
            "ids": list("abcd"),
            "y": [1, 1, 0, 0],
            "champion_score": [0.5, 0.4, 0.9, 0.1],
            "challenger_score": [0.5, 0.4, 0.1, 0.1],
            "champion_threshold": 0.5,
            "challenger_threshold": 0.51,
            "amount": [1000.0, 200.0, 30.0, 400.0],
            "mature_rows": 4,
        }
        | changes
    )


def test_profit_is_what_the_booked_earn_less_what_they_lose_per_judged_row():
    found = measure(four_rows(), policy=GatePolicy(cost_of_bad=0.5, gain_of_good=0.1))
    assert found.champion.profit == pytest.approx((-0.5 * 200 + 0.1 * 400) / 4)
    assert found.challenger.profit == pytest.approx((-0.5 * 1200 + 0.1 * 430) / 4)


def test_a_score_at_the_threshold_is_called_bad():
    found = measure(four_rows())
    assert (found.champion.called_bad, found.challenger.called_bad) == (2, 0)
    assert (found.champion.caught_bad, found.champion.f1, found.challenger.f1) == (1, 0.5, 0.0)


def test_one_sure_and_wrong_score_costs_no_more_than_its_clip():
    found = measure(four_rows(champion_score=[0.0, 1.0, 0.0, 0.0]))
    assert found.champion.log_loss == pytest.approx((-np.log(1e-6) - 3 * np.log1p(-1e-6)) / 4)


def test_outcomes_that_a_cut_off_separates_have_no_calibration():
    """Neither the right way round nor the wrong one: the line that fits them best is infinitely steep."""
    wrong_way, right_way = [1.0, 1.0, 1.0, 1.0, 0.3], [0.3, 0.3, 0.3, 0.3, 1.0]
    rows = JudgedRows(
        ids=list("abcde"),
        y=[0, 0, 0, 0, 1],
        champion_score=wrong_way,
        challenger_score=right_way,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        mature_rows=5,
    )
    for model in measure(rows).both:
        assert (model.calibration_intercept, model.calibration_slope) == (None, None)


def test_the_two_baselines_know_nothing():
    rows = some_rows()
    found, share, value = measure(rows), rows.y.mean(), np.where(rows.y == 1, -0.45, 0.05) * rows.amount
    all_bad, base = found.everyone_bad, found.base_rate
    assert (all_bad.called_bad, all_bad.auc, all_bad.profit) == (600, 0.5, 0.0)
    assert all_bad.f1 == pytest.approx(metrics.f1_score(rows.y, np.ones(600)))
    assert all_bad.brier == pytest.approx(1 - share)
    assert (base.called_bad, base.f1, base.auc, base.ks) == (0, 0.0, 0.5, 0.0)
    assert base.brier == pytest.approx(share * (1 - share))
    assert base.log_loss == pytest.approx(stats.entropy([share, 1 - share]))
    assert base.profit == pytest.approx(value.mean())


def test_coverage_is_counted_and_has_its_interval():
    found = measure(some_rows())
    expected = stats.binomtest(600, 750).proportion_ci(0.95, method="wilson")
    assert (found.rows, found.mature_rows, found.coverage) == (600, 750, 0.8)
    assert (found.coverage_interval.low, found.coverage_interval.high) == pytest.approx((expected.low, expected.high))


# --- paired -----------------------------------------------------------------------------------------------------------


def test_every_metric_is_paired_in_order_and_has_an_interval_at_the_policys_level():
    found = measure(some_rows(skill=0.8), policy=GatePolicy(interval_level=0.8))
    assert tuple(pair.metric for pair in found.paired) == METRICS
    for pair in found.paired:
        assert pair.difference == getattr(found.challenger, pair.metric) - getattr(found.champion, pair.metric)
        assert pair.interval.level == 0.8
        assert pair.interval.low < pair.difference < pair.interval.high, pair.metric


@pytest.mark.parametrize("primary", PRIMARIES)
@pytest.mark.parametrize("n", [37, 600, 1001])
def test_an_identical_challenger_differs_by_exactly_nothing(n, primary):
    rows = some_rows(n)
    twin = dataclasses.replace(rows, challenger_score=rows.champion_score, challenger_threshold=0.33)
    found = measure(twin, policy=GatePolicy(primary=primary))
    for pair in found.paired:
        assert (pair.difference, pair.interval) == (0.0, Interval(0.0, 0.0, 0.9)), pair.metric
    assert found.trial.gain == 0.0
    if primary == "f1":  # a row of each kind that could differ stays in the spread: luck may have hidden it
        assert found.trial.interval.low == pytest.approx(-found.trial.interval.high)
        assert found.trial.error > 0
        return
    assert (found.trial.error, found.trial.interval) == (0.0, Interval(0.0, 0.0, 0.98))
    assert found.trial.original_interval == pytest.approx(Interval(0.0, 0.0, 0.9))
    for segment in found.segments:
        assert segment.drop == segment.log_loss_rise == 0
        if segment.interval is not None:
            assert segment.interval.low < 0 < segment.interval.high
            assert (segment.loss_interval.low, segment.loss_interval.high) == (0, 0)


def test_exchanging_the_models_turns_every_difference_around():
    rows = some_rows(skill=0.8)
    other = dataclasses.replace(
        rows,
        champion_score=rows.challenger_score,
        challenger_score=rows.champion_score,
        champion_threshold=0.34,
        challenger_threshold=0.33,
    )
    for there, back in zip(measure(rows).paired, measure(other).paired, strict=True):
        assert back.difference == -there.difference
        ends = there.interval.low, there.interval.high
        assert (-back.interval.high, -back.interval.low) == pytest.approx(ends, abs=1e-4, rel=1e-4), there.metric


def test_the_interval_of_a_mean_is_near_that_of_textbooks():
    rows = some_rows(5000, skill=0.9)
    change = (rows.challenger_score - rows.y) ** 2 - (rows.champion_score - rows.y) ** 2
    got = measure(rows).pair("brier").interval
    expected = stats.norm.interval(0.9, loc=change.mean(), scale=stats.sem(change))
    assert (got.low, got.high) == pytest.approx(expected, abs=0.1 * (expected[1] - expected[0]))


def test_the_interval_of_auc_is_delongs_and_that_of_gini_twice_as_wide():
    rows = some_rows(2000, skill=0.9)
    found, bad = measure(rows), rows.y == 1
    auc, gini = found.pair("auc"), found.pair("gini")
    ours, theirs = (score[bad][:, None] > score[~bad] for score in (rows.champion_score, rows.challenger_score))
    change = theirs.astype(float) - ours  # one entry per pair of a bad and a good row
    variance = [change.mean(axis=axis).var(ddof=1) / change.shape[1 - axis] for axis in (0, 1)]
    expected = stats.norm.interval(0.9, loc=auc.difference, scale=sum(variance) ** 0.5)
    assert (auc.interval.low, auc.interval.high) == pytest.approx(expected, rel=0.01)
    assert (gini.interval.low, gini.interval.high) == (2 * auc.interval.low, 2 * auc.interval.high)


def two_readings(n, *, seed):
    """A smooth risk, read by both models with an error, the challenger's half as large."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(1.2 - 1.2 * risk))).astype(int)
    ours, theirs = (1 / (1 + np.exp(1.2 - risk - rng.normal(scale=noise, size=n))) for noise in (0.8, 0.4))
    return some_rows(
        n,
        y=y,
        champion_score=ours,
        challenger_score=theirs,
        champion_threshold=0.35,
        challenger_threshold=0.35,
        amount=rng.lognormal(sigma=0.5, size=n),
        segments={},
    )


def test_intervals_hold_the_true_difference_about_as_often_as_they_say():
    quick, tries = GatePolicy(resamples=200), 200
    truth = measure(two_readings(100_000, seed=0), policy=quick)
    held = dict.fromkeys(METRICS, 0)
    for seed in range(tries):
        found = measure(two_readings(400, seed=100 + seed), policy=quick)
        for metric in METRICS:
            interval = found.pair(metric).interval
            held[metric] += interval.low <= truth.pair(metric).difference <= interval.high
    assert all(0.85 <= count / tries <= 0.965 for count in held.values()), held


# --- the trial --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("primary", PRIMARIES)
@pytest.mark.parametrize("alpha", [0.05, 0.001, 1e-6])
def test_the_trial_is_turned_so_that_more_is_better_and_errs_as_often_as_it_may(primary, alpha):
    found = measure(some_rows(skill=0.9), policy=GatePolicy(primary=primary), alpha=alpha)
    trial, sign = found.trial, -1 if primary in LOWER_IS_BETTER else 1
    assert (trial.metric, trial.alpha) == (primary, alpha)
    assert trial.gain == sign * found.pair(primary).difference > 0
    assert trial.interval.level == 1 - 2 * alpha
    assert trial.interval.low < trial.gain < trial.interval.high


@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_smaller_error_asks_for_more_and_the_error_of_the_gain_does_not_change(primary):
    lax, strict = (measure(some_rows(), policy=GatePolicy(primary=primary), alpha=a).trial for a in (0.05, 0.0005))
    assert strict.interval.low < lax.interval.low <= lax.gain <= lax.interval.high < strict.interval.high
    assert (strict.gain, strict.error) == (lax.gain, lax.error)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_the_trials_limit_is_wrong_about_as_often_as_its_error_and_not_far_more(primary):
    policy, tries = GatePolicy(primary=primary, resamples=200), 150
    missed = 0
    for seed in range(tries):
        trial = measure(
            some_rows(300, seed=seed, challenger_threshold=0.33, segments={}), policy=policy, alpha=0.05
        ).trial
        missed += trial.interval.low > 0  # two models of one skill: no gain is true
    assert 0.01 <= missed / tries <= 0.09


def test_the_trials_error_is_that_of_the_mean():
    rows = some_rows(skill=0.9)
    change = (rows.champion_score - rows.y) ** 2 - (rows.challenger_score - rows.y) ** 2
    assert measure(rows, policy=GatePolicy(primary="brier")).trial.error == pytest.approx(stats.sem(change, ddof=0))


@pytest.mark.parametrize("primary", PRIMARIES)
def test_without_anything_to_spend_the_trial_has_no_interval(primary):
    trial = measure(some_rows(skill=0.9), policy=GatePolicy(primary=primary), alpha=0.0).trial
    assert (trial.alpha, trial.interval) == (0.0, None)
    assert trial.gain is not None and trial.original_interval is not None


@pytest.mark.parametrize("alpha", [1e-300, 1e-17, 1e-15])
def test_next_to_nothing_to_spend_gives_a_cautious_interval_or_none_and_never_an_error(alpha):
    trial = measure(some_rows(120), policy=GatePolicy(resamples=200), alpha=alpha).trial
    assert trial.interval is None or trial.interval.low < 0 < trial.interval.high


@pytest.mark.parametrize("primary", PRIMARIES)
def test_the_first_champion_is_compared_at_the_policys_level(primary):
    rows, policy = some_rows(skill=0.7), GatePolicy(primary=primary)
    better = np.clip(rows.challenger_score + 0.2 * rows.y, 0, 1)
    found = measure(dataclasses.replace(rows, original_score=better, original_threshold=0.34), policy=policy)
    sign = -1 if primary in LOWER_IS_BETTER else 1
    assert (
        found.trial.original_gain == sign * (getattr(found.challenger, primary) - getattr(found.original, primary)) < 0
    )
    assert found.trial.original_interval.level == pytest.approx(0.9)
    assert found.trial.original_interval.high < 0
    assert found.trial.gain == measure(rows, policy=policy).trial.gain


@pytest.mark.parametrize("primary", PRIMARIES)
def test_without_a_first_champion_of_its_own_the_gain_over_it_is_that_over_todays(primary):
    found = measure(some_rows(skill=0.7), policy=GatePolicy(primary=primary), alpha=0.05)
    assert found.original == found.champion
    assert found.trial.original_gain == found.trial.gain
    assert found.trial.original_interval == pytest.approx(found.trial.interval)


def test_a_champion_that_finds_nothing_can_be_compared():
    found = measure(some_rows(champion_threshold=1.0))
    assert found.champion.f1 == 0
    assert found.trial.gain == found.challenger.f1 > 0
    assert found.trial.interval.low > 0


# --- the same rows, few rows, no rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("primary", PRIMARIES)
def test_the_same_rows_in_any_order_give_the_same_evidence(primary):
    rows, order = (
        some_rows(original_score=some_rows(seed=5).champion_score, original_threshold=0.3),
        np.random.default_rng(9),
    )
    order = order.permutation(600)
    arrays = ("ids", "y", "champion_score", "challenger_score", "original_score", "amount")
    parts = {name: getattr(rows, name)[order] for name in arrays}
    parts |= {"segments": {name: column[order] for name, column in rows.segments.items()}}
    policy = GatePolicy(primary=primary)
    assert measure(dataclasses.replace(rows, **parts), policy=policy) == measure(rows, policy=policy)


tiny = st.lists(st.tuples(st.integers(0, 1), *[st.sampled_from([0.0, 0.2, 0.5, 1.0])] * 2), max_size=25)


@given(tiny, st.integers(0, 3), st.sampled_from(PRIMARIES), st.sampled_from([0.0, 1e-9, 0.01]))
@settings(max_examples=150, deadline=None)
def test_any_rows_at_all_give_evidence_that_json_can_hold(table, unlabelled, primary, alpha):
    y, ours, theirs = zip(*table, strict=True) if table else ([], [], [])
    rows = JudgedRows(
        ids=[f"r{i}" for i in range(len(table))],
        y=y,
        champion_score=ours,
        challenger_score=theirs,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        mature_rows=len(table) + unlabelled,
    )
    found = measure(rows, policy=GatePolicy(primary=primary, min_segment_samples=1, resamples=200), alpha=alpha)
    json.dumps(found.to_json(), allow_nan=False)
    rarer = min(sum(y), len(y) - sum(y))
    assert (found.trial.interval is None) == (rarer < 2 or alpha == 0)
    assert all((pair.difference is None) == (pair.champion is None or pair.challenger is None) for pair in found.paired)


def test_no_rows_measure_nothing_and_raise_nothing():
    empty = dict.fromkeys(("ids", "y", "champion_score", "challenger_score"), ())
    rows = JudgedRows(**empty, champion_threshold=0.5, challenger_threshold=0.5, segments={"s": []}, mature_rows=0)
    found = measure(rows)
    assert (found.rows, found.coverage, found.coverage_interval, found.segments) == (0, None, None, ())
    assert all((pair.champion, pair.difference, pair.interval) == (None, None, None) for pair in found.paired)
    assert found.trial == Trial(
        metric="f1", alpha=ALPHA, gain=None, error=None, interval=None, original_gain=None, original_interval=None
    )


# --- segments ---------------------------------------------------------------------------------------------------------


def test_segments_share_out_the_error_among_those_large_enough():
    state = np.array(["CA"] * 250 + ["NY"] * 300 + ["missing"] * 50)
    rows = some_rows(segments={"state": state, "bank": np.array(["A"] * 600)})
    found = measure(rows, expected_segments={"state": ["CA", "TX"], "bank": ["A"], "age": ["young"]})
    names = [(s.name, s.rows) for s in found.segments]
    assert names == [("bank=A", 600), ("state=CA", 250), ("state=NY", 300), ("state=missing", 50)]
    wanted = pytest.approx(1 - 2 * 0.09 / 3)  # three judged
    for segment in found.segments[:3]:
        assert segment.interval.level == segment.loss_interval.level == wanted
    small = found.segments[3]
    assert (small.interval, small.loss_interval, small.detectable_drop) == (None, None, None)
    assert found.absent_segments == ("state=TX", "age=young")


def test_a_segment_is_measured_as_sklearn_measures_its_rows():
    rows = some_rows(skill=0.3)
    found = measure(rows).segments[1]
    newyork = rows.segments["state"] == "NY"
    y, ours, theirs = rows.y[newyork], rows.champion_score[newyork], rows.challenger_score[newyork]
    assert (found.name, found.rows, found.positives) == ("state=NY", newyork.sum(), y.sum())
    assert found.champion_f1 == pytest.approx(metrics.f1_score(y, ours >= 0.33))
    assert found.drop == pytest.approx(1 - metrics.f1_score(y, theirs >= 0.34) / found.champion_f1)
    losses = [metrics.log_loss(y, np.clip(score, 1e-6, 1 - 1e-6)) for score in (ours, theirs)]
    assert found.log_loss_rise == pytest.approx(losses[1] - losses[0])
    assert found.interval.low < found.drop < found.interval.high
    assert found.loss_interval.low < found.loss < found.loss_interval.high


def test_a_loss_twice_as_detectable_takes_four_times_the_rows():
    small, large = (measure(some_rows(n, segments={})).segments[0].detectable_drop for n in (2_000, 32_000))
    assert large == pytest.approx(small / 4, rel=0.15)


def test_a_detectable_loss_is_shown_in_nine_of_ten_tries():
    def whole(seed):
        return measure(some_rows(600, seed=seed, skill=0.25, segments={}), policy=GatePolicy(resamples=200)).segments[0]

    tries = [whole(seed) for seed in range(80)]
    drop, detectable = (np.mean([getattr(s, name) for s in tries]) for name in ("drop", "detectable_drop"))
    shown = np.mean([s.interval.low > 0 for s in tries])
    sure = stats.norm.cdf((drop - detectable) / np.std([s.drop for s in tries]) + stats.norm.ppf(0.9))
    assert shown == pytest.approx(sure, abs=0.12)


def test_a_segment_in_which_the_champion_finds_nothing_has_nothing_to_lose():
    found = measure(some_rows(champion_threshold=1.0, segments={})).segments[0]
    assert (found.champion_f1, found.drop) == (0, 0)
    assert found.interval.high < 0


@pytest.mark.parametrize("bad", [0, 1, 299, 300])
def test_a_segment_with_fewer_than_two_of_an_outcome_is_not_judged(bad):
    y = np.concatenate([np.arange(300) < bad, [0, 1] * 150])
    found = measure(some_rows(y=y, segments={"half": np.array(["lopsided"] * 300 + ["mixed"] * 300)}))
    assert [segment.interval is None for segment in found.segments] == [True, False]
    assert found.segments[1].interval.level == pytest.approx(0.82)  # the other does not share in the error


def test_without_segment_columns_the_whole_window_is_the_one_segment():
    found = measure(some_rows(segments={}))
    assert [(s.name, s.rows, s.interval.level) for s in found.segments] == [("all rows", 600, pytest.approx(0.82))]


def test_a_column_of_identifiers_is_not_a_segment():
    with pytest.raises(InputError, match="segment loan: expected at most 500 different values, got 600"):
        measure(some_rows(segments={"loan": np.arange(600).astype(str)}))


@pytest.mark.parametrize(("judged", "alpha"), [(0, 0.10), (1, 0.10), (5, 0.02), (50, 0.002)])
def test_all_tests_of_all_segments_together_hold_the_error(judged, alpha):
    assert segment_alpha(GatePolicy(segment_error=0.10), judged) == pytest.approx(alpha)


# --- the applicants the rows were taken from --------------------------------------------------------------------------


def test_without_applicants_nothing_is_said_of_those_who_were_not_judged():
    found = measure(some_rows())
    assert (found.brier_shift, found.labels_per_day) == (None, None)
    assert (found.cells, found.swap, found.approvals) == ((), (), ())


def test_applicants_add_coverage_swaps_and_the_rate_of_labels_and_change_nothing_else():
    rows = some_rows(skill=0.8)
    found, alone = measure(rows, applicants=everybody(rows)), measure(rows)
    assert found.brier_shift > 0
    assert found.labels_per_day == pytest.approx(600 / 329)
    assert {cell.group for cell in found.cells} == {"score band", "vintage", "state"}
    assert sum(cell.applicants for cell in found.swap if cell.segment == "all applicants") > 0
    said = {"brier_shift": None, "labels_per_day": None, "cells": (), "swap": ()}
    assert dataclasses.replace(found, **said) == alone


def other_scores(name):
    return lambda rows: {name: np.where(np.arange(770) == 3, 0.123, getattr(everybody(rows), name))}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda rows: {"ids": np.array([f"other{i:04d}" for i in range(770)])}, id="other people"),
        pytest.param(lambda rows: {"y": 1 - np.maximum(everybody(rows).y, 0)}, id="other outcomes"),
        pytest.param(lambda rows: {"y": np.full(770, -1)}, id="none of them labelled"),
        pytest.param(other_scores("champion_score"), id="one score of the champion's"),
        pytest.param(other_scores("challenger_score"), id="one score of the challenger's"),
        pytest.param(other_scores("original_score"), id="one score of the first champion's"),
        pytest.param(other_scores("amount"), id="one amount"),
        pytest.param(lambda rows: {"champion_threshold": 0.5}, id="another cut-off of the champion's"),
        pytest.param(lambda rows: {"challenger_threshold": 0.5}, id="another cut-off of the challenger's"),
        pytest.param(lambda rows: {"original_threshold": 0.5}, id="another cut-off of the first champion's"),
        pytest.param(lambda rows: {"horizon": timedelta(days=90)}, id="fewer of them mature"),
    ],
)
def test_applicants_that_are_not_those_of_the_rows_are_refused(changes):
    rows = some_rows()
    with pytest.raises(InputError, match=r"^applicants: "):
        measure(rows, applicants=everybody(rows, **changes(rows)))


def test_applicants_in_other_segments_than_the_rows_are_refused():
    rows = some_rows()
    with pytest.raises(InputError, match=r"^applicants: "):
        measure(rows, applicants=everybody(rows, segments={"state": np.full(770, "TX")}))


# --- numbers that contradict each other -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rows": 10_000}, "positives <= rows <= mature_rows"),
        ({"coverage": 1.0}, "coverage does not follow"),
        ({"rows": 300, "positives": 90, "mature_rows": 375}, "segment is larger"),
        ({"brier_shift": float("nan")}, "brier_shift"),
        ({"labels_per_day": -1.0}, "labels_per_day"),
        ({"paired": ()}, "expected the paired metrics f1 auc"),
    ],
    ids=str,
)
def test_evidence_whose_counts_cannot_be_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(measure(some_rows()), **changes)


@pytest.mark.parametrize("name", ["champion", "challenger", "original", "everyone_bad", "base_rate"])
@pytest.mark.parametrize("change", [{"f1": 0.123}, {"called_bad": 599}], ids=str)
def test_a_models_f1_must_follow_from_its_counts(name, change):
    found = measure(some_rows())
    changed = dataclasses.replace(getattr(found, name), **change)
    with pytest.raises(ValueError, match=f"{name}: f1 does not follow|does not follow from the two"):
        dataclasses.replace(found, **{name: changed})


@pytest.mark.parametrize("metric", METRICS)
def test_a_pair_must_follow_from_the_two_models(metric):
    found = measure(some_rows())
    moved = Paired(metric=metric, champion=0.25, challenger=0.75, difference=0.5, interval=None)
    pairs = tuple(moved if pair.metric == metric else pair for pair in found.paired)
    with pytest.raises(ValueError, match=f"{metric}: does not follow"):
        dataclasses.replace(found, paired=pairs)


@pytest.mark.parametrize("change", [{"gain": 0.123}, {"original_gain": 0.123}, {"metric": "profit"}], ids=str)
def test_a_trial_must_follow_from_the_models(change):
    found = measure(some_rows())
    loose = dataclasses.replace(found.trial, interval=None, original_interval=None)
    with pytest.raises(ValueError, match="trial: the gain"):
        dataclasses.replace(found, trial=dataclasses.replace(loose, **change))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gain": 0.5}, "does not hold its gain"),
        ({"gain": None}, "does not hold its gain"),
        ({"error": None}, "does not hold its gain"),
        ({"alpha": 0.02}, "level does not follow from alpha"),
        ({"alpha": 0.5}, "alpha"),
        ({"error": -0.1}, "error"),
        ({"original_gain": None}, "an interval that does not hold its gain over"),
    ],
    ids=str,
)
def test_a_trial_whose_numbers_contradict_each_other_cannot_be_made(changes, says):
    interval = Interval(-0.1, 0.3, 0.98)
    parts = {"metric": "f1", "alpha": 0.01, "gain": 0.1, "error": 0.05, "interval": interval}
    parts |= {"original_gain": 0.1, "original_interval": Interval(-0.1, 0.3, 0.9)}
    assert Trial(**parts).gain == 0.1
    with pytest.raises(ValueError, match=says):
        Trial(**parts | changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"positives": 700}, "700 bad outcomes in"),
        ({"drop": 0.5}, "drop does not follow"),
        ({"interval": None}, "judged by one metric only"),
        ({"loss_interval": None}, "judged by one metric only"),
        ({"rows": 0}, "rows"),
        ({"detectable_drop": -0.1}, "detectable_drop"),
    ],
    ids=str,
)
def test_a_segment_whose_numbers_contradict_each_other_cannot_be_made(changes, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(measure(some_rows()).segments[0], **changes)


def test_an_interval_or_a_difference_needs_something_measured():
    nothing = {"metric": "f1", "champion": None, "challenger": None}
    with pytest.raises(ValueError, match="interval around nothing"):
        Paired(**nothing, difference=None, interval=Interval(0.0, 1.0, 0.9))
    with pytest.raises(ValueError, match="not challenger minus champion"):
        Paired(**nothing, difference=0.1, interval=None)
    with pytest.raises(ValueError, match="above high"):
        Interval(0.2, 0.1, 0.9)
