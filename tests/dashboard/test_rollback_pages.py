"""Going back from the pages: one click opens a form, one call does it, once; and what the watch says is shown."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, judged
from dashboard_builders import Open, a_cycle, config_of, texts
from streamlit.testing.v1 import AppTest
from watch_builders import LOOK, new_people, promoted

from dashboard import decision, rollback, watch_words
from pipeline.promotion.watching_period import watch
from pipeline.wiring import Workspace

HOSTILE = "see **this** [link](https://example.org) <img src=x> $x$ :red[no]"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Settings files of workspaces whose registry was told to follow, without starting MLflow."""
    calls: list[Path] = []
    monkeypatch.setattr(rollback, "tell_the_registry", calls.append)
    return calls


def watched(workspace: Workspace, *, seen_by: str | None, days: int = 30, seen: Any = None) -> dict[str, Any]:
    """Version 2 was promoted; its outcomes are better known to `seen_by`; the watch looked so many days later."""
    if workspace.require_champion()["version"] == "1":
        promoted(workspace)
        if seen_by:
            new_people(workspace, seen_by=seen_by)
    at = AS_OF + days * DAY
    found = watch(workspace, at, seen or {}, say=lambda _: None)
    a_cycle(workspace, at, status="failed", note="drift.ipynb failed")
    assert found is not None
    return found


def fill(page: AppTest, version: str = "1", *, actor: str | None = OFFICER, reason: str = "it harms") -> AppTest:
    page.button(key=f"roll_back_{version}").click().run()
    if actor:
        page.selectbox(key=rollback.ACTOR).select(actor)
    page.text_area(key=rollback.REASON).input(reason)
    return send(page)


def send(page: AppTest) -> AppTest:
    (button,) = [each for each in page.button if each.label == rollback.VERB]
    return button.click().run()


def reigns(workspace: Workspace) -> list[str]:
    return [row["version"] for row in workspace.ledger.acts("champion")]


def test_a_proposal_is_the_first_thing_on_the_overview_and_its_button_opens_the_form(
    workspace: Workspace, open_page: Open, told: list[Path]
) -> None:
    watched(workspace, seen_by="1")
    page = open_page("overview", config_of(workspace))
    assert not page.exception
    assert "Going back to version 1 is proposed since 31 Jul 2006" in texts(page)
    assert "worse than version 1 and than promised" in texts(page)
    page.button(key="roll_back_1").click().run()
    assert reigns(workspace) == ["1", "2"]  # opening the form does nothing
    assert "nothing is promoted for 7 days" in texts(page)
    page.selectbox(key=rollback.ACTOR).select(OFFICER)
    page.text_area(key=rollback.REASON).input(HOSTILE)
    send(page)
    assert not page.exception
    assert reigns(workspace) == ["1", "2", "1"]
    (entry,) = workspace.ledger.entries(kind="rollback")
    assert (entry.actor, entry.body["reason"], entry.at) == (OFFICER, HOSTILE, LOOK)
    assert told == [config_of(workspace)]
    assert "On record: version 2 was rolled back to version 1" in texts(page)
    assert "proposed since" not in texts(page)
    assert not any(HOSTILE in markdown.value for markdown in [*page.markdown, *page.success])


def test_every_earlier_champion_has_a_button_on_the_ledger_page_and_the_others_a_reason(
    workspace: Workspace, open_page: Open
) -> None:
    promoted(workspace)
    third = judged(workspace, a_dossier(challenger="3", champion="2"))
    from pipeline.promotion.decide import decide
    from pipeline.promotion.person import Person

    decide(workspace, third, "approved", person=Person(actor=HEAD, method="local"), reason="r", now=AS_OF)
    (workspace.root / "mlflow" / "1" / "model.skops").write_bytes(b"other")
    page = open_page("ledger", config_of(workspace))
    assert not page.exception
    assert [button.key for button in page.button if str(button.key).startswith("roll_back")] == ["roll_back_2"]
    assert "No way back to version 1" in texts(page)
    fill(page, "2")
    assert reigns(workspace) == ["1", "2", "3", "2"]
    assert "On record" in texts(page)


def test_two_pages_at_once_give_one_rollback_and_the_rival_is_told(workspace: Workspace, open_page: Open) -> None:
    watched(workspace, seen_by="1")
    config = config_of(workspace)
    pages = [open_page("overview", config) for _ in range(3)]
    for page, actor in zip(pages, (OFFICER, OFFICER, HEAD), strict=True):
        page.button(key="roll_back_1").click().run()
        page.selectbox(key=rollback.ACTOR).select(actor)
        page.text_area(key=rollback.REASON).input("it harms")
    for page in pages:
        send(page)
    assert reigns(workspace) == ["1", "2", "1"]
    assert pages[0].success[0].value == pages[1].success[0].value
    assert f"version 1 is champion since 2006-07-31 (rollback by {OFFICER})" in texts(pages[2])
    assert len(workspace.ledger.entries(kind="refused_rollback")) == 1


