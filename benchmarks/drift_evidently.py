"""Evidently itself, with its own defaults: that our scores are its scores, in the same run, and how long it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from drift_data import Population
from drift_detectors import DATASET, EVIDENTLY, EVIDENTLY_LIMIT, MEND, POLICY, WINDOW, Judge
from drift_lines import Effort, Line, Say
from drift_quiet import SIZES, drawn

from monitoring.drift import drift_summary
from monitoring.prepared import prepare
from monitoring.report_evidently import known_warnings_ignored
from monitoring.values import Kind

ROWS, FEWEST_TIMES, MOST_S = 2_000, 20, 0.050
HISTORY = (20_000, 200_000)
IMPORT = "import time; began = time.process_time(); import evidently.presets; print(time.process_time() - began)"


class Reading(NamedTuple):
    """Evidently's scores, what it flags, and the wall and processor seconds of its run (not of its import)."""

    scores: dict[str, float]
    flagged: frozenset[str]
    dataset: bool
    wall_s: float
    processor_s: float


def read(reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, Kind]) -> Reading:
    """One run of its data drift preset: nothing set, but which columns are numbers and which are categories."""
    os.environ["DO_NOT_TRACK"] = "1"
    with known_warnings_ignored():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        columns = list(kinds)
        definition = DataDefinition(
            numerical_columns=[name for name in columns if kinds[name] == "numeric"],
            categorical_columns=[name for name in columns if kinds[name] == "categorical"],
        )
        began = time.perf_counter(), time.process_time()
        snapshot = Report([DataDriftPreset()], include_tests=True).run(
            Dataset.from_pandas(current[columns], data_definition=definition),
            Dataset.from_pandas(reference[columns], data_definition=definition),
        )
        document = snapshot.dict()
        took = time.perf_counter() - began[0], time.process_time() - began[1]
    values = {m["config"]["column"]: m for m in document["metrics"] if m["config"]["type"].endswith(":ValueDrift")}
    failed = [test["metric_config"]["params"] for test in document["tests"] if test["status"].value == "FAIL"]
    return Reading(
        scores={name: float(metric["value"]) for name, metric in values.items()},
        flagged=frozenset(test["column"] for test in failed if "column" in test),
        dataset=any(test["type"].endswith(":DriftedColumnsCount") for test in failed),
        wall_s=took[0],
        processor_s=took[1],
    )


def agreement(population: Population, *, effort: Effort, seed: int, say: Say) -> Iterator[Line]:
    """The largest difference between our scores and Evidently's, and whether the flags are the same."""
    judge, rng = Judge(population), np.random.default_rng([seed, 5])
    largest, scores, differ = 0.0, 0, 0
    sizes = [rows for rows in SIZES if rows <= len(population.pool)]
    for number in range(effort.agreement):
        rows = sizes[number % len(sizes)]
        say(f"{population.name}: Evidently itself, {rows:,} rows")
        window = drawn(population.pool, rows, 1, rng)[0]
        theirs, ours = read(population.reference, window, population.columns), judge.flags(window)
        for name, column in judge.columns.items():
            values = column.present(column.read(window[name]))
            largest = max(largest, abs(column.score(values) - theirs.scores[name]))
            differ += judge.peers(name, values)[EVIDENTLY] is not (name in theirs.flagged)
        scores += len(theirs.scores)
        differ += (ours[EVIDENTLY] != theirs.flagged) + (bool(ours[DATASET]) is not theirs.dataset)
    yield Line(
        part="0 agreement",
        data=population.name,
        case=f"our scores beside Evidently's own run at its defaults (limit {EVIDENTLY_LIMIT})",
        rows=", ".join(f"{rows:,}" for rows in sizes[: effort.agreement]),
        cells={EVIDENTLY: f"differ by at most {largest:.0e}; {differ} flags differ"},
        drawn=f"{effort.agreement} windows, {scores} scores",
        target="<= 1e-12: " + ("kept" if largest <= 1e-12 and not differ else "MISSED"),
    )


