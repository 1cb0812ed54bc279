"""The decision: what the approver sees is what is signed, once."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import AS_OF, HEAD, OFFICER, a_dossier, judged
from dashboard_builders import Open, a_cycle, a_lifelike_desk, config_of, texts
from streamlit.testing.v1 import AppTest

from dashboard import decision, words
from dashboard.words import SEAM
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.wiring import Workspace

HOSTILE = "see **this** [link](https://example.org) <img src=x> $x$ :red[no]"


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Settings files of workspaces whose registry was told to follow, without starting MLflow."""
    calls: list[Path] = []
    monkeypatch.setattr(decision, "tell_the_registry", calls.append)
    return calls


def fill(page: AppTest, verdict: str, *, actor: str | None = OFFICER, reason: str = "looks right") -> AppTest:
    """Open the form, fill it in and send it off."""
    page.button(key=f"open_{verdict}").click().run()
    if actor:
        page.selectbox(key="actor").select(actor)
    page.text_area(key="reason").input(reason)
    return send(page)


def send(page: AppTest) -> AppTest:
    """Press the form's button."""
    (button,) = [each for each in page.button if each.label in decision.VERBS.values()]
    return button.click().run()


def decisions(workspace: Workspace) -> list[dict[str, Any]]:
    return workspace.ledger.acts("decision")


def test_the_page_shows_all_that_a_decision_rests_on(workspace: Workspace, open_page: Open) -> None:
    dossier = a_dossier()
    digest = judged(workspace, dossier)
    page = open_page("review", config_of(workspace))
    said = texts(page)
    assert not page.exception
    assert page.title[0].value == "Version 2 → champion?"
    for needed in (
        "6 of 6 gates passed",
        "F1 improvement",
        "1,000 of 1,000 mature booked loan",
        "200 bad",
        "Rejected applicants",
    ):
        assert needed in said
    assert page.code[0].value == digest
    everyone = dossier.evidence.everyone_bad
    metrics = next(table.value for table in page.table if "Metric" in table.value).set_index("Metric")
    assert metrics.loc["F1", "Everyone bad"] == f"{everyone.f1:.3f}"
    assert metrics.index.tolist() == list(words.METRICS.values())


def test_the_page_reads_from_why_to_the_hashes_and_leaves_nothing_out(workspace: Workspace, open_page: Open) -> None:
    dossier = a_lifelike_desk(workspace)
    page = open_page("review", config_of(workspace))
    assert not page.exception
    assert [heading.value for heading in page.header] == [
        "Champion 2 against challenger 3",
        "Gates",
        "Swap set",
        "In the shadow: live traffic",
        "Segments",
        "Approval rates",
        "What this covers",
        "What happened, in order",
        "What was judged before, and what came of it",
        "How the models were made",
    ]
    said = texts(page)
    into = dossier.evidence.swap[0]
    for needed in (
        "this try spends 1.00 % of this year's 5 %",
        "Against the first champion, version 1: F1 better by",
        f"{into.applicants:,} applicants swapped in: {into.good:,} good, {into.bad:,} bad",
        "USD at 90 %)",
        "Information, not a finding and not legal advice",
        "dated 2 Jan 2006",
        "Rejected applicants have none",
        "Expected segments that are absent: state=WY",
        "The youngest applicant's outcome is final on",
    ):
        assert needed in said
    columns = [set(table.value.columns) for table in page.table]
    for needed in ("Loss it could show", "Challenger's ratio", "Final at", "Labelled share of mature", "Not known yet"):
        assert any(needed in each for each in columns), needed


def test_a_segment_s_name_is_shown_letter_by_letter(workspace: Workspace, open_page: Open) -> None:
    a_lifelike_desk(workspace)
    page = open_page("review", config_of(workspace))
    written = [markdown.value for markdown in page.markdown] + [caption.value for caption in page.caption]
    cells = [cell for table in page.table for cell in table.value.to_numpy().ravel()]
    raw = [text for text in (*written, *cells) if "<b>" in str(text)]
    assert raw == []
    assert "state=<b>NY</b>" in texts(page)


def test_a_challenger_that_waits_says_until_when_and_can_only_be_rejected(
    workspace: Workspace, open_page: Open
) -> None:
    dossier = a_lifelike_desk(workspace, sharpness=1.17)
    (waits,) = [check for check in dossier.checks if check.decidable_at]
    page = open_page("review", config_of(workspace))
    assert not page.exception
    assert page.title[0].value == "Version 3 waits for more labels"
    said = texts(page)
    assert f"about {waits.more_rows} more labelled rows, by {words.day(waits.decidable_at)}" in said
    assert f"It is judged again from {words.day(waits.decidable_at)} on" in said
    assert "not told apart from luck" in said
    keys = {button.key for button in page.button}
    assert "open_rejected" in keys
    assert "open_approved" not in keys


