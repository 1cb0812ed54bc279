"""A hundred thousand judged rows fit into a small machine."""

import tracemalloc
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.rows import Applicants
from pipeline.gate.values import GatePolicy

ROWS = 100_000
AS_OF, HORIZON = datetime(2024, 2, 29, tzinfo=UTC), timedelta(days=90)
FAIRNESS = FairnessPolicy(
    dated=date(2024, 1, 1), title="t", source="s", adverse_impact_floor=0.8, min_applicants=100, columns=(), note="n"
)


def many_applicants():
    rng = np.random.default_rng(1)
    y = (rng.random(ROWS) < 0.067).astype(int)
    first, second = ((0.1 + 0.1 * y + rng.normal(scale=0.08, size=ROWS)).clip(0, 1) for _ in range(2))
    minutes = rng.integers(91 * 24 * 60, 900 * 24 * 60, ROWS).astype("timedelta64[m]")
    return Applicants(
        ids=np.array([f"{number:06d}" for number in range(ROWS)]),
        event_time=np.datetime64(AS_OF.replace(tzinfo=None), "us") - minutes,
        y=y,
        champion_score=first,
        challenger_score=second,
        champion_threshold=0.2,
        challenger_threshold=0.2,
        segments={"region": np.array(["a", "b", "c", "d", "e"])[rng.integers(0, 5, ROWS)]},
        as_of=AS_OF,
        horizon=HORIZON,
    )


@pytest.mark.slow
def test_a_hundred_thousand_rows_with_two_thousand_resamples_take_less_than_a_quarter_of_a_gigabyte():
    tracemalloc.start()
    try:
        applicants = many_applicants()
        policy = GatePolicy(resamples=2_000)
        found = evidence(applicants.judged(), policy=policy, alpha=0.001, applicants=applicants, fairness=FAIRNESS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.rows == ROWS
    assert peak < 250e6, f"{peak / 1e6:.0f} MB"  # with Python and its libraries well under 1 GB
