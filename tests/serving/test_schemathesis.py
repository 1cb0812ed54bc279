"""Every operation against its own description: what it says it takes it takes, what it answers it has said."""

import subprocess
import sys
from pathlib import Path

import pytest
from service import serving

pytestmark = [pytest.mark.xdist_group("serving"), pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)]
EXAMPLES = 40  # of each operation, in each of the phases


def test_schemathesis_finds_nothing(workspace):
    with serving(workspace.settings.source) as service:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                "run",
                f"http://127.0.0.1:{service.port}/openapi.json",
                *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "7", "--no-color"),
            ],
            cwd=workspace.settings.source.parent,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: 7" in done.stdout
