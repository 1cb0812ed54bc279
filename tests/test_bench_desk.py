"""The desk's benchmark says what it measured, misses a target out loud, and runs from a small life to its tables."""

from __future__ import annotations

import subprocess
import sys

import pytest
from builders import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.append(str(BENCHMARKS))  # benchmarks are scripts: they import one another by name

from desk_rounds import HEADINGS, LONG, PAGES, SHORT, Measured, rows_of, targets_of  # noqa: E402


def found(*, again: float = 0.5, renewed: float = 0.6, chart: float = 2.0, peak: float = 400.0, short: float = 0.5):
    """Both desks, one round; the short one's pages take `short`, its charts two seconds."""
    made = Measured(peak_mb={LONG: peak, SHORT: 300.0})
    for page in PAGES:
        made.first |= {(LONG, page): 3.0, (SHORT, page): 2.0}
        made.again[LONG, page], made.again[SHORT, page] = [again], [short]
        made.renewed[LONG, page], made.renewed[SHORT, page] = [renewed], [short]
        if page != "Review":
            made.chart[LONG, page], made.chart[SHORT, page] = [chart], [2.0]
    return made


def test_a_ratio_is_to_the_same_page_with_ten_cycles_and_a_page_without_charts_has_a_dash():
    rows = {row[0]: dict(zip(HEADINGS, row, strict=False)) for row in rows_of(found(again=0.6))}
    assert rows["Drift"]["server, first (s)"] == "3.00"
    assert rows["Drift"]["again (s)"] == "0.60 [0.60, 0.60]"
    assert rows_of(found(again=0.6))[0][6] == "1.20"
    assert rows["Review"]["first chart (s)"] == "–"
    assert rows_of(found())[3][-1] == "–"


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        pytest.param(found(), [], id="all met"),
        pytest.param(found(again=1.1, short=1.1), ["again within"], id="a slow page"),
        pytest.param(found(renewed=1.1), ["after a new cycle"], id="slow after each cycle"),
        pytest.param(found(chart=3.6), ["first chart within", "first chart at most"], id="late charts"),
        pytest.param(found(peak=601.0), ["MB"], id="too much memory"),
        pytest.param(found(again=0.7), ["page again at most"], id="slower the longer it lives"),
    ],
)
def test_a_missed_target_is_said(measured, missed):
    said = [line for line in targets_of(measured) if line.endswith("MISSED")]
    assert len(said) == len(missed)
    assert all(word in line for word, line in zip(missed, said, strict=True))


@pytest.mark.slow
def test_a_small_year_is_lived_and_every_page_is_opened_beside_the_peers():
    options = ("--cycles", "120", "--dossiers", "3", "--rows", "60000", "--rounds", "1", "--snapshots", "10")
    command = [sys.executable, str(BENCHMARKS / "desk.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows[2 : 2 + len(PAGES)]] == list(PAGES)
    assert sum("Evidently, " in line or "MLflow, " in line for line in rows) == 4
    assert "not in 30 s" not in done.stdout
