"""Evidence is exact, paired, the same for the same rows, and refuses rows that are not what they claim."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from pipeline.errors import InputError
from pipeline.gate.evidence import JudgedRows, corrected_level, evidence
from pipeline.gate.values import GatePolicy, Interval, Paired

POLICY = GatePolicy()


def some_rows(n=600, *, seed=0, skill=0.5, **changes):
    """Rows of a champion and a challenger; a higher skill is a better challenger (the champion has 0.5)."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    champion, challenger = ((0.25 + 0.3 * skill * y + rng.normal(scale=0.15, size=n)) for skill in (0.5, skill))
    return JudgedRows(
        **{
            "ids": np.array([f"row-{i:06d}" for i in range(n)]),
            "y": y,
            "champion_score": champion.clip(0, 1),
            "challenger_score": challenger.clip(0, 1),
            "champion_threshold": 0.33,
            "challenger_threshold": 0.34,
            "segments": {"state": np.array(["CA", "NY"])[rng.integers(0, 2, n)]},
            "mature_rows": n + n // 4,
        }
        | changes
    )


def test_each_model_is_measured_as_sklearn_measures_it():
    rows = some_rows(skill=0.8)
    found = evidence(rows, policy=POLICY)
    for told, score, threshold in [
        (found.champion, rows.champion_score, 0.33),
        (found.challenger, rows.challenger_score, 0.34),
    ]:
        assert told.f1 == pytest.approx(metrics.f1_score(rows.y, score >= threshold))
        assert told.brier == pytest.approx(metrics.brier_score_loss(rows.y, score))
        assert told.auc == pytest.approx(metrics.roc_auc_score(rows.y, score))
        assert told.predicted_positive_rate == pytest.approx((score >= threshold).mean())
        assert told.threshold == threshold
    assert found.baseline_f1 == pytest.approx(metrics.f1_score(rows.y, np.ones_like(rows.y)))
    assert (found.rows, found.mature_rows, found.coverage) == (600, 750, 0.8)
    expected = stats.binomtest(600, 750).proportion_ci(0.95, method="wilson")
    assert (found.coverage_interval.low, found.coverage_interval.high) == pytest.approx((expected.low, expected.high))


def test_a_score_at_the_threshold_is_called_bad():
    rows = JudgedRows(
        ids=["a", "b"],
        y=[1, 0],
        champion_score=[0.5, 0.4],
        challenger_score=[0.5, 0.4],
        champion_threshold=0.5,
        challenger_threshold=0.51,
        mature_rows=2,
    )
    found = evidence(rows, policy=POLICY)
    assert (found.champion.f1, found.challenger.f1) == (1.0, 0.0)


def test_the_same_rows_in_any_order_give_the_same_evidence_and_hashes():
    rows, order = some_rows(), np.random.default_rng(9).permutation(600)
    shuffled = JudgedRows(
        **{spec.name: getattr(rows, spec.name) for spec in dataclasses.fields(rows)}
        | {name: getattr(rows, name)[order] for name in ("ids", "y", "champion_score", "challenger_score")}
        | {"segments": {name: column[order] for name, column in rows.segments.items()}}
    )
    assert evidence(shuffled, policy=POLICY) == evidence(rows, policy=POLICY)
    assert (shuffled.row_ids_sha256, shuffled.data_sha256) == (rows.row_ids_sha256, rows.data_sha256)


def test_one_changed_label_changes_the_data_hash_and_not_the_rows_hash():
    rows = some_rows()
    y = rows.y.copy()
    y[3] = 1 - y[3]
    other = dataclasses.replace(rows, y=y)
    assert other.row_ids_sha256 == rows.row_ids_sha256
    assert other.data_sha256 != rows.data_sha256


def test_an_identical_challenger_differs_by_exactly_nothing():
    rows = some_rows()
    twin = dataclasses.replace(rows, challenger_score=rows.champion_score, challenger_threshold=0.33)
    found = evidence(twin, policy=POLICY)
    for paired in (found.f1, found.f1_gain, found.brier, found.auc):
        assert (paired.difference, paired.interval) == (0.0, Interval(0.0, 0.0, 0.9)), paired.metric
    assert all(segment.drop == segment.interval.low == segment.interval.high == 0 for segment in found.segments)


