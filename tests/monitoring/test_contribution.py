"""What moved the score: the champion is asked once; a window is counts."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from monitoring.bins import CategoryBins, NumericBins, category_bins, numeric_bins
from monitoring.columns import categories, numbers
from monitoring.contribution import (
    FeatureDependence,
    PreparedContribution,
    contributions,
    explained,
    prepare_contribution,
)
from pipeline.training.recipes import build

ROOT = Path(__file__).resolve().parents[2]
CREDIT = ROOT.parent / "shared" / "data" / "give_me_some_credit.parquet"
KINDS = {"late": "numeric", "age": "numeric", "home": "categorical"}


def applicants(n=2000, *, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "late": np.where(rng.random(n) < 0.1, np.nan, rng.poisson(0.3, size=n)),
            "age": rng.integers(20, 70, size=n),
            "home": rng.choice(
                np.array(["rent", "own", "other home", None], dtype=object), p=[0.5, 0.3, 0.1, 0.1], size=n
            ),
        }
    )


BINS = {
    "late": NumericBins(edges=(0.5, 1.5)),
    "age": NumericBins(edges=(35.0, 50.0)),
    "home": CategoryBins(categories=("rent", "own")),
}


def additive(rows):
    """A champion without interactions: arrears add, a home of one's own takes away, a gap adds a little."""
    late = rows["late"].astype(float).clip(upper=2).fillna(0.5) * 0.2
    home = rows["home"].map({"rent": 0.1, "own": 0.0}).fillna(0.05).astype(float)
    return 0.2 + late + home


def counted(frame, bins=BINS):
    """A window's counts as the contributions want them: bins, then missing."""
    found = {}
    for feature, cut in bins.items():
        column = numbers(frame[feature]) if isinstance(cut, NumericBins) else categories(frame[feature]).to_numpy()
        present = ~pd.isna(column)
        found[feature] = np.append(cut.count(column[present]), (~present).sum())
    return found


def prepared(score=additive, frame=None, **changes):
    frame = applicants() if frame is None else frame
    return prepare_contribution(score, frame, KINDS, BINS, **({"rows": 300, "seed": 1} | changes))


def of(feature, found):
    (one,) = (item for item in found if item.feature == feature)
    return one


def test_without_interactions_the_parts_are_the_observed_change():
    """Two arrears stand for two and more, and the champion counts no further; a home is one of the bins or none."""
    window = applicants(3000, seed=2)
    window.loc[:1200, "home"] = "rent"
    window.loc[600:1800, "late"] = 1.0
    found = contributions(prepared(), counted(window))
    means = additive(applicants()).mean(), additive(window).mean()
    whole = explained(found, reference_mean=means[0], window_mean=means[1])
    assert whole.observed > 0.03
    assert whole.rest == pytest.approx(0, abs=1e-9)
    assert whole.attributed == pytest.approx(of("late", found).change + of("home", found).change)


def test_a_feature_that_the_champion_ignores_moves_nothing_however_far_it_moves():
    window = applicants(seed=2).assign(age=69)
    found = of("age", contributions(prepared(), counted(window)))
    assert found.change == pytest.approx(0) and found.movement == pytest.approx(0)
    assert found.importance_share == pytest.approx(0)


def test_what_moves_the_score_most_comes_first_with_its_bin_and_the_shares_there():
    window = applicants(seed=2)
    window.loc[:999, "late"] = 3.0
    first, *others = contributions(prepared(), counted(window))
    assert (first.feature, first.leading_bin) == ("late", "1.5 and more")
    assert first.leading_window_share > 0.5 > 0.1 > first.leading_reference_share
    assert [one.movement for one in others] == sorted((one.movement for one in others), reverse=True)
    assert first.change_interval[0] < first.change < first.change_interval[1]


def test_moves_that_cancel_in_the_mean_do_not_cancel_in_the_movement():
    one = FeatureDependence(
        feature="x",
        bins=NumericBins(edges=(1.0, 2.0)),
        reference_counts=(20, 60, 20, 0),
        mean_scores=(0.1, 0.2, 0.3, 0.2),
    )
    found = contributions(PreparedContribution(rows=9, features=(one,)), {"x": np.array([50, 0, 50, 0])})[0]
    assert found.change == pytest.approx(0) and found.movement == pytest.approx(0.06)


def test_a_gap_that_the_reference_never_had_is_attributed_to_missing():
    frame = applicants().fillna({"late": 0.0})
    window = frame.assign(late=frame["late"].where(np.arange(len(frame)) % 2 == 0))
    found = contributions(prepared(frame=frame), counted(window))[0]
    assert (found.feature, found.leading_bin, found.leading_reference_share) == ("late", "missing", 0.0)


