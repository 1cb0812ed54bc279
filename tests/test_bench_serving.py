"""The serving benchmark says what it measured, misses a target out loud, and its two parts run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from builders import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))  # benchmarks are scripts: they import one another by name

from serving_files import TRIAL, target_of  # noqa: E402
from serving_load import HEADINGS, Run, rows_of, targets_of  # noqa: E402
from serving_servers import CONSTANT, MEND, MLFLOW  # noqa: E402


def runs(mend: float, *, p99_ms: float = 10.0, p50_ms: float = 1.0):
    rates = {MEND: mend, CONSTANT: 4000.0, MLFLOW: 100.0}
    return {
        (name, many): [Run(rate=rate, p50_ms=p50_ms, p99_ms=p99_ms, counted=1, answered=1)]
        for many in (1, 16)
        for name, rate in rates.items()
    }


def test_ratios_are_to_the_same_number_of_connections():
    first = rows_of(runs(1600.0))[0]
    assert dict(zip(HEADINGS, first, strict=True)) == {
        "server": MEND,
        "connections": "1",
        "answers a second": "1,600 [1,600, 1,600]",
        "× mlflow": "16.0",
        "share of constant answer": "40%",
        "p50 ms": "1.00 [1.00, 1.00]",
        "p99 ms": "10.0 [10.0, 10.0]",
    }


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        pytest.param(runs(1600.0), [], id="all met"),
        pytest.param(runs(1100.0), ["mlflow", "constant"], id="too slow"),
        pytest.param(runs(1600.0, p99_ms=16.0), ["p99"], id="a long tail"),
        pytest.param(runs(1600.0, p50_ms=2.0), ["p50"], id="one row too slow"),
    ],
)
def test_a_missed_target_is_said(found, missed):
    said = [line for line in targets_of(found) if line.endswith("MISSED")]
    assert len(said) == len(missed)
    assert all(word in line for word, line in zip(missed, said, strict=True))


@pytest.mark.slow
def test_a_longer_log_is_filled_and_read():
    table = lines("--part", "growth", "--rows", "20000")
    assert len(table) == 4  # a cycle's window and the stats, each from a short and a long log
    assert sum("20,000" in line for line in table) == 2


@pytest.mark.slow
def test_a_file_is_scored_each_way_and_a_slow_one_is_said():
    table = lines("--part", "files", "--rounds", "1", "--file-rows", "60000")
    assert [line.split(" | ")[1] for line in table] == ["60,000"] * 3
    slow = [(TRIAL, "60,000", "199,999 [1, 2]", "1 [1, 1]", "500")]
    assert target_of(slow).endswith("MISSED")
    assert target_of([(*slow[0][:2], "200,000 [1, 2]", *slow[0][3:])]).endswith("met")


@pytest.mark.slow
def test_every_server_answers_and_every_answer_is_logged():
    table = lines("--part", "load", "--rounds", "1", "--seconds", "0.5")
    assert len(table) in (8, 10)  # without and with PostgreSQL


def lines(*options: str) -> list[str]:
    """The table's rows; the benchmark itself fails where an answer is not 200 or not in the log."""
    command = [sys.executable, str(BENCHMARKS / "serving.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
