"""What every page says when there is little to say, or when something is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from builders import AS_OF, a_dossier, a_settings_file, judged
from dashboard_builders import PAGES, Open, a_cycle, a_look, a_reference, a_summary, config_of, texts
from tampering import behind_its_back

from monitoring.values import State
from pipeline.wiring import Workspace

LATER = AS_OF + timedelta(days=1)


@pytest.mark.parametrize("name", PAGES)
def test_a_workspace_without_a_model_says_what_to_run(name: str, tmp_path: Path, open_page: Open) -> None:
    page = open_page(name, a_settings_file(tmp_path))
    assert not page.exception
    assert "make demo" in texts(page)
    assert "mend init" in texts(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_settings_file_is_one_line(name: str, tmp_path: Path, open_page: Open) -> None:
    config = a_settings_file(tmp_path, min_samples="-3")
    page = open_page(name, config)
    assert not page.exception
    assert "gate.min_samples" in page.error[0].value.replace("\\", "")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_whose_clock_it_is(name: str, workspace: Workspace, open_page: Open) -> None:
    assert "simulated clock, as of **1 Jul 2006**" in texts(open_page(name, config_of(workspace)))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param(State.NO_DATA, "No data, nothing was scored", id="no data"),
        pytest.param(State.TOO_FEW_ROWS, "20 rows in the window, need 200", id="too few rows"),
        pytest.param(State.STALE, "Only old rows (500 rows)", id="stale"),
        pytest.param(State.FAILED, "2 of 3 could not be judged", id="not judged"),
    ],
)
@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_window_that_was_not_judged_never_reads_as_no_drift(
    name: str, state: State, words: str, workspace: Workspace, open_page: Open
) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(state, as_of=LATER))
    page = open_page(name, config_of(workspace))
    assert not page.exception
    said = texts(page)
    assert words in said
    assert "That is not the same as no drift" in said
    assert "**Do not retrain" in said
    assert "No drift" not in said
    assert "Nothing to do" not in said


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_cycle_whose_notebook_failed_says_that_nothing_is_known(
    name: str, workspace: Workspace, open_page: Open
) -> None:
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert "failed" in texts(page)
    assert "No drift" not in texts(page)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.OK, "No drift: none of 2 features is beyond its limit (500 rows). **Nothing to do.**"),
        (State.DRIFT, "Drift: 2 of 2 features beyond their limit, and so is the score (500 rows). **Train a"),
    ],
)
@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_judged_window_says_its_verdict(
    name: str, state: State, words: str, workspace: Workspace, open_page: Open
) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(state, as_of=LATER))
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert words in texts(page)


def test_a_link_opens_the_cycle_that_it_names(workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    a_cycle(workspace, LATER, status="drift", summary=a_summary(State.DRIFT, as_of=LATER))
    page = open_page("drift", config_of(workspace), as_of="2006-07-01")
    assert page.selectbox(key="as_of").value == "2006-07-01T00:00"
    assert "drift.ipynb failed" in texts(page)


def test_a_link_to_a_cycle_that_never_was_says_so(workspace: Workspace, open_page: Open) -> None:
    page = open_page("drift", config_of(workspace), as_of="1999-01-01")
    assert "names a cycle that is not on this page" in texts(page)


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_summary_that_was_changed_is_not_shown(name: str, workspace: Workspace, open_page: Open) -> None:
    a_cycle(workspace, LATER, status="drift", summary=a_summary(State.DRIFT, as_of=LATER))
    (path,) = (workspace.root / "monitoring").glob("summary_*.json")
    path.write_text(path.read_text().replace("0.4", "0.2"))
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert "not the file that the ledger recorded" in texts(page)
    assert "beyond their limit" not in texts(page)


def test_a_broken_chain_is_named_on_the_ledger_page(workspace: Workspace, open_page: Open) -> None:
    with behind_its_back(workspace.ledger) as other:
        other.exec_driver_sql("UPDATE entries SET actor = 'nobody' WHERE seq = 1")
    page = open_page("ledger", config_of(workspace))
    assert "The record breaks" in texts(page)
    assert "ledger entry 1" in texts(page)
    assert not page.success


def test_the_ledger_page_filters_by_kind_and_shows_one_entry(workspace: Workspace, open_page: Open) -> None:
    page = open_page("ledger", config_of(workspace))
    assert page.dataframe[0].value["Kind"].tolist() == ["cycle", "champion", "challenger", "reference"]
    page.selectbox(key="kind").select("champion").run()
    assert page.dataframe[0].value["Kind"].tolist() == ["champion"]
    page.selectbox(key="entry").select(3).run()
    assert '"how":"init"' in page.json[0].value.replace(" ", "")


def test_what_waits_is_linked_from_the_overview(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier())
    page = open_page("overview", config_of(workspace))
    assert "**Version 2 waits for a signature.**" in texts(page)
    assert any("Review version 2" in link.label for link in page.get("page_link"))
