"""A sample of every fault; `make faults` brings them all about, and docs/reliability.md says what was seen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres import BINARIES

REPORT = Path(__file__).parent / "report.py"
pytestmark = pytest.mark.slow


def outcomes(*arguments):
    command = [sys.executable, str(REPORT), "--quick", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("stores", ["sqlite", "postgres"])
@pytest.mark.parametrize("fault", ["kills", "races"])
def test_killed_or_raced_there_is_one_champion_and_one_record(fault, stores):
    if stores == "postgres" and not (BINARIES / "postgres").exists():
        missing = f"there is no PostgreSQL in {BINARIES}: apt install postgresql-15"
        (pytest.fail if os.environ.get("MEND_REQUIRE_POSTGRES") == "1" else pytest.skip)(missing)
    found = outcomes(fault, "--stores", stores)
    assert len(found) == {"kills": 4, "races": 2}[fault]
    assert [each["problems"] for each in found] == [[]] * len(found)
    assert all(each["tries"] for each in found)
