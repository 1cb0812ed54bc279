"""What `make faults` says of some faults, in a process of its own: they fork, and hold a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from builders import REPOSITORY


def reported(*arguments: str) -> list[dict[str, Any]]:
    """The outcomes of a quick run as JSON; skips loudly if this machine could not bring a fault about."""
    command = [sys.executable, str(REPOSITORY / "tests" / "faults" / "report.py"), "--quick", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    problems = [f"{each['fault']}: {line}" for each in found for line in each["problems"]]
    assert problems == []
    if not_run := [f"{each['fault']}: {each['seen']}" for each in found if not each["tries"]]:
        pytest.skip("; ".join(not_run))
    return found
