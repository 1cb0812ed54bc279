"""What is said of a look: never calm where nothing is known, never a number that its record does not bear out."""

from __future__ import annotations

import doctest
from types import ModuleType
from typing import Any

import pytest
from dashboard_builders import a_summary
from look_builders import a_result, some_estimates, some_outcomes, some_realised

from dashboard import findings, moves, track
from monitoring.checks import SCORE
from monitoring.diagnosis import Change, Recommendation
from monitoring.performance_floor import FloorState
from monitoring.values import State
from pipeline.drift_frames import drift_checks_frame


@pytest.mark.parametrize("module", [findings, track], ids=["findings", "track"])
def test_examples_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("state", [state for state in State if state not in (State.OK, State.DRIFT)])
@pytest.mark.parametrize("diagnosed", [True, False], ids=["diagnosed", "no diagnosis"])
def test_what_was_not_judged_says_why_once_and_that_it_is_not_calm(state: State, diagnosed: bool) -> None:
    summary = a_summary(state)
    result = a_result(summary) if diagnosed else None
    said = findings.verdict(summary, result) + (result["diagnosis"]["reason"] if result else "")
    assert findings.NOT_CALM in said
    assert said.count(str(summary.reason)) == 1
    assert "No drift" not in said


def test_a_verdict_counts_features_and_tells_the_score_apart() -> None:
    drift = a_summary(State.DRIFT, failed=["low_doc"])
    assert findings.verdict(drift) == (
        "Drift: 1 of 2 features beyond their limit, and so is the score (500 rows). 1 of 3 could not be judged."
    )
    only_score = a_summary(State.DRIFT, names=[], failed=[])
    assert findings.verdict(only_score).startswith("Drift: the score is beyond its limit, none of 0 features is")


def test_features_that_go_together_differently_are_no_calm_window() -> None:
    summary = a_summary(State.OK)
    result = a_result(summary, joint=State.DRIFT)
    assert "they go together differently" in findings.verdict(summary, result)
    assert "No drift" not in findings.verdict(summary, result)
    assert findings.state_label("ok", result)[0] == "Joint drift"
    assert findings.verdict(summary, a_result(summary, joint=State.OK)).startswith("No drift")
    assert findings.state_label("ok", a_result(summary, joint=State.OK))[0] == "No drift"


@pytest.mark.parametrize("recommendation", Recommendation)
@pytest.mark.parametrize("change", Change)
def test_every_recommendation_but_one_spells_out_not_to_retrain(change: Change, recommendation: Recommendation) -> None:
    said = findings.to_do({"change": change.value, "recommendation": recommendation.value})
    if change is Change.NONE:
        assert said == "Nothing to do"
    else:
        assert said.startswith("Do not retrain") is (recommendation is not Recommendation.RETRAIN)
    assert findings.state_text({"status": "ok", "change_kind": change.value}) == "No drift" or change is not Change.NONE


@pytest.mark.parametrize("status", ["ok", "drift", "no_data", "too_few_rows", "stale", "failed"])
def test_a_cycle_in_a_list_says_no_drift_only_if_nothing_else_was_found(status: str) -> None:
    for change in (None, *Change):
        said = findings.state_text({"status": status, "change_kind": change})
        assert said.startswith("No drift") <= (status == "ok")
        if status == "ok" and change not in (None, Change.NONE, Change.UNKNOWN):
            assert said != "No drift"


def test_an_estimate_that_its_record_does_not_bear_out_has_no_number() -> None:
    good = dict(findings.estimates(some_estimates().to_json()))
    assert good["AUC"].startswith("0.")
    assert "at 90 %, 700 rows, 0 labels)" in good["AUC"]
    assert "%" in good["Default rate"].split("(")[0]
    estimated = some_estimates(bias=0.2).to_json()
    for (_, said), trust in zip(findings.estimates(estimated), estimated["trust"], strict=True):
        assert said == f"no estimate, its record does not bear it out: {trust['reason']}"


def test_an_estimate_without_a_value_says_why() -> None:
    estimated = some_estimates().to_json()
    estimated["estimates"][0] |= {"value": None, "low": None, "high": None, "reason": "too few rows"}
    assert findings.estimates(estimated)[0] == ("AUC", "no estimate: too few rows")


@pytest.mark.parametrize(
    ("promise", "state", "told"),
    [
        pytest.param(0.8, FloorState.OK, "keeps the floor 0.740; promised 0.800, floor 0.740 (dossier", id="kept"),
        pytest.param(1.0, FloorState.BELOW, "the wrong side of the floor 0.900; promised 1.000, floor 0.900", id="below"),
        pytest.param(None, FloorState.UNDECIDED, "nothing was promised; no promise is known (dossier 0123)", id="none"),
    ],
)  # fmt: skip
def test_realised_performance_is_told_beside_its_floor(promise: float | None, state: FloorState, told: str) -> None:
    outcomes = some_outcomes(some_realised(promise=promise))
    assert outcomes["realised"]["floor"]["state"] == state
    assert told in findings.realised(outcomes)
    assert outcomes["realised"]["floor"]["state"] in findings.FLOORS


def test_a_psi_stands_beside_its_limit_and_rows() -> None:
    summary = a_summary(State.DRIFT)
    assert findings.psi_text(findings.check_of(summary, SCORE, "psi")) == ("0.400", "limit 0.040, 500 rows")
    assert findings.psi_text(None) == ("–", "not measured")


def test_a_question_without_a_limit_never_reads_as_within_it() -> None:
    summary = a_summary(State.OK)
    table = moves.questions_table(summary, drift_checks_frame(summary))
    by_question = dict(zip(table["Question"], table["Verdict"], strict=True))
    assert by_question == {"distribution \\(PSI\\)": "● within", "missing": "– cannot tell"}
    assert set(table["Rows"]) == {"500"}


def test_features_not_judged_are_told_by_their_reason() -> None:
    summary = a_summary(State.TOO_FEW_ROWS)
    table = moves.unjudged_table([*summary.notes, summary.score_note])  # type: ignore[list-item]
    assert len(table) == 2
    assert table["Why"].tolist() == ["not numbers", "window has 20 values, need 200"]
    assert table["Features"].tolist() == ["loan\\_amount, low\\_doc", "score"]


def tables(result: dict[str, Any]) -> list[Any]:
    frame = moves.contributions(result)
    return [moves.contributions_table(frame), moves.segments_table(result), moves.pairs_table(result["joint"])]


def test_what_moved_the_score_has_an_interval_or_a_count_beside_every_number() -> None:
    summary = a_summary(State.DRIFT)
    by_feature, segments, pairs = tables(a_result(summary, joint=State.DRIFT))
    assert by_feature["Change, points (95 %)"].str.fullmatch(r"[+-]\d+\.\d\d \([+-]\d+\.\d\d to [+-]\d+\.\d\d\)").all()
    assert segments["Of all rows"].str.contains(r"\(\d+ → \d+\)").all()
    assert segments.iloc[:, 2].str.contains(r"\([+-]\d+\.\d\d to [+-]\d+\.\d\d\)").all()
    assert pairs["Window"].tolist() == ["+0.00 (-0.10 to +0.10), 500 rows"]
    assert moves.pairs_table(a_result(summary, joint=State.OK)["joint"]).empty
    assert moves.pairs_table(None).empty


def test_an_older_record_says_its_format_and_nothing_of_drift() -> None:
    assert "format 1" in findings.other_format(1)
