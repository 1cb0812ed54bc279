"""The benchmark judges as the product does, row by row too; its pairs are as equal as it says; its table is whole."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from builders import REPOSITORY

from monitoring.skewed_t import limits
from pipeline.gate.budget import spendable
from pipeline.gate.checks import no_segment_regression, primary_improvement
from pipeline.gate.evidence import evidence, segment_alpha
from pipeline.gate.models import Decided
from pipeline.gate.rows import JudgedRows
from pipeline.gate.simulate import simulate
from pipeline.gate.values import GatePolicy, Outcome

BENCHMARKS = REPOSITORY / "benchmarks"
SHARED = Path(os.environ.get("MEND_SHARED", REPOSITORY.parent / "shared" / "data"))
CREDIT = SHARED / "give_me_some_credit.parquet"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
POLICY = GatePolicy(resamples=200)
LINES = {
    "0 as trained": 6,
    "1 false promotions": 18,
    "2 power": 16,
    "3 worse promoted": 8,
    "4 segments": 10,
    "6 metric and profit": 10,
}


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    """Benchmarks are scripts: they import one another by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def a_pair(skill=0.6, *, size=3000, seed=0):
    from pools import Pair

    rng = np.random.default_rng(seed)
    y = (rng.random(size) < 0.2).astype(np.int8)
    ours, theirs = (np.clip(0.3 + 0.3 * s * y + rng.normal(0, 0.15, size), 0, 1) for s in (0.6, skill))
    amount = rng.integers(1, 50, size) * 1000.0
    return Pair(y=y, amount=amount, champion=Decided(ours, 0.4), challenger=Decided(theirs, 0.42))


def as_rows(pair, place):
    """A drawn window, written out for the product; the ids keep its order."""
    return JudgedRows(
        ids=[f"{number:06d}" for number in range(len(place))],
        y=pair.y[place],
        champion_score=pair.champion.score[place],
        challenger_score=pair.challenger.score[place],
        champion_threshold=pair.champion.threshold,
        challenger_threshold=pair.challenger.threshold,
        amount=pair.amount[place],
        mature_rows=len(place),
    )


@pytest.mark.parametrize("primary", ["f1", "auc", "brier", "profit"])
@pytest.mark.parametrize("skill", [0.6, 0.8, 1.4])
def test_windows_of_rows_are_judged_as_the_product_judges_them(primary, skill):
    from gates_rows import drawn, rounded, windows_of

    pair, policy = a_pair(skill), replace(POLICY, primary=primary)
    pair = replace(pair, champion=rounded(pair.champion), challenger=rounded(pair.challenger))
    pair = replace(pair, champion=Decided(pair.champion.score, 0.8), challenger=Decided(pair.challenger.score, 0.85))
    alpha = spendable(policy=policy, as_of=NOW, last_try_at=NOW - WEEK)
    places = drawn(pair, 8, 500, np.random.default_rng(1))
    windows = windows_of(pair, places, policy)
    low, high = limits(windows.gain, windows.around, alpha=alpha)
    for number, place in enumerate(places):
        found = evidence(as_rows(pair, place), policy=policy, alpha=alpha)
        check = primary_improvement(found, policy=policy, as_of=NOW, alpha=alpha)
        assert found.trial.gain == pytest.approx(windows.gain[number], rel=1e-9)
        assert (found.trial.interval.low, found.trial.interval.high) == pytest.approx((low[number], high[number]))
        assert bool(windows.passes(alpha, policy)[number]) is (check.outcome is Outcome.PASSED)
        failed = not (windows.reached()[number] and windows.lead[number] > 0)
        assert failed is (check.outcome is Outcome.FAILED)


@pytest.mark.parametrize("skill", [0.5, 0.3, 0.1])
def test_a_drawn_segment_is_judged_as_the_product_judges_it(skill):
    from gates_rows import drawn, regressions

    pair, alpha = a_pair(skill), segment_alpha(POLICY, 1)
    places = drawn(pair, 12, 400, np.random.default_rng(2))
    regressed, _ = regressions(pair, places, policy=POLICY, alpha=alpha)
    for number, place in enumerate(places):
        found = evidence(as_rows(pair, place), policy=POLICY, alpha=0.01)
        check = no_segment_regression(found, policy=POLICY)
        assert bool(regressed[number]) is (check.outcome is Outcome.FAILED)