def test_importance_is_shared_out_and_unknown_for_a_champion_that_never_moves():
    shares = prepared().importance_shares
    assert sum(shares.values()) == pytest.approx(1) and shares["late"] > shares["home"] > shares["age"] == 0
    assert set(prepared(lambda rows: np.full(len(rows), 0.3)).importance_shares.values()) == {None}


def test_a_bin_is_entered_at_a_value_the_reference_has():
    asked = {}

    def watched(rows):
        for feature in BINS:
            asked.setdefault(feature, []).append(set(rows[feature].dropna().unique()))
        return np.full(len(rows), 0.5)

    frame = applicants()
    prepared(watched, frame)
    assert asked["late"][0] == {0.0, 1.0, 2.0}
    assert asked["home"][2] == {"rent", "own", "other home"}
    assert asked["age"][1] <= set(frame["age"])


def test_a_bin_that_the_reference_has_no_value_for_is_entered_all_the_same():
    frame = applicants()
    frame = frame[frame["home"].isin(["rent", "own"])].assign(late=0.0)
    ready = prepared(lambda rows: additive(rows) + 0.1 * rows["home"].isna(), frame)
    one = {item.feature: item for item in ready.features}
    assert one["late"].mean_scores[2] - one["late"].mean_scores[0] == pytest.approx(0.2 * 1.5)  # at its lower edge
    assert one["home"].mean_scores[2] == pytest.approx(one["home"].mean_scores[1] + 0.05)  # a category never seen


def test_the_champion_is_asked_once_for_each_feature_and_never_again():
    calls = []

    def counting(rows):
        calls.append(len(rows))
        return additive(rows)

    ready = prepared(counting, rows=100)
    assert calls == [400, 400, 400]  # three bins and missing, 100 rows each
    contributions(ready, counted(applicants(seed=3)))
    assert len(calls) == 3


def test_the_reference_is_not_changed_and_the_same_seed_gives_the_same_value():
    frame = applicants()
    kept = frame.copy()
    assert prepared(frame=frame, seed=5) == prepared(frame=frame, seed=5)
    pd.testing.assert_frame_equal(frame, kept)


def test_what_is_written_reads_back():
    ready = prepared()
    document = json.loads(json.dumps(ready.to_json(), allow_nan=False))
    assert PreparedContribution.from_json(document) == ready
    written = json.dumps([one.to_json() for one in contributions(ready, counted(applicants()))], allow_nan=False)
    assert len(json.loads(written)) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda d: d | {"schema_version": 2}, id="another version"),
        pytest.param(lambda d: {k: v for k, v in d.items() if k != "rows"}, id="a key missing"),
        pytest.param(lambda d: d | {"more": 1}, id="a key unknown"),
        pytest.param(lambda d: d | {"features": [d["features"][0] | {"mean_scores": [0.1]}]}, id="too few scores"),
        pytest.param(lambda d: d | {"features": [d["features"][0] | {"more": 1}]}, id="a key of a feature unknown"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(spoil):
    with pytest.raises(ValueError):
        PreparedContribution.from_json(spoil(prepared().to_json()))


counts = st.lists(st.integers(0, 500), min_size=4, max_size=4)


@given(counts, counts.filter(any), st.lists(st.floats(0, 1), min_size=4, max_size=4))
@settings(deadline=None)
def test_a_change_is_never_larger_than_its_movement_and_no_move_is_no_change(window, reference, scores):
    one = FeatureDependence(
        feature="x", bins=NumericBins(edges=(1.0, 2.0)), reference_counts=tuple(reference), mean_scores=tuple(scores)
    )
    ready = PreparedContribution(rows=9, features=(one,))
    still = contributions(ready, {"x": np.array(reference)})[0]
    assert still.change == still.movement == 0.0
    found = contributions(ready, {"x": np.array(window)})[0]
    if not any(window):
        assert (found.change, found.change_interval, found.movement, found.leading_bin) == (None,) * 4
    else:
        assert abs(found.change) <= found.movement + 1e-12


def test_a_feature_without_rows_in_the_window_comes_last():
    quiet = counted(applicants(seed=2)) | {"late": np.zeros(4, dtype=np.int64)}
    found = contributions(prepared(), quiet)
    assert found[-1].feature == "late" and found[-1].movement is None and found[-1].window_rows == 0


def test_the_interval_holds_the_change_of_the_whole_population_in_19_of_20_windows():
    rng = np.random.default_rng(1)
    p, q, scores = np.array([0.5, 0.3, 0.15, 0.05]), np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.4, 0.3])
    held = 0
    for _ in range(500):
        one = FeatureDependence(
            feature="x",
            bins=NumericBins(edges=(1.0, 2.0)),
            reference_counts=tuple(rng.multinomial(900, p).tolist()),
            mean_scores=tuple(scores.tolist()),
        )
        found = contributions(PreparedContribution(rows=9, features=(one,)), {"x": rng.multinomial(300, q)})[0]
        held += found.change_interval[0] <= (q - p) @ scores <= found.change_interval[1]
    assert 0.92 <= held / 500 <= 0.975


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param({"late": np.array([1, 2, 3])}, "expected 4 counts", id="missing forgotten"),
        pytest.param({"late": np.array([1, 2, -3, 0])}, "expected 4 counts", id="negative"),
        pytest.param({}, "no counts", id="absent"),
    ],
)
def test_counts_that_do_not_fit_the_bins_are_refused(spoilt, message):
    with pytest.raises(ValueError, match=message):
        contributions(prepared(), {k: v for k, v in counted(applicants()).items() if k != "late"} | spoilt)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"score": lambda rows: np.full(len(rows), np.nan)}, "finite", id="a score that is no number"),
        pytest.param({"score": lambda rows: np.full(len(rows), 1.5)}, "finite", id="no probability"),
        pytest.param({"score": lambda rows: np.zeros(1)}, "scores", id="too few scores"),
        pytest.param({"frame": applicants().drop(columns="age")}, "age: expected one column", id="absent"),
        pytest.param({"frame": applicants().assign(age="old")}, "age: reference holds values that", id="text"),
        pytest.param({"frame": applicants().head(0)}, "at least one row", id="no rows"),
        pytest.param({"rows": 0}, "at least one row", id="no rows asked for"),
    ],
)
def test_what_cannot_be_prepared_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        prepared(**changes)


