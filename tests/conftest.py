"""Set before any test module is imported: the suite, too, phones nobody."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import a_settings_file, a_workspace, mend
from filelock import FileLock
from postgres import BINARIES, Server, a_server

from pipeline.wiring import Workspace

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for each test process, started when the first test asks for it (0.8 s)."""
    if not (BINARIES / "postgres").exists():
        missing = f"there is no PostgreSQL in {BINARIES}: apt install postgresql-15"
        if os.environ.get("MEND_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"MEND_REQUIRE_POSTGRES=1, and {missing}")
        pytest.skip(missing)
    with a_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """URLs of an empty traffic store and ledger: a test that takes this runs on SQLite and on PostgreSQL.

    On PostgreSQL both are in one database. MLflow needs another, `with postgres.database() as url`: its tables and the
    ledger's have names in common.
    """
    if request.param == "sqlite":
        yield {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("traffic", "ledger")}
        return
    server: Server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield {"traffic": url, "ledger": url}


@pytest.fixture
def stores(store_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Whatever opens a workspace in this test has its traffic and its ledger on SQLite, then on PostgreSQL.

    Take it before anything opens the workspace, as in `def workspace(stores, tmp_path): return a_workspace(tmp_path)`.
    It works by variables (`MEND_STORES__LEDGER`, `MEND_STORES__TRAFFIC`), so it holds for every settings file and for
    `builders.mend`, which runs in a process of its own. SQLite's files stay where they always are, in the workspace.
    MLflow stays on SQLite. Returns "sqlite" or "postgres".
    """
    if store_urls["ledger"].startswith("sqlite"):
        return "sqlite"
    for name in ("traffic", "ledger"):
        monkeypatch.setenv(f"MEND_STORES__{name.upper()}", store_urls[name])
    return "postgres"


@pytest.fixture
def workspace(stores: str, tmp_path: Path) -> Iterator[Workspace]:
    """The small bank with version 1 as its first champion, on SQLite and on PostgreSQL."""
    made = a_workspace(tmp_path)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()
