"""`mend policy` and `mend policy replay`: what they print, what they refuse, and that they leave the record alone."""

import json

import pytest
from builders import a_dossier, a_settings_file, a_workspace, judged
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.settings import CONFIG_VARIABLE


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    made = a_workspace(tmp_path)
    monkeypatch.setenv(CONFIG_VARIABLE, str(made.settings.source))
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def ask(*arguments):
    done = CliRunner().invoke(app, ["policy", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def refused(*arguments):
    return CliRunner().invoke(app, ["policy", *arguments]).exception


def test_every_threshold_is_printed_with_value_reason_and_origin(workspace, monkeypatch):
    monkeypatch.setenv("MEND_GATE__MIN_SAMPLES", "345")
    told = ask().stdout
    (row,) = [line for line in told.splitlines() if line.startswith("min_samples ")]
    assert "345 mature labelled rows MEND_GATE__MIN_SAMPLES (default 200 mature" in " ".join(row.split())
    assert "[gate]" in told and "[watch]" in told
    assert "with 50 the standard error of recall" in told
    assert "0.00% of 5% spent by 0 tries in 365 days; a try today may take 1.00%" in told
    assert f"edit {workspace.settings.source}" in told


def test_the_json_has_every_threshold_and_the_budget(workspace):
    told = json.loads(ask("--json").stdout)
    (each,) = [each for each in told["thresholds"] if each["name"] == "cooldown"]
    assert (each["section"], each["value"], each["shown"], each["origin"]) == ("gate", "P7D", "7 days", "mend.toml")
    assert told["error_budget"]["yearly"] == 0.05


def test_a_replay_is_a_table_with_what_changes_and_what_it_does_not_cover(workspace):
    digest = judged(workspace, a_dossier())
    before = workspace.ledger.entries()
    told = ask("replay", "--min-samples", "5000", "--cooldown=3650d").stdout
    (row,) = [line for line in told.splitlines() if digest[:12] in line]
    assert row.split()[:6] == ["2006-07-01", "2", "1", "expired", "promotable", "waiting"]
    assert "G1 passed → undecided; G3 passed → failed" in row
    assert "1 of 1 verdicts would be another." in told
    assert "is not followed" in told
    assert workspace.ledger.entries() == before


def test_a_replay_without_thresholds_is_todays_policy_over_the_record(workspace):
    judged(workspace, a_dossier())
    told = json.loads(ask("replay", "--json").stdout)
    assert (told["changed"], told["unknown"], len(told["dossiers"])) == (0, 0, 1)


def test_a_threshold_without_effect_is_said(workspace):
    judged(workspace, a_dossier())
    assert "min_auc_gain changes nothing" in ask("replay", "--min-auc-gain", "0.5").stderr
    assert json.loads(ask("replay", "--min-auc-gain", "0.5", "--json").stdout)["without_effect"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--yearly-false-promotions", "0.01"], "`MEND_GATE__YEARLY_FALSE_PROMOTIONS=… mend simulate-gate`", id="another error"),
        pytest.param(["--primary", "auc"], "mend gate VERSION --as-of TIME", id="another metric"),
        pytest.param(["--min-sampels", "5"], "no such threshold; those that can be replayed are min_samples", id="misspelt"),
        pytest.param(["--min-samples", "-3"], "gate.min_samples: Input should be greater", id="a negative count"),
        pytest.param(["--min-samples"], "--min-samples: expected a value", id="no value"),
        pytest.param(["5"], "expected a threshold and its value, as in --min-samples 500, got '5'", id="no threshold"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_line_that_says_what_to_do(workspace, arguments, says):
    judged(workspace, a_dossier())
    refusal = refused("replay", *arguments)
    assert isinstance(refusal, InputError)
    assert says in str(refusal)
    assert "\n" not in str(refusal)
    assert refusal.exit_code == 2


def test_a_record_without_dossiers_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv(CONFIG_VARIABLE, str(a_settings_file(tmp_path)))
    refusal = refused("replay")
    assert isinstance(refusal, NotEnoughDataError)
    assert "no challenger has been judged yet; run `mend replay`" in str(refusal)
    assert refusal.exit_code == 3
