"""What the user decides is read strictly: a slip of the pen is one clear line, never a silent default."""

from datetime import UTC, datetime, timedelta

import pytest
from builders import REPOSITORY, a_settings_file

from pipeline.errors import SettingsError
from pipeline.settings import load_settings


def test_the_shipped_settings_say_what_the_readme_promises():
    settings = load_settings(REPOSITORY / "mend.toml")
    assert settings.data.label.horizon == timedelta(days=1096)
    assert settings.train.go_live == datetime(2004, 1, 1, tzinfo=UTC)
    assert settings.workspace == REPOSITORY / "var"
    assert settings.store_url("ledger") == f"sqlite:///{REPOSITORY}/var/ledger.db"


def test_a_variable_wins_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MEND_GATE__MIN_SAMPLES", "500")
    monkeypatch.setenv("MEND_APPROVAL__APPROVERS", '["ann"]')
    settings = load_settings(a_settings_file(tmp_path))
    assert (settings.gate.min_samples, settings.approval.approvers) == (500, ("ann",))


def test_the_other_keys_of_an_overridden_section_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("MEND_MONITOR__MIN_ROWS", "77")
    monitor = load_settings(a_settings_file(tmp_path)).monitor
    assert (monitor.min_rows, monitor.lookback) == (77, timedelta(days=180))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"min_samples": "-3"}, "gate.min_samples", id="a negative count"),
        pytest.param({"min_coverage": "1.5"}, "gate.min_coverage", id="a coverage over 100 %"),
        pytest.param({"min_f1_gain": "nan"}, "gate.min_f1_gain", id="not a number"),
        pytest.param({"min_f1_gain": "-0.02"}, "gate.min_f1_gain", id="a negative gain"),
        pytest.param({"lookback": '"180"'}, "needs a unit", id="a duration without a unit"),
        pytest.param({"lookback": '"0d"'}, "longer than nothing", id="an empty window"),
        pytest.param({"min_violations": "4"}, "cannot exceed of_last", id="four of three"),
        pytest.param({"champion_end": '"1997-01-01"'}, "champion_start < champion_end", id="an end before the start"),
        pytest.param({"champion_end": '"2005-01-01"'}, "champion_end <= go_live", id="a champion from the future"),
        pytest.param({"go_live": '"soon"'}, "expected a date", id="no date"),
        pytest.param({"recipe": '"deep_learning"'}, "train.recipe", id="a recipe we do not have"),
        pytest.param({"new_business": "{ bins = [1] }"}, "has no bins", id="bins of a category"),
        pytest.param({"horizon": '"1096d"\nmaturity = 1'}, "data.label.maturity: unknown key", id="an unknown key"),
    ],
)
def test_a_senseless_setting_is_refused_by_its_name(tmp_path, change, says):
    with pytest.raises(SettingsError) as refusal:
        load_settings(_lines(tmp_path, change))
    assert says in str(refusal.value)
    assert "mend.toml" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def _lines(folder, change):
    # `new_business` is both a feature and a segment: change the segment's line only
    if "new_business" in change:
        path = a_settings_file(folder)
        path.write_text(path.read_text().replace("new_business = {}", f"new_business = {change['new_business']}"))
        return path
    return a_settings_file(folder, **change)


@pytest.mark.parametrize("variable", ["MEND_GATE__MIN_SAMPELS", "MEND_GATES__MIN_SAMPLES"])
def test_a_misspelt_variable_is_refused(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, "5")
    with pytest.raises(SettingsError, match=r"(?i)min_sampels|gates"):
        load_settings(a_settings_file(tmp_path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml: no such file"):
        load_settings(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "mend.toml"
    path.write_text("[model\n")
    with pytest.raises(SettingsError, match=r"mend\.toml: not readable as TOML"):
        load_settings(path)


@pytest.mark.parametrize(
    "label",
    [
        pytest.param('outcome_time = "charge_off_date"', id="an outcome without a horizon"),
        pytest.param('column = "charged_off_36m"', id="a label that is never known"),
        pytest.param('column = "y"\nknown_at = "d"\ndelay = "0d"', id="two ways of knowing"),
    ],
)
def test_a_label_is_told_in_exactly_one_form(tmp_path, label):
    path = a_settings_file(tmp_path)
    told = 'outcome_time = "charge_off_date"\nhorizon = "1096d"'
    path.write_text(path.read_text().replace(told, label))
    with pytest.raises(SettingsError, match=r"data\.label"):
        load_settings(path)


@pytest.mark.parametrize("name", ["score", "y", "event_time", "known_at", "application_id"])
def test_a_feature_that_would_overwrite_a_column_of_ours_is_refused_by_name(tmp_path, name):
    text = (REPOSITORY / "mend.toml").read_text(encoding="utf-8")
    path = tmp_path / "mend.toml"
    path.write_text(text.replace("[data.features]\n", f'[data.features]\n{name} = {{ kind = "numeric" }}\n'))
    with pytest.raises(SettingsError, match=rf"features\.{name}: a name that Mend needs"):
        load_settings(path)
