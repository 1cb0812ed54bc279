"""`mend simulate-gate`: by options alone, from a workspace's newest dossier, and one clear line for what cannot be."""

import json

import numpy as np
import pytest
from builders import a_dossier, a_settings_file, a_workspace, judged
from small_bank import applicants, model_of
from typer.testing import CliRunner

from monitoring.performance import decision_cells
from pipeline.cli_simulate import simulate_app
from pipeline.errors import InputError
from pipeline.settings import CONFIG_VARIABLE
from pipeline.simulating import decided

FAST = ["--years", "40"]


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A folder without a settings file at or above it."""
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*arguments, exit_code=0):
    done = CliRunner().invoke(simulate_app, [*FAST, *arguments], catch_exceptions=exit_code != 0)
    if exit_code:
        return done
    assert done.exit_code == 0, done.output
    return done.stdout


def answer(*arguments):
    return json.loads(ask(*arguments, "--json"))


def test_without_a_workspace_typical_figures_are_used_and_said(nowhere):
    told = ask()
    assert "there is no mend.toml here" in told
    assert "typical figures" in told
    assert "F1 alone is simulated" in told
    for kind in ("equal", "2 % better", "5 % better", "10 % better", "5 % worse"):
        assert f"\n{kind} " in told


def test_options_are_what_is_simulated(nowhere):
    found = answer(
        *("--base-rate", "0.2", "--f1", "0.5", "--called-bad", "0.25", "--challenger-called-bad", "0.3"),
        *("--disagreement", "0.1", "--rows", "3000", "--every", "4w", "--better", "3", "--worse", "1,4", "--seed", "5"),
    )
    assert found["portfolio"] == pytest.approx(
        {
            "base_rate": 0.2,
            "f1": 0.5,
            "called_bad": 0.25,
            "challenger_called_bad": 0.3,
            "disagreement_bad": 0.025,
            "disagreement_good": 0.075,
        }
    )
    assert (found["rows"], found["every_days"], found["years"], found["seed"]) == (3000, 28, 40, 5)
    assert [kind["true_gain"] for kind in found["challengers"]] == [0.0, 0.03, -0.01, -0.04]
    for kind in found["challengers"]:
        for rule in ("mend", "plain_rule"):
            share = kind[rule]["chance_per_try"]
            assert share["interval"][0] <= share["share"] <= share["interval"][1]
            assert share["of"] == 40 * 13
            assert kind[rule]["chance_per_year"]["of"] == 40


def test_the_same_question_has_the_same_answer_and_another_seed_another(nowhere):
    assert answer("--rows", "3000") == answer("--rows", "3000")
    assert answer("--rows", "3000")["challengers"] != answer("--rows", "3000", "--seed", "8")["challengers"]


def test_a_champion_that_calls_more_takes_its_challenger_along(nowhere):
    assert answer("--called-bad", "0.1")["portfolio"]["challenger_called_bad"] == 0.1


def test_too_few_bad_outcomes_are_pointed_out(nowhere):
    done = CliRunner().invoke(simulate_app, [*FAST, "--rows", "200"])
    assert "too few rows or bad outcomes" in done.stderr
    assert "over " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--better", "much"], "--better", id="a gain that is no number"),
        pytest.param(["--worse", "0"], "--worse", id="a loss of nothing"),
        pytest.param(["--every", "7"], "needs a unit", id="a cadence without a unit"),
        pytest.param(["--every", "500d"], "up to 365 days", id="less than one try a year"),
        pytest.param(["--base-rate", "0"], "base_rate", id="nothing goes bad"),
        pytest.param(["--called-bad", "0.9", "--f1", "0.9"], "out of reach", id="no model can do that"),
        pytest.param(["--better", "300"], "out of reach", id="a gain beyond perfect"),
    ],
)
def test_what_cannot_be_gets_one_clear_line(nowhere, arguments, says):
    refusal = ask(*arguments, exit_code=2).exception
    assert isinstance(refusal, InputError)
    assert says in str(refusal)
    assert refusal.exit_code == 2


def test_an_uninitialised_workspace_falls_back_and_says_so(nowhere, monkeypatch):
    monkeypatch.setenv(CONFIG_VARIABLE, str(a_settings_file(nowhere)))
    assert "there is no champion yet" in answer()["source"]


def test_the_newest_dossier_says_how_the_models_decide(nowhere, monkeypatch):
    workspace = a_workspace(nowhere)
    monkeypatch.setenv(CONFIG_VARIABLE, str(workspace.settings.source))
    assert "no challenger has been judged yet" in answer()["source"]
    dossier = a_dossier()
    judged(workspace, dossier)
    before = workspace.ledger.entries()
    found = answer("--better", "1", "--years", "5")
    measured = dossier.evidence
    assert "version 2 against 1" in found["source"]
    assert found["rows"] == measured.rows
    assert found["portfolio"]["base_rate"] == pytest.approx(measured.positives / measured.rows)
    assert found["portfolio"]["f1"] == pytest.approx(measured.champion.f1)
    assert found["portfolio"]["challenger_called_bad"] == pytest.approx(measured.challenger.called_bad / measured.rows)
    assert answer("--base-rate", "0.1", "--better", "1", "--years", "5")["portfolio"]["base_rate"] == 0.1
    assert workspace.ledger.entries() == before


def test_cells_of_a_dossier_are_those_of_its_rows():
    rows = applicants()
    rows = rows[rows["y"].notna()]
    champion, challenger = (model.score(rows) >= model.threshold for model in (model_of("1"), model_of("2")))
    expected = np.bincount(decision_cells(rows["y"].to_numpy() == 1, champion, challenger), minlength=8)
    assert decided(a_dossier().evidence) == tuple(expected.tolist())
