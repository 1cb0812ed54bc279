"""Rows and applicants are what they claim, in one order, and cannot be changed after they were checked."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.gate.rows import UNKNOWN, Applicants, JudgedRows

N = 60
AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
HORIZON = timedelta(days=365)
FINAL = np.datetime64("2005-07-01", "us")  # an outcome of this moment has just become final
PER_ROW = ("ids", "y", "champion_score", "challenger_score", "original_score", "amount")


def some_columns(n=N):
    rng = np.random.default_rng(0)
    return {
        "ids": np.array([f"row-{i:03d}" for i in range(n)]),
        "y": rng.integers(0, 2, n),
        "champion_score": rng.random(n),
        "challenger_score": rng.random(n),
        "original_score": rng.random(n),
        "champion_threshold": 0.33,
        "challenger_threshold": 0.34,
        "original_threshold": 0.35,
        "amount": rng.random(n) * 1000,
        "segments": {"state": np.array(["CA", "NY"])[rng.integers(0, 2, n)], "bank": np.full(n, "A")},
    }


def some_rows(**changes):
    return JudgedRows(**some_columns() | {"mature_rows": N + 15} | changes)


def some_applicants(**changes):
    """Every third not labelled, the last ten not mature though labelled."""
    times = FINAL + (np.arange(N) - (N - 11)) * np.timedelta64(1, "D")
    columns = some_columns()
    columns["y"] = np.where(np.arange(N) % 3 == 0, UNKNOWN, columns["y"])
    return Applicants(**columns | {"event_time": times, "as_of": AS_OF, "horizon": HORIZON} | changes)


def fields_of(made):
    return {spec.name: getattr(made, spec.name) for spec in dataclasses.fields(made)}


def shuffled(made, order):
    """The same, given in another order of rows, and its segment columns in another order too."""
    per_row = {name: value[order] for name, value in fields_of(made).items() if isinstance(value, np.ndarray)}
    segments = {name: made.segments[name][order] for name in reversed(made.segments)}
    return type(made)(**fields_of(made) | per_row | {"segments": segments})


both = pytest.mark.parametrize("make", [some_rows, some_applicants], ids=["rows", "applicants"])


# --- the order they come in -------------------------------------------------------------------------------------------


@given(st.permutations(range(N)))
@settings(max_examples=30, deadline=None)
def test_rows_in_any_order_are_the_same_rows_with_the_same_hashes(order):
    rows, other = some_rows(), shuffled(some_rows(), order)
    assert (other.row_ids_sha256, other.data_sha256) == (rows.row_ids_sha256, rows.data_sha256)
    assert all(np.array_equal(getattr(other, name), getattr(rows, name)) for name in PER_ROW)
    assert list(other.segments) == ["bank", "state"]


@given(st.permutations(range(N)))
@settings(max_examples=30, deadline=None)
def test_applicants_in_any_order_are_the_same_applicants_with_the_same_hash(order):
    applicants, other = some_applicants(), shuffled(some_applicants(), order)
    assert other.sha256 == applicants.sha256
    assert all(np.array_equal(getattr(other, name), getattr(applicants, name)) for name in (*PER_ROW, "event_time"))


# --- what the hashes cover --------------------------------------------------------------------------------------------


def one_value_changed(made, name):
    """Every field in turn is a little different."""
    value = getattr(made, name)
    if name == "segments":
        return {name: value | {"state": np.array(["TX", *value["state"][1:]])}}
    if name == "as_of":
        return {name: value + timedelta(seconds=1)}
    if name == "horizon":
        return {name: value - timedelta(seconds=1)}
    if name == "mature_rows":
        return {name: value + 1}
    if name.endswith("threshold"):
        return {name: value + 0.01}
    changed = value.copy()
    others = (
        {"ids": "row-xxx", "y": int(value[3] != 1), "event_time": FINAL} if name in ("ids", "y", "event_time") else {}
    )
    changed[3] = others.get(name, 0.0)
    return {name: changed}


@pytest.mark.parametrize("name", [spec.name for spec in dataclasses.fields(JudgedRows)])
def test_one_changed_value_anywhere_changes_the_data_hash(name):
    rows = some_rows()
    other = dataclasses.replace(rows, **one_value_changed(rows, name))
    assert other.data_sha256 != rows.data_sha256
    assert (other.row_ids_sha256 != rows.row_ids_sha256) == (name == "ids")


@pytest.mark.parametrize("name", [spec.name for spec in dataclasses.fields(Applicants)])
def test_one_changed_value_anywhere_changes_the_applicants_hash(name):
    applicants = some_applicants()
    assert dataclasses.replace(applicants, **one_value_changed(applicants, name)).sha256 != applicants.sha256


def test_a_hash_knows_a_segment_column_from_another_of_the_same_values():
    column = np.full(N, "A")
    assert some_rows(segments={"a": column}).data_sha256 != some_rows(segments={"b": column}).data_sha256


# --- defaults ---------------------------------------------------------------------------------------------------------


@both
def test_without_a_first_champion_todays_is_the_first_and_without_amounts_each_is_one(make):
    made = make(original_score=None, original_threshold=None, amount=None)
    assert np.array_equal(made.original_score, made.champion_score)
    assert made.original_threshold == made.champion_threshold == 0.33
    assert np.array_equal(made.amount, np.ones(N))


@both
@pytest.mark.parametrize("missing", ["original_score", "original_threshold"])
def test_half_a_first_champion_is_refused(make, missing):
    with pytest.raises(InputError, match="original_score: expected with original_threshold, or neither"):
        make(**{missing: None})


# --- who is judged ----------------------------------------------------------------------------------------------------


def test_the_judged_are_the_mature_and_labelled_with_everything_that_belongs_to_them():
    applicants = some_applicants()
    chosen = np.array([i % 3 != 0 and i < N - 10 for i in range(N)])
    rows = applicants.judged()
    assert rows.mature_rows == N - 10
    for name in PER_ROW:
        assert np.array_equal(getattr(rows, name), getattr(applicants, name)[chosen]), name
    for name in ("champion_threshold", "challenger_threshold", "original_threshold"):
        assert getattr(rows, name) == getattr(applicants, name)
    assert {name: column.tolist() for name, column in rows.segments.items()} == {
        name: column[chosen].tolist() for name, column in applicants.segments.items()
    }


@pytest.mark.parametrize(
    ("late", "mature"),
    [(np.timedelta64(0, "us"), True), (np.timedelta64(1, "us"), False)],
    ids=["exactly old enough", "a microsecond young"],
)
def test_an_outcome_is_final_once_the_horizon_is_over(late, mature):
    made = some_applicants(event_time=np.full(N, FINAL + late))
    assert made.mature.tolist() == [mature] * N


def test_an_outcome_known_early_is_not_judged():
    made = some_applicants(y=np.ones(N), event_time=np.full(N, FINAL + np.timedelta64(1, "D")))
    assert len(made.judged().ids) == made.judged().mature_rows == 0


def test_the_time_of_judging_may_be_given_in_any_timezone():
    tokyo = some_applicants(as_of=AS_OF.astimezone(timezone(timedelta(hours=9))))
    assert np.array_equal(tokyo.mature, some_applicants().mature)


def test_nobody_at_all_is_allowed():
    nothing = some_columns(0)
    assert len(JudgedRows(**nothing, mature_rows=0).ids) == 0
    nobody = Applicants(**nothing, event_time=np.array([], "datetime64[us]"), as_of=AS_OF, horizon=HORIZON)
    assert nobody.judged().mature_rows == 0


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED_BY_BOTH = [
    pytest.param({"ids": np.arange(N)}, "ids: expected strings", id="numbers for ids"),
    pytest.param({"ids": np.array([["a"]])}, "ids: expected shape", id="ids in two dimensions"),
    pytest.param({"y": np.full(N, 2)}, "y: expected only 0", id="an impossible outcome"),
    pytest.param({"y": np.full(N, np.nan)}, "y: expected only 0", id="an outcome that is NaN"),
    pytest.param({"y": np.zeros(N - 1)}, "y: expected shape", id="an outcome missing"),
    pytest.param({"champion_score": np.full(N, np.nan)}, "champion_score: expected finite", id="NaN scores"),
    pytest.param({"challenger_score": np.full(N, 1.1)}, "challenger_score: expected finite", id="score above 1"),
    pytest.param({"original_score": np.full(N, -0.1)}, "original_score: expected finite", id="score below 0"),
    pytest.param({"challenger_score": ["x"] * N}, "challenger_score: expected numbers", id="words for scores"),
    pytest.param({"champion_threshold": float("nan")}, "champion_threshold: expected finite", id="NaN threshold"),
    pytest.param({"challenger_threshold": 1.5}, "challenger_threshold: expected finite", id="threshold above 1"),
    pytest.param({"original_threshold": -0.5}, "original_threshold: expected finite", id="threshold below 0"),
    pytest.param({"challenger_threshold": None}, "challenger_threshold: expected finite", id="no threshold"),
    pytest.param({"amount": np.full(N, -1.0)}, "amount: expected finite amounts", id="a negative amount"),
    pytest.param({"amount": np.full(N, np.inf)}, "amount: expected finite amounts", id="endless money"),
    pytest.param({"amount": np.full(N, np.nan)}, "amount: expected finite amounts", id="an unknown amount"),
    pytest.param({"amount": np.ones(3)}, "amount: expected shape", id="amounts of another length"),
    pytest.param({"segments": {"s": ["a"]}}, "s: expected shape", id="a segment of another length"),
    pytest.param({"segments": {"s": [None] * N}}, "s: expected strings", id="a missing segment not spelled out"),
]


@both
@pytest.mark.parametrize(("changes", "says"), REFUSED_BY_BOTH)
def test_what_is_not_what_it_claims_is_refused_in_one_line(make, changes, says):
    with pytest.raises(InputError) as refusal:
        make(**changes)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"ids": np.array(["same"] * N)}, "ids: the same one twice", id="duplicated rows"),
        pytest.param(
            {"y": np.full(N, UNKNOWN)}, r"y: expected only 0 \(good\), 1 \(bad\)", id="judged without an outcome"
        ),
        pytest.param({"mature_rows": N - 1}, f"mature_rows: expected at least {N}", id="more labels than rows"),
        pytest.param({"mature_rows": N + 0.5}, "mature_rows: expected", id="half a row"),
    ],
)
def test_judged_rows_that_cannot_be_are_refused_in_one_line(changes, says):
    with pytest.raises(InputError, match=says):
        some_rows(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"ids": np.array(["same"] * N)}, "ids: the same one twice", id="the same applicant twice"),
        pytest.param({"as_of": datetime(2006, 7, 1)}, "as_of", id="a naive time"),
        pytest.param({"horizon": timedelta(days=-1)}, "horizon", id="a horizon that ends before it begins"),
        pytest.param({"horizon": timedelta(days=2006 * 366)}, "horizon", id="a horizon from before time"),
        pytest.param({"event_time": np.full(N, FINAL)[1:]}, "event_time: expected", id="a time missing"),
        pytest.param({"event_time": np.arange(N)}, "event_time: expected datetime64", id="numbers for times"),
        pytest.param({"event_time": np.full(N, np.datetime64("NaT"))}, "event_time: expected", id="an unknown time"),
        pytest.param(
            {"event_time": np.full(N, np.datetime64("2006-07-01T00:00:00.000001"))}, "not after as_of", id="tomorrow"
        ),
    ],
)
def test_applicants_that_cannot_be_are_refused_in_one_line(changes, says):
    with pytest.raises(InputError, match=says) as refusal:
        some_applicants(**changes)
    assert "\n" not in str(refusal.value)


# --- frozen -----------------------------------------------------------------------------------------------------------


@both
def test_nothing_can_be_changed_after_it_was_checked(make):
    given_in = some_columns()
    made = make(**{name: given_in[name] for name in PER_ROW if name != "y"})
    given_in["champion_score"][:] = 7
    assert made.champion_score.max() <= 1
    for name in PER_ROW:
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[0] = getattr(made, name)[1]
    with pytest.raises(ValueError, match="read-only"):
        made.segments["state"][0] = "TX"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.amount = None
