"""The pages over a real life: loans from 2004 to the first challenger that passed every gate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from builders import OFFICER
from dashboard_builders import PAGES, Open, texts

from dashboard import findings, ranking
from dashboard.components import Unchecked
from monitoring.estimated import CANNOT_SEE
from pipeline.drift_frames import drift_checks_frame
from pipeline.estimating import BOOKED_ONLY
from pipeline.promotion.review import pending
from pipeline.settings import load_settings
from pipeline.watching import read_result, read_summary, units
from pipeline.wiring import Workspace, open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def look(config: Path) -> Workspace:
    """The stores behind a settings file."""
    return open_workspace(load_settings(config))


def close(workspace: Workspace) -> None:
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def test_the_overview_tells_champion_drift_and_what_waits(demo: Path, open_page: Open) -> None:
    workspace = look(demo)
    (waiting,) = pending(workspace, now=workspace.now())
    last = workspace.ledger.last_cycle()
    assert last is not None
    summary, result = read_summary(workspace, last["summary_path"]), read_result(workspace, last["metrics_path"])
    close(workspace)
    page = open_page("overview", demo)
    assert not page.exception
    said = texts(page)
    assert "Version 1 is champion since 1 Jan 2004, as the first champion, put in place by" in said
    assert findings.verdict(summary, result) in said
    assert f"**{findings.to_do(result['diagnosis'])}.** {result['diagnosis']['reason']}" in said
    assert f"In words: {result['moved'][0]}" in said
    assert f"**Version {waiting.row['challenger']} waits for a signature.**" in said
    assert "Called bad (95 % interval)" in said
    assert "What happened, in order" in [header.value for header in page.header]


def test_the_drift_page_ranks_features_and_draws_any_of_them(demo: Path, open_page: Open) -> None:
    workspace = look(demo)
    last = workspace.ledger.last_cycle()
    assert last is not None
    summary = read_summary(workspace, last["summary_path"])
    shares = ranking.shares_of(read_result(workspace, last["metrics_path"]))
    known = units(workspace.settings)
    checks = drift_checks_frame(summary, known)
    ranked = [
        name for name in ranking.ranked(summary, shares, known)["feature"] if name in workspace.settings.data.features
    ]
    close(workspace)
    page = open_page("drift", demo)
    assert not page.exception
    assert page.selectbox(key="feature").options[: len(ranked)] == ranked
    seen = next(table.value for table in page.table if "Question" in table.value)["Seen"]
    assert seen.str.replace("\\", "").str.replace("\N{NO-BREAK SPACE}", " ").tolist() == checks["seen"].tolist()
    for feature in ("loan_amount", "borrower_state"):
        page.selectbox(key="feature").select(feature).run()
        assert not page.exception
        assert any(text.value.startswith(f"{feature}: ") for text in page.text)


def test_the_performance_page_waits_for_outcomes_and_says_what_estimates_cannot_see(
    demo: Path, open_page: Open
) -> None:
    page = open_page("performance", demo)
    assert not page.exception
    said = texts(page)
    assert CANNOT_SEE in said
    assert BOOKED_ONLY in said
    vintages = next(table.value for table in page.table if "Vintage" in table.value)
    assert vintages["Vintage"].iloc[0] == "2004 Q1"
    assert not vintages["AUC"].str.contains("nan").any()


def test_a_past_dossier_says_why_it_was_refused(demo: Path, open_page: Open) -> None:
    workspace = look(demo)
    refused = workspace.ledger.acts("dossier")[0]
    close(workspace)
    page = open_page("review", demo, digest=refused["digest"])
    assert not page.exception
    assert page.title[0].value == f"Version {refused['challenger']} was refused by the gates"
    assert "6 of 6 gates passed" not in texts(page)
    (gates,) = [table.value for table in page.table if "Gate" in table.value]
    assert len(gates) == 6
    assert not [button for button in page.button if button.key == "open_approved"]


def test_the_runs_page_shows_an_executed_notebook_as_text(demo: Path, open_page: Open) -> None:
    page = open_page("runs", demo, run="20040101_000000_train")
    assert not page.exception
    assert page.selectbox(key="run").value == "20040101_000000_train"
    assert any("train" in code.value and "import" in code.value for code in page.code)


def test_the_ledger_page_verifies_every_file_when_asked(demo: Path, open_page: Open) -> None:
    page = open_page("ledger", demo)
    assert [success.value.split()[0] for success in page.success] == ["Verified:"]
    (button,) = [each for each in page.button if each.label == "Verify every file too"]
    button.click().run()
    deadline = time.monotonic() + 60
    while "files" not in page.success[0].value and time.monotonic() < deadline:
        page.run()  # as the page does itself, every second
    assert "files" in page.success[0].value
    assert page.error.len == 0


@pytest.mark.parametrize("name", PAGES)
def test_every_chart_is_valid_vega_lite(
    name: str, demo: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def strictly(chart: Unchecked) -> dict[str, Any]:
        checked.append(type(chart.figure).__name__)
        return dict(chart.figure.to_dict())

    monkeypatch.setattr(Unchecked, "to_dict", strictly)
    page = open_page(name, demo)
    assert not page.exception
    assert checked != []


def test_a_signature_on_the_page_reaches_the_registry(demo_copy: Path, open_page: Open) -> None:
    page = open_page("review", demo_copy)
    page.button(key="open_approved").click().run()
    page.selectbox(key="actor").select(OFFICER)
    page.text_area(key="reason").input("better on every count that matters")
    (button,) = [each for each in page.button if each.label == "Approve"]
    button.click().run()
    assert not page.exception
    workspace = look(demo_copy)
    champion = workspace.require_champion()["version"]
    assert page.title[0].value == f"Version {champion} became champion"
    deadline = time.monotonic() + 120
    while not (followed := workspace.ledger.entries(kind="registry_followed"))[1:] and time.monotonic() < deadline:
        time.sleep(0.5)
    close(workspace)
    assert followed[-1].body["champion"] == champion
