"""Set before any test module is imported: the suite, too, phones nobody."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from builders import a_settings_file, mend
from filelock import FileLock

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings file of a workspace that lived from 2004 to its first pending challenger, in steps of 90 days.

    Made once for all test processes, by the commands a user types. Read it; to change it, take `demo_copy`.
    """
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "demo"
    with FileLock(shared / "demo.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            settings = a_settings_file(folder)
            mend("init", config=settings)
            mend("replay", "--step", "90d", config=settings)
            shutil.rmtree(folder.with_name("demo_unopened"), ignore_errors=True)
            shutil.copytree(folder, folder.with_name("demo_unopened"))
            (folder / "made").touch()
    return folder / "mend.toml"


@pytest.fixture
def demo_copy(demo: Path, tmp_path: Path) -> Path:
    """Settings file of the demo's copy, to be changed at will. Its registry still names the original's model files.

    Taken from a copy that nobody opens: a test that only reads the demo makes SQLite's -wal files come and go.
    """
    shutil.copytree(demo.parent.with_name("demo_unopened"), tmp_path / "demo")
    return tmp_path / "demo" / "mend.toml"