def test_the_brier_interval_is_that_of_the_mean_paired_difference():
    rows = some_rows(skill=0.9)
    change = (rows.challenger_score - rows.y) ** 2 - (rows.champion_score - rows.y) ** 2
    low, high = stats.norm.interval(0.9, loc=change.mean(), scale=stats.sem(change))
    got = evidence(rows, policy=POLICY).brier.interval
    assert (got.low, got.high) == pytest.approx((low, high))


def test_the_f1_interval_holds_the_true_difference_as_often_as_it_says():
    policy = GatePolicy(resamples=400, interval_level=0.9)
    truth = evidence(some_rows(200_000, seed=1, skill=0.7), policy=policy)
    held = {"f1": 0, "brier": 0, "auc": 0}
    for seed in range(300):
        found = evidence(some_rows(400, seed=100 + seed, skill=0.7), policy=policy)
        for metric in held:
            interval = getattr(found, metric).interval
            held[metric] += interval.low <= getattr(truth, metric).difference <= interval.high
    assert all(0.85 <= count / 300 <= 0.95 for count in held.values()), held


tiny = st.lists(st.tuples(st.integers(0, 1), *[st.sampled_from([0.0, 0.2, 0.5, 1.0])] * 2), max_size=25)


@given(tiny, st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_any_rows_at_all_give_evidence_that_json_can_hold(table, unlabelled):
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
    found = evidence(rows, policy=GatePolicy(min_segment_samples=1, resamples=200))
    json.dumps(found.to_json(), allow_nan=False)
    gain = found.f1_gain.interval
    if gain is not None:
        assert (gain.low > 0) == (found.f1.interval.low > 0)
        assert (gain.high < 0) == (found.f1.interval.high < 0)


def test_a_champion_that_finds_nothing_has_no_relative_gain():
    found = evidence(some_rows(champion_threshold=1.0), policy=POLICY)
    assert found.champion.f1 == 0
    assert (found.f1_gain.difference, found.f1_gain.interval) == (None, None)
    assert found.f1.difference > 0


def test_no_rows_measure_nothing_and_raise_nothing():
    empty = dict.fromkeys(("ids", "y", "champion_score", "challenger_score"), ())
    rows = JudgedRows(**empty, champion_threshold=0.5, challenger_threshold=0.5, segments={"s": []}, mature_rows=0)
    found = evidence(rows, policy=POLICY)
    assert (found.rows, found.coverage, found.f1.difference, found.baseline_f1) == (0, None, None, None)
    assert found.segments == ()


def test_segments_are_judged_at_a_level_shared_among_those_large_enough():
    state = np.array(["CA"] * 250 + ["NY"] * 300 + ["missing"] * 50)
    rows = some_rows(segments={"state": state, "bank": np.array(["A"] * 600)})
    found = evidence(rows, policy=POLICY, expected_segments={"state": ["CA", "TX"], "bank": ["A"], "age": ["young"]})
    assert [(s.name, s.rows) for s in found.segments] == [
        ("bank=A", 600),
        ("state=CA", 250),
        ("state=NY", 300),
        ("state=missing", 50),
    ]
    levels = {s.name: s.interval and s.interval.level for s in found.segments}
    wanted = corrected_level(0.9, 3)
    assert levels == {"bank=A": wanted, "state=CA": wanted, "state=NY": wanted, "state=missing": None}
    assert found.absent_segments == ("state=TX", "age=young")
    newyork = rows.segments["state"] == "NY"
    ours = metrics.f1_score(rows.y[newyork], rows.champion_score[newyork] >= 0.33)
    theirs = metrics.f1_score(rows.y[newyork], rows.challenger_score[newyork] >= 0.34)
    assert found.segments[2].champion_f1 == pytest.approx(ours)
    assert found.segments[2].drop == pytest.approx(1 - theirs / ours)


def test_segments_with_the_same_counts_are_resampled_on_their_own():
    half = {name: np.tile(getattr(some_rows(300), name), 2) for name in ("y", "champion_score", "challenger_score")}
    found = evidence(some_rows(**half, segments={"half": np.repeat(["first", "second"], 300)}), policy=POLICY)
    first, second = found.segments
    assert first.drop == second.drop
    assert first.interval != second.interval


def test_a_segment_with_one_outcome_only_is_not_judged():
    y = np.array([0] * 300 + [0, 1] * 150)
    found = evidence(some_rows(y=y, segments={"half": np.array(["all good"] * 300 + ["mixed"] * 300)}), policy=POLICY)
    assert [segment.interval is None for segment in found.segments] == [True, False]


def test_without_segment_columns_the_whole_window_is_the_one_segment():
    found = evidence(some_rows(segments={}), policy=POLICY)
    assert [(s.name, s.rows, s.interval.level) for s in found.segments] == [("all rows", 600, pytest.approx(0.9))]
    assert found.segments[0].interval.high == pytest.approx(-found.f1_gain.interval.low, abs=0.03)


def test_a_column_of_identifiers_is_not_a_segment():
    with pytest.raises(InputError, match="segment loan: expected at most 500 different values, got 600"):
        evidence(some_rows(segments={"loan": np.arange(600).astype(str)}), policy=POLICY)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"ids": np.array(["same"] * 600)}, "ids: the same row twice", id="duplicated rows"),
        pytest.param({"ids": np.arange(600)}, "ids: expected strings", id="numbers for ids"),
        pytest.param({"ids": np.array([["a"]])}, "ids: expected shape", id="ids in two dimensions"),
        pytest.param({"y": np.full(600, 2)}, "y: expected only 0 and 1", id="an impossible outcome"),
        pytest.param({"y": np.full(600, np.nan)}, "y: expected only 0 and 1", id="an unknown outcome"),
        pytest.param({"y": np.zeros(599)}, "y: expected shape", id="an outcome missing"),
        pytest.param({"champion_score": np.full(600, np.nan)}, "champion_score: expected finite", id="NaN scores"),
        pytest.param({"challenger_score": np.full(600, 1.1)}, "challenger_score: expected finite", id="score above 1"),
        pytest.param({"challenger_score": ["x"] * 600}, "challenger_score: expected numbers", id="words for scores"),
        pytest.param({"champion_threshold": float("nan")}, "champion_threshold: expected finite", id="NaN threshold"),
        pytest.param({"challenger_threshold": 1.5}, "challenger_threshold: expected finite", id="threshold above 1"),
        pytest.param({"challenger_threshold": None}, "challenger_threshold: expected finite", id="no threshold"),
        pytest.param({"mature_rows": 599}, "mature_rows: expected at least 600", id="more labels than rows"),
        pytest.param({"mature_rows": 700.5}, "mature_rows: expected", id="half a row"),
        pytest.param({"segments": {"s": ["a"]}}, "s: expected shape", id="a segment of another length"),
        pytest.param({"segments": {"s": [None] * 600}}, "s: expected strings", id="a missing segment not spelled out"),
    ],
)
def test_rows_that_are_not_what_they_claim_are_refused_in_one_line(changes, says):
    with pytest.raises(InputError) as refusal:
        some_rows(**changes)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_rows_cannot_be_changed_after_they_were_checked():
    y = np.zeros(600)
    rows = some_rows(y=y)
    y[0] = 7
    assert rows.y[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        rows.y[0] = 1


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("f1", {"difference": 0.5}),
        ("f1", {"champion": 0.9}),
        ("brier", {"metric": "auc"}),
        ("f1_gain", {"difference": 3.0}),
        ("auc", {"challenger": None, "difference": None, "interval": None}),
    ],
    ids=str,
)
def test_evidence_whose_numbers_contradict_each_other_cannot_be_made(part, changes):
    found = evidence(some_rows(), policy=POLICY)
    changed = dataclasses.replace(getattr(found, part), **changes)
    with pytest.raises(ValueError, match="does not follow"):
        dataclasses.replace(found, **{part: changed})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rows": 10_000}, "positives <= rows <= mature_rows"),
        ({"coverage": 1.0}, "coverage does not follow"),
        ({"rows": 100, "positives": 30, "coverage": 100 / 750}, "segment is larger"),
        ({"baseline_f1": float("nan")}, "baseline_f1"),
    ],
    ids=str,
)
def test_evidence_whose_counts_cannot_be_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(evidence(some_rows(), policy=POLICY), **changes)


def test_an_interval_or_a_difference_needs_something_measured():
    nothing = {"metric": "f1", "champion": None, "challenger": None}
    with pytest.raises(ValueError, match="interval around nothing"):
        Paired(**nothing, difference=None, interval=Interval(0.0, 1.0, 0.9))
    with pytest.raises(ValueError, match="difference to nothing"):
        Paired(**nothing, difference=0.1, interval=None)
    with pytest.raises(ValueError, match="above high"):
        Interval(0.2, 0.1, 0.9)
