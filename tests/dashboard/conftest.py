"""Pages over real stores: a small workspace made by hand; the demo comes from the suite's own fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from builders import AS_OF, REPOSITORY, a_workspace
from dashboard_builders import Open, a_cycle
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboard import loaders
from pipeline.settings import CONFIG_VARIABLE
from pipeline.wiring import Workspace


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    """Every test opens its own workspace, and closes it."""
    opened: list[Workspace] = []
    real = loaders.open_workspace

    def remember(settings: Any) -> Workspace:
        opened.append(real(settings))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders, "open_workspace", remember)
        yield
    st.cache_data.clear()
    st.cache_resource.clear()
    for workspace in opened:
        workspace.ledger.engine.dispose()
        workspace.traffic.engine.dispose()


@pytest.fixture(autouse=True)
def on_this_machine_only() -> None:
    """Where `.streamlit/config.toml` has a server listen; without a server nobody reads that file."""
    config.set_option("server.address", "127.0.0.1")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page of the dashboard as a browser would, without a browser."""

    def opened(name: str, config: Path, **query: str) -> AppTest:
        monkeypatch.setenv(CONFIG_VARIABLE, str(config))
        page = AppTest.from_file(str(REPOSITORY / "dashboard" / "app.py"), default_timeout=120)
        page.query_params.update(query)
        page.run()
        if name != "overview":
            page.switch_page(f"views/{name}.py")
            page.query_params.update(query)
            page.run()
        return page

    return opened


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Version 1 is champion, on a simulated clock at AS_OF; nothing else is known."""
    made = a_workspace(tmp_path)
    a_cycle(made, AS_OF, status="failed", note="drift.ipynb failed")
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()
