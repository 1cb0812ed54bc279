"""A life longer than a list: any cycle is found, pages of lists are counted in full, and nothing is claimed unread."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from builders import AS_OF
from dashboard_builders import Open, a_cycle, a_look, a_reference, a_summary, config_of, texts
from tampering import behind_its_back

from dashboard import loaders, viewer
from monitoring.values import State
from pipeline.wiring import Workspace

MANY = loaders.PAGE + 30
EVERY = timedelta(hours=1)
LATER = AS_OF + MANY * EVERY


@pytest.fixture
def lived(workspace: Workspace) -> Workspace:
    """More cycles than a list shows: the drift is between failures, long ago, and the newest is calm."""
    a_reference(workspace)
    for number in range(1, MANY):
        at = AS_OF + number * EVERY
        if number == 10:
            a_look(workspace, at, a_summary(State.DRIFT, as_of=at))
        else:
            a_cycle(workspace, at, status="failed", note=f"failure {number}")
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER))
    return workspace


def test_an_old_cycle_is_found_by_its_link_by_its_day_and_step_by_step(lived: Workspace, open_page: Open) -> None:
    drifted = AS_OF + 10 * EVERY
    name = f"{drifted:%Y-%m-%dT%H:%M}"
    page = open_page("drift", config_of(lived), as_of=name)
    assert page.selectbox(key="as_of").value == name
    assert "2 of 2 features" in texts(page)
    assert f"the newest {loaders.PAGE} of {MANY + 1} cycles" in texts(page)
    page.button(key="cycle_later").click().run()
    assert page.selectbox(key="as_of").value == f"{drifted + EVERY:%Y-%m-%dT%H:%M}"
    assert "failure 11" in texts(page)
    page.button(key="cycle_earlier").click().run()
    assert page.query_params["as_of"] in (name, [name])
    page.date_input(key="cycle_day").set_value(AS_OF.date()).run()
    last = AS_OF + 23 * EVERY
    assert page.selectbox(key="as_of").value == f"{last:%Y-%m-%dT%H:%M}"
    assert "failure 23" in texts(page)
    assert not page.exception


def test_the_ends_of_a_life_lead_nowhere(workspace: Workspace, open_page: Open) -> None:
    page = open_page("drift", config_of(workspace))
    assert page.button(key="cycle_later").disabled
    assert page.button(key="cycle_earlier").disabled
    assert not page.date_input


def test_a_link_to_a_moment_between_cycles_opens_the_one_before_and_says_so(lived: Workspace, open_page: Open) -> None:
    page = open_page("drift", config_of(lived), as_of=f"{LATER + timedelta(days=2):%Y-%m-%d}")
    assert "here is the last one before" in texts(page)
    assert page.selectbox(key="as_of").value == f"{LATER:%Y-%m-%dT%H:%M}"


def test_the_first_screen_tells_of_a_drift_that_is_older_than_any_list(lived: Workspace, open_page: Open) -> None:
    head = loaders.head(lived)
    assert loaders.turns(lived, head)["as_of"].tolist() == [AS_OF + 10 * EVERY, LATER]
    history = loaders.history(lived, head)
    assert AS_OF + 10 * EVERY in history["as_of"].tolist()
    assert history["of_cycles"].sum() == MANY + 1
    looks = loaders.looks(lived, head, 40)
    assert len(looks) <= 40
    assert [as_of for as_of, summary in looks if summary is not None] == [AS_OF + 10 * EVERY, LATER]
    said = texts(open_page("overview", config_of(lived)))
    assert f"2 of {MANY + 1} cycles have one" in said


def test_cycles_and_entries_are_shown_page_by_page_and_counted_in_full(lived: Workspace, open_page: Open) -> None:
    total = loaders.counts(lived, loaders.head(lived)).entries
    page = open_page("ledger", config_of(lived))
    table = page.dataframe[-1].value
    assert len(table) == loaders.PAGE
    assert table["#"].max() == total
    second = open_page("ledger", config_of(lived), page="2").dataframe[-1].value
    assert second["#"].max() == total - loaders.PAGE


def test_times_of_the_ledger_are_told_in_the_viewers_zone_beside_utc(
    workspace: Workspace, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_cycle(workspace, AS_OF + timedelta(hours=13), status="failed")
    monkeypatch.setattr(viewer, "zone", lambda: ZoneInfo("America/New_York"))
    table = open_page("ledger", config_of(workspace)).dataframe[-1].value
    assert table["At"].iloc[0] == "1 Jul 2006 09:00 EDT"
    assert table["At, UTC"].iloc[0] == "2006-07-01 13:00:00 UTC"


def test_what_the_ledger_page_says_it_read_grows_with_what_is_added(workspace: Workspace, open_page: Open) -> None:
    page = open_page("ledger", config_of(workspace))
    before = loaders.counts(workspace, loaders.head(workspace)).entries
    assert f"Verified: {before} entries" in page.success[0].value
    a_cycle(workspace, AS_OF + EVERY, status="failed")
    page.run()
    assert f"Verified: {before + 1} entries" in page.success[0].value
    assert f"All {before} entries were read" in texts(page)
    assert "added since, 1 entry, now" in texts(page)
    with behind_its_back(workspace.ledger) as other:
        other.exec_driver_sql(f"DELETE FROM entries WHERE seq = {before + 1}")
    page.run()
    assert not page.success
    assert f"entry {before + 1}" in texts(page)