def test_opening_the_form_decides_nothing_and_shows_the_whole_digest(workspace: Workspace, open_page: Open) -> None:
    digest = judged(workspace, a_dossier())
    page = open_page("review", config_of(workspace))
    page.button(key="open_approved").click().run()
    assert [code.value for code in page.code].count(digest) == 2
    assert "unverified" in texts(page)
    assert page.selectbox(key="actor").options == [OFFICER, HEAD]
    assert page.selectbox(key="actor").value is None
    assert decisions(workspace) == []


def test_an_approval_promotes_tells_the_registry_and_shows_who_and_why(
    workspace: Workspace, open_page: Open, told: list[Path]
) -> None:
    digest = judged(workspace, a_dossier())
    page = fill(open_page("review", config_of(workspace)), "approved", reason=HOSTILE)
    assert not page.exception
    (made,) = decisions(workspace)
    assert (made["digest"], made["verdict"], made["actor"], made["reason"]) == (digest, "approved", OFFICER, HOSTILE)
    assert workspace.require_champion()["version"] == "2"
    assert told == [config_of(workspace)]
    assert page.title[0].value == "Version 2 became champion"
    assert HOSTILE in [text.value for text in page.text]
    assert not any(HOSTILE in markdown.value for markdown in page.markdown)
    assert "open_approved" not in {button.key for button in page.button}


def test_a_rejection_leaves_the_champion_and_the_registry(
    workspace: Workspace, open_page: Open, told: list[Path]
) -> None:
    judged(workspace, a_dossier())
    page = fill(open_page("review", config_of(workspace)), "rejected", actor=HEAD, reason="not now")
    assert [(made["verdict"], made["actor"]) for made in decisions(workspace)] == [("rejected", HEAD)]
    assert workspace.require_champion()["version"] == "1"
    assert told == []
    assert page.title[0].value == "Version 2 was rejected"


def test_a_second_submit_of_the_same_form_gives_the_first_answer(workspace: Workspace, open_page: Open) -> None:
    digest = judged(workspace, a_dossier())
    config = config_of(workspace)
    first, second = open_page("review", config), open_page("review", config)
    for page in (first, second):
        page.button(key="open_approved").click().run()
        page.selectbox(key="actor").select(OFFICER)
        page.text_area(key="reason").input("looks right")
    answers = [send(first), send(second)]
    assert answers[0].success[0].value == answers[1].success[0].value
    assert [made["digest"] for made in decisions(workspace)] == [digest]
    assert [act["version"] for act in workspace.ledger.acts("champion")] == ["1", "2"]


def test_the_second_of_two_people_is_told_who_was_first(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier())
    config = config_of(workspace)
    slow = open_page("review", config)
    slow.button(key="open_rejected").click().run()
    fill(open_page("review", config), "approved")
    slow.selectbox(key="actor").select(HEAD)
    slow.text_area(key="reason").input("too late")
    send(slow)
    assert f"already approved by {OFFICER}" in texts(slow)
    assert [made["verdict"] for made in decisions(workspace)] == ["approved"]


@pytest.mark.parametrize(
    ("actor", "reason", "why"),
    [
        pytest.param(OFFICER, "  ", "a decision needs a reason", id="no reason"),
        pytest.param(None, "looks right", "not on the list of approvers", id="nobody"),
    ],
)
def test_an_incomplete_form_is_refused_in_one_line(
    actor: str | None, reason: str, why: str, workspace: Workspace, open_page: Open
) -> None:
    judged(workspace, a_dossier())
    page = fill(open_page("review", config_of(workspace)), "approved", actor=actor, reason=reason)
    assert not page.exception
    assert why in page.error[0].value.replace("\\", "")
    assert decisions(workspace) == []
    assert page.text_area(key="reason").value == reason


def test_the_answer_names_the_champion_and_who_signed(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier())
    page = fill(open_page("review", config_of(workspace)), "approved")
    (answer,) = [success.value.replace(SEAM, "").replace("\\", "") for success in page.success]
    assert answer.startswith("On record: version 2 is champion since ")
    assert answer.endswith(f", signed by {OFFICER}")