@pytest.mark.parametrize(
    ("actor", "reason", "why"),
    [
        pytest.param(OFFICER, "  ", "a rollback needs a reason", id="no reason"),
        pytest.param(None, "it harms", "not on the list of approvers", id="nobody"),
    ],
)
def test_an_incomplete_form_is_refused_in_one_line(
    actor: str | None, reason: str, why: str, workspace: Workspace, open_page: Open
) -> None:
    watched(workspace, seen_by="1")
    page = fill(open_page("overview", config_of(workspace)), actor=actor, reason=reason)
    assert not page.exception
    assert why in page.error[0].value.replace("\\", "")
    assert reigns(workspace) == ["1", "2"]
    assert page.text_area(key=rollback.REASON).value == reason


@pytest.mark.parametrize(
    ("seen_by", "days", "label", "says"),
    [
        pytest.param("2", 30, "Under watch", "is watched until 28 Dec 2006: look 1 of 6", id="watching"),
        pytest.param("2", 181, "Kept its promise", "Version 2 is not worse than version 1", id="kept"),
        pytest.param(None, 181, "Could not be told", "version 2 keeps its promise could not be told", id="not told"),
        pytest.param("1", 30, "Rollback proposed", "Promised gain", id="proposed"),
    ],
)
def test_the_overview_says_what_became_of_the_promise(
    seen_by: str | None, days: int, label: str, says: str, workspace: Workspace, open_page: Open
) -> None:
    from dashboard_builders import a_look, a_summary

    from monitoring.values import State

    watched(workspace, seen_by=seen_by, days=days)
    at = AS_OF + (days + 1) * DAY
    a_look(workspace, at, a_summary(State.OK, as_of=at))
    page = open_page("overview", config_of(workspace))
    assert not page.exception
    said = texts(page)
    assert says in said
    assert label in said
    assert "Canary rows: all 200 get the score that is on record." in said
    if seen_by is None:
        assert "AUC: 0 outcomes final since the dossier" in said
    else:
        assert "600 loans (120 bad) of 800" in said


def test_where_nothing_is_watched_nothing_is_said(workspace: Workspace, open_page: Open) -> None:
    page = open_page("overview", config_of(workspace))
    assert "After the promotion" not in texts(page)
    assert not [button for button in page.button if str(button.key).startswith("roll_back")]


def test_the_lines_say_what_is_not_known_and_what_an_estimate_is_worth(workspace: Workspace) -> None:
    from dashboard.watch_words import lines

    found = watched(workspace, seen_by=None)
    own = {"scored": 843, "mature": 0, "known_bad": 12, "first_mature_at": "2009-07-01T00:00:00Z"}
    guess = {"metric": "auc", "low": 0.6, "high": 0.7, "level": 0.9, "rows": 400, "why": None, "value": 0.65}
    silent = guess | {"value": None, "low": None, "high": None, "why": "no past estimate could be checked yet"}
    broken = {"rows": 0, "differ": 0, "largest": None, "reason": "model.skops: changed", "broken": True}
    said = "\n".join(lines({**found, "own": own, "estimated": [guess, silent], "canary": broken}))
    assert "scored 843 applications itself; none is final before 1 Jul 2009" in said
    assert "The 12 known to be bad say nothing" in said
    assert "AUC, estimated without outcomes: 0.650 [0.600, 0.700] at 90 %; the dossier had" in said
    assert "abstains, no past estimate could be checked yet" in said
    assert "Canary rows: not compared, model.skops: changed" in said
    assert watch_words.table(found) is None


@pytest.mark.parametrize("function", [rollback.rolled_back, decision.decided])
def test_nothing_of_streamlit_runs_while_the_champion_is_changed(function: Any) -> None:
    (found,) = ast.parse(inspect.getsource(function)).body
    assert [node for node in ast.walk(found) if isinstance(node, ast.Name) and node.id == "st"] == []


def test_the_handler_touches_the_session_alone() -> None:
    (handler,) = ast.parse(inspect.getsource(rollback.submit)).body
    used = {
        ast.unparse(node)
        for node in ast.walk(handler)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("st.")
    }
    assert used <= {"st.session_state", "st.session_state.pop", "st.session_state.get"}
