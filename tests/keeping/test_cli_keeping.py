"""The four commands as a user types them: one line for every fault, JSON where it is asked for."""

from __future__ import annotations

import json

import pytest
from builders import OFFICER
from keeping.lived_in import close, keeping, opened
from typer.testing import CliRunner

from pipeline.cli_keeping import keeping_app
from pipeline.errors import InputError, MendError, NotEnoughDataError, RefusedError, SettingsError
from pipeline.settings import CONFIG_VARIABLE, load_settings

BY = ("--as", OFFICER, "--reason", "asked to")


@pytest.fixture
def run(bank, monkeypatch):
    monkeypatch.setenv(CONFIG_VARIABLE, str(bank))
    monkeypatch.chdir(bank.parent)

    def typed(*arguments: str, error: type[MendError] | None = None) -> str:
        done = CliRunner().invoke(keeping_app, list(arguments))
        if error is None:
            assert done.exit_code == 0, (done.output, done.exception)
        else:
            assert isinstance(done.exception, error), (done.output, done.exception)
            assert "\n" not in str(done.exception)
        return done.output + (str(done.exception) if error else "")

    return typed


def test_backup_and_restore(run, tmp_path):
    said = run("backup", str(tmp_path / "set.tar.gz"))
    assert "ledger of" in said
    assert "not in it:" in said
    told = json.loads(run("restore", str(tmp_path / "set.tar.gz"), "--into", str(tmp_path / "new"), "--json"))
    assert (told["workspace"], told["model"]) == (str(tmp_path / "new"), "sba-default")
    assert "never overwrites" in run("backup", str(tmp_path / "set.tar.gz"), error=InputError)
    assert "never overwrites" in run("restore", str(tmp_path / "set.tar.gz"), error=InputError)
    again = json.loads(run("backup", "two.tar.gz", "--json"))
    assert (again["entries"], again["head"]) == (told["entries"], told["head"])


def test_restore_needs_no_settings_where_a_folder_is_given(run, bank, tmp_path, monkeypatch):
    run("backup", str(tmp_path / "set.tar.gz"))
    monkeypatch.delenv(CONFIG_VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert "verified" in run("restore", "set.tar.gz", "--into", "new")
    run("restore", "set.tar.gz", error=SettingsError)


def test_restore_says_that_stores_elsewhere_are_not_its_to_fill(run, tmp_path, monkeypatch):
    run("backup", str(tmp_path / "set.tar.gz"))
    monkeypatch.setenv("MEND_STORES__TRAFFIC", f"sqlite:///{tmp_path}/elsewhere.db")
    assert "--into DIR" in run("restore", str(tmp_path / "set.tar.gz"), error=InputError)


def test_backup_of_no_workspace(run, bank, tmp_path, monkeypatch):
    monkeypatch.setenv("MEND_MODEL__WORKSPACE", "nowhere")
    assert "no workspace there" in run("backup", str(tmp_path / "set.tar.gz"), error=NotEnoughDataError)
    assert not (bank.parent / "nowhere").exists()


def test_prune_dry_then_for_good_then_nothing(run, bank):
    assert "no retention is set" in run("prune", *BY)
    keeping(bank, reports="1d", traffic="4500d")
    would = json.loads(run("prune", "--dry-run", "--json"))
    assert would["dry_run"] is True
    assert would["files"]
    assert "would delete 9 files" in run("prune", "--dry-run")
    assert "not on the list" in run("prune", "--as", "nobody", "--reason", "r", error=RefusedError)
    assert "deleted 9 files" in run("prune", *BY)
    assert "nothing is older than its retention" in run("prune", *BY)
    assert "--as-of" in run("prune", *BY, "--as-of", "2099-01-01", error=InputError)
    assert "--as-of" in run("prune", *BY, "--as-of", "someday", error=InputError)
    assert load_settings(bank).keeping.keep_notebooks is None


def test_erase_dry_then_for_good_then_check(run, bank):
    assert "would erase: 1 label," in run("erase", "row0007", "--dry-run")
    assert json.loads(run("erase", "row0007", "--dry-run", "--json"))["rows"]["applications"] == 1
    done = json.loads(run("erase", "row0007", *BY, "--json"))
    assert done["again"] is False
    assert any("your own file" in line for line in done["not_reached"])
    assert "row0007" not in json.dumps(done["entry"])
    assert "on record: ledger entry" in run("erase", "--check", done["receipt"], "row0007")
    assert json.loads(run("erase", "--check", done["receipt"], "row0007", "--json"))["found"] is True
    assert "no erasure on record" in run("erase", "--check", done["receipt"], "row0008", error=RefusedError)
    said = run("erase", "row0007", *BY)
    assert "was erased" in said
    assert done["receipt"] in said
    workspace = opened(bank)
    assert len(workspace.ledger.entries(kind="erasure")) == 1
    close(workspace)


def test_erase_of_nobody(run):
    assert "no row here" in run("erase", "nobody-here", *BY, error=NotEnoughDataError)
    assert "no row here" in run("erase", "nobody-here", "--dry-run", error=NotEnoughDataError)
    assert "does not name the applicant" in run(
        "erase", "row0007", "--as", OFFICER, "--reason", "row0007", error=InputError
    )


def test_unreadable_age_is_one_line(bank):
    with pytest.raises(SettingsError, match=r"keep_reports: a duration needs a unit"):
        load_settings(keeping(bank, reports="7"))
