"""What the dashboard says in words. (Its pages cannot be collected: importing one runs it.)"""

from __future__ import annotations

import dataclasses
import doctest
from datetime import UTC, datetime
from types import ModuleType

import numpy as np
import pytest
from builders import AS_OF, a_dossier
from dashboard_builders import a_lifelike_dossier, some_applicants

from dashboard import components, distributions, verdicts, words
from dashboard.concerns import concerns
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import JudgedRows, evidence
from pipeline.gate.values import Check, GatePolicy, Interval, Outcome
from pipeline.promotion.state import Standing


@pytest.mark.parametrize("module", [words, distributions, components], ids=["words", "distributions", "components"])
def test_examples_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def a_check(**changes: object) -> Check:
    values = {
        "code": "G6",
        "name": "no segment regression",
        "outcome": Outcome.PASSED,
        "observed": 0.4,
        "threshold": 0.05,
        "unit": "relative drop of F1, worst segment",
        "interval": Interval(-0.1, 0.9, 0.98),
        "margin": -0.35,
        "note": "worst: a=b",
    }
    return Check(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        pytest.param({}, ("40.0 %", "≤ 5.0 %", "-35.0 %", "-10.0 % to 90.0 % (98 %)"), id="relative drop"),
        pytest.param(
            {"code": "G5", "unit": "Brier score, absolute rise", "observed": -0.005, "threshold": 0.01, "margin": 0.015,
             "interval": None},
            ("-0.0050", "≤ 0.0100", "+0.0150", "–"),
            id="Brier score",
        ),
        pytest.param(
            {"code": "G3", "unit": "days", "observed": 990.0, "threshold": 7.0, "margin": 983.0, "interval": None},
            ("990 days", "≥ 7 days", "+983 days", "–"),
            id="days",
        ),
        pytest.param(
            {"code": "G1", "unit": "mature labelled rows", "observed": 1772.0, "threshold": 200.0, "margin": 1572.0,
             "interval": None},
            ("1,772", "≥ 200", "+1,572", "–"),
            id="rows",
        ),
        pytest.param(
            {"code": "G4", "unit": "AUC, absolute gain", "observed": 0.0123, "threshold": 0.005, "margin": 0.0073,
             "interval": Interval(0.001, 0.0236, 0.98004)},
            ("0.0123", "≥ 0.0050", "+0.0073", "0.0010 to 0.0236 (98 %)"),
            id="AUC",
        ),
        pytest.param(
            {"code": "G4", "unit": "relative fall of the Brier score", "observed": 0.0123, "threshold": 0.005,
             "margin": 0.0073, "interval": None},
            ("1.2 %", "≥ 0.5 %", "+0.7 %", "–"),
            id="fall of the Brier score",
        ),
        pytest.param(
            {"code": "G4", "unit": "money per applicant, absolute gain", "observed": 97.02, "threshold": 0.0,
             "margin": 97.02, "interval": Interval(-22.0, 1213.59, 0.9985)},
            ("97.02", "≥ 0.00", "+97.02", "-22.00 to 1,214 (99.85 %)"),
            id="money",
        ),
        pytest.param(
            {"code": "G4", "outcome": Outcome.UNDECIDED, "observed": None, "margin": None, "interval": None},
            ("–", "≥ 5.0 %", "–", "–"),
            id="not measurable",
        ),
    ],
)  # fmt: skip
def test_a_gate_speaks_its_own_unit(changes: dict[str, object], numbers: tuple[str, ...]) -> None:
    row = verdicts.gates_table([a_check(**changes)]).iloc[0]
    assert (row["Observed"], row["Limit"], row["Margin"], row["Interval"]) == numbers


def judged_anew(**rows: object) -> Dossier:
    """A dossier on other rows, without applicants."""
    y = np.asarray(rows["y"])
    given = {"champion_threshold": 0.5, "challenger_threshold": 0.5, "mature_rows": len(y)} | rows
    given["ids"] = np.array([f"row{i:04d}" for i in range(len(y))])
    policy, dossier = GatePolicy(), a_dossier()
    found = evidence(JudgedRows(**given), policy=policy, alpha=dossier.evidence.trial.alpha)  # type: ignore[arg-type]
    checks = all_checks(
        found, policy=policy, as_of=AS_OF, last_promotion_at=dossier.last_promotion_at, last_try_at=None
    )
    return dataclasses.replace(dossier, evidence=found, checks=checks)


def test_a_gate_that_waits_says_for_what_and_until_when() -> None:
    until = datetime(2006, 9, 21, tzinfo=UTC)
    waits = {"code": "G4", "outcome": Outcome.UNDECIDED, "more_rows": 203, "decidable_at": until}
    shown = verdicts.gates_table([a_check(), a_check(**waits), a_check(outcome=Outcome.UNDECIDED)])
    assert shown["Waits for"].tolist() == [
        "–",
        "about 203 more labelled rows, by 21 Sep 2006",
        "nothing that can be counted",
    ]
    assert "Waits for" not in verdicts.gates_table([a_check()])


