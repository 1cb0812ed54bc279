"""While a process runs, a look reads what was added; whatever is changed is found, and nothing is claimed unread."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import ALL, behind_its_back, cut_after, rewrite

from pipeline.stores import ledger_tables as tables
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.standing_verification import FULL_EVERY, Standing, StandingVerification
from pipeline.stores.verify import Progress, verify, verify_added

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
PATIENCE_S = 60.0
relaxed = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ledger(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    migrate(engine, "ledger", lock=tmp_path / "lock")
    yield Ledger(engine)
    engine.dispose()


def grow(ledger, many, *, files=None, note="note"):
    """So many more acts, each with an entry and a row."""
    with ledger.transaction(recorded_at=NOON) as writer:
        first = writer.next_seq()
        for seq in range(first, first + many):
            values = {"key": f"k{seq}", "as_of": NOON, "reason": "drift", "note": f"{note} {seq}", "windows": "[]"}
            writer.record("signal", f"k{seq}", values, at=NOON, actor="mend", files=files)


def start_again(ledger, many):
    """An empty ledger that somebody else's triggers do not guard any more, then so many acts."""
    with behind_its_back(ledger) as connection:
        for table in ALL:
            connection.execute(table.delete())
    grow(ledger, many)


def standing(ledger, tmp_path, clock=None):
    return StandingVerification(ledger, workspace=tmp_path, clock=clock or Clock())


def change(ledger, seq, table):
    """Another note in an entry's body or in its row, its hash as it was."""
    with behind_its_back(ledger) as connection:
        if table == "entries":
            entries = tables.entries
            connection.execute(entries.update().where(entries.c.seq == seq).values(body='{"note":"another"}'))
        else:
            signals = tables.signals
            connection.execute(signals.update().where(signals.c.entry == seq).values(note="another"))


# --- what a look claims ------------------------------------------------------------------------------------------------


def test_what_was_not_read_is_not_verified():
    assert not Standing().verified


def test_a_small_ledger_is_read_at_the_first_look_and_what_is_added_at_the_next(ledger, tmp_path):
    grow(ledger, 5)
    checking = standing(ledger, tmp_path)
    first = checking.look(patience_s=PATIENCE_S)
    assert (first.verified, first.full.found.entries, first.added.entries) == (True, 5, 0)
    grow(ledger, 3)
    second = checking.look(patience_s=PATIENCE_S)
    assert (second.verified, second.full.found.entries, second.added.entries) == (True, 5, 3)
    assert checking.look(patience_s=PATIENCE_S).added.entries == 3  # and not again


def test_an_empty_ledger_has_nothing_broken_and_then_grows(ledger, tmp_path):
    checking = standing(ledger, tmp_path)
    assert checking.look(patience_s=PATIENCE_S).full.found.entries == 0
    grow(ledger, 2)
    assert (checking.look(patience_s=PATIENCE_S)).added.entries == 2


def test_while_the_first_pass_runs_nothing_is_claimed_and_its_progress_is_told(ledger, tmp_path):
    grow(ledger, 2)
    here, go_on, clock = threading.Event(), threading.Event(), Clock()

    def stands_still_at_the_end():
        if threading.current_thread() is not threading.main_thread() and here.is_set():
            go_on.wait(PATIENCE_S)
        elif threading.current_thread() is not threading.main_thread():
            here.set()
        return clock.now

    checking = standing(ledger, tmp_path, stands_still_at_the_end)
    found = checking.look(patience_s=0.5)
    assert (found.verified, found.full, found.running.of_entries) == (False, None, 2)
    go_on.set()
    done = checking.look(patience_s=PATIENCE_S)
    assert (done.verified, done.running) == (True, None)


