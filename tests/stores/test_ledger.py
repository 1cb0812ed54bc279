"""The ledger keeps what was done: once, in order, and so that any change is seen and located."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tampering import behind_its_back, cut_after, rewrite, swap

from pipeline.errors import MendError, RefusedError
from pipeline.stores import engine as engines
from pipeline.stores import ledger_tables, traffic_tables
from pipeline.stores.anchors import Anchor
from pipeline.stores.engine import SCHEMA, migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import verify

NOON = datetime(2006, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def ledger(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    migrate(engine, "ledger", lock=tmp_path / "lock")
    yield Ledger(engine)
    engine.dispose()


def a_signal(key="k1", note="two of three"):
    return {"key": key, "as_of": NOON, "reason": "drift", "note": note, "windows": "[]"}


def record(ledger, key="k1", **changes):
    with ledger.transaction(recorded_at=NOON) as writer:
        return writer.record("signal", key, a_signal(key, **changes), at=NOON, actor="mend")


def crown(ledger, version, *, expected, at=NOON):
    with ledger.transaction(recorded_at=NOON) as writer:
        writer.swap_champion(expected=expected, new=version, at=at, how="promotion", actor="ann", digest=None)


def test_an_act_is_recorded_once_and_the_first_answer_stands(ledger):
    assert record(ledger)
    assert not record(ledger, note="another story")
    assert [row["note"] for row in ledger.acts("signal")] == ["two of three"]
    assert ledger.head()[0] == 1


def test_an_act_that_fails_leaves_nothing(ledger):
    with pytest.raises(RuntimeError), ledger.transaction(recorded_at=NOON) as writer:
        writer.record("signal", "k1", a_signal(), at=NOON, actor="mend")
        raise RuntimeError
    assert ledger.head()[0] == 0
    assert ledger.acts("signal") == []


def test_the_champion_is_swapped_only_by_who_knows_the_holder(ledger):
    crown(ledger, "1", expected=None)
    with pytest.raises(RefusedError, match="champion is version 1, the evidence was gathered against version 7"):
        crown(ledger, "2", expected="7")
    crown(ledger, "2", expected="1")
    assert ledger.champion()["version"] == "2"


def test_who_was_champion_then_is_one_question(ledger):
    crown(ledger, "1", expected=None, at=NOON)
    crown(ledger, "2", expected="1", at=NOON + timedelta(days=10))
    assert ledger.champion(NOON + timedelta(days=9))["version"] == "1"
    assert ledger.champion(NOON + timedelta(days=10))["version"] == "2"
    assert ledger.champion(NOON - timedelta(days=1)) is None


def test_of_many_at_once_exactly_one_takes_the_place(ledger):
    crown(ledger, "1", expected=None)
    barrier, answers = threading.Barrier(8), []

    def try_it(version):
        barrier.wait()
        try:
            crown(ledger, version, expected="1")
            answers.append(version)
        except RefusedError:
            answers.append(None)

    threads = [threading.Thread(target=try_it, args=(str(number),)) for number in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [answer for answer in answers if answer]
    assert len(answers) == 8
    assert winners == [ledger.champion()["version"]]
    assert verify(ledger, workspace=None).verified


def test_a_naive_time_is_refused(ledger):
    with pytest.raises((ValueError, sa.exc.StatementError)), ledger.transaction(recorded_at=NOON) as writer:
        writer.record("signal", "k1", {**a_signal(), "as_of": datetime(2006, 7, 1)}, at=NOON, actor="mend")
    assert ledger.head()[0] == 0


def three_acts(ledger, folder):
    (folder / "report.json").write_text("{}")
    crown(ledger, "1", expected=None)
    record(ledger)
    with ledger.transaction(recorded_at=NOON) as writer:
        digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        writer.record("signal", "k2", a_signal("k2"), at=NOON, actor="mend", files={"report.json": digest})


def test_an_untouched_record_verifies(ledger, tmp_path):
    three_acts(ledger, tmp_path)
    found = verify(ledger, workspace=tmp_path)
    assert (found.verified, found.entries, found.files, found.breaks) == (True, 3, 1, ())


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        *(
            pytest.param(f"UPDATE entries SET {column} = '{value}' WHERE seq = 2", "entry 2", id=f"entries.{column}")
            for column, value in {
                "at": "2006-07-01T12:00:00.000001Z",
                "recorded_at": "2006-07-02T12:00:00.000000Z",
                "kind": "decision",
                "key": "k9",
                "actor": "eve",
                "body": "{}",
                "files": '{"a":"b"}',
                "prev": "0" * 64,
                "hash": "f" * 64,
            }.items()
        ),
        *(
            pytest.param(f"UPDATE signals SET {column} = '{value}' WHERE key = 'k1'", "entry 2", id=f"signals.{column}")
            for column, value in {
                "reason": "person",
                "note": "x",
                "windows": "[1]",
                "as_of": "2006-07-01T12:00:01.000000Z",
            }.items()
        ),
        pytest.param("UPDATE champions SET version = '9'", "champions", id="champions.version"),
        pytest.param("DELETE FROM signals WHERE key = 'k1'", "the row of entry 2 is gone", id="a row deleted"),
        pytest.param("UPDATE entries SET at = 'yesterday' WHERE seq = 2", "entry 2", id="a time that is none"),
        pytest.param(
            "UPDATE signals SET as_of = 'yesterday' WHERE key = 'k1'", "row of entry 2", id="an act's time that is none"
        ),
        pytest.param("UPDATE signals SET entry = 99 WHERE key = 'k1'", "entry 99", id="a row under another entry"),
        pytest.param(
            "UPDATE entries SET at = '2006-07-01 12:00:00.000000Z' WHERE seq = 2",
            "entry 2",
            id="a time spelt otherwise",
        ),
        pytest.param(
            "INSERT INTO signals SELECT 'k9', as_of, reason, note, windows, 1 FROM signals WHERE key = 'k1'",
            "signals, row of entry 1",
            id="a row too many",
        ),
        pytest.param("UPDATE entries SET body = 'x' WHERE seq = 2", "entry 2", id="a body that is no JSON"),
        pytest.param("UPDATE entries SET files = 'x' WHERE seq = 3", "entry 3", id="files that are no JSON"),
    ],
)
def test_any_change_to_the_record_is_found_and_located(ledger, tmp_path, statement, where):
    three_acts(ledger, tmp_path)
    with behind_its_back(ledger) as other:
        other.exec_driver_sql(statement)
    found = verify(ledger, workspace=tmp_path)
    assert not found.verified
    assert where in " | ".join(found.breaks)


def test_an_entry_cut_out_of_the_middle_is_missed(ledger, tmp_path):
    three_acts(ledger, tmp_path)
    with behind_its_back(ledger) as other:
        other.exec_driver_sql("DELETE FROM signals WHERE key = 'k1'")
        other.exec_driver_sql("DELETE FROM entries WHERE seq = 2")
    assert "ledger entry 2: missing" in " | ".join(verify(ledger, workspace=tmp_path).breaks)


def test_entries_that_change_places_are_named(ledger, tmp_path):
    three_acts(ledger, tmp_path)
    with behind_its_back(ledger) as other:
        swap(other, 2, 3)
    breaks = " | ".join(verify(ledger, workspace=tmp_path).breaks)
    assert "ledger entry 2 (signal k2): does not follow the entry before it" in breaks
    assert "ledger entry 3 (signal k1): does not follow the entry before it" in breaks


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_tail_that_was_cut_off_is_missed_by_an_anchor_and_by_nothing_else(ledger, tmp_path, kept):
    three_acts(ledger, tmp_path)
    anchors = [Anchor(entry=entry.seq, hash=entry.hash, file="a.jsonl", line=entry.seq) for entry in ledger.entries()]
    whole = verify(ledger, workspace=tmp_path, anchors=anchors)
    assert (whole.verified, whole.anchors) == (True, 3)
    with behind_its_back(ledger) as other:
        cut_after(other, kept)
    assert verify(ledger, workspace=tmp_path).verified
    cut = verify(ledger, workspace=tmp_path, anchors=anchors)
    assert cut.breaks == (f"ledger: the tail after entry {kept} is cut off: entry 3 was anchored (a.jsonl line 3)",)
    assert cut.anchors == kept


def test_a_ledger_written_anew_from_somewhere_on_is_known_by_an_anchor(ledger, tmp_path):
    three_acts(ledger, tmp_path)
    anchors = [Anchor(entry=entry.seq, hash=entry.hash, file="a", line=entry.seq) for entry in ledger.entries()]
    with behind_its_back(ledger) as other:
        rewrite(other, 2, actor="eve")
    assert verify(ledger, workspace=tmp_path).verified
    breaks = verify(ledger, workspace=tmp_path, anchors=anchors).breaks
    assert breaks == tuple(f"ledger entry {n}: not the one that was anchored (a line {n})" for n in (2, 3))


@pytest.mark.parametrize("content", [None, "{ }"], ids=["gone", "one byte more"])
def test_a_file_that_is_not_the_recorded_one_is_named(ledger, tmp_path, content):
    three_acts(ledger, tmp_path)
    (tmp_path / "report.json").unlink()
    if content:
        (tmp_path / "report.json").write_text(content)
    breaks = verify(ledger, workspace=tmp_path).breaks
    assert len(breaks) == 1
    assert breaks[0].startswith("report.json: ")
    assert "entry 3" in breaks[0]


@pytest.mark.parametrize(
    ("store", "metadata"), [("ledger", ledger_tables.metadata), ("traffic", traffic_tables.metadata)]
)
def test_the_migrations_make_the_tables_that_the_code_uses(store_urls, tmp_path, store, metadata):
    engine = open_engine(store_urls[store])
    migrate(engine, store, lock=tmp_path / "lock")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": f"alembic_version_{store}"})
        assert compare_metadata(context, metadata) == []
    assert SCHEMA[store] == ScriptDirectory(str(engines._MIGRATIONS / store)).get_current_head()
    engine.dispose()


def test_migrating_again_changes_nothing(ledger, tmp_path):
    record(ledger)
    migrate(ledger.engine, "ledger", lock=tmp_path / "lock")
    assert ledger.head()[0] == 1


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no url at all"])
def test_a_store_that_we_cannot_keep_promises_on_is_refused(url):
    with pytest.raises(MendError, match="stores: expected"):
        open_engine(url)


def test_sqlite_is_durable_and_new_enough(tmp_path):
    with open_engine(f"sqlite:///{tmp_path}/x.db").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        version = connection.exec_driver_sql("select sqlite_version()").scalar()
    assert tuple(map(int, version.split("."))) >= (3, 51, 3)


def test_an_entry_rewritten_with_a_fitting_hash_breaks_the_one_after_it(ledger, tmp_path):
    three_acts(ledger, tmp_path)
    third = ledger.at(3)
    with behind_its_back(ledger) as other:
        rewrite(other, 2, actor="eve")
        other.execute(
            ledger_tables.entries.update()
            .where(ledger_tables.entries.c.seq == 3)
            .values(prev=third.prev, hash=third.hash)
        )
    breaks = verify(ledger, workspace=tmp_path).breaks
    assert breaks == ("ledger entry 3 (signal k2): does not follow the entry before it",)
