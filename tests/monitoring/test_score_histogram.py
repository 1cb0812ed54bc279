"""Scores of reference and window over the same bins: every score is in one of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring.score_histogram import BINS, score_histogram

SCORES = st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=80)


@given(SCORES, SCORES)
def test_every_score_is_counted_once_and_no_missing_one(reference, window):
    before, now = np.array(reference, dtype=float), np.array(window, dtype=float)
    found = score_histogram(before, now, threshold=0.2)
    counted = np.isfinite(before).sum(), np.isfinite(now).sum()
    if not all(counted):
        assert found is None
        return
    assert (sum(found.reference), sum(found.window)) == counted
    assert len(found.reference) == len(found.window) == BINS
    assert list(found.edges) == sorted(found.edges)


def test_a_window_beyond_the_reference_is_in_the_last_bin():
    found = score_histogram(np.linspace(0, 0.1, 500), np.full(40, 0.9), threshold=0.2)
    assert found.window[-1] == 40
    assert found.to_json()["threshold"] == 0.2
