"""A scenario changes what it says, as much as it says, and nothing else; chance comes from the seed alone."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.informative import informative, part_of, spearman
from monitoring.scenarios import SCENARIOS, apply, describe, named

KINDS = {"income": "numeric", "age": "numeric", "state": "categorical", "noise": "categorical"}
N = 4000
by_name = pytest.mark.parametrize("name", list(SCENARIOS))
SEEDLESS = {"none", "scale", "location"}  # nothing is drawn
REPLACING = {"mix", "base-rate", "seasonality"}


def loans(n=N, *, seed=3):
    """Income and age go together, low income goes bad; every row has a tag, so that it can be followed."""
    rng = np.random.default_rng(seed)
    age = rng.normal(45, 12, n).round()
    income = np.exp(rng.normal(8, 0.5, n) + (age - 45) / 40).round(2)
    bad = rng.random(n) < 1 / (1 + np.exp(1 + (np.log(income) - 8) * 2))
    frame = pd.DataFrame(
        {
            "application_id": [f"a{i}" for i in range(n)],
            "event_time": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 4, unit="h"),
            "income": np.where(rng.random(n) < 0.1, np.nan, income),
            "age": age,
            "state": np.where(rng.random(n) < 0.05, None, rng.choice(["CA", "NY", "TX"], n, p=[0.5, 0.3, 0.2])),
            "noise": rng.integers(0, 400, n).astype(str),
            "y": np.where(rng.random(n) < 0.2, np.nan, bad),
            "tag": np.arange(n),
        }
    )
    return frame.set_axis(np.arange(n) * 3 + 5)


LOANS = loans()


def done(name, rows=LOANS, *, seed=7, **asked):
    return apply(name, rows, KINDS, rng=np.random.default_rng(seed), **asked)


def differs(before, after):
    """Rows in which a column differs, two missing values being the same."""
    return (before != after) & ~(before.isna() & after.isna())


# --- every scenario ------------------------------------------------------------------------------------------------


@by_name
def test_the_input_is_left_alone(name):
    before = LOANS.copy(deep=True)
    done(name)
    pd.testing.assert_frame_equal(LOANS, before)


@by_name
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(name):
    first, again, other = done(name), done(name), done(name, seed=8)
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert (first.log, first.touched, first.features) == (again.log, again.touched, again.features)
    assert first.rows.equals(other.rows) is (name in SEEDLESS)


@by_name
def test_strength_nothing_changes_nothing(name):
    same = done(name, strength=0)
    pd.testing.assert_frame_equal(same.rows, LOANS)
    assert same.touched == 0
    assert "nothing changed" in same.log


@by_name
def test_every_place_keeps_its_id_its_time_and_its_index(name):
    rows = done(name).rows
    assert rows.index.equals(LOANS.index)
    assert list(rows.columns) == list(LOANS.columns)
    pd.testing.assert_frame_equal(rows[["application_id", "event_time"]], LOANS[["application_id", "event_time"]])


@by_name
def test_the_log_counts_the_rows_that_changed(name):
    found = done(name)
    if name in REPLACING:
        changed = found.rows["tag"] != LOANS["tag"]
    else:
        changed = pd.concat([differs(LOANS[column], found.rows[column]) for column in LOANS], axis=1).any(axis=1)
    assert found.touched == changed.sum()
    assert found.touched > 0 or name == "none"
    if name != "none":
        assert f"{found.touched:,} of {N:,} rows touched" in found.log
        assert found.log.startswith(f"{name}: ")


@by_name
def test_no_more_than_the_named_columns_change(name):
    found = done(name)
    allowed = {*found.features, *(["y"] if name == "concept" else [])}
    if name in REPLACING:  # whole rows: whatever a tag was with, it is with
        found_by_tag = LOANS.set_index("tag").loc[found.rows["tag"]].drop(columns=["application_id", "event_time"])
        moved = found.rows.set_index("tag").drop(columns=["application_id", "event_time"])
        pd.testing.assert_frame_equal(moved, found_by_tag)
    else:
        changed = {column for column in LOANS if differs(LOANS[column], found.rows[column]).any()}
        assert changed <= allowed
        if name == "concept":
            assert changed == {"y"}


@by_name
def test_every_scenario_says_what_it_does(name):
    text = describe()[name]
    assert text.startswith(SCENARIOS[name].summary)
    assert ("Strength: " in text) is (name != "none")
    assert named(name) is SCENARIOS[name]


# --- each one ------------------------------------------------------------------------------------------------------


def test_scale_multiplies_and_leaves_the_missing_missing():
    rows = done("scale", feature="income", strength=0.5).rows
    np.testing.assert_allclose(rows["income"], LOANS["income"] * 1.5)


def test_location_moves_by_standard_deviations_of_what_is_present():
    rows = done("location", feature="income", strength=-0.3).rows
    np.testing.assert_allclose(rows["income"], LOANS["income"] - 0.3 * LOANS["income"].std(ddof=0))


@pytest.mark.parametrize("feature", ["income", "state"])
@pytest.mark.parametrize("strength", [0.2, -0.2])
def test_mix_reaches_its_share_with_rows_from_the_right_side(feature, strength):
    found = done("mix", feature=feature, strength=strength)
    before, _ = part_of(LOANS, feature, KINDS[feature])
    members = pd.Series(before, index=LOANS["tag"].to_numpy()).loc[found.rows["tag"]].to_numpy()
    assert members.mean() == pytest.approx(before.mean() + strength, abs=1 / N)
    shrunk = ~members if strength > 0 else members
    assert found.rows.loc[shrunk, "tag"].is_unique  # who is left was there before, nobody twice


def test_mix_keeps_what_is_conditional_on_the_part():
    big = loans(40_000)
    found = done("mix", big, feature="state", strength=0.3)
    for inside in (True, False):
        was, now = (frame[(frame["state"] == "NY") == inside] for frame in (big, found.rows))
        error = was["age"].std() * np.sqrt(2 / len(now))
        assert abs(now["age"].mean() - was["age"].mean()) < 4 * error
        assert abs(now["y"].mean() - was["y"].mean()) < 4 * np.sqrt(0.25 * 2 / len(now))


@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_base_rate_moves_the_bad_share_and_not_how_good_and_bad_look(strength):
    big = loans(40_000)
    rows = done("base-rate", big, strength=strength).rows
    assert rows["y"].mean() == pytest.approx(big["y"].mean() * (1 + strength), abs=1 / big["y"].notna().sum())
    for outcome in (0, 1):
        was, now = (np.log(frame.loc[frame["y"] == outcome, "income"].dropna()) for frame in (big, rows))
        assert abs(now.mean() - was.mean()) < 4 * was.std() * np.sqrt(1 / len(now) + 1 / len(was))
    assert np.log(rows["income"]).mean() != pytest.approx(np.log(big["income"]).mean(), abs=0.01)  # P(x) does move


def test_rows_whose_outcome_is_not_known_are_no_part_of_base_rate_or_concept():
    unknown = LOANS["y"].isna()
    for name in ("base-rate", "concept"):
        rows = done(name).rows
        assert rows.loc[unknown, "y"].isna().all()
        assert rows.loc[~unknown, "y"].notna().all()


def test_concept_shifts_the_log_odds_of_the_safer_side_and_ranking_suffers():
    found = done("concept", feature="income", strength=1.0)
    upper, _ = part_of(LOANS, "income", "numeric")
    known = LOANS["y"].notna().to_numpy()
    was, now = (frame.loc[upper & known, "y"].mean() for frame in (LOANS, found.rows))
    assert np.log(now / (1 - now)) - np.log(was / (1 - was)) == pytest.approx(1, abs=0.01)
    assert (LOANS.loc[~upper & known, "y"] == found.rows.loc[~upper & known, "y"]).all()
    assert informative(found.rows, KINDS)["income"] < informative(LOANS, KINDS)["income"] - 0.1


def test_concept_can_turn_bad_outcomes_good():
    found = done("concept", feature="income", strength=-1.0)
    changed = differs(LOANS["y"], found.rows["y"])
    assert changed.sum() == found.touched > 0
    assert (LOANS.loc[changed, "y"] == 1).all()
    assert "turned good" in found.log


def test_outcomes_keep_their_type():
    whole = LOANS.dropna(subset=["y"]).astype({"y": "int64"})
    assert done("concept", whole).rows["y"].dtype == "int64"


def test_missing_feed_takes_its_share_of_what_is_there():
    found = done("missing-feed", feature="income", strength=0.25)
    assert found.touched == round(0.25 * LOANS["income"].notna().sum())
    assert found.rows["income"].isna().sum() == LOANS["income"].isna().sum() + found.touched
    kept = found.rows["income"].notna()
    assert (found.rows.loc[kept, "income"] == LOANS.loc[kept, "income"]).all()


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(["a", "NEW", "b", None], id="text, with the code taken"),
        pytest.param([1, 2, 3, 3], id="numbers"),
        pytest.param([1.0, 2.0, None, 3.0], id="numbers with a gap"),
        pytest.param(pd.Categorical(["a", "b", "a", None]), id="a pandas category"),
    ],
)
def test_a_new_category_was_never_there(column):
    rows = pd.DataFrame({"code": column})
    found = apply("new-category", rows, {"code": "categorical"}, strength=0.5, rng=np.random.default_rng(1))
    fresh = ~found.rows["code"].isin(rows["code"].dropna().unique()) & found.rows["code"].notna()
    assert fresh.sum() == found.touched == 2
    assert found.rows["code"][fresh].nunique() == 1


def test_a_unit_error_is_a_thousandfold_in_its_share_of_values():
    rows = LOANS.assign(age=LOANS["age"].where(LOANS.index % 2 == 0, 0))
    found = done("unit-error", rows, feature="age", strength=0.2)
    changed = differs(rows["age"], found.rows["age"])
    assert changed.sum() == found.touched == round(0.2 * (rows["age"] != 0).sum())
    assert (found.rows.loc[changed, "age"] == rows.loc[changed, "age"] * 1000).all()


def test_correlation_turns_the_sign_and_no_margin():
    found = done("correlation", feature="income,age", strength=1)
    for column in KINDS:
        assert sorted(LOANS[column].dropna()) == sorted(found.rows[column].dropna())
        assert (LOANS[column].isna() == found.rows[column].isna()).all()
    was, now = (spearman(frame["income"], frame["age"]) for frame in (LOANS, found.rows))
    assert was > 0.4
    assert now == pytest.approx(-was, abs=0.01)


def test_half_a_correlation_is_in_between():
    rows = done("correlation", feature="income,age", strength=0.5).rows
    assert abs(spearman(rows["income"], rows["age"])) < 0.1


def test_correlation_finds_the_partner_that_goes_along():
    rows = LOANS.assign(other=np.random.default_rng(1).normal(size=N))
    kinds = {"income": "numeric", "other": "numeric", "age": "numeric"}
    for asked in (None, "income"):
        found = apply("correlation", rows, kinds, feature=asked, rng=np.random.default_rng(1))
        assert found.features == ("income", "age")


@given(
    values=st.lists(st.tuples(*[st.none() | st.integers(-3, 3).map(float)] * 2), min_size=1, max_size=30),
    strength=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_correlation_never_touches_a_margin_whatever_the_ties_and_gaps(values, strength, seed):
    rows = pd.DataFrame(values, columns=["a", "b"], dtype=float)
    kinds = {"a": "numeric", "b": "numeric"}
    found = apply("correlation", rows, kinds, feature="a,b", strength=strength, rng=np.random.default_rng(seed))
    assert found.rows["a"].equals(rows["a"])
    assert sorted(found.rows["b"].dropna()) == sorted(rows["b"].dropna())
    assert (found.rows["b"].isna() == rows["b"].isna()).all()


@given(strength=st.floats(-1, 1), seed=st.integers(0, 99))
def test_mix_touches_as_few_rows_as_the_share_needs_or_refuses(strength, seed):
    rows = LOANS.head(200)
    inside, _ = part_of(rows, "state", "categorical")
    due = inside.mean() + strength
    if not 0 <= due <= 1:
        with pytest.raises(ValueError, match="cannot become"):
            done("mix", rows, feature="state", strength=strength, seed=seed)
        return
    found = done("mix", rows, feature="state", strength=strength, seed=seed)
    assert found.touched == abs(round(due * 200) - inside.sum())
    assert (found.rows["state"] == "NY").sum() == round(due * 200) or strength == 0


@pytest.mark.parametrize("feature", ["age", "state"])  # a half, and less than a third: its waves are no higher
def test_seasonality_is_a_wave_of_the_mix_that_leaves_the_mean_alone(feature):
    big = loans(60_000)
    big["event_time"] = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(np.arange(60_000), unit="min")
    rows = done("seasonality", big, feature=feature, strength=0.5, period=timedelta(days=7)).rows
    inside, _ = part_of(big, feature, KINDS[feature])
    member = pd.Series(inside).loc[rows["tag"]].to_numpy()
    week = ((big["event_time"] - big["event_time"].min()) / timedelta(days=7)).to_numpy()
    complete = week < np.floor(week.max())
    share = pd.Series(member[complete]).groupby(np.floor(week[complete] * 8 % 8)).mean()
    centre = np.sin(2 * np.pi * (share.index.to_numpy() + 0.5) / 8)
    amplitude = 0.5 * min(inside.mean(), 1 - inside.mean())
    np.testing.assert_allclose(share, inside.mean() + amplitude * centre, atol=0.03)
    assert member[complete].mean() == pytest.approx(inside.mean(), abs=0.01)


# --- which feature -------------------------------------------------------------------------------------------------


def test_the_most_informative_feature_of_a_fitting_kind_is_taken():
    assert next(iter(informative(LOANS, KINDS))) == "income"
    assert done("scale").features == ("income",)
    assert done("new-category").features == (max(("state", "noise"), key=informative(LOANS, KINDS).get),)
    assert "largest |Gini|" in done("scale").log
    assert "|Gini|" not in done("scale", feature="age").log


def test_rare_categories_do_not_look_informative_by_chance():
    assert informative(LOANS, KINDS)["noise"] < 0.1


def test_a_feature_that_is_mostly_missing_counts_for_little():
    rows = LOANS.assign(income=LOANS["income"].where(LOANS.index % 60 == 5))
    assert informative(rows, KINDS)["income"] < 0.1


@pytest.mark.parametrize("rows", [LOANS.drop(columns="y"), LOANS.assign(y=0.0), LOANS.assign(y=np.nan)])
def test_without_outcomes_the_first_feature_is_taken_and_said(rows):
    found = done("missing-feed", rows)
    assert found.features == ("income",)
    assert "no outcomes to rank by" in found.log


# --- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "says"),
    [
        pytest.param("drift", {}, "no scenario 'drift'; there are none, scale, location", id="no such scenario"),
        pytest.param("scale", {"feature": "wage"}, "'wage': expected one of income, age", id="no such feature"),
        pytest.param("scale", {"feature": "state"}, "expected one of income, age", id="a number is wanted"),
        pytest.param("new-category", {"feature": "age"}, "expected one of state, noise", id="a category is wanted"),
        pytest.param("base-rate", {"feature": "age"}, "expected none", id="no feature is wanted"),
        pytest.param("correlation", {"feature": "age,age"}, "two different ones", id="twice the same"),
        pytest.param("correlation", {"feature": "age,income,age"}, "two different ones", id="three"),
        pytest.param(
            "correlation", {"feature": "age,state"}, "expected one of income, age", id="a pair with a category"
        ),
        pytest.param("missing-feed", {"strength": 1.1}, "expected 0 to 1 (share of its values)", id="more than all"),
        pytest.param("scale", {"strength": -1}, "expected -0.99 to 1000", id="times nothing"),
        pytest.param("none", {"strength": 1}, "expected 0 to 0", id="nothing, but more"),
        pytest.param("scale", {"strength": float("nan")}, "strength must be finite", id="not a number"),
        pytest.param("mix", {"feature": "state", "strength": 0.9}, "cannot become", id="more than everybody"),
        pytest.param("base-rate", {"strength": 99}, "cannot become", id="more bad than rows"),
        pytest.param("seasonality", {"period": timedelta(0)}, "longer than nothing", id="no period"),
        pytest.param("scale", {"rows": LOANS.head(0)}, "at least one row", id="no rows"),
        pytest.param("scale", {"rows": LOANS.drop(columns="age")}, "no column 'age'", id="a column is absent"),
        pytest.param("base-rate", {"rows": LOANS.drop(columns="y")}, "no column 'y'", id="no outcomes"),
        pytest.param("base-rate", {"rows": LOANS.assign(y=0)}, "good and bad outcomes", id="nobody bad"),
        pytest.param("concept", {"rows": LOANS.assign(y=1)}, "good and bad outcomes", id="nobody good"),
        pytest.param("concept", {"rows": LOANS.assign(y=2)}, "expected 1 (bad), 0 (good) or missing", id="no outcome"),
        pytest.param("seasonality", {"rows": LOANS.drop(columns="event_time")}, "no column 'event_time'", id="no time"),
        pytest.param("mix", {"rows": LOANS.assign(age=4), "feature": "age"}, "values that differ", id="one value"),
        pytest.param(
            "location", {"rows": LOANS.assign(age=np.nan), "feature": "age"}, "values that differ", id="no value"
        ),
        pytest.param(
            "mix", {"rows": LOANS.assign(state="CA"), "feature": "state"}, "two categories", id="one category"
        ),
    ],
)
def test_what_cannot_be_gets_one_line(name, asked, says):
    with pytest.raises(ValueError) as refused:
        done(name, **asked)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "kinds"), [("scale", {"state": "categorical"}), ("correlation", {"income": "numeric"})]
)
def test_without_a_fitting_feature_there_is_no_scenario(name, kinds):
    with pytest.raises(ValueError, match="of kind numeric"):
        apply(name, LOANS, kinds, rng=np.random.default_rng(1))


def test_a_feature_whose_upper_half_is_one_value_still_has_two_parts():
    inside, words = part_of(pd.DataFrame({"flag": [0.0, 1.0, 1.0, 1.0]}), "flag", "numeric")
    assert inside.tolist() == [False, True, True, True]
    assert words == "flag 1"
