"""A sample of every fault; `make faults` brings them all about, and docs/reliability.md says what was seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import BINARIES
from test_browser import CHROMIUM

REPORT = Path(__file__).parent / "report.py"
pytestmark = pytest.mark.slow


def outcomes(*arguments):
    command = [sys.executable, str(REPORT), "--quick", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout)


def holds(*arguments, rows):
    found = outcomes(*arguments)
    assert len(found) == rows
    assert [each["problems"] for each in found] == [[]] * rows
    assert all(each["tries"] for each in found), [each["seen"] for each in found]


@pytest.mark.parametrize("stores", ["sqlite", "postgres"])
@pytest.mark.parametrize("fault", ["kills", "races", "service"])
def test_killed_or_raced_there_is_one_champion_and_one_record(fault, stores):
    if stores == "postgres" and not (BINARIES / "postgres").exists():
        missing = f"there is no PostgreSQL in {BINARIES}: apt install postgresql-15"
        (pytest.fail if os.environ.get("MEND_REQUIRE_POSTGRES") == "1" else pytest.skip)(missing)
    holds(fault, "--stores", stores, rows={"kills": 4, "races": 2, "service": 3}[fault])


@pytest.mark.parametrize(
    ("fault", "rows"), [("disk", 7), ("registry", 5), ("clocks", 5), ("tampering", 12)], ids=lambda given: str(given)
)
def test_disks_registries_clocks_and_tamperers_leave_one_champion_and_a_true_record(fault, rows):
    holds(fault, "--stores", "sqlite", rows=rows)


@pytest.mark.xdist_group("browser_faults")
def test_a_click_decides_once_or_not_at_all_whatever_comes_after_it():
    if CHROMIUM is None and os.environ.get("MEND_REQUIRE_BROWSER") != "1":
        pytest.skip("NO BROWSER: apt install chromium")
    holds("browser", "--stores", "sqlite", rows=6)
