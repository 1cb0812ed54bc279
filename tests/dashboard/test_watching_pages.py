"""What Overview, Drift and Performance show of a look, and what they leave unsaid."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import AS_OF, a_dossier, judged
from dashboard_builders import Open, a_cycle, a_look, a_reference, a_summary, config_of, texts
from look_builders import a_result, scored, some_estimates, some_outcomes, some_realised
from streamlit.testing.v1 import AppTest

from monitoring.diagnosis import Change, Recommendation
from monitoring.values import State
from pipeline.alerts.journal import write_state
from pipeline.alerts.values import Alert, Severity
from pipeline.alerts.values import State as Alerts
from pipeline.artefacts import write_atomically
from pipeline.wiring import Workspace

LATER = AS_OF + timedelta(days=1)
HOSTILE = "see **this** [link](https://example.org) <img src=x> $x$ :red[no]"


def markdown(page: AppTest) -> str:
    """All that a browser would read as Markdown, as it stands."""
    elements = [*page.markdown, *page.caption, *page.warning, *page.info, *page.error]
    return "\n".join([*(str(each.value) for each in elements), *(each.value.to_string() for each in page.table)])


def alerts(workspace: Workspace, *made: Alert) -> None:
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        write_state(writer, Alerts(as_of=LATER, alerts=made, last_alert=len(made)), at=LATER, opened=made)


def an_alert(number: int, *, severity: Severity = Severity.NOTE, text: str = "low_doc: 5 % missing.") -> Alert:
    return Alert(number=number, code="feed.missing", subject="low_doc", severity=severity, text=text, since=AS_OF,
                 opened_at=LATER)  # fmt: skip


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_not_to_retrain_is_spelt_out_when_that_is_the_answer(name: str, workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    told = (Change.FEED, Recommendation.FIX_FEED, "The feed has changed: low_doc (missing share).")
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER), diagnosis=told)
    said = texts(open_page(name, config_of(workspace)))
    assert "**Do not retrain: look at the feed.** The feed has changed: low_doc (missing share)." in said
    assert "score: median up 25 % to 2.5 (PSI 0.400), since 2 June 2006; 500 rows." in said
    assert "Train a challenger" not in said


def test_the_overview_has_features_score_and_traffic_with_what_they_are_counted_of(
    workspace: Workspace, open_page: Open
) -> None:
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER, failed=["low_doc"]))
    page = open_page("overview", config_of(workspace))
    shown = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert shown["Features beyond limit"] == ("1 of 2", "1 judged")
    assert shown["Score PSI"] == ("0.400", "limit 0.040, 500 rows")
    assert shown["Score that moved"] == ("45 %", "limit 50 %")
    assert shown["Applications"] == ("500", "newest 1 Jul 2006")
    assert "loan_amount: median up 25 % to 2.5 USD (PSI 0.400), since 2 June 2006" not in texts(
        page
    )  # the score is first
    assert "1 of 2 cycles have one; a grey line marks each of the others" in texts(page)


def test_without_a_verdict_no_tile_shows_a_zero(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.TOO_FEW_ROWS, as_of=LATER))
    page = open_page("overview", config_of(workspace))
    shown = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert shown["Features beyond limit"] == ("–", "0 judged")
    assert shown["Score that moved"][0] == "–"
    assert shown["Score PSI"] == ("–", "not measured")
    assert shown["Called bad"] == ("–", "not known")
    assert "No feature could be judged in this window, which is not the same as no drift" in texts(page)


def test_open_alerts_are_listed_pages_first_and_letter_by_letter(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER))
    alerts(workspace, an_alert(1, text=HOSTILE), an_alert(2, severity=Severity.PAGE), an_alert(3))
    page = open_page("overview", config_of(workspace))
    assert not page.exception
    assert "Open alerts: 3" in texts(page)
    table = next(each.value for each in page.table if "Alert" in each.value)
    assert table["Alert"].tolist() == ["2 (page)", "3 (note)", "1 (note)"]
    assert "**this**" not in markdown(page)
    assert "see **this** [link](https://example.org)" in texts(page)


def test_without_open_alerts_there_is_no_table_of_them(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER))
    assert "Open alerts" not in texts(open_page("overview", config_of(workspace)))


@pytest.mark.parametrize("name", ["overview", "performance"])
def test_estimates_show_their_interval_only_where_their_record_bears_them_out(
    name: str, workspace: Workspace, open_page: Open
) -> None:
    good, bad = (some_outcomes(estimated=some_estimates(bias=bias)) for bias in (0.0, 0.2))
    for outcomes, trusted in ((good, True), (bad, False)):
        as_of = LATER + timedelta(days=not trusted)
        a_look(workspace, as_of, a_summary(State.OK, as_of=as_of), outcomes=outcomes)
        said = texts(open_page(name, config_of(workspace)))
        assert ("at 90 %, 700 rows, 0 labels" in said) is trusted
        assert said.count("its record does not bear it out") == (4 if not trusted else 1)
        assert "concept change" in said
        assert "AUC, realised: auc 0.844 [0.804, 0.881] at 90 % on 546 final outcomes" in said


def test_the_drift_page_shows_every_part_of_a_look(workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER), joint=State.DRIFT)
    page = open_page("drift", config_of(workspace))
    assert not page.exception
    said = texts(page)
    assert [heading.value for heading in page.subheader] == [
        "What moved, where it matters",
        "How it moved",
        "Feature by time",
        "Drift over time",
        "What that does to the score",
        "How features go together",
        "One feature in full",
        "Any window",
        "Other tools, for comparison",
    ]
    for needed in (
        "The score itself: PSI **0.400** (limit 0.040, 500 rows)",
        "3 questions without a limit: too few rows to tell",
        "The retrain signal: 0 of 3.",
        "Features go together differently than in the reference, as of 2006-07-02",
        "Mend's verdict does not rest on these scores",
        "new_business = Y",
    ):
        assert needed in said, needed
    questions = next(each.value for each in page.table if "Question" in each.value)
    assert len(questions) == 6
    assert questions["Verdict"].tolist() == ["◆ beyond"] * 3 + ["– cannot tell"] * 3
    assert set(questions["Since"]) == {"2 Jun 2006", "–"}


def test_other_tools_scores_never_stand_as_the_verdict(workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER, calm=["low_doc"]))
    page = open_page("drift", config_of(workspace))
    assert "Drift: 1 of 2 features beyond their limit" in texts(page)
    assert any("not Mend's verdict" in each.label for each in page.expander)
    before = page.markdown[: next(i for i, each in enumerate(page.markdown) if "Segments" in each.value)]
    assert not any("100 %" in each.value or "of features" in each.value for each in before)


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_failed_feature_is_named_and_the_window_is_not_calm(name: str, workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(State.FAILED, as_of=LATER, failed=["low_doc"]))
    page = open_page(name, config_of(workspace))
    assert not page.exception
    said = texts(page)
    assert "1 of 3 could not be judged" in said
    assert "No drift" not in said
    if name == "drift":
        assert "This window has no verdict" in said
        table = next(each.value for each in page.table if "Why" in each.value)
        assert table.to_numpy().tolist() == [["low\\_doc", "not numbers"]]


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_features_that_go_together_differently_never_read_as_no_drift(
    name: str, workspace: Workspace, open_page: Open
) -> None:
    a_reference(workspace)
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER), joint=State.DRIFT)
    page = open_page(name, config_of(workspace))
    said = texts(page) + "".join(option for box in page.selectbox for option in box.options)
    assert "they go together differently" in said
    assert "No drift" not in said


@pytest.mark.parametrize("name", ["overview", "drift", "performance"])
def test_a_cycle_of_another_format_is_one_line(name: str, workspace: Workspace, open_page: Open) -> None:
    summary = a_summary(State.OK, as_of=LATER)
    a_cycle(workspace, LATER, status="ok", summary=summary, result=a_result(summary), summary_format=1)
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert not page.error
    said = texts(page)
    if name != "performance":
        assert "on record in format 1" in said
        assert "Nothing is said here about drift" in said
        assert "beyond its limit" not in said
    else:
        assert "Nothing has been measured or estimated yet" in said


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_hostile_names_are_shown_letter_by_letter(name: str, workspace: Workspace, open_page: Open) -> None:
    a_reference(workspace)
    hostile = "loan_amount" + HOSTILE.removeprefix("see")
    summary = a_summary(State.DRIFT, as_of=LATER, names=["loan_amount", hostile])
    told = (Change.CONCEPT, Recommendation.RETRAIN, f"Who goes bad: {HOSTILE}")
    a_look(workspace, LATER, summary, diagnosis=told, joint=State.DRIFT, segment=hostile)
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert "**this**" in texts(page)
    for raw in ("**this**", "[link](", "$x$", ":red["):
        assert raw not in markdown(page)
    assert not re.search(r"(?<!\\)<img", markdown(page))


@pytest.mark.parametrize("name", ["overview", "drift"])
def test_a_result_that_was_changed_is_not_shown(name: str, workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER))
    (path,) = (workspace.root / "monitoring").glob("metrics_*.json")
    path.write_text(path.read_text().replace("retrain", "nothing"))
    said = texts(open_page(name, config_of(workspace)))
    assert "not the file that the ledger recorded" in said
    assert "Do not retrain" not in said


def test_runs_list_cycles_by_our_checks(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.DRIFT, as_of=LATER, failed=["low_doc"]))
    values = {"run_id": "r", "notebook": "drift", "as_of": LATER, "status": "succeeded", "seconds": 1.0,
              "path": "nb.ipynb", "artefact": None, "error": None}  # fmt: skip
    files = {"nb.ipynb": write_atomically(workspace.root / "nb.ipynb", '{"cells": []}')}
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        writer.record("run", "r", values, at=LATER, actor="mend", files=files)
    page = open_page("runs", config_of(workspace))
    assert page.dataframe[1].value["Features drifted"].tolist() == ["1 of 1", "–"]
    assert page.dataframe[1].value["Window"].tolist() == ["Drift, the feed has changed", "Not judged"]


@pytest.mark.parametrize(
    ("state", "value", "why"),
    [
        (State.DRIFT, "1 of 2", "**1 of 2 features** were beyond their limit, most of all **loan_amount**: median up"),
        (State.OK, "0 of 2", ""),
        (State.STALE, "–", ""),
    ],
)
def test_the_review_page_counts_features_by_our_limits(
    state: State, value: str, why: str, workspace: Workspace, open_page: Open
) -> None:
    a_look(workspace, LATER, a_summary(state, as_of=LATER, calm=["low_doc"]))
    judged(workspace, a_dossier(as_of=LATER))
    page = open_page("review", config_of(workspace))
    assert not page.exception
    shown = {metric.label: (metric.value, metric.delta) for metric in page.metric}
    assert shown["Features beyond their limit"] == (value, "500 rows in the window")
    assert why in texts(page)
    assert ("were beyond their limit" in texts(page)) is bool(why)


# --- performance -------------------------------------------------------------------------------------------------


def performance(workspace: Workspace, open_page: Open, outcomes: dict[str, Any], at: datetime = LATER) -> AppTest:
    a_look(workspace, at, a_summary(State.OK, as_of=at), outcomes=outcomes)
    page = open_page("performance", config_of(workspace))
    assert not page.exception
    return page


def test_before_the_first_look_the_performance_page_says_what_to_run(workspace: Workspace, open_page: Open) -> None:
    page = open_page("performance", config_of(workspace))
    assert "Nothing has been measured or estimated yet" in page.info[0].value
    assert not page.subheader


def test_the_performance_page_shows_floor_vintages_calibration_and_the_record_of_estimates(
    workspace: Workspace, open_page: Open
) -> None:
    page = performance(workspace, open_page, some_outcomes())
    said = texts(page)
    assert [heading.value for heading in page.subheader] == [
        "Against the floor",
        "What came true, by vintage",
        "How many go bad",
        "Share gone bad, by vintage and age",
        "Calibration by score band",
        "Profit at the cut-off",
        "How scores are spread",
        "Estimated before outcomes are known",
    ]
    for needed in (
        "Keeps its promise",
        "promised 0.800, floor 0.740 (dossier 0123)",
        "590 mature rows, 546 labelled, 104 bad",
        "546 final outcomes, 104 bad",
        "Outcomes are known of booked loans only",
        "1 of 5 past estimates missed",
        "3 rows without a usable score",
        "Measured and estimated as of 1 Jul 2006",
    ):
        assert needed in said, needed
    assert page.selectbox(key="metric").value == "auc"
    page.selectbox(key="metric").select("expected_minus_observed").run()
    page.selectbox(key="estimate").select("brier").run()
    assert not page.exception
    assert "Expected less observed default rate" in page.table[0].value
    assert "0 of 5 past estimates missed" in texts(page)


def test_while_nothing_is_final_the_performance_page_gives_no_metric(workspace: Workspace, open_page: Open) -> None:
    young = some_outcomes(some_realised(scored(0.5, n=400)), some_estimates(tests=0))
    page = performance(workspace, open_page, young)
    said = texts(page)
    assert "0 of" in said
    assert "Not decided" in said
    assert "no row is mature yet" in said
    assert "nothing can be said about calibration" in said
    assert "No past window could be checked yet" in said
    assert set(page.table[0].value["AUC"]) == {"–"}


def test_a_new_champion_is_not_shown_its_predecessors_record_as_its_own(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER))
    dossier = a_dossier()
    judged(workspace, dossier)
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        writer.swap_champion(expected="1", new="2", at=LATER, how="promotion", actor="mend", digest=dossier.digest)
    page = open_page("performance", config_of(workspace))
    assert "when version 1 was champion" in texts(page)
    assert "Version 2 is champion since" in texts(page)


def test_a_failed_cycle_leaves_the_last_outcomes_with_their_date(workspace: Workspace, open_page: Open) -> None:
    a_look(workspace, LATER, a_summary(State.OK, as_of=LATER))
    a_cycle(workspace, LATER + timedelta(days=30), status="failed", note="drift.ipynb failed")
    assert "as of 1 Jul 2006" in texts(open_page("performance", config_of(workspace)))
    overview = texts(open_page("overview", config_of(workspace)))
    assert "Nothing is known about drift in this window" in overview
    assert "measured and estimated as of 1 Jul 2006" in overview