def test_bins_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="late: its bins are not those of a categorical feature"):
        prepare_contribution(additive, applicants(), KINDS | {"late": "categorical"}, BINS, rows=9, seed=1)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"reference_counts": (0, 0, 0, 0)}, id="no rows"),
        pytest.param({"reference_counts": (1, 1, 1)}, id="a bin short"),
        pytest.param({"reference_counts": (1, 1, 1, -1)}, id="negative"),
        pytest.param({"mean_scores": (0.1, 0.1, 0.1, float("nan"))}, id="no number"),
    ],
)
def test_a_dependence_that_contradicts_itself_is_refused(changes):
    with pytest.raises(ValueError):
        replace(prepared().features[0], **changes)


@pytest.mark.parametrize("recipe", ["hist_gradient_boosting", "logistic_regression"])
def test_our_recipes_answer_for_gaps_and_categories_never_seen(recipe):
    frame = applicants().assign(flag=np.arange(2000) % 2)
    bad = np.random.default_rng(2).random(len(frame)) < additive(frame)
    kinds = KINDS | {"flag": "categorical"}
    model, _ = build(recipe, kinds, seed=1)
    bins = BINS | {"flag": CategoryBins(categories=("0", "1"))}
    with threadpool_limits(1):
        model.fit(frame, bad)
        ready = prepare_contribution(lambda rows: model.predict_proba(rows)[:, 1], frame, kinds, bins, rows=200, seed=1)
    shares = ready.importance_shares
    assert max(shares, key=shares.get) == "late"
    low, middle, high, _ = of("late", ready.features).mean_scores
    assert low < middle < high


@pytest.mark.skipif(not CREDIT.exists(), reason=f"Give Me Some Credit is not ours to ship: put it at {CREDIT.name}")
def test_on_real_applicants_more_arrears_are_named_as_what_moved_the_score():
    rows = pd.read_parquet(CREDIT).drop(columns="id").sample(8000, random_state=1)
    bad, frame = rows.pop("SeriousDlqin2yrs"), rows.astype(float)
    kinds = dict.fromkeys(frame.columns, "numeric")
    bins = {name: numeric_bins(column.dropna().to_numpy()) for name, column in frame.items()}
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(max_iter=40, random_state=1).fit(frame, bad)
        score = lambda rows: model.predict_proba(rows)[:, 1]  # noqa: E731
        ready = prepare_contribution(score, frame, kinds, bins, rows=300, seed=1)
        more = (1 + 4 * (frame["NumberOfTimes90DaysLate"] > 0)).to_numpy(dtype=float)
        window = frame.sample(2000, weights=more, random_state=2)
        means = score(frame).mean(), score(window).mean()
    found = contributions(ready, counted(window, bins))
    whole = explained(found, reference_mean=means[0], window_mean=means[1])
    assert found[0].feature == "NumberOfTimes90DaysLate" and found[0].change_interval[0] > 0
    assert 0 < found[0].change < whole.observed  # arrears come together: the rest of them is what is left


def test_categories_made_by_the_shared_bins_are_found_again():
    frame = applicants()
    bins = {"home": category_bins(categories(frame["home"]).dropna().to_numpy())}
    ready = prepare_contribution(additive, frame, KINDS, bins, rows=100, seed=1)
    assert ready.features[0].bin_names() == ["rent", "own", "other home", "other", "missing"]
    assert sum(ready.features[0].reference_counts) == len(frame)
