from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.columns import Sample, categories, numbers
from monitoring.values import Kind

# --- numbers and categories --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.Series([1, 0, None]), id="float"),
        pytest.param(pd.Series([1, 0, pd.NA], dtype="Int64"), id="nullable integer"),
        pytest.param(pd.Series([True, False, pd.NA], dtype="boolean"), id="nullable boolean"),
        pytest.param(pd.Series([True, 0, None], dtype=object), id="mixed objects"),
        pytest.param(pd.Series([Decimal(1), Decimal(0), None]), id="decimals"),
        pytest.param(pd.Series(["1", "0.0", None]), id="numbers as text"),
        pytest.param(pd.Series([1, 0, None]).astype("category"), id="pandas category"),
        pytest.param(pd.Series([1, 0, None], dtype="float64[pyarrow]"), id="arrow"),
    ],
)
def test_numbers_are_read_from_every_type_that_holds_them(column: Any) -> None:
    np.testing.assert_array_equal(numbers(column), [1.0, 0.0, np.nan])


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.Series(["much", "0"]), id="text"),
        pytest.param(pd.to_datetime(pd.Series(["2006-01-02"])), id="time"),
        pytest.param(pd.to_datetime(pd.Series(["2006-01-02"]), utc=True), id="time with zone"),
        pytest.param(pd.to_timedelta(pd.Series(["1d"])), id="duration"),
        pytest.param(pd.Series([1j]), id="complex"),
        pytest.param(pd.Series([[1], [2]]), id="lists"),
        pytest.param(pd.Series([datetime(2006, 1, 2), 3], dtype=object), id="a time among numbers"),
        pytest.param(pd.Series([1j, 3], dtype=object), id="a complex among numbers"),
    ],
)
def test_what_is_no_number_is_not_read_as_one(column: Any) -> None:
    with pytest.raises(ValueError, match="not"):
        numbers(column)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param(pd.Series([1, 0]), ["1", "0"], id="integer"),
        pytest.param(pd.Series([1.0, 0.0, np.nan]), ["1", "0", None], id="the same as float, one missing"),
        pytest.param(pd.Series([1, pd.NA], dtype="Int64"), ["1", None], id="the same as nullable integer"),
        pytest.param(pd.Series([0.5, -2.0]), ["0.5", "-2"], id="fractions"),
        pytest.param(pd.Series(["1.0", "01", " a", ""]), ["1.0", "01", " a", ""], id="text stays as it is"),
        pytest.param(pd.Series([True, None]), ["True", None], id="booleans"),
        pytest.param(pd.Series(["CA", None]).astype("category"), ["CA", None], id="pandas category"),
        pytest.param(pd.Series([["a"], None]), ["['a']", None], id="lists"),
        pytest.param(pd.Series([np.inf]), ["inf"], id="infinity is a category"),
        pytest.param(pd.Series(["\ud800"]), ["\\ud800"], id="a lone surrogate is spelt out"),
        pytest.param(pd.Series([], dtype=object), [], id="nothing"),
    ],
)
def test_categories_are_compared_as_text(column: Any, expected: list[str | None]) -> None:
    assert categories(column).tolist() == expected


def test_categories_keep_the_index_of_their_rows() -> None:
    assert categories(pd.Series(["a", None], index=[7, 3])).to_dict() == {7: "a", 3: None}


# --- the values that are present ---------------------------------------------------------------------------------


def read(frame: pd.DataFrame, kind: Kind = "numeric", *, need: int = 3) -> Sample:
    return Sample.of(frame, "income", kind, side="window", need=need)


def test_sample_holds_what_is_present_and_counts_what_is_not() -> None:
    sample = read(pd.DataFrame({"income": [3.0, None, 1.0, 2.0], "state": "CA"}))
    assert (sample.values.tolist(), sample.rows, sample.missing, sample.missing_share) == ([3.0, 1.0, 2.0], 4, 1, 0.25)
    assert (sample.reason, sample.broken) == (None, False)


def test_sample_of_categories_holds_text() -> None:
    sample = read(pd.DataFrame({"income": ["low", None, 1.0, "low"]}), "categorical")
    assert (sample.values.tolist(), sample.missing) == (["low", "1", "low"], 1)


BROKEN: dict[str, tuple[Callable[[], pd.DataFrame], str, int | None]] = {
    "absent": (lambda: pd.DataFrame({"state": ["CA"] * 4}), "window has no columns of this name", None),
    "there twice": (
        lambda: pd.DataFrame([[1.0, 2.0]] * 4, columns=["income", "income"]),
        "window has 2 columns of this name",
        None,
    ),
    "one text": (lambda: pd.DataFrame({"income": ["much", "1", None, "2"]}), "holds values that are not numbers", 1),
    "times": (lambda: pd.DataFrame({"income": [pd.Timestamp("2006-01-02")] * 4}), "are not numbers", 0),
    "infinite": (lambda: pd.DataFrame({"income": [1.0, None, np.inf, 2.0]}), "window holds infinite values", 1),
    "minus infinite": (lambda: pd.DataFrame({"income": [1.0, None, -np.inf, 2.0]}), "holds infinite values", 1),
}


@pytest.mark.parametrize("flaw", BROKEN)
def test_column_that_is_broken_says_how_and_what_it_still_knows(flaw: str) -> None:
    frame, reason, missing = BROKEN[flaw]
    sample = read(frame())
    assert reason in str(sample.reason)
    assert (sample.broken, sample.rows, sample.missing) == (True, 4, missing)
    assert sample.missing_share == (1.0 if missing is None else missing / 4)


def test_column_with_too_few_values_is_thin_and_not_broken() -> None:
    frame = pd.DataFrame({"income": [1.0, None, 2.0, None]})
    thin, enough = read(frame, need=3), read(frame, need=2)
    assert (thin.reason, thin.broken, thin.missing) == ("window has 2 values, need 3", False, 2)
    assert (enough.reason, enough.broken) == (None, False)


@pytest.mark.parametrize("frame", [pd.DataFrame({"income": []}), pd.DataFrame({"state": []})], ids=["empty", "absent"])
def test_share_of_no_rows_is_not_known(frame: pd.DataFrame) -> None:
    assert read(frame).missing_share is None


def test_side_and_need_are_named_in_the_reason() -> None:
    frame = pd.DataFrame({"income": [1.0]})
    assert Sample.of(frame, "income", "numeric", side="reference", need=9).reason == "reference has 1 values, need 9"


CELLS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.complex_numbers(), st.just(pd.NA)),
    *(
        st.datetimes(),
        st.lists(st.integers(), max_size=2),
        st.binary(max_size=2),
        st.decimals(allow_nan=False),
        st.just(Decimal("NaN")),
    ),
)


@given(cells=st.lists(CELLS, max_size=8), kind=st.sampled_from(Kind.__args__))
def test_whatever_a_column_holds_its_rows_are_present_or_missing_and_nothing_raises(
    cells: list[Any], kind: Kind
) -> None:
    sample = read(pd.DataFrame({"income": pd.Series(cells, dtype=object)}), kind)
    assert sample.rows == len(cells)
    assert sample.missing is not None
    if not sample.broken:
        assert sample.values.size + sample.missing == len(cells)
        assert not pd.isna(sample.values).any()
    assert (sample.reason is None) is (not sample.broken and sample.values.size >= 3)