def test_progress_is_told_entry_by_entry_then_file_by_file(ledger, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    grow(ledger, 4000)
    grow(ledger, 1, files={"a.json": digest})
    told: list[Progress] = []
    assert verify(ledger, workspace=tmp_path, tell=told.append).verified
    assert [each.entries for each in told] == [2000, 4000, 4001]
    assert (told[-1].files, told[-1].of_files) == (0, 1)


def test_files_are_read_when_somebody_asks_and_only_then(ledger, tmp_path):
    grow(ledger, 1, files={"a.json": "00" * 32})
    checking = standing(ledger, tmp_path)
    without = checking.look(patience_s=PATIENCE_S)
    assert (without.verified, without.full.with_files) == (True, False)
    checking.begin(with_files=True)
    found = checking.look(patience_s=PATIENCE_S)
    assert (found.full.with_files, found.breaks) == (True, ("a.json: gone; ledger entry 1 recorded it",))


def test_a_day_later_all_of_it_is_read_again(ledger, tmp_path):
    grow(ledger, 3)
    clock = Clock()
    checking = standing(ledger, tmp_path, clock)
    assert checking.look(patience_s=PATIENCE_S).full.ended == NOON
    change(ledger, 2, "signals")
    clock.now = NOON + FULL_EVERY - timedelta(seconds=1)
    not_yet = checking.look(patience_s=PATIENCE_S)
    assert (not_yet.full.ended, not_yet.breaks) == (NOON, ())
    clock.now = NOON + FULL_EVERY
    assert checking.look(patience_s=PATIENCE_S).breaks == (
        "ledger table signals, row of entry 2: not what its entry says",
    )


def test_a_database_that_does_not_answer_is_not_verified_and_asked_again(tmp_path):
    engine = open_engine(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
    checking = standing(Ledger(engine), tmp_path)
    for _ in range(2):
        found = checking.look(patience_s=PATIENCE_S)
        assert not found.verified
        assert found.full is None
        assert found.failed
    engine.dispose()


# --- what a look finds -------------------------------------------------------------------------------------------------


@relaxed
@given(data=st.data())
def test_what_is_changed_among_the_added_is_found_at_the_next_look(ledger, tmp_path, data):
    before, added = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    start_again(ledger, before)
    checking = standing(ledger, tmp_path)
    checking.look(patience_s=PATIENCE_S)
    grow(ledger, added)
    seq = data.draw(st.integers(before + 1, before + added))
    change(ledger, seq, table := data.draw(st.sampled_from(["entries", "signals"])))
    found = checking.look(patience_s=PATIENCE_S)
    assert any(f"entry {seq}" in line for line in found.breaks), (table, found.breaks)
    assert checking.look(patience_s=PATIENCE_S).breaks == found.breaks


@relaxed
@given(data=st.data())
def test_a_chain_written_anew_from_any_entry_or_cut_after_it_is_found_at_once_and_stays_told(ledger, tmp_path, data):
    many = data.draw(st.integers(2, 8))
    start_again(ledger, many)
    checking = standing(ledger, tmp_path)
    assert checking.look(patience_s=PATIENCE_S).verified
    seq = data.draw(st.integers(1, many))
    with behind_its_back(ledger) as connection:
        if data.draw(st.booleans(), label="written anew"):
            rewrite(connection, seq, actor="somebody else")
        else:
            cut_after(connection, seq - 1)
    if data.draw(st.booleans(), label="and goes on"):
        grow(ledger, 1, note="another")  # the same act at the same moment would be the same entry
    assert any(f"entry {many}" in line for line in checking.look(patience_s=PATIENCE_S).breaks)
    checking.begin()  # the new chain is a good one by itself: what was there before is not forgotten
    time.sleep(0.01)
    again = checking.look(patience_s=PATIENCE_S)
    assert again.running is None
    assert any(f"entry {many}" in line for line in again.breaks)


@relaxed
@given(data=st.data())
def test_an_old_row_that_is_changed_is_found_by_the_next_full_pass_wherever_it_is(ledger, tmp_path, data):
    many = data.draw(st.integers(1, 8))
    start_again(ledger, many)
    checking = standing(ledger, tmp_path)
    checking.look(patience_s=PATIENCE_S)
    seq = data.draw(st.integers(1, many))
    change(ledger, seq, data.draw(st.sampled_from(["entries", "signals"])))
    grow(ledger, 2)
    meanwhile = checking.look(patience_s=PATIENCE_S)
    assert (meanwhile.full.found.entries, meanwhile.added.entries) == (many, 2)  # claims what was read, and when
    checking.begin()
    found = checking.look(patience_s=PATIENCE_S)
    assert any(f"entry {seq}" in line for line in found.breaks)
    assert found.full.found.entries == many + 2


def test_what_follows_a_verification_is_checked_alone(ledger):
    grow(ledger, 3)
    known = verify(ledger, workspace=None)
    grow(ledger, 2)
    found = verify_added(ledger, known)
    assert (found.entries, found.last, found.breaks, found.head) == (2, 5, (), ledger.head()[1])
    assert verify_added(ledger, found).entries == 0


def test_many_who_look_at_once_read_the_ledger_once(ledger, tmp_path):
    grow(ledger, 50)
    checking, barrier, found = standing(ledger, tmp_path), threading.Barrier(6), []

    def look():
        barrier.wait()
        found.append(checking.look(patience_s=PATIENCE_S))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(each.verified, each.full.found.entries, each.added.entries) for each in found} == {(True, 50, 0)}