@pytest.mark.parametrize(
    ("applicants", "told"),
    [
        pytest.param({"sharpness": 1.17}, "expected by {day}. It is judged again from {day} on", id="a try"),
        pytest.param({"bad_share": 0.01, "n": 2000}, "It is judged again at every cycle", id="costs nothing"),
    ],
)
def test_a_waiting_challenger_waits_until_a_day(applicants: dict[str, float], told: str) -> None:
    dossier = a_lifelike_dossier(**applicants)
    assert dossier.status == "waiting"
    dates = [check.decidable_at for check in dossier.checks if check.decidable_at]
    story = verdicts.standing_story(Standing.WAITING, dossier, "2")
    assert told.format(day=words.day(max(dates)) if dates else "") in story
    assert "not signed" in story
    assert verdicts.gates_label(dossier)[2] == "orange"


def test_a_try_says_what_it_spends_of_the_year() -> None:
    assert verdicts.budget(a_dossier()).startswith("G4: this try spends 1.00 % of this year's 5 %")
    assert "spends nothing" in verdicts.budget(a_lifelike_dossier(bad_share=0.01, n=2000))


@pytest.mark.parametrize(("metric", "sign"), [("f1", 1), ("brier", -1)])
def test_the_primary_metric_is_coloured_by_the_interval_that_decides(metric: str, sign: int) -> None:
    dossier = a_lifelike_dossier(sharpness=1.17, primary=metric)  # type: ignore[arg-type]
    shown, trial = words.decisive(dossier.evidence, metric), dossier.evidence.trial
    assert shown.interval is not None
    assert trial.interval is not None
    assert {sign * shown.interval.low, sign * shown.interval.high} == {trial.interval.low, trial.interval.high}
    assert words.decisive(dossier.evidence, "auc") == dossier.evidence.pair("auc")
    assert words.sure(shown) == ("better" if trial.interval.low > 0 else "unsure")
    assert ("not told apart from luck" in words.gained(dossier)) is (trial.interval.low <= 0)


def test_calibration_is_never_called_better_by_the_sign_of_a_difference() -> None:
    pairs = a_lifelike_dossier().evidence.paired
    assert {words.sure(pair) for pair in pairs if pair.metric in words.IDEALS} == {"unsure"}
    assert {words.sure(pair) for pair in pairs if pair.metric not in words.IDEALS} == {"better"}


def test_the_swap_set_is_told_with_counts_outcomes_and_money() -> None:
    measured = a_lifelike_dossier().evidence
    into, out = measured.swap[:2]
    told = words.swap_sentence(measured, unit="USD")
    for cell in (into, out):
        counted = f"{cell.good:,} good, {cell.bad:,} bad, {cell.unknown:,} not known yet"
        assert f"{cell.applicants:,} applicants {cell.direction}: {counted}" in told
    assert f"Together {into.result - out.result:+,.0f} USD" in told
    assert "at 90 %" in told


def test_a_clean_pass_raises_no_concern() -> None:
    assert a_lifelike_dossier().promotable
    assert concerns(a_lifelike_dossier()) == []


def test_a_segment_in_which_the_challenger_finds_nothing_is_a_concern() -> None:
    y = np.tile(np.array([1, 0, 0, 0], dtype=np.int8), 400)
    group = np.repeat(["lost", "kept"], 800)
    champion = np.where(y == 1, 0.8, np.where(np.arange(1600) % 3 == 0, 0.8, 0.1))
    challenger = np.where((y == 1) & (group == "kept"), 0.8, 0.1)
    dossier = judged_anew(y=y, champion_score=champion, challenger_score=challenger, segments={"group": group})
    assert any("In group=lost version 2 finds none of 200 bad loans" in line for line in concerns(dossier))


def test_a_model_below_calling_everyone_bad_is_a_concern() -> None:
    found = concerns(a_dossier())
    assert "Version 1's F1 of 0.194 is below that of calling every loan bad (0.333)." in found
    assert not any(line.startswith("Version 2's F1") for line in found)
    assert any(line.startswith("Version 2's F1") for line in concerns(a_dossier(better=False)))


def test_a_challenger_that_earns_less_than_booking_nobody_is_a_concern() -> None:
    found = concerns(a_dossier(better=False), unit="USD")
    assert any("less than booking nobody (0.00 USD), over 1,000 loans" in line for line in found)


def test_a_swap_set_that_loses_money_though_f1_gains_is_a_concern() -> None:
    people = some_applicants(sharpness=1.5)
    heavy = np.where((people.y == 1) & (people.challenger_score < 0.2) & (people.champion_score >= 0.2), 1e6, 100.0)
    dossier = a_lifelike_dossier(people=dataclasses.replace(people, amount=heavy))
    f1 = dossier.evidence.pair("f1").difference
    assert f1 is not None
    assert f1 > 0
    assert any("F1 gains" in line and "lose" in line for line in concerns(dossier, unit="USD"))


def test_a_segment_that_shows_only_a_huge_loss_is_a_concern() -> None:
    dossier = a_lifelike_dossier(n=1200, sharpness=1.0, bad_share=0.06)
    coarse = [each for each in dossier.evidence.segments if each.detectable_drop and each.detectable_drop > 0.5]
    found = [line for line in concerns(dossier) if line.startswith("So few rows")]
    assert len(found) == bool(coarse) == 1
    assert all(each.name in found[0] for each in coarse)
