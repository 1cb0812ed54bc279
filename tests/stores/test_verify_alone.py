"""The stand-alone verifier needs nothing but Python, fits on a few pages, and comes to the same verdict as ours."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tampering import a_full_ledger, behind_its_back, cut_after, pristine, rewrite, swap

from pipeline.stores import ledger_tables as tables
from pipeline.stores import verify_alone
from pipeline.stores.anchors import read_anchors
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.records import export
from pipeline.stores.verify import verify

SCRIPT = Path(verify_alone.__file__)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return pristine(tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def ledger(original, tmp_path):
    """A ledger of its own, with a workspace and an anchor of every entry."""
    shutil.copytree(original.parent / "workspace", tmp_path / "workspace")
    engine = open_engine(f"sqlite:///{shutil.copy(original, tmp_path)}")
    made = Ledger(engine)
    lines = [json.dumps({"entry": entry.seq, "hash": entry.hash}) + "\n" for entry in made.entries()]
    (tmp_path / "anchors.jsonl").write_text("".join(lines))
    yield made
    engine.dispose()


def alone(folder, *arguments):
    """Run a copy of the script where nothing of ours can be imported."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    shutil.copy(SCRIPT, empty)
    command = ["python3", "-I", "-S", "verify_alone.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    assert (done.returncode in (0, 4), done.stderr) == (True, ""), done
    return done


def sql(*statements):
    def act(other, _folder):
        for statement in statements:
            other.exec_driver_sql(statement)

    return act


TAMPERINGS = {
    "nothing": sql(),
    **{
        f"entries.{column}": sql(f"UPDATE entries SET {column} = '{value}' WHERE seq = 3")
        for column, value in {
            "at": "2006-07-01 12:00:00.000000Z",
            "recorded_at": "never",
            "kind": "note",
            "key": "k",
            "actor": "Zoe",
            "body": "{}",
            "files": "[",
            "prev": "0" * 64,
            "hash": "f" * 64,
        }.items()
    },
    "a body that is bytes": sql("UPDATE entries SET body = x'ff00' WHERE seq = 3"),
    "a text that is no UTF-8": sql("UPDATE entries SET actor = CAST(x'ff41' AS TEXT) WHERE seq = 3"),
    "a replacement character that was a byte before": sql(
        "UPDATE entries SET body = CAST(unhex(replace(hex(body), 'EFBFBD', 'FF')) AS TEXT) WHERE kind = 'signature'"
    ),
    "an act's text": sql("UPDATE champions SET version = '9' WHERE number = 2"),
    "an act's number": sql("UPDATE trials SET error_spent = 0.1000000000000001"),
    "an infinite number": sql("UPDATE trials SET error_spent = 9e999"),
    "an act's row gone": sql("DELETE FROM decisions"),
    "the newest act's row gone": sql("DELETE FROM champions WHERE number = 2"),
    "an act's row too many": sql("INSERT INTO signals SELECT 'k9', as_of, reason, note, windows, 99 FROM signals"),
    "an act's row of another's entry": sql("UPDATE signals SET entry = 5"),
    "a table gone": sql("DROP TABLE looks"),
    "an entry gone": sql("DELETE FROM dossiers", "DELETE FROM entries WHERE kind = 'dossier'"),
    "two entries changed places": lambda other, _: swap(other, 3, 4),
    "the tail cut": lambda other, _: cut_after(other, 5),
    "all of it cut": lambda other, _: cut_after(other, 0),
    "written anew": lambda other, _: rewrite(other, 3, actor="eve"),
    "a file changed": lambda _, folder: (folder / "workspace/report.json").write_text("{ }"),
    "a model's file gone": lambda _, folder: (folder / "workspace/model/model.skops").unlink(),
    "a model's file too many": lambda _, folder: (folder / "workspace/model/hook.py").touch(),
    "a link in a model's folder": lambda _, folder: (folder / "workspace/model/x").symlink_to("/"),
}
NAMED = {"an act's text": "champions", "an entry gone": "entry 3: missing", "the tail cut": "tail after entry 5"}
# An export says what the rows say: a table that is gone cannot be exported, and an index is the database's own.


@pytest.mark.parametrize("name", TAMPERINGS)
def test_it_says_what_ours_says(ledger, tmp_path, name):
    with behind_its_back(ledger) as other:
        TAMPERINGS[name](other, tmp_path)
    anchors, _ = read_anchors(tmp_path / "anchors.jsonl")
    ours = verify(ledger, workspace=tmp_path / "workspace", anchors=anchors)
    given = ["--workspace", tmp_path / "workspace", "--anchors", tmp_path / "anchors.jsonl"]
    said = [alone(tmp_path, tmp_path / "ledger.db", *given)]
    if name != "a table gone":
        export(ledger, tmp_path / "ledger.jsonl")
        said.append(alone(tmp_path, tmp_path / "ledger.jsonl", *given))
    for done in said:
        assert done.returncode == (0 if ours.verified else 4), (ours.breaks, done.stdout)
        assert (", verified" in done.stdout) == ours.verified
        assert NAMED.get(name, "") in done.stdout
    assert ours.verified == (name == "nothing")


def test_without_anchors_a_cut_tail_is_seen_by_neither(ledger, tmp_path):
    with behind_its_back(ledger) as other:
        cut_after(other, 5)
    assert verify(ledger, workspace=None).verified
    assert alone(tmp_path, tmp_path / "ledger.db").returncode == 0


def test_it_says_how_many_the_head_and_who_was_champion(ledger, tmp_path):
    done = alone(tmp_path, tmp_path / "ledger.db", "--workspace", tmp_path / "workspace")
    entries, head = ledger.head()
    assert done.stdout.splitlines() == [
        "champion since 2006-07-01T12:00:00.000000Z version version by Zoë",
        "champion since 2006-07-01T12:00:00.000000Z version 2 by ann",
        f"{entries} entries, head {head}: 0 breaks, verified",
    ]


def test_it_reads_a_ledger_that_somebody_is_writing_to(ledger, tmp_path):
    with ledger.transaction(recorded_at=ledger.at(1).at) as writer:
        writer.record("note", "in the log beside the file", {}, at=ledger.at(1).at, actor="mend")
    assert (tmp_path / "ledger.db-wal").stat().st_size > 0
    assert f"{ledger.head()[0]} entries" in alone(tmp_path, tmp_path / "ledger.db").stdout


def test_files_that_were_pruned_on_record_may_be_absent(ledger, tmp_path):
    was = ledger.entry("dossier", "the dossier").files["report.json"]
    (tmp_path / "workspace/report.json").unlink()
    given = (tmp_path / "ledger.db", "--workspace", tmp_path / "workspace")
    assert alone(tmp_path, *given).returncode == 4
    with ledger.transaction(recorded_at=ledger.at(1).at) as writer:
        body = {"pruned_files": {"report.json": was}}
        writer.record("pruned", "p", body, at=ledger.at(1).at, actor="mend")
    assert verify(ledger, workspace=tmp_path / "workspace").verified
    assert alone(tmp_path, *given).returncode == 0


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_an_export_cut_off_is_not_verified(ledger, tmp_path, kept):
    export(ledger, tmp_path / "ledger.jsonl")
    text = (tmp_path / "ledger.jsonl").read_bytes()
    (tmp_path / "ledger.jsonl").write_bytes(text[: int(len(text) * kept)])
    assert alone(tmp_path, tmp_path / "ledger.jsonl").returncode == 4
    lines = text.splitlines(keepends=True)
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(lines[:-1]))
    assert "the export is cut off" in alone(tmp_path, tmp_path / "ledger.jsonl").stdout


