"""Estimates without labels say what will come true, how sure they are of it, and when not to be believed."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from monitoring import estimate_track
from monitoring.estimate_track import MIN_CHECKS, Checked, Trust, chance_of_misses, trust
from monitoring.estimated import COVARIATES, METRICS, Estimate, Recalibration, estimates, moved, realised, recalibration

START = datetime(2006, 1, 1, tzinfo=UTC)


def some_scores(n, rng, *, digits=None):
    p = expit(rng.normal(-1.5, 1.2, size=n))
    return p if digits is None else p.round(digits)


def drawn(q, rng):
    return (rng.random(len(q)) < q).astype(int)


def bent(p):
    """What is true where the model says p: too sure at the top, and a third too low elsewhere."""
    return np.clip(1.4 * p - 0.6 * p**2, 0.001, 0.999)


def as_numbers(found, name="value"):
    return np.array([getattr(estimate, name) for estimate in found], dtype=float)


# --- the estimate and its interval ------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [pytest.param(None, id="every score once"), pytest.param(1, id="many ties")])
def test_value_and_error_are_mean_and_spread_of_what_comes_true_when_scores_are_right(digits):
    rng = np.random.default_rng(1)
    p = some_scores(600, rng, digits=digits)
    found = estimates(p, p >= 0.3)
    came_true = np.array([list(realised(drawn(p, rng), p, p >= 0.3).values()) for _ in range(3000)])
    spread = came_true.std(axis=0)
    assert np.abs(as_numbers(found) - came_true.mean(axis=0)) == pytest.approx(0, abs=0.06 * spread.max())
    assert (np.abs(as_numbers(found) - came_true.mean(axis=0)) < 0.1 * spread).all()
    assert as_numbers(found, "standard_error") == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(
    ("labels", "at_least"),
    [
        pytest.param(4000, 0.86, id="8 labels per row"),
        pytest.param(1000, 0.85, id="2 labels per row: shrunk"),
        pytest.param(250, 0.80, id="half a label per row: the interval comes out a little short"),
    ],
)
def test_nine_in_ten_intervals_hold_what_comes_true_on_scores_that_are_wrong(labels, at_least):
    rng, held, errors = np.random.default_rng(1), [], []
    for _ in range(400):
        known, p = some_scores(labels, rng), some_scores(500, rng)
        fitted = recalibration(drawn(bent(known), rng), known, known >= 0.3)
        found = estimates(p, p >= 0.3, fitted)
        true = np.array(list(realised(drawn(bent(p), rng), p, p >= 0.3).values()))
        held.append((as_numbers(found, "low") <= true) & (true <= as_numbers(found, "high")))
        errors.append(np.abs(as_numbers(found) - true) / as_numbers(found, "sampling_error"))
    assert (np.mean(held, axis=0) > at_least).all()
    assert (np.mean(held, axis=0) < 0.97).all()
    if labels == 4000:  # a normal's mean absolute error is 0.798 of its spread; of 400 it is known to 4 %, here twice
        assert (np.mean(errors, axis=0) / 0.798 < 1.1 + 0.08).all()


def test_expected_auc_is_that_of_all_pairs_of_two_different_rows():
    p = some_scores(120, np.random.default_rng(10), digits=1)
    pairs = np.outer(p, 1 - p) * (1 - np.eye(120))
    in_order = (p[:, None] > p) + 0.5 * (p[:, None] == p)
    assert estimates(p, p >= 0.3)[0].value == pytest.approx((pairs * in_order).sum() / pairs.sum(), abs=1e-12)


def test_raw_scores_that_are_wrong_are_read_wrong_and_recalibration_mends_it():
    rng = np.random.default_rng(3)
    p, known = some_scores(20_000, rng), some_scores(100_000, rng)
    true = realised(drawn(bent(p), rng), p, p >= 0.3)["default_rate"]
    fitted = recalibration(drawn(bent(known), rng), known, known >= 0.3)
    raw, mended = estimates(p, p >= 0.3)[3], estimates(p, p >= 0.3, fitted)[3]
    assert abs(raw.value - true) > 5 * raw.standard_error
    assert abs(mended.value - true) < 3 * mended.standard_error


def test_recalibration_leaves_no_residual_in_any_direction_that_moves_a_metric():
    rng = np.random.default_rng(4)
    p = some_scores(5000, rng)
    y = drawn(bent(p), rng)
    q, _ = moved(p, p >= 0.3, recalibration(y, p, p >= 0.3))
    directions = {"default rate": np.ones(len(p)), "Brier": p, "F1": p >= 0.3, "AUC": p.argsort().argsort() / len(p)}
    for metric, direction in directions.items():
        assert abs(direction @ (y - q)) < 3, metric  # of 5,000; the prior holds back as much as a row or two
        assert abs(direction @ (y - p)) > 30, metric


def test_recalibration_is_made_in_full_with_many_labels_and_shrunk_with_few():
    rng = np.random.default_rng(5)
    p, known = some_scores(2000, rng), some_scores(1000, rng)
    fitted = recalibration(drawn(known, rng), known, known >= 0.3)  # the scores are right: all it finds is chance
    assert fitted.evidence < 2 * COVARIATES
    raw, full = as_numbers(estimates(p, p >= 0.3)), as_numbers(estimates(p[:100], p[:100] >= 0.3, fitted))
    few = as_numbers(estimates(p, p >= 0.3, fitted))
    at_most = [moved(p, p >= 0.3, fitted, strength=s)[0].mean() for s in (1.0, fitted.shrunk)]
    assert few[3] == pytest.approx(at_most[1], abs=1e-12)
    assert abs(few[3] - raw[3]) < abs(at_most[0] - raw[3])
    assert full[3] == pytest.approx(moved(p[:100], p[:100] >= 0.3, fitted)[0].mean(), abs=1e-12)


def test_what_shrinking_leaves_out_counts_as_a_possible_error():
    rng = np.random.default_rng(6)
    p, known = some_scores(2000, rng), some_scores(1000, rng)
    fitted = recalibration(drawn(bent(known), rng), known, known >= 0.3)
    assert 0 < fitted.shrunk < 1
    left_out = abs(moved(p, p >= 0.3, fitted)[0].mean() - estimates(p, p >= 0.3, fitted)[3].value)
    assert estimates(p, p >= 0.3, fitted)[3].standard_error > left_out > 0


def test_an_interval_is_wider_for_the_calibrations_uncertainty_and_narrower_with_more_labels():
    rng = np.random.default_rng(7)
    p = some_scores(500, rng)
    errors = []
    for labels in (4_000, 40_000):
        known = some_scores(labels, rng)
        found = estimates(p, p >= 0.3, recalibration(drawn(known, rng), known, known >= 0.3))
        assert (as_numbers(found, "standard_error") > as_numbers(found, "sampling_error")).all()
        errors.append(as_numbers(found, "standard_error") / as_numbers(found, "sampling_error"))
    assert (errors[0] > errors[1]).all()


def test_rows_that_another_model_scored_keep_their_score():
    rng = np.random.default_rng(8)
    p, known = some_scores(1000, rng), some_scores(50_000, rng)
    fitted = recalibration(drawn(bent(known), rng), known, known >= 0.3)
    own = np.arange(1000) < 400
    found = estimates(p, p >= 0.3, fitted, own=own)[3]
    assert found.value == pytest.approx(
        (moved(p[:400], p[:400] >= 0.3, fitted)[0].sum() + p[400:].sum()) / 1000, abs=1e-12
    )
    assert estimates(p, p >= 0.3, fitted, own=~own | own) == estimates(p, p >= 0.3, fitted)
    assert estimates(p, p >= 0.3, fitted, own=own & ~own)[3].value == pytest.approx(p.mean(), abs=1e-12)


def test_a_few_outcomes_or_one_kind_of_them_are_not_fitted_on():
    p, y = np.linspace(0.1, 0.9, 400), np.zeros(400, dtype=int)
    assert recalibration(y, p, p >= 0.5) is None
    y[-39:] = 1
    assert recalibration(y, p, p >= 0.5) is None
    y[-40:] = 1  # a cut-off separates them: the prior keeps the fit finite
    fitted = recalibration(y, p, p >= 0.5)
    assert np.abs(fitted.coefficients).max() < 5
    assert np.isfinite(fitted.covariance).all()
    assert recalibration(1 - y, p, p >= 0.5) is not None


def test_decisions_that_are_all_the_same_and_scores_too_still_have_a_fit():
    y, nobody = np.arange(400) % 3 == 0, np.zeros(400)
    for p in (np.linspace(0.1, 0.9, 400), np.full(400, 0.2)):
        fitted = recalibration(y, p, nobody)
        assert np.isfinite(fitted.covariance).all()
        assert moved(p, nobody, fitted)[0].mean() == pytest.approx(1 / 3, abs=0.005)


HALF = np.full(100, 0.5)


@pytest.mark.parametrize(
    ("p", "decision", "silent", "reason"),
    [
        pytest.param([], [], METRICS, "no rows", id="nobody"),
        pytest.param([0.01] * 50, [0] * 50, METRICS, "0.5 outcomes are in doubt", id="too few outcomes in doubt"),
        pytest.param(np.r_[HALF, HALF], np.ones(200), ("auc", "brier"), "", id="one score"),
        pytest.param(np.tile([0.2, 0.4], 50), np.zeros(100), ("f1",), "no row was called bad", id="nobody called bad"),
    ],
)
def test_what_cannot_be_estimated_is_none_with_a_reason(p, decision, silent, reason):
    found = estimates(p, decision)
    assert tuple(estimate.metric for estimate in found) == METRICS
    assert tuple(estimate.metric for estimate in found if estimate.value is None) == silent
    assert all((estimate.reason is None) is (estimate.value is not None) for estimate in found)
    assert all(reason in estimate.reason for estimate in found if estimate.value is None)


@pytest.mark.parametrize(
    ("p", "decision", "more", "said"),
    [
        pytest.param([0.5, 1.2], [0, 1], {}, "probabilities", id="a score above one"),
        pytest.param([0.5, np.nan], [0, 1], {}, "probabilities", id="a score that is missing"),
        pytest.param([0.5, 0.2], [0, 2], {}, "decision", id="a decision that is neither"),
        pytest.param([0.5, 0.2], [0], {}, "decision", id="a decision too few"),
        pytest.param([0.5, 0.2], [0, 1], {"own": [True]}, "own", id="own too short"),
        pytest.param([0.5, 0.2], [0, 1], {"level": 1.0}, "level", id="certainty"),
    ],
)
def test_bad_input_is_refused(p, decision, more, said):
    with pytest.raises(ValueError, match=said):
        estimates(p, decision, **more)


@given(
    st.lists(st.tuples(st.integers(0, 20).map(lambda k: k / 20), st.integers(0, 1)), min_size=1, max_size=120),
    st.booleans(),
)
@settings(deadline=None)
def test_every_estimate_is_a_finite_number_in_its_interval_or_a_reason(rows, recalibrated):
    p, decision = (np.array(column) for column in zip(*rows, strict=True))
    known = np.linspace(0, 1, 200)
    fitted = recalibration(np.arange(200) % 3 == 0, known, known >= 0.5) if recalibrated else None
    for estimate in estimates(p, decision, fitted):
        json.dumps(estimate.to_json(), allow_nan=False)
        if estimate.value is None:
            assert estimate.reason
        else:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
            assert estimate.standard_error > 0


# --- its record -------------------------------------------------------------------------------------------------


def an_estimate(*, metric="auc", value=0.7, error=0.02, chance=0.02, level=0.9):
    half = 1.6449 * error
    return Estimate(
        metric=metric,
        value=value,
        low=value - half,
        high=value + half,
        level=level,
        standard_error=error,
        sampling_error=chance,
        rows=1000,
        labels=5000,
    )


def record(*errors, **changes):
    """Checks that were off by so many standard errors, oldest first."""
    made = an_estimate(**changes)
    ends = (START + timedelta(days=30 * number) for number in range(len(errors)))
    return [
        Checked(end=end, estimate=made, realised=made.value + error * made.standard_error)
        for end, error in zip(ends, errors, strict=True)
    ]


@pytest.mark.parametrize(
    ("errors", "trusted", "why"),
    [
        pytest.param([], False, "no past estimate could be checked yet", id="no record"),
        pytest.param([0.1], False, "1 past estimate checked so far, trust takes 4", id="one check"),
        pytest.param([0.1, -0.3, 1.0], False, "3 past estimates checked so far, trust takes 4", id="three"),
        pytest.param([0.1, -0.3, 1.0, 0.2], True, "0 of 4 past estimates missed, as promised", id="four good ones"),
        pytest.param([0.1, -1.8, 1.0, 0.2], True, "1 of 4 past estimates missed, as promised", id="one miss"),
        pytest.param([1.8, 0.0, -1.8, 0.3, 1.8], False, "3 of 5 past estimates missed", id="three of five missed"),
        pytest.param([0.1, 0.3, 0.2, -0.1, 5.0], False, "too low by 5.0 standard errors", id="the newest far off"),
        pytest.param([0, 0, 0, -9, 0.1, 0.1], False, "2 of 4 new checks that regain trust", id="lost, two since"),
        pytest.param([9, 0.1, -0.1, 0.1, 0.3], True, "since trust was lost", id="lost and regained"),
        pytest.param([1.4] * 4, False, "the last 3 estimates were too low", id="one-sided, none missed"),
        pytest.param([-1.3] * 4, False, "the last 4 estimates were too high", id="one-sided the other way"),
    ],
)
def test_trust_takes_a_record_is_lost_by_it_and_regained_by_it(errors, trusted, why):
    verdict = trust("auc", record(*errors))
    assert verdict.trusted is trusted
    assert why in verdict.reason
    assert verdict.checked == len(errors)


def test_errors_that_a_shared_calibration_explains_count_once():
    apart, together = record(*[1.3] * 4), record(*[1.3] * 4, chance=0.01)
    assert not trust("auc", apart).trusted
    assert trust("auc", together).trusted


def test_the_first_possible_check_is_named():
    said = trust("auc", [], first_possible=datetime(2007, 1, 1, tzinfo=UTC)).reason
    assert said == "no past estimate could be checked yet: first possible 2007-01-01"


standardised = st.floats(-4, 4).map(lambda error: round(error, 2))


@given(st.lists(standardised, max_size=10), st.randoms())
def test_trust_has_four_checks_behind_it_that_do_not_speak_against_it(errors, random):
    checks = record(*errors)
    verdict = trust("auc", checks)
    limit = 2.4
    if verdict.trusted:
        assert len(errors) >= MIN_CHECKS
        assert all(abs(error) < limit for error in errors[-MIN_CHECKS:])
        assert verdict.since >= MIN_CHECKS
    random.shuffle(checks)
    assert trust("auc", checks) == verdict


@given(st.lists(standardised, max_size=8), st.floats(2.5, 9), st.sampled_from([-1, 1]))
def test_one_estimate_that_is_far_off_always_ends_trust_and_three_good_ones_do_not_bring_it_back(errors, far, side):
    for since in range(MIN_CHECKS):
        assert not trust("auc", record(*errors, side * far, *[0.1] * since)).trusted
    assert trust("auc", record(*errors, side * far, *[0.1] * MIN_CHECKS)).trusted


def trusted_share(shift, checks, *, seed=1, walks=2000):
    rng = np.random.default_rng(seed)
    return np.mean([trust("auc", record(*rng.normal(shift, 1, size=checks))).trusted for _ in range(walks)])


@pytest.mark.parametrize("checks", [4, 8])
def test_an_estimate_that_keeps_its_promise_is_trusted_nine_times_in_ten(checks):
    assert 0.89 < trusted_share(0, checks) < 0.94


def test_an_estimate_off_by_twice_its_error_is_trusted_once_in_27_and_by_thrice_never():
    assert 0.02 < trusted_share(2, MIN_CHECKS) < 0.055
    assert trusted_share(3, MIN_CHECKS) < 0.002


def test_the_tests_share_one_budget_of_false_alarms():
    assert estimate_track.FALSE_ALARM == 0.05
    assert chance_of_misses(3, 6, rate=0.1) <= 0.05 / 3 < chance_of_misses(2, 3, rate=0.1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: trust("f1", record(0.1)), id="a check of another metric"),
        pytest.param(lambda: trust("auc", record(0.1) * 2), id="the same window twice"),
        pytest.param(lambda: trust("auc", [*record(0.1), *record(0, 0, level=0.8)[1:]]), id="two levels"),
        pytest.param(lambda: record(float("nan")), id="what came true is no number"),
        pytest.param(lambda: record(99), id="what came true is no share"),
        pytest.param(lambda: Checked(end=START.replace(tzinfo=None), estimate=an_estimate(), realised=0.5), id="naive"),
        pytest.param(lambda: Checked(end=START, estimate=estimates([], [])[0], realised=0.5), id="no value to check"),
        pytest.param(lambda: an_estimate(error=0.0), id="certainty"),
        pytest.param(lambda: an_estimate(metric="accuracy"), id="a metric that is none of ours"),
        pytest.param(lambda: an_estimate(value=float("nan")), id="a value that is no number"),
        pytest.param(lambda: an_estimate(chance=0.03), id="more chance than error"),
        pytest.param(
            lambda: Trust(metric="auc", trusted=True, reason="", checked=3, missed=0, since=3), id="trust on three"
        ),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_a_planted_concept_change_ends_trust_in_what_it_moves_and_new_labels_bring_it_back():
    """The odds of bad double from the 9th of 24 windows on; outcomes are known two windows late."""
    rng, rows, checks, said = np.random.default_rng(9), 1000, [], []
    scores = [some_scores(rows, rng) for _ in range(24)]
    outcomes = [drawn(expit(logit(p) + np.log(2) * (number >= 8)), rng) for number, p in enumerate(scores)]
    for number, p in enumerate(scores):
        known = slice(max(0, number - 10), max(0, number - 1))
        labelled = np.concatenate([*scores[known], []])
        fitted = None
        if len(labelled):
            fitted = recalibration(np.concatenate(outcomes[known]), labelled, labelled >= 0.3)
        found = estimates(p, p >= 0.3, fitted)[3]
        verdict = trust("default_rate", checks[: max(0, number - 1)][-8:])
        said.append(verdict.trusted)
        true = realised(outcomes[number], p, p >= 0.3)["default_rate"]
        checks.append(Checked(end=START + timedelta(days=number), estimate=found, realised=true))
    assert said[6:10] == [True] * 4  # what nobody can know yet
    assert not any(said[10:14])
    assert any(said[14:])
    assert isinstance(fitted, Recalibration)