def test_without_approvers_the_form_says_what_to_set_and_asks_nothing(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier())
    config = config_of(workspace)
    text = re.sub(r"approvers = \[.*?\]", "approvers = []", config.read_text(encoding="utf-8"), flags=re.DOTALL)
    config.write_text(text, encoding="utf-8")
    page = open_page("review", config)
    page.button(key="open_approved").click().run()
    assert "Nobody is on the list: add names to `approval.approvers` in the settings." in texts(page)
    assert not page.text_area


def test_four_eyes_refuse_an_approver_their_own_challenger(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier(), requested_by=OFFICER)
    page = fill(open_page("review", config_of(workspace)), "approved")
    assert "four eyes" in texts(page)
    assert decisions(workspace) == []


def test_a_dossier_that_was_changed_is_not_shown_and_cannot_be_signed(workspace: Workspace, open_page: Open) -> None:
    digest = judged(workspace, a_dossier())
    path = workspace.root / workspace.ledger.acts("dossier")[0]["path"]
    page = open_page("review", config_of(workspace))
    page.button(key="open_approved").click().run()
    path.write_text(path.read_text().replace('"rows":1000', '"rows":1001'))
    page.selectbox(key="actor").select(OFFICER)
    page.text_area(key="reason").input("looks right")
    send(page)
    assert not page.exception
    assert f"expected SHA-256 {digest[:12]}" in page.error[0].value.replace("\\", "")
    assert "1,001" not in texts(page)
    assert decisions(workspace) == []


@pytest.mark.parametrize(
    ("better", "days_later", "title", "story"),
    [
        pytest.param(False, 0, "Version 2 was refused by the gates", "not every gate passed", id="refused"),
        pytest.param(True, 14, "Version 2: expired", "Running out of time only ever refuses", id="expired"),
    ],
)
def test_what_cannot_be_signed_says_why_and_has_no_buttons(
    better: bool, days_later: int, title: str, story: str, workspace: Workspace, open_page: Open
) -> None:
    judged(workspace, a_dossier(better=better))
    if days_later:
        a_cycle(workspace, AS_OF + timedelta(days=days_later), status="failed")
    page = open_page("review", config_of(workspace))
    assert not page.exception
    assert page.title[0].value == title
    assert story in texts(page)
    assert "Nothing waits for a person" in texts(page)
    assert not [button for button in page.button if button.key in ("open_approved", "open_rejected")]


def test_after_one_promotion_the_other_dossier_is_out_of_date(workspace: Workspace, open_page: Open) -> None:
    stale = judged(workspace, a_dossier(challenger="3"))
    signed = judged(workspace, a_dossier(challenger="2"))
    officer = Person(actor=OFFICER, method="local", os_user="me")
    decide(workspace, signed, "approved", person=officer, reason="first", now=AS_OF)
    page = open_page("review", config_of(workspace), digest=stale[:12])
    assert page.title[0].value == "Version 3: out of date"
    assert "the champion is now version 2" in texts(page)
    before = next(table.value for table in page.table if "Came to" in table.value)
    assert before["Came to"].tolist() == ["Approved"]
    assert before["Why"].str.replace(SEAM, "").str.replace("\\", "").tolist() == [f"{OFFICER}: first"]


def test_the_answer_is_shown_beside_the_dossier_that_was_decided_and_no_other(
    workspace: Workspace, open_page: Open
) -> None:
    other = judged(workspace, a_dossier(challenger="3"))
    decided = judged(workspace, a_dossier(challenger="2"))
    page = fill(open_page("review", config_of(workspace), digest=decided), "rejected")
    assert [success.value for success in page.success]
    page.selectbox(key="digest").select(other).run()
    assert page.title[0].value == "Version 3 → champion?"
    assert not page.success


def test_without_dossiers_the_page_says_where_they_come_from(workspace: Workspace, open_page: Open) -> None:
    assert "No challenger has been judged yet" in texts(open_page("review", config_of(workspace)))


def test_nothing_of_streamlit_runs_while_a_decision_is_made() -> None:
    # Any `st.` call is where another click may cut a handler in half: between the promotion and its answer, say.
    (function,) = ast.parse(inspect.getsource(decision.decided)).body
    assert [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == "st"] == []
    (handler,) = ast.parse(inspect.getsource(decision.submit)).body
    used = {
        ast.unparse(node)
        for node in ast.walk(handler)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("st.")
    }
    assert used <= {"st.session_state", "st.session_state.get", "st.session_state.pop"}