def speed(population: Population, *, effort: Effort, seed: int, say: Say) -> Iterator[Line]:
    """One cycle's statistics: features alone, the reference prepared and its limits drawn once before.

    Judged in the processor's seconds: with one thread and nothing to wait for they are the clock's on an idle machine,
    and on a busy one the clock measures its other tenants.
    """
    say(f"{population.name}: speed")
    tails = population.prepared.tails
    prepared = prepare(population.reference, population.kinds, sha256="0" * 64, tails=tails)
    features = list(population.kinds)
    windows = [w[features] for w in drawn(population.pool, ROWS, effort.runs, np.random.default_rng([seed, 6]))]

    def cycle(window: pd.DataFrame) -> None:
        drift_summary(prepared, window, policy=POLICY, window=WINDOW, as_of=WINDOW.end)

    cycle(windows[0])
    ours = [_timed(cycle, window) for window in windows * 3]
    theirs = [read(population.reference, window, population.kinds) for window in windows]
    wall, busy = (median(run[which] for run in ours) for which in (0, 1))
    their_wall, their_busy = median(run.wall_s for run in theirs), median(run.processor_s for run in theirs)
    case = f"one cycle: {len(population.reference):,} reference rows, {len(features)} features"
    kept = busy < MOST_S and their_busy >= FEWEST_TIMES * busy
    yield Line(
        part="6 speed",
        data=population.name,
        case=case,
        rows=f"{ROWS:,}",
        cells={
            MEND: f"{busy * 1e3:.0f} ms of processor ({wall * 1e3:.0f} by the clock); 1/{their_busy / busy:.0f}",
            EVIDENTLY: f"{their_busy * 1e3:,.0f} ms of processor ({their_wall * 1e3:,.0f} by the clock)",
        },
        drawn=f"median of {len(ours)} and {len(theirs)} runs, one thread",
        target=f"< {MOST_S * 1e3:.0f} ms, 1/{FEWEST_TIMES}: {'kept' if kept else 'MISSED'}",
    )
    yield _import_line(population, effort)
    yield _history_line(population, cycle, features, seed)


def _import_line(population: Population, effort: Effort) -> Line:
    command = [sys.executable, "-W", "ignore", "-c", IMPORT]
    runs = effort.runs // 2
    took = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603  our own words
        for _ in range(runs)
    ]
    return Line(
        part="6 speed",
        data=population.name,
        case="importing Evidently, apart",
        rows="–",
        cells={EVIDENTLY: f"{median(took) * 1e3:,.0f} ms of processor"},
        drawn=f"median of {runs} fresh processes",
    )


def _history_line(population: Population, cycle: Any, features: list[str], seed: int) -> Line:
    """The same cycle with ten times the history behind it: it reads the frozen reference and the window alone."""
    rng, took = np.random.default_rng([seed, 7]), []
    for rows in HISTORY:
        history = population.pool[features].iloc[rng.integers(0, len(population.pool), rows)].reset_index(drop=True)
        minutes = np.arange(rows)

        def look(history: pd.DataFrame = history, minutes: np.ndarray = minutes) -> None:
            first = int(np.searchsorted(minutes, minutes[-1] - ROWS, side="right"))
            cycle(history.iloc[first:])

        took.append(median(_timed(look)[1] for _ in range(9)))
    return Line(
        part="6 speed",
        data=population.name,
        case=f"the same, {HISTORY[0]:,} and {HISTORY[1]:,} rows of history: only the reference and the window are read",
        rows=f"{ROWS:,}",
        cells={MEND: " and ".join(f"{seconds * 1e3:.0f} ms" for seconds in took) + " of processor"},
        drawn="median of 9 runs each",
    )


def _timed(work: Any, *arguments: Any) -> tuple[float, float]:
    began = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - began[0], time.process_time() - began[1]
