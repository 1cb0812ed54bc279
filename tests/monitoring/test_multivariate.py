"""How features go together: a flipped coupling is seen, margins that move are not taken for one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from monitoring.joint_coding import matched, prepare_joint
from monitoring.joint_null import main_effects, redrawn_sums, tail_p
from monitoring.multivariate import FLOOR_D, joint_drift
from monitoring.values import State

ROOT = Path(__file__).resolve().parents[2]
CREDIT = ROOT.parent / "shared" / "data" / "give_me_some_credit.parquet"
needs_credit = pytest.mark.skipif(
    not CREDIT.exists(), reason=f"the licence of Give Me Some Credit forbids us to ship it: put it at {CREDIT.name}"
)
LEVEL = 0.01


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads on a busy machine wait for each other."""
    with threadpool_limits(1, user_api="blas"):
        yield


def applicants(n, *, seed, rho=0.5):
    """Income and age go together; half of incomes are whole thousands; most have no arrears; car owners earn more."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    age = 40 + 10 * (rho**0.5 * common + (1 - rho) ** 0.5 * rng.normal(size=n))
    income = np.exp(8 + 0.5 * (rho**0.5 * common + (1 - rho) ** 0.5 * rng.normal(size=n)))
    return pd.DataFrame(
        {
            "age": age,
            "income": np.where(rng.random(n) < 0.5, np.round(income, -3), income),
            "arrears": rng.poisson(0.1, size=n),
            "utilisation": np.where(rng.random(n) < 0.05, np.nan, rng.beta(0.5, 2, size=n)),
            "car": np.where(common + rng.normal(size=n) > 0.5, "yes", "no"),
            "region": rng.choice(["north", "south", "east", "west", "isle"], p=[0.4, 0.3, 0.2, 0.09, 0.01], size=n),
        }
    )


KINDS = {
    **dict.fromkeys(("age", "income", "arrears", "utilisation"), "numeric"),
    **dict.fromkeys(("car", "region"), "categorical"),
}
REFERENCE = prepare_joint(applicants(6000, seed=1), KINDS)


def judged(window, *, prepared=REFERENCE, level=LEVEL, seed=1, permutations=200):
    return joint_drift(prepared, window, level=level, seed=seed, permutations=permutations)


def upside_down(window, feature):
    """Every value of a feature given to the row of the opposite rank: the same values, all couplings turned over."""
    turned = window.copy()
    present = np.flatnonzero(window[feature].notna())
    order = present[np.argsort(window[feature].to_numpy()[present], kind="stable")]
    column = window[feature].to_numpy().copy()
    column[order] = window[feature].to_numpy()[order[::-1]]
    turned[feature] = column
    return turned


# --- what it must see --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [500, 2000])
def test_a_coupling_turned_over_with_every_margin_as_it_was_is_drift(rows):
    window = applicants(rows, seed=2)
    turned = upside_down(window, "income")
    assert sorted(turned["income"]) == sorted(window["income"])
    found = judged(turned, level=1e-6)
    assert found.state is State.DRIFT and found.distance_d > 0.5 and found.auc_interval[0] > 0.556
    pair = next(pair for pair in found.pairs if {pair.first, pair.second} == {"age", "income"})
    assert pair.reference == pytest.approx(0.48, abs=0.04) and pair.window == pytest.approx(-0.48, abs=0.1)
    assert (pair.reference_rows, pair.window_rows) == (6000, rows)
    assert pair.window_interval[0] < pair.window < pair.window_interval[1] < pair.reference_interval[0]


def test_a_category_that_no_longer_goes_with_a_number_is_drift_and_is_named():
    window = applicants(2000, seed=2)
    window["car"] = np.random.default_rng(3).permutation(window["car"])
    found = judged(window, level=1e-6)
    assert found.state is State.DRIFT
    assert {found.pairs[0].first, found.pairs[0].second} <= {"car", "age", "income"}
    assert "car" in (found.pairs[0].first, found.pairs[0].second)
    assert found.pairs[0].second_score in ("is yes", "is no")


def test_gaps_that_begin_to_depend_on_another_feature_are_drift_though_no_more_values_are_missing():
    window = applicants(2000, seed=2)
    gaps = int(window["utilisation"].isna().sum())
    window["utilisation"] = window["utilisation"].fillna(0.2)
    window.loc[window["income"].nsmallest(gaps).index, "utilisation"] = np.nan
    found = judged(window)
    assert found.state is State.DRIFT
    assert {found.pairs[0].first_score, found.pairs[0].second_score} == {"rank", "missing"}


# --- what it must not take for drift -------------------------------------------------------------------------------


def test_windows_without_drift_are_calm():
    found = [judged(applicants(500, seed=100 + k), seed=k) for k in range(40)]
    assert {one.state for one in found} == {State.OK}
    assert sum(one.p_value <= 0.05 for one in found) <= 6  # 7 or more: 1 in 300 at exactly 5 %
    assert sum(one.p_value <= 0.5 for one in found) >= 5  # and the p-value is alive
    assert max(one.distance_d for one in found) < FLOOR_D
    counted = [one.p_value * 201 for one in found if 0.1 < one.p_value < 1]
    assert counted and all(round(count) % 2 == 0 for count in counted)  # two statistics were tried: twice the smaller p


def times(feature, factor):
    return lambda rows, rng: rows.assign(**{feature: rows[feature] * factor})


def drawn_by(weight):
    return lambda rows, rng: rows.sample(2000, weights=weight(rows), random_state=5)


@pytest.mark.parametrize(
    "move",
    [
        pytest.param(times("income", 1000.0), id="unit error"),
        pytest.param(times("utilisation", 1.5), id="another scale"),
        pytest.param(lambda rows, rng: rows.assign(age=rows["age"] ** 3), id="another scale that is not linear"),
        pytest.param(lambda rows, rng: rows.assign(arrears=rows["arrears"] + 1), id="counts start at one"),
        pytest.param(lambda rows, rng: rows.assign(income=rows["income"].clip(upper=3000)), id="a cap"),
        pytest.param(lambda rows, rng: rows.assign(income=rows["income"].round(-3)), id="rounding"),
        pytest.param(drawn_by(lambda rows: np.exp(-rows["age"] / 8)), id="younger applicants"),
        pytest.param(drawn_by(lambda rows: 1.0 * (rows["age"] < 38)), id="young applicants only"),
        pytest.param(drawn_by(lambda rows: 1.0 + 9 * (rows["arrears"] > 0)), id="more in arrears"),
        pytest.param(drawn_by(lambda rows: 1.0 + 9 * (rows["car"] == "yes")), id="more with a car"),
        pytest.param(
            drawn_by(lambda rows: (1.0 + 9 * (rows["car"] == "yes")) * np.exp(-rows["age"] / 8)), id="two at once"
        ),
        pytest.param(
            lambda rows, rng: rows.assign(arrears=rows["arrears"].where(rng.random(len(rows)) < 0.7)), id="new gaps"
        ),
        pytest.param(
            lambda rows, rng: rows.assign(region=rows["region"].where(rng.random(len(rows)) < 0.7, "abroad")),
            id="a category never seen",
        ),
    ],
)
def test_a_margin_that_moves_alone_is_not_multivariate_drift(move):
    window = move(applicants(40_000, seed=2), np.random.default_rng(4)).head(2000)
    found = judged(window)
    assert found.state is State.OK, found
    assert found.p_value > LEVEL


def test_a_coupling_turned_over_is_seen_although_a_margin_moves_too():
    window = upside_down(applicants(2000, seed=2), "income")
    window["income"] *= 1.3
    assert judged(window, level=1e-6).state is State.DRIFT


def test_a_change_below_the_floor_is_no_drift_however_sure():
    window = pd.concat([upside_down(applicants(600, seed=3), "income"), applicants(4400, seed=2)])
    found = judged(window)
    assert found.p_value <= LEVEL and found.distance_d < FLOOR_D and found.state is State.OK


def test_a_large_distance_above_the_level_is_no_drift():
    turned = upside_down(applicants(300, seed=2), "income")
    found = judged(turned)
    assert found.state is State.DRIFT
    unsure = judged(turned, level=found.p_value / 2)
    assert unsure.distance_d > FLOOR_D and unsure.state is State.OK


# --- what cannot be judged -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param({"age": np.inf}, "window holds infinite values", id="infinite"),
        pytest.param({"age": np.nan}, "window has 0 values, need 1", id="all missing"),
        pytest.param({"age": "old"}, "window holds values that are not numbers", id="text"),
        pytest.param({"age": 1e9}, "its own distribution overlaps by 0.10 only, need 0.2", id="constant, elsewhere"),
        pytest.param(None, "window has no columns of this name", id="absent"),
    ],
)
def test_a_feature_that_cannot_be_compared_is_left_out_and_named_and_the_rest_is_judged(spoil, reason):
    window = applicants(500, seed=2)
    window = window.drop(columns="age") if spoil is None else window.assign(**spoil)
    found = judged(window)
    assert found.left_out == (("age", reason),)
    assert found.features == ("income", "arrears", "utilisation", "car", "region") and found.state is State.OK


def test_a_feature_that_the_reference_cannot_be_cut_by_is_left_out_and_named():
    frame = applicants(500, seed=1).assign(one=1.0, none=np.nan, endless=np.inf, same="x")
    kinds = KINDS | {
        "one": "numeric",
        "none": "numeric",
        "endless": "numeric",
        "same": "categorical",
        "gone": "numeric",
    }
    prepared = prepare_joint(frame, kinds)
    assert dict(prepared.left_out) == {
        "one": "reference holds one value only",
        "none": "reference has 0 values, need 1",
        "endless": "reference holds infinite values",
        "same": "reference holds one value only",
        "gone": "reference has no columns of this name",
    }
    assert judged(applicants(500, seed=2), prepared=prepared).features == tuple(KINDS)


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        pytest.param(0, State.NO_DATA, id="no rows"),
        pytest.param(199, State.TOO_FEW_ROWS, id="one row short"),
        pytest.param(200, State.OK, id="just enough"),
    ],
)
def test_a_window_too_small_is_not_judged(rows, state):
    found = judged(applicants(rows, seed=2))
    assert found.state is state
    assert (found.p_value is None) is (state is not State.OK) and (found.reason is None) is (state is State.OK)


def test_a_reference_too_small_is_no_verdict():
    found = judged(applicants(500, seed=2), prepared=prepare_joint(applicants(150, seed=1), KINDS))
    assert found.state is State.TOO_FEW_ROWS and found.reason == (
        "500 rows in the window, 150 in the reference: need 200 of each"
    )


def test_one_feature_left_is_failed_and_never_calm():
    found = judged(applicants(500, seed=2)[["age"]])
    assert found.state is State.FAILED and found.reason == "1 features can be compared, need two"


def test_features_that_hardly_vary_together_are_failed_and_never_calm():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": 1.0 * (rng.random(6000) < 0.02), "b": 1.0 * (rng.random(6000) < 0.02)})
    prepared = prepare_joint(frame, dict.fromkeys("ab", "numeric"))
    found = judged(frame.head(300), prepared=prepared)
    assert found.state is State.FAILED and "no pair of features varies on 10 rows" in found.reason


def test_drift_by_rank_alone_is_failed_where_no_reference_rows_are_like_the_window():
    """In the top quarter of both age and income there are too few rows to compare with, and calm is not known."""
    reference = applicants(1500, seed=1)
    prepared = prepare_joint(reference, KINDS)

    def lifted(window):
        top = {f: np.quantile(reference[f], 0.75 + 0.25 * window[f].rank(pct=True)) for f in ("age", "income")}
        return window.assign(**top)

    found = judged(lifted(upside_down(applicants(600, seed=2), "income")), prepared=prepared)
    assert found.state is State.FAILED and "rows of the reference are like the window" in found.reason
    assert found.p_value is None and found.pairs == ()
    calm = judged(lifted(applicants(600, seed=2)), prepared=prepared)
    assert calm.state is State.OK  # calm one way is calm


# --- the parts -----------------------------------------------------------------------------------------------------


def test_the_main_effects_give_the_window_its_margins_back():
    rng = np.random.default_rng(1)
    classes = np.eye(4, dtype=np.float32)[rng.integers(0, 3, size=5000)]
    classes[:, -1] = 1
    in_window = rng.random(5000) < np.array([0.05, 0.1, 0.4])[classes[:, :3].argmax(axis=1)]
    chance = main_effects(classes, in_window)
    assert chance @ classes == pytest.approx(in_window @ classes.astype(float), rel=0.01)


def test_classes_that_a_cap_ties_are_joined_on_both_sides_and_the_others_are_kept():
    values = np.random.default_rng(1).normal(size=5000)
    coding = prepare_joint(pd.DataFrame({"x": values}), {"x": "numeric"}).codings["x"]
    before = coding.bins.place(values).astype(np.int16)
    recut, reference, window = matched(np.minimum(values[:1000], np.median(values)), coding, before)
    assert sorted(set(reference)) == sorted(set(window)) == [0, 1, 2, 3, 4, 5]  # five tenths, and one class above
    assert np.bincount(reference) / 5000 == pytest.approx([0.1] * 5 + [0.5], abs=0.01)
    assert recut.scores[5, 0] == pytest.approx(coding.scores[5:10, 0].mean(), abs=0.01)
    same, _, _ = matched(values[:1000], coding, before)
    assert len(same.scores) == len(coding.scores)


def test_redrawn_sums_have_mean_nothing_and_the_spread_of_labels_drawn_by_chance():
    rng = np.random.default_rng(1)
    products, chance = rng.normal(size=(3000, 2)).astype(np.float32), rng.uniform(0.02, 0.5, size=3000)
    sums = redrawn_sums(products, chance, rng, 4000)
    spread = np.sqrt((chance * (1 - chance)) @ products.astype(float) ** 2)
    assert np.abs(sums.mean(axis=0)).max() < 4 * spread.max() / 4000**0.5
    assert sums.std(axis=0) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("truth", [1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("others", [1, 60])
def test_the_tail_errs_towards_no_drift(truth, others):
    """The largest of `others` normal statistics, whose tail is known, against a thousand of them."""
    observed = norm.isf(1 - (1 - truth) ** (1 / others))
    found = [tail_p(observed, np.random.default_rng(k).normal(size=(999, others)).max(axis=1)) for k in range(100)]
    assert np.mean(np.array(found) < truth) <= 0.1
    if others == 60:  # as many as there are products: still worth having
        assert np.median(found) < 100 * truth


@given(st.integers(0, 2**32 - 1), st.floats(-10, 60), st.floats(0, 10))
@settings(deadline=None, max_examples=60)
def test_a_larger_statistic_never_has_a_larger_p_value_by_more_than_counting_to_tail(seed, observed, more):
    redrawn = np.random.default_rng(seed).gamma(3.0, size=300)
    one, other = tail_p(observed, redrawn), tail_p(observed + more, redrawn)
    assert 0 < other <= one <= 1


def test_a_p_value_is_never_zero_and_counts_where_it_can():
    redrawn = np.arange(1000.0)
    assert tail_p(1e9, redrawn) > 0
    assert tail_p(900.0, redrawn) == 101 / 1001
    assert tail_p(5.0, np.zeros(1000)) == 1 / 1001  # no spread, no tail: what counting shows


def test_the_same_seed_gives_the_same_value_and_it_can_be_written():
    window = upside_down(applicants(500, seed=2), "income")
    found = judged(window, seed=7)
    assert judged(window, seed=7) == found
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert written["state"] == "drift" and written["pairs"][0]["window_rows"] > 0 and written["schema_version"] == 1


def test_neither_frame_is_changed():
    window, reference = applicants(500, seed=2), applicants(900, seed=1)
    kept = window.copy(), reference.copy()
    judged(window, prepared=prepare_joint(reference, KINDS))
    pd.testing.assert_frame_equal(window, kept[0])
    pd.testing.assert_frame_equal(reference, kept[1])


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        pytest.param({"level": 0.0}, "level must be in", id="level 0"),
        pytest.param({"level": 1.0}, "level must be in", id="level 1"),
        pytest.param({"permutations": 199}, "permutations must be >= 200", id="too few permutations"),
    ],
)
def test_settings_out_of_range_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        judged(applicants(300, seed=2), **settings_)


def test_no_feature_to_judge_is_refused():
    with pytest.raises(ValueError, match="kinds is empty"):
        prepare_joint(applicants(300, seed=1), {})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": State.DRIFT}, id="drift without the evidence"),
        pytest.param({"state": State.FAILED, "reason": "x"}, id="failed with a p-value"),
        pytest.param({"p_value": None}, id="calm without a p-value"),
        pytest.param({"p_value": 0.0}, id="a p-value of zero"),
        pytest.param({"distance_d": float("nan")}, id="no number"),
    ],
)
def test_a_verdict_that_contradicts_its_numbers_is_refused(changes):
    found = judged(applicants(300, seed=2))
    with pytest.raises(ValueError):
        replace(found, **changes)


# --- real applicants -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def credit():
    rows = pd.read_parquet(CREDIT).drop(columns=["id", "SeriousDlqin2yrs"]).sample(frac=1, random_state=1)
    return rows.head(8000), rows.iloc[8000:].reset_index(drop=True)


@needs_credit
def test_on_real_applicants_a_coupling_turned_over_is_seen_and_chance_is_not(credit):
    reference, rest = credit
    prepared = prepare_joint(reference, dict.fromkeys(reference.columns, "numeric"))
    calm = [judged(rest.iloc[k * 500 : (k + 1) * 500], prepared=prepared, seed=k) for k in range(20)]
    assert {one.state for one in calm} == {State.OK} and sum(one.p_value <= 0.05 for one in calm) <= 4
    turned = judged(upside_down(rest.head(500), "MonthlyIncome"), prepared=prepared, level=1e-6)
    assert turned.state is State.DRIFT and "MonthlyIncome" in (turned.pairs[0].first, turned.pairs[0].second)


@needs_credit
def test_on_real_applicants_a_margin_that_moves_alone_is_no_multivariate_drift(credit):
    reference, rest = credit
    prepared = prepare_joint(reference, dict.fromkeys(reference.columns, "numeric"))
    young = rest[rest["age"] < 35].head(1000)
    capped = rest.head(1000).assign(DebtRatio=rest.head(1000)["DebtRatio"].clip(upper=0.5))
    for window in (young, capped):
        assert judged(window, prepared=prepared).state is State.OK
