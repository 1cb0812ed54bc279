"""Bad input at the command line: one line that says what is wrong, the right exit code, and nothing half-written."""

import json

import pandas as pd
import pytest
from builders import LOANS, a_settings_file, a_workspace, mend

from pipeline.cli import _config_first


def refused(folder, *arguments, exit_code, says, spoil=None, **changes):
    config = a_settings_file(folder, **changes)
    if spoil is not None:
        loans = pd.read_csv(LOANS, dtype=str, keep_default_na=False)
        spoil(loans).to_csv(folder / "loans.csv", index=False)
        config = a_settings_file(folder, path='"loans.csv"', **changes)
    done = mend(*arguments, config=config, exit_code=exit_code)
    (line,) = done.stderr.splitlines()
    assert says in line
    assert "Traceback" not in done.stdout + done.stderr
    return folder / "ws"


@pytest.mark.parametrize(
    ("command", "exit_code", "says"),
    [
        pytest.param(["status"], 3, "no champion yet; run `mend init`", id="status before init"),
        pytest.param(["review"], 3, "run `mend init`", id="review before init"),
        pytest.param(["replay"], 3, "run `mend init`", id="replay before init"),
        pytest.param(["monitor", "--once"], 3, "run `mend init`", id="monitor before init"),
        pytest.param(["dashboard"], 3, "run `mend init`", id="dashboard before init"),
        pytest.param(["replay", "--step", "30"], 2, "needs a unit", id="a step without a unit"),
        pytest.param(["replay", "--until", "soon"], 2, "expected a date", id="an end that is no date"),
    ],
)
def test_a_command_out_of_turn_says_what_to_do(tmp_path, command, exit_code, says):
    refused(tmp_path, *command, exit_code=exit_code, says=says)


@pytest.mark.parametrize(
    ("spoil", "exit_code", "says"),
    [
        pytest.param(lambda f: f.drop(columns="low_doc"), 2, "no column 'low_doc'", id="a column missing"),
        pytest.param(lambda f: f.assign(loan_amount="much"), 2, "row 1: loan_amount: expected a number", id="mistyped"),
        pytest.param(lambda f: f.assign(low_doc="N"), 3, "low_doc: 'N' in every row", id="a constant column"),
        pytest.param(lambda f: f.assign(employees=""), 3, "employees: missing in all", id="an all-missing column"),
        pytest.param(
            lambda f: f[~f["application_date"].between("2001", "2004")], 3, "0 rows, need", id="an empty reference"
        ),
    ],
)
def test_init_refuses_bad_data_and_leaves_no_champion(tmp_path, spoil, exit_code, says):
    workspace = refused(tmp_path, "init", exit_code=exit_code, says=says, spoil=spoil)
    assert not (workspace / "monitoring").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda f: f.assign(charge_off_date=""), "one class only", id="a one-class window"),
        pytest.param(
            lambda f: f[~f["application_date"].between("1998", "2000-11")], "labelled mature rows, need", id="empty"
        ),
    ],
)
def test_a_training_window_that_cannot_teach_is_named(tmp_path, spoil, says):
    folder = tmp_path
    loans = pd.read_csv(LOANS, dtype=str, keep_default_na=False)
    spoil(loans).to_csv(folder / "loans.csv", index=False)
    done = mend("init", config=a_settings_file(folder, path='"loans.csv"'), exit_code=3)
    (line,) = done.stderr.splitlines()
    assert says in line
    assert "training window 1998-01-01 to 2001-01-01" in line


@pytest.mark.parametrize("change", [{"min_samples": "0"}, {"kind": "x"}])
def test_a_senseless_setting_stops_every_command(tmp_path, change):
    if "kind" in change:
        config = a_settings_file(tmp_path)
        config.write_text(config.read_text().replace('employees = { kind = "numeric"', 'employees = { kind = "number"'))
    else:
        config = a_settings_file(tmp_path, **change)
    for command in ("init", "status", "doctor"):
        (line,) = mend(command, config=config, exit_code=2).stderr.splitlines()
        assert str(config) in line


def test_the_settings_file_may_be_named_anywhere_on_the_line():
    assert _config_first(["status", "--json", "--config", "x"]) == ["--config", "x", "status", "--json"]
    assert _config_first(["status", "--config=x"]) == ["--config=x", "status"]
    assert _config_first(["status"]) == ["status"]


def test_reading_commands_print_json_and_nothing_else(tmp_path):
    workspace = a_workspace(tmp_path)
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()
    config = tmp_path / "mend.toml"
    assert json.loads(mend("review", "--json", config=config).stdout) == []
    assert json.loads(mend("story", "--json", config=config).stdout) == []
    (_, challenger, champion) = json.loads(mend("ledger", "show", "--json", config=config).stdout)
    assert (challenger["kind"], champion["kind"], champion["prev"]) == ("challenger", "champion", challenger["hash"])
    found = json.loads(mend("doctor", "--json", config=config, exit_code=4).stdout)
    assert {check["check"] for check in found["checks"] if not check["ok"]} >= {"registry"}


def test_help_names_every_command(tmp_path):
    told = mend("--help", config=a_settings_file(tmp_path)).stdout
    for command in (
        "init",
        "replay",
        "monitor",
        "train",
        "drift",
        "gate",
        "review",
        "approve",
        "reject",
        "status",
        "doctor",
    ):
        assert f" {command} " in told
