"""Incoming outcomes: a jump is large and sure, and nothing to compare is no calm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.label_flow import Outcomes, jumped

LEVEL = 1e-4
COUNTS = st.integers(0, 2000).flatmap(lambda n: st.builds(Outcomes, st.just(n), st.integers(0, n)))


@pytest.mark.parametrize(
    ("before", "now", "jumps"),
    [
        pytest.param((4000, 280), (1000, 140), True, id="doubled"),
        pytest.param((4000, 280), (1000, 35), True, id="halved"),
        pytest.param((4000, 280), (1000, 139), False, id="not quite doubled"),
        pytest.param((4000, 280), (40, 8), False, id="tripled, and could be luck"),
        pytest.param((4000, 280), (300, 279), True, id="0 and 1 swapped"),
        pytest.param((4000, 280), (1000, 0), True, id="no bad one any more"),
        pytest.param((4000, 0), (1000, 0), False, id="none was ever bad"),
        pytest.param((0, 0), (1000, 900), None, id="nothing before"),
        pytest.param((4000, 280), (0, 0), None, id="nothing now"),
    ],
)
def test_a_jump_is_large_and_sure(before, now, jumps):
    assert jumped(Outcomes(*before), Outcomes(*now), factor=2.0, level=LEVEL) is jumps


@given(COUNTS, COUNTS)
def test_up_and_down_are_one_rule(before, now):
    there, back = (jumped(*pair, factor=2.0, level=LEVEL) for pair in ((before, now), (now, before)))
    assert there is back


def test_luck_alone_alarms_no_more_often_than_promised():
    rng, alarms, tries, level = np.random.default_rng(7), 0, 4000, 0.02
    for _ in range(tries):
        bad, bad_before = rng.binomial(60, 0.1), rng.binomial(240, 0.1)
        alarms += bool(jumped(Outcomes(240, bad_before), Outcomes(60, bad), factor=1.01, level=level))
    assert alarms / tries <= level


@pytest.mark.parametrize(
    ("before", "now", "options"),
    [
        ((10, 11), (10, 1), {}),
        ((10, -1), (10, 1), {}),
        ((10, 1), (10, 1), {"factor": 1.0}),
        ((10, 1), (10, 1), {"level": float("nan")}),
    ],
)
def test_what_cannot_be_is_refused(before, now, options):
    with pytest.raises(ValueError, match="expected"):
        jumped(Outcomes(*before), Outcomes(*now), **{"factor": 2.0, "level": LEVEL} | options)
