"""The thresholds in force: each with unit and reason, in the words of the documents, and who set it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from builders import REPOSITORY, a_settings_file
from pydantic import BaseModel

from pipeline.policy_in_force import SECTIONS, in_force
from pipeline.settings import Settings, load_settings
from pipeline.settings_deciding import ApprovalSettings, GateSettings, ProfitSettings
from pipeline.settings_promotion import WatchSettings

OF_POLICY = {name: Settings.model_fields[name].annotation for name in SECTIONS}
EVERY = [(section, name) for section, model in OF_POLICY.items() for name in model.model_fields]


def found(settings: Settings) -> dict[tuple[str, str], object]:
    return {(each.section, each.name): each for each in in_force(settings)}


@pytest.mark.parametrize(("section", "name"), EVERY)
def test_every_threshold_says_its_reason_in_one_line_and_a_number_its_unit(section: str, name: str) -> None:
    field = OF_POLICY[section].model_fields[name]
    assert field.description
    assert "\n" not in field.description
    assert not field.description.endswith(".")
    number = isinstance(field.default, (int, float)) and not isinstance(field.default, bool)
    assert bool(field.title) is number


# Where a document lists settings in a table; the others have them in their text (tests/test_house.py).
TABLES: dict[str, tuple[type[BaseModel], ...]] = {
    "gates.md": (GateSettings, ProfitSettings),
    "security.md": (ApprovalSettings,),
    "reliability.md": (WatchSettings,),
}


@pytest.mark.parametrize(
    ("note", "section", "name"),
    [(note, section, name) for note, models in TABLES.items() for section in models for name in section.model_fields],
)
def test_the_documents_give_units_and_reasons_in_the_settings_own_words(
    note: str, section: type[BaseModel], name: str
) -> None:
    field = section.model_fields[name]
    lines = (REPOSITORY / "docs" / note).read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if re.match(rf"\| `{name}( = [^`]+)?` \|", line)]
    unit = f"{field.title or '–'} | " if note == "gates.md" else ""
    assert line.split("| ", 2)[2] == f"{unit}{field.description} |"


def test_all_six_sections_are_told_whole_and_in_order() -> None:
    told = [(each.section, each.name) for each in in_force(load_settings(REPOSITORY / "mend.toml"))]
    assert told == EVERY


def test_the_value_in_force_is_shown_with_its_unit_and_the_default_beside_it(tmp_path: Path) -> None:
    told = found(load_settings(a_settings_file(tmp_path, min_samples="500", cooldown='"36h"', min_coverage="0.125")))
    shown = {name: (told["gate", name].shown, told["gate", name].default) for name in ("min_samples", "cooldown")}
    assert shown["min_samples"] == ("500 mature labelled rows", "200 mature labelled rows")
    assert shown["cooldown"] == ("36 hours", "7 days")
    assert told["gate", "min_coverage"].shown == "12.5 % of the mature rows"
    assert told["monitor", "stale_after"].shown == "not given"
    assert told["approval", "four_eyes"].shown == "yes"


def test_who_set_it_is_the_file_a_variable_or_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEND_GATE__MIN_SAMPLES", "300")
    monkeypatch.setenv("mend_gate__budget_carry", "30d")
    monkeypatch.setenv("MEND_WATCH", '{"act": true}')
    told = found(load_settings(a_settings_file(tmp_path)))
    assert told["gate", "min_samples"].origin == "MEND_GATE__MIN_SAMPLES"
    assert told["gate", "min_samples"].value == 300
    assert told["gate", "budget_carry"].origin == "MEND_GATE__BUDGET_CARRY"
    assert told["gate", "min_positives"].origin == "mend.toml"
    assert told["gate", "resamples"].origin == "default"
    assert told["watch", "act"].origin == "MEND_WATCH"
    assert told["watch", "every"].origin == "default"
    assert timedelta(days=30) == load_settings(a_settings_file(tmp_path)).gate.budget_carry
