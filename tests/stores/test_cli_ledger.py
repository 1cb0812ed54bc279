"""`mend ledger`: read it, verify it, anchor it, export it; one clear line and an exit code, whatever is wrong."""

import json
from datetime import timedelta

import pytest
from builders import a_settings_file
from tampering import NOON, behind_its_back, cut_after

from pipeline.cli import main
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace


@pytest.fixture
def workspace(stores, tmp_path):
    """Two champions, the second signed, anchored to `anchors.jsonl` in the workspace."""
    settings = a_settings_file(tmp_path)
    settings.write_text(settings.read_text() + '\n[ledger]\nanchors = ["file:anchors.jsonl"]\n')
    made = open_workspace(load_settings(settings))
    with made.ledger.transaction(recorded_at=NOON) as writer:
        writer.swap_champion(expected=None, new="1", at=NOON, how="init", actor="mend", digest=None)
        writer.record("signature", "d" * 64, {"digest": "d" * 64, "method": "oidc"}, at=NOON, actor="ann")
        later = NOON + timedelta(days=10)
        writer.swap_champion(expected="1", new="2", at=later, how="promotion", actor="ann", digest="d" * 64)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


@pytest.fixture
def mend(workspace, monkeypatch, capsys):
    """Run a command here; returns exit code, standard output and standard error."""
    monkeypatch.setenv("MEND_CONFIG", str(workspace.settings.source))

    def run(*arguments):
        capsys.readouterr()
        try:
            main(list(arguments))
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("at", "version", "by", "digest"),
    [
        pytest.param((), "2", "ann", "d" * 64, id="now"),
        pytest.param(("--at", "2006-07-05"), "1", "mend", None, id="between"),
        pytest.param(("--at", "2006-07-11T11:59:59"), "1", "mend", None, id="a second before"),
        pytest.param(("--at", "2006-07-11T12:00"), "2", "ann", "d" * 64, id="that moment"),
    ],
)
def test_who_was_champion_then_is_one_question(mend, at, version, by, digest):
    code, told, _ = mend("ledger", "champion", *at, "--json")
    found = json.loads(told)
    assert (code, found["version"], found["by"], found["digest"]) == (0, version, by, digest)
    assert (found["signature"] or {}).get("method") == (digest and "oidc")
    code, told, _ = mend("ledger", "champion", *at)
    assert told.startswith(f"version {version} since 2006-07-")
    assert f": {by}" in told
    assert (digest or "no dossier") in told


def test_before_the_first_champion_there_was_none(mend):
    code, _, error = mend("ledger", "champion", "--at", "1999-01-01")
    assert code == 3
    assert "no champion at 1999-01-01" in error


def test_an_anchor_is_left_once_and_a_cut_tail_is_then_missed(mend, workspace):
    code, told, _ = mend("ledger", "verify")
    assert code == 0
    assert "no anchor was compared" in told
    assert "anchors.jsonl: not there" in told
    for _ in range(2):
        code, told, _ = mend("ledger", "anchor")
        assert (code, told) == (0, f"entry 3, hash {workspace.ledger.head()[1]}\n")
    assert len((workspace.root / "anchors.jsonl").read_text().splitlines()) == 1
    code, told, _ = mend("ledger", "verify", "--json")
    found = json.loads(told)
    assert (code, found["verified"], found["entries"], found["anchors"], found["notes"]) == (0, True, 3, 1, [])
    with behind_its_back(workspace.ledger) as other:
        cut_after(other, 2)
    code, told, error = mend("ledger", "verify")
    assert code == 4
    assert "BROKEN ledger: the tail after entry 2 is cut off: entry 3 was anchored" in error
    assert "verified" not in told
    code, told, _ = mend("ledger", "verify", "--anchors", str(workspace.root / "anchors.jsonl"), "--json")
    assert (code, json.loads(told)["verified"]) == (4, False)
    code, _, error = mend("ledger", "anchor")
    assert code == 3
    assert "knows entry 3 otherwise" in error


def test_an_anchor_file_that_is_named_has_to_be_there(mend):
    code, _, error = mend("ledger", "verify", "--anchors", "nowhere")
    assert (code, error) == (2, "mend: nowhere: anchors not readable: No such file or directory\n")


def test_breaks_are_shown_up_to_a_screenful_and_counted(mend, workspace):
    with workspace.ledger.transaction(recorded_at=NOON) as writer:
        for number in range(30):
            writer.record("note", str(number), {}, at=NOON, actor="mend")
    with behind_its_back(workspace.ledger) as other:
        other.exec_driver_sql("UPDATE entries SET actor = 'eve' WHERE kind = 'note'")
    code, told, error = mend("ledger", "verify")
    assert code == 4
    assert (error.count("BROKEN"), "and 10 more" in error, "30 breaks" in told) == (20, True, True)


def test_an_export_is_written_and_what_cannot_be_written_is_one_line(mend, tmp_path):
    code, told, _ = mend("ledger", "export", str(tmp_path / "out.jsonl"))
    assert code == 0
    assert told.startswith("3 entries, head ")
    tables = [json.loads(line)["table"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert tables == ["entries", "champions", "entries", "entries", "champions", "end"]
    code, _, error = mend("ledger", "export", str(tmp_path / "nowhere" / "out.jsonl"))
    assert code == 3
    assert "not written: No such file or directory" in error


def test_show_lists_what_was_done(mend):
    code, told, _ = mend("ledger", "show", "--kind", "champion", "--json")
    assert code == 0
    assert [entry["key"] for entry in json.loads(told)] == ["1", "2"]
    assert "champion" in mend("ledger", "show")[1]


def test_a_time_that_is_none_is_one_line(mend, workspace):
    with behind_its_back(workspace.ledger) as other:
        other.exec_driver_sql("UPDATE entries SET at = 'yesterday' WHERE seq = 3")
    code, _, error = mend("ledger", "show")
    assert code == 4
    assert "expected a time in UTC, found 'yesterday'" in error


@pytest.mark.parametrize("store_urls", ["postgres"], indirect=True)
def test_a_champion_without_a_date_is_one_line(mend, workspace):
    with behind_its_back(workspace.ledger) as other:
        other.exec_driver_sql("ALTER TABLE champions ALTER COLUMN since DROP NOT NULL")
        other.exec_driver_sql("UPDATE champions SET since = NULL WHERE number = 2")
    for command in (["status"], ["ledger", "champion"]):
        code, _, error = mend(*command)
        assert code == 4
        assert "champion 2 has no date" in error


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_a_ledger_that_is_no_database_is_one_line(mend, workspace):
    workspace.ledger.engine.dispose()
    for each in workspace.root.glob("ledger.db*"):
        each.unlink()
    (workspace.root / "ledger.db").write_bytes(b"no database" * 1000)
    for command in ("verify", "show", "champion", "anchor"):
        code, _, error = mend("ledger", command)
        assert (code, len(error.splitlines())) == (4, 1)
        assert "file is not a database" in error
