"""The examples in the dashboard's plain modules are true. (Its pages cannot be collected: importing one runs it.)"""

from __future__ import annotations

import dataclasses
import doctest
from types import ModuleType

import numpy as np
import pytest
from builders import a_dossier

from dashboard import distributions, words
from pipeline.gate.checks import all_checks
from pipeline.gate.evidence import JudgedRows, evidence
from pipeline.gate.values import Check, GatePolicy, Interval, Outcome


@pytest.mark.parametrize("module", [words, distributions], ids=["words", "distributions"])
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
            {"code": "G4", "outcome": Outcome.UNDECIDED, "observed": None, "margin": None, "interval": None},
            ("–", "≥ 5.0 %", "–", "–"),
            id="not measurable",
        ),
    ],
)  # fmt: skip
def test_a_gate_speaks_its_own_unit(changes: dict[str, object], numbers: tuple[str, ...]) -> None:
    row = words.gates_table([a_check(**changes)]).iloc[0]
    assert (row["Observed"], row["Limit"], row["Margin"], row["Interval"]) == numbers


def test_a_clean_pass_raises_no_concern() -> None:
    assert words.concerns(a_dossier()) == []


def test_a_segment_in_which_the_challenger_finds_nothing_is_a_concern() -> None:
    y = np.tile(np.array([1, 0, 0, 0], dtype=np.int8), 400)
    group = np.repeat(["lost", "kept"], 800)
    champion = np.where(y == 1, 0.8, np.where(np.arange(1600) % 3 == 0, 0.8, 0.1))
    challenger = np.where((y == 1) & (group == "kept"), 0.8, 0.1)
    rows = JudgedRows(
        ids=np.array([f"row{i:04d}" for i in range(1600)]),
        y=y,
        champion_score=champion,
        challenger_score=challenger,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        segments={"group": group},
        mature_rows=1600,
    )
    policy = GatePolicy()
    found = evidence(rows, policy=policy)
    dossier = a_dossier()
    checks = all_checks(found, policy=policy, as_of=dossier.as_of, last_promotion_at=dossier.last_promotion_at)
    concerns = words.concerns(dataclasses.replace(dossier, evidence=found, checks=checks))
    assert any("In group=lost version 2 finds none of 200 bad loans" in line for line in concerns)
