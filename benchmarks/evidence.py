"""How long does measuring two models take, and does a bootstrap of the rows find the same intervals?

    .venv/bin/python benchmarks/evidence.py --rows 100000

`evidence()` measures nine metrics of five models with the paired differences, the segments, coverage, swap set and
approval rates. scipy.stats.bootstrap does two of those differences, at the same number of resamples, on the same rows.
Every run is a process of its own with one thread, like `mend`. On a busy machine compare processor seconds, and only
within one run of this file.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import bootstrap

from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.rows import Applicants, JudgedRows
from pipeline.gate.values import GatePolicy

AS_OF, HORIZON = datetime(2024, 2, 29, tzinfo=UTC), timedelta(days=90)
SEGMENTS = np.array(["centre", "east", "north", "south", "west"])
POLICY = GatePolicy()
PER_BATCH = 20  # resamples that scipy holds at a time
RUNS = 3

Numbers = NDArray[np.float64]


class Run(NamedTuple):
    """Seconds and peak memory of one process, and the intervals found: metric to low and high."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    intervals: dict[str, tuple[float, float]]


def applicants_of(rows: int, *, seed: int = 1) -> Applicants:
    """So many judged rows, 6.7 % of them bad, in five segments, and a fifth more who applied too lately."""
    rng, everybody = np.random.default_rng(seed), rows + rows // 5
    y = (rng.random(everybody) < 0.067).astype(np.int8)
    known, days = np.arange(everybody) < rows, rng.uniform(0, 89, everybody)
    risk = 1.3 * y - 3 + rng.normal(scale=0.9, size=everybody)
    champion, challenger, original = (_chance(risk + rng.normal(scale=s, size=everybody)) for s in (0.4, 0.3, 0.5))
    age = np.where(known, 91 + 6 * days, days) * 86_400e6
    return Applicants(
        ids=np.array([f"{number:08d}" for number in range(everybody)]),
        event_time=np.datetime64(AS_OF.replace(tzinfo=None), "us") - age.astype("timedelta64[us]"),
        y=np.where(known, y, -1),
        champion_score=champion,
        challenger_score=challenger,
        original_score=original,
        champion_threshold=0.2,
        challenger_threshold=0.2,
        original_threshold=0.2,
        amount=rng.lognormal(10, 1, everybody),
        segments={"region": SEGMENTS[rng.integers(0, len(SEGMENTS), everybody)]},
        as_of=AS_OF,
        horizon=HORIZON,
    )


def run_evidence(rows: int) -> Run:
    applicants = applicants_of(rows)
    judged = applicants.judged()
    fairness = FairnessPolicy(
        dated=date(2024, 1, 1),
        title="benchmark",
        source="none",
        adverse_impact_floor=0.8,
        min_applicants=100,
        columns=(),
        note="",
    )
    start = time.perf_counter(), time.process_time()
    found = evidence(judged, policy=POLICY, alpha=0.001, applicants=applicants, fairness=fairness)
    took = _seconds_since(*start)
    pairs = {metric: found.pair(metric).interval for metric in ("brier", "f1")}
    return Run(*took, _peak_mb(), {name: (ends.low, ends.high) for name, ends in pairs.items() if ends is not None})


def run_scipy(rows: int) -> Run:
    judged = applicants_of(rows).judged()
    start = time.perf_counter(), time.process_time()
    found = {"brier": _scipy_interval(*_squares(judged)), "f1": _scipy_interval(*_decisions(judged))}
    return Run(*_seconds_since(*start), _peak_mb(), found)


def _squares(rows: JudgedRows) -> tuple[tuple[Any, ...], Callable[..., Numbers]]:
    ours, theirs = ((score - rows.y) ** 2 for score in (rows.champion_score, rows.challenger_score))
    return (ours, theirs), lambda first, second, axis: np.mean(second, axis=axis) - np.mean(first, axis=axis)


def _decisions(rows: JudgedRows) -> tuple[tuple[Any, ...], Callable[..., Numbers]]:
    ours = rows.champion_score >= rows.champion_threshold
    theirs = rows.challenger_score >= rows.challenger_threshold
    bad = rows.y == 1

    def f1(y: NDArray[np.bool_], called: NDArray[np.bool_], axis: int) -> Numbers:
        caught = np.count_nonzero(y & called, axis=axis)
        return 2 * caught / (np.count_nonzero(y, axis=axis) + np.count_nonzero(called, axis=axis))

    return (bad, ours, theirs), lambda y, first, second, axis: f1(y, second, axis) - f1(y, first, axis)


def _scipy_interval(columns: tuple[Any, ...], statistic: Callable[..., Numbers]) -> tuple[float, float]:
    found = bootstrap(
        columns,
        statistic,
        n_resamples=POLICY.resamples,
        batch=PER_BATCH,
        vectorized=True,
        paired=True,
        confidence_level=POLICY.interval_level,
        method="percentile",
        rng=np.random.default_rng(POLICY.seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _chance(log_odds: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _seconds_since(start: float, processor_start: float) -> tuple[float, float]:
    return time.perf_counter() - start, time.process_time() - processor_start


def _peak_mb() -> float:
    """Most memory that this process has held, without that of the process that started it (Linux)."""
    told = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(told.split()[0]) / 1024


def in_a_fresh_process(work: Callable[[int], Run], rows: int) -> Run:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
        return one.submit(work, rows).result()


def main(rows: int) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below: as in pipeline/cli.py
    runs = [(in_a_fresh_process(run_evidence, rows), in_a_fresh_process(run_scipy, rows)) for _ in range(RUNS)]
    table = Table("what", title=f"{rows:,} rows, {POLICY.resamples:,} resamples, median of {RUNS} processes")
    for heading in ("seconds", "of processor", "peak MB", "Brier difference", "F1 difference"):
        table.add_column(heading, justify="right")
    names = "evidence(): everything", "scipy.stats.bootstrap: these two"
    for name, column in zip(names, zip(*runs, strict=True), strict=True):
        seconds, busy = (median(run[which] for run in column) for which in (0, 1))
        peak = max(run.peak_mb for run in column)
        shown = [f"{low:+.5f} to {high:+.5f}" for low, high in (column[0].intervals[m] for m in ("brier", "f1"))]
        table.add_row(name, f"{seconds:.2f}", f"{busy:.2f}", f"{peak:.0f}", *shown)
    ratio, busy_ratio = (median(slow[which] / quick[which] for quick, slow in runs) for which in (0, 1))
    console = Console(width=120)
    console.print(table)
    console.print(f"evidence() takes 1/{ratio:.1f} of the time and 1/{busy_ratio:.1f} of the processor's time.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="judged rows, at least 1,000")
    main(parser.parse_args().rows)
