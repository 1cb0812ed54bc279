"""Whatever is changed, by whatever means, is found and named; and what is not changed is not."""

import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tampering import ALL, a_full_ledger, behind_its_back, pristine

from pipeline.errors import MendError
from pipeline.stores.engine import UtcTime, migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.verify import verify

NAMES = ("entries", *(table.name for table in ALL if table.name != "entries"))
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return pristine(tmp_path_factory.mktemp("ledger"))


def a_copy(original, tmp_path) -> Path:
    for each in tmp_path.glob("ledger.db*"):
        each.unlink()
    return Path(shutil.copy(original, tmp_path / "ledger.db"))


def verdict(path):
    """What `verify` says: its breaks, or the one line of an error."""
    engine = open_engine(f"sqlite:///{path}")
    try:
        return list(verify(Ledger(engine), workspace=None).breaks)
    except MendError as error:
        return [str(error)]
    finally:
        engine.dispose()


def content(path):
    """Every row of every table, its bytes as they are."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in NAMES}
    finally:
        connection.close()


def test_a_full_ledger_verifies_with_its_files(original):
    engine = open_engine(f"sqlite:///{original}")
    found = verify(Ledger(engine), workspace=original.parent / "workspace")
    engine.dispose()
    assert (found.breaks, found.files) == ((), 2)
    assert found.entries == len(NAMES) - 1 + 2


# --- any byte of any column of any row -------------------------------------------------------------------------------


@relaxed
@given(data=st.data())
def test_any_byte_of_any_column_of_any_row_is_found_and_its_entry_named(original, tmp_path, data):
    path = a_copy(original, tmp_path)
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    table = data.draw(st.sampled_from(NAMES))
    key = "seq" if table == "entries" else "entry"
    seq = data.draw(st.sampled_from([n for (n,) in connection.execute(f"SELECT {key} FROM {table}")]))
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    column = data.draw(st.sampled_from(columns))
    (raw,) = connection.execute(f"SELECT CAST({column} AS BLOB) FROM {table} WHERE {key} = ?", (seq,)).fetchone()
    raw = bytearray(raw or b"\0")
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        connection.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {key} = ?", (bytes(raw), seq))
    except sqlite3.IntegrityError:
        assume(False)  # the database itself takes no such number
    connection.commit()
    connection.close()
    assume(content(path) != content(original))  # ' .1' in a column of numbers is 0.1 again
    breaks = verdict(path)
    assert any(f"entry {seq}:" in line or f"entry {seq} " in line for line in breaks), (
        table,
        column,
        bytes(raw),
        breaks,
    )
    assert all(line.isprintable() for line in breaks)


def test_any_column_of_any_row_is_found_on_postgresql_too(postgres, tmp_path):
    with postgres.database() as url:
        engine = open_engine(url)
        migrate(engine, "ledger", lock=tmp_path / "lock")
        ledger = Ledger(engine)
        a_full_ledger(ledger, tmp_path)
        with behind_its_back(ledger):
            pass  # nothing guards it from here on
        unseen = []
        for table in ALL:
            key = table.c.seq if table.name == "entries" else table.c.entry
            for column in table.c:
                text = isinstance(column.type, sa.String | UtcTime)
                forged = sa.func.concat("x", sa.func.substr(column, 2), type_=sa.Text) if text else sa.literal(7777)
                with engine.begin() as other:
                    seq = other.execute(sa.select(sa.func.max(key))).scalar_one()
                    where = sa.select(table).where(key == seq)
                    row = dict(other.execute(where).mappings().one())
                    other.execute(table.update().where(key == seq).values({column: forged}))
                if not any(f"entry {seq}" in line for line in verify(ledger, workspace=None).breaks):
                    unseen.append(f"{table.name}.{column.name}")
                with engine.begin() as other:
                    other.execute(table.update().where(key == (7777 if column is key else seq)).values(row))
        assert unseen == []
        assert verify(ledger, workspace=None).verified
        engine.dispose()


# --- any byte of the file ----------------------------------------------------------------------------------------------


def flipped(original, tmp_path, position, mask):
    path = a_copy(original, tmp_path)
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ mask]))
    return path


@relaxed
@given(data=st.data())
def test_a_flipped_byte_of_the_file_is_found_or_changes_no_row(original, tmp_path, data):
    position = data.draw(st.integers(0, original.stat().st_size - 1))
    path = flipped(original, tmp_path, position, data.draw(st.integers(1, 255)))
    breaks = verdict(path)
    assert all(line and line.isprintable() for line in breaks)
    if not breaks:
        assert content(path) == content(original)


@relaxed
@given(data=st.data())
def test_a_flipped_byte_of_what_a_row_says_is_found(original, tmp_path, data):
    whole = original.read_bytes()
    connection = sqlite3.connect(original)
    said = [
        value.encode() for (value,) in connection.execute("SELECT hash FROM entries UNION SELECT body FROM entries")
    ]
    connection.close()
    text = data.draw(st.sampled_from(sorted(said)))
    # A page that was divided keeps a stale copy of what moved; the row itself comes later in the file.
    position = whole.rindex(text) + data.draw(st.integers(0, len(text) - 1))
    assert verdict(flipped(original, tmp_path, position, data.draw(st.integers(1, 255))))


@pytest.mark.parametrize("size", [0, 1, 100, 5000], ids=lambda size: f"{size} bytes")
def test_a_file_cut_short_is_never_verified_as_what_it_was(original, tmp_path, size):
    path = a_copy(original, tmp_path)
    with path.open("r+b") as file:
        file.truncate(size)
    assert verdict(path)


def test_an_index_that_hides_an_act_is_found(original, tmp_path):
    """The chain is whole, but whoever asks for this act would be told that it never happened."""
    path = a_copy(original, tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    index = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_entries_1'"
    other = "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_signals_1'"
    connection.execute(f"UPDATE sqlite_master SET rootpage = ({other}) WHERE rootpage = ({index})")
    connection.commit()
    connection.close()
    assert verdict(path)


# --- files ---------------------------------------------------------------------------------------------------------------


def change(path):
    path.write_text("another model")


def add(path):
    (path.parent / "hook.py").write_text("import os")


def add_below(path):
    (path.parent / "deep").mkdir()
    (path.parent / "deep" / "hook.py").touch()


def link(path):
    (path.parent / "elsewhere").symlink_to("/", target_is_directory=True)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        pytest.param(change, "model/model.skops: not the file that ledger entry 2 recorded", id="changed"),
        pytest.param(Path.unlink, "model/model.skops: gone; ledger entry 2 recorded it", id="missing"),
        pytest.param(
            add, "model/hook.py: extra; ledger entry 2 recorded no such file in this model's folder", id="extra"
        ),
        pytest.param(add_below, "model/deep/hook.py: extra; ledger entry 2", id="extra, deeper"),
        pytest.param(link, "model/elsewhere: extra; ledger entry 2", id="a link to a folder"),
    ],
)
def test_a_model_file_changed_missing_or_extra_is_named(original, tmp_path, act, says):
    workspace = Path(shutil.copytree(original.parent / "workspace", tmp_path / "workspace"))
    engine = open_engine(f"sqlite:///{a_copy(original, tmp_path)}")
    act(workspace / "model" / "model.skops")
    (line,) = verify(Ledger(engine), workspace=workspace).breaks
    assert line.startswith(says)
    engine.dispose()