def test_a_mirrored_segment_has_no_favourite():
    from gates_rows import drawn, regressions

    pair, rng = a_pair(0.1), np.random.default_rng(3)
    _, lower = regressions(pair, drawn(pair, 400, 400, rng), policy=POLICY, alpha=0.05, mirror=rng)
    _, higher = regressions(pair.swapped, drawn(pair, 400, 400, rng), policy=POLICY, alpha=0.05, mirror=rng)
    assert abs(lower.mean() - higher.mean()) < 0.15
    assert regressions(pair, drawn(pair, 50, 400, rng), policy=POLICY, alpha=0.05)[1].all()


def test_pairs_are_as_far_apart_as_they_are_said_to_be():
    from gates_errors import measure_of
    from pools import apart, equal_pairs

    pair = a_pair(0.8, size=20_000)
    level = measure_of(pair, "f1", POLICY)
    for by in (-0.05, 0.0, 0.1):
        made = apart(pair, level, by=by, rng=np.random.default_rng(0), relative=True)
        assert level(made.challenger) / level(made.champion) - 1 == pytest.approx(by, abs=1e-3)
    for primary in ("auc", "brier"):
        other = measure_of(pair, primary, POLICY)
        made = apart(pair, other, by=0.0, rng=np.random.default_rng(0))
        assert other(made.challenger) == pytest.approx(other(made.champion), rel=2e-3)
    kinds = equal_pairs(pair, rng=np.random.default_rng(0))
    for made in kinds.values():
        assert level(made.challenger) == pytest.approx(level(made.champion), rel=1e-3)
    called = [made.challenger.bad.mean() for made in kinds.values()]
    assert called[1] < called[0] < called[2]


def test_a_gap_that_noise_cannot_make_is_refused():
    from gates_errors import measure_of
    from pools import apart

    pair = a_pair(size=2000)
    with pytest.raises(ValueError, match="wanted"):
        apart(pair, measure_of(pair, "f1", POLICY), by=5.0, rng=np.random.default_rng(0), relative=True)


def test_best_cut_is_the_best_of_all_cuts():
    from pools import best_cut
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(4)
    y, score = (rng.random(300) < 0.3).astype(np.int8), rng.random(300)
    assert f1_score(y, score >= best_cut(y, score)) == max(f1_score(y, score >= cut) for cut in score)


@pytest.mark.slow
def test_the_plain_rule_passes_two_equally_trained_models_as_often_as_was_measured():
    """36 to 47 % of tries from 200 to 10,000 rows, before Mend was written: reproduced on the same data."""
    if not CREDIT.exists():
        pytest.skip(f"NOT TRIED: {CREDIT} is missing; set MEND_SHARED to the folder that holds it")
    from pools import give_me_some_credit, real_pair

    pair = real_pair(give_me_some_credit(CREDIT, seed=7))
    for rows in (200, 1000, 10_000):
        found = simulate(pair.cells, gain=0.0, rows=rows, every=WEEK, years=100, policy=POLICY, seed=7)
        assert 0.34 < found.plain_tries.share < 0.49
        assert found.plain_years.share > 0.99


@pytest.mark.slow
def test_the_table_has_every_line(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "gates.py"), "--quick", "--markdown", "--as-of", "2026-11-23"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *rows, note = done.stdout.strip().splitlines()
    assert note == "seed 7 as of 2026-11-23; benchmarks/gates.py --quick"
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]
    assert {len(row) for row in cells} == {8}
    found = Counter((row[0], row[1]) for row in cells)
    portfolios = ["SBA loans", *(["Give Me Some Credit"] if CREDIT.exists() else [])]
    assert {row[0] for row in cells} == set(portfolios)
    for name in portfolios:
        assert {part: found[name, part] for part in LINES} == LINES
        assert found[name, "5 late labels"] >= 7


@pytest.mark.slow
def test_without_the_shared_data_it_says_so_and_goes_on(tmp_path):
    environment = {**os.environ, "MEND_SHARED": str(tmp_path)}
    command = [sys.executable, str(BENCHMARKS / "gates.py"), "--quick", "--markdown"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "MISSING" in done.stderr
    assert "Give Me Some Credit" not in done.stdout
    assert "SBA loans" in done.stdout
