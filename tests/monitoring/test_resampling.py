"""The vectorised bootstrap finds what a plain bootstrap of the rows finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring import resampling
from monitoring.resampling import percentile_interval, resampled_sums


def some_columns(n=500, *, seed=0):
    """A lopsided column, and one that goes with it."""
    rng = np.random.default_rng(seed)
    first = rng.gamma(0.5, size=n)
    return np.column_stack([np.ones(n), first, first + rng.normal(scale=0.2, size=n)])


def test_rows_are_drawn_a_poisson_number_of_times_and_independently():
    drawn = resampled_sums(np.eye(40), resamples=20_000, seed=1)  # each column is one row: its sum is its count
    assert set(np.unique(drawn)) <= set(range(9))
    counts = np.bincount(drawn.astype(int).ravel(), minlength=9)
    expected = stats.poisson.pmf(np.arange(9), 1) * drawn.size
    assert (
        stats.chisquare(
            np.append(counts[:6], counts[6:].sum()), np.append(expected[:6], drawn.size - expected[:6].sum())
        ).pvalue
        > 1e-3
    )
    assert np.abs(np.corrcoef(drawn.T) - np.eye(40)).max() < 5 / 20_000**0.5
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 5 / drawn.size**0.5


def test_thresholds_are_where_poisson_steps():
    steps = (np.arange(1 << 16) + 0.5) / (1 << 16)
    assert np.array_equal(
        np.searchsorted(resampling._REACHED, np.arange(1 << 16), "right"), stats.poisson.ppf(steps, 1)
    )


@pytest.mark.parametrize("level", [0.90, 0.95])
def test_intervals_of_means_and_ratios_are_those_of_scipy(level):
    columns = some_columns()
    sums = resampled_sums(columns, resamples=8_000, seed=4)
    for statistic, drawn in [
        (lambda rows, axis: rows[1].mean(axis=axis), sums[:, 1] / sums[:, 0]),
        (lambda rows, axis: rows[2].mean(axis=axis) - rows[1].mean(axis=axis), (sums[:, 2] - sums[:, 1]) / sums[:, 0]),
        (lambda rows, axis: rows[2].sum(axis=axis) / rows[1].sum(axis=axis), sums[:, 2] / sums[:, 1]),
    ]:
        expected = stats.bootstrap(
            tuple(columns.T),
            lambda *rows, axis, statistic=statistic: statistic(rows, axis),
            paired=True,
            n_resamples=8_000,
            batch=1_000,
            confidence_level=level,
            method="percentile",
            rng=9,
        )
        low, high = percentile_interval(drawn, level=level)
        within = 0.12 * expected.standard_error  # what is left of chance at 8,000 resamples each, and O(1/n)
        ends = expected.confidence_interval
        assert (low, high) == pytest.approx((ends.low, ends.high), abs=within)
        assert drawn.std() == pytest.approx(expected.standard_error, rel=0.04)


def test_the_same_seed_and_rows_give_the_same_sums_and_another_seed_others():
    columns = some_columns()
    first, again, other = (resampled_sums(columns, resamples=300, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_whole_numbers_are_summed_exactly_and_equal_columns_are_equal():
    flags = (np.random.default_rng(0).random((3_001, 1)) < 0.3) * np.ones((1, 7))
    sums = resampled_sums(flags, resamples=200, seed=1)
    assert np.array_equal(sums, sums.round())
    assert (sums == sums[:, :1]).all()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 70_001])
def test_resamples_in_several_chunks_are_all_different(n, monkeypatch):
    monkeypatch.setattr(resampling, "_CHUNK_BYTES", 4 * n * 3)
    sums = resampled_sums(np.ones((n, 1)), resamples=100, seed=1)
    assert sums.shape == (100, 1)
    assert abs(sums.mean() / n - 1) < 5 / (100 * n) ** 0.5
    assert len(np.unique(sums)) >= (90 if n > 1_000 else 3)


@given(
    st.lists(st.lists(st.floats(-1e100, 1e100), min_size=3, max_size=3), min_size=1, max_size=20),
    st.integers(1, 40),
    st.integers(0, 2**53),
)
@settings(deadline=None)
def test_any_finite_columns_have_finite_sums(rows, resamples, seed):
    sums = resampled_sums(np.array(rows), resamples=resamples, seed=seed)
    assert sums.shape == (resamples, 3)
    assert np.isfinite(sums).all()


@pytest.mark.parametrize("shape", [(0, 2), (3,), (2, 2, 2)], ids=str)
def test_what_is_not_rows_of_columns_is_refused(shape):
    with pytest.raises(ValueError, match="columns: expected"):
        resampled_sums(np.ones(shape), resamples=10, seed=1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_the_percentile_interval_leaves_out_as_much_on_either_side(draws, level):
    low, high = percentile_interval(np.array(draws), level=level)
    slack = 1e-5 * max(map(abs, draws))
    assert low <= high
    for outside in (sum(draw < low - slack for draw in draws), sum(draw > high + slack for draw in draws)):
        assert outside <= (1 - level) / 2 * len(draws) + 1e-6


def test_the_percentile_interval_is_numpys_to_six_digits():
    draws = np.random.default_rng(0).normal(3, 1, 2_001)
    expected = np.quantile(draws, [0.05, 0.95])
    assert percentile_interval(draws, level=0.90) == pytest.approx(tuple(expected), rel=1e-5)
    assert percentile_interval(np.array([1 / 3] * 5), level=0.9) == (0.333333, 0.333333)