def test_a_line_of_an_export_that_was_changed_is_not_verified(ledger, tmp_path):
    export(ledger, tmp_path / "ledger.jsonl")
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    for forged in (
        "[]",
        "{}",
        '{"table":"entries","row":[]}',
        '{"table":"entries","row":{}}',
        lines[0].replace("Zo", "zo"),
    ):
        (tmp_path / "ledger.jsonl").write_text("\n".join([forged, *lines[1:]]))
        assert alone(tmp_path, tmp_path / "ledger.jsonl").returncode == 4


@pytest.mark.parametrize("content", [None, b"", b"no database" * 500], ids=["missing", "empty", "no database"])
def test_what_is_no_ledger_is_not_verified(tmp_path, content):
    for name in ("x.db", "x.jsonl"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert alone(tmp_path, tmp_path / name).returncode == 4


def test_a_postgresql_ledger_is_checked_by_its_export(postgres, tmp_path):
    with postgres.database() as url:
        engine = open_engine(url)
        migrate(engine, "ledger", lock=tmp_path / "lock")
        a_full_ledger(Ledger(engine), tmp_path)
        entries, head = export(Ledger(engine), tmp_path / "ledger.jsonl")
        given = (tmp_path / "ledger.jsonl", "--workspace", tmp_path)
        assert f"{entries} entries, head {head}: 0 breaks" in alone(tmp_path, *given).stdout
        with behind_its_back(Ledger(engine)) as other:
            other.exec_driver_sql("UPDATE trials SET error_spent = 0.2")
        export(Ledger(engine), tmp_path / "ledger.jsonl")
        assert "table trials, row of entry" in alone(tmp_path, *given).stdout
        engine.dispose()


def test_an_export_is_whole_or_not_there(ledger, tmp_path, monkeypatch):
    (tmp_path / "out.jsonl").write_text("an older one")
    monkeypatch.setattr("pipeline.stores.records._line", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(ledger, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "an older one"
    assert list(tmp_path.glob(".out*")) == []


def test_it_is_short_and_names_every_table():
    assert len(SCRIPT.read_text().splitlines()) <= 150
    assert verify_alone.TABLES.split() == [table.name for table in tables.ACTS.values()]
    assert {table.name for table in tables.ACTS.values()} == {f"{kind}s" for kind in tables.ACTS}
