"""A long life is found by its times, and thinned without losing what a person must see, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.stores import cycle_history
from pipeline.stores.buckets import buckets
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger

START = datetime(2026, 1, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)
KINDS = {  # status, features past their limit, weighted share, change, recommendation; None: no look
    "calm": ("ok", 0, 0.0, "none", "nothing"),
    "moved": ("drift", 2, 0.2, "none", "nothing"),
    "changed": ("drift", 2, 0.3, "population", "wait_for_labels"),
    "broken feed": ("drift", 3, 0.9, "feed", "fix_feed"),
    "calls": ("drift", 4, 0.6, "population", "retrain"),
    "too few": ("too_few_rows", 0, None, "unknown", "nothing"),
    "stale": ("stale", 0, None, "unknown", "fix_feed"),
    "failed": None,
}
GRAVITY = ("calls", "broken feed", "changed", "moved", "calm")  # of those with a number, the worst first
BLINDNESS = ("failed", "stale", "too few")


@pytest.fixture
def ledger(store_urls, tmp_path):
    engine = open_engine(store_urls["ledger"])
    migrate(engine, "ledger", lock=tmp_path / "lock")
    yield Ledger(engine)
    engine.dispose()


def lived(ledger, kinds, *, every=FIVE):
    """One cycle after the other, of these kinds."""
    with ledger.transaction(recorded_at=START) as writer:
        for number, kind in enumerate(kinds):
            put(writer, START + number * every, kind)


def put(writer, as_of, kind):
    told = KINDS[kind]
    if told is not None:
        state, drifted, share, change, recommendation = told
        look = dict.fromkeys(("worst_feature", "worst_psi", "score_psi", "signal_reason")) | {
            "as_of": as_of,
            "state": state,
            "rows": 500,
            "features_total": 4,
            "features_judged": 4,
            "features_drifted": drifted,
            "weighted_share": share,
            "change_kind": change,
            "recommendation": recommendation,
            "fired": 0,
            "why": kind,
        }
        writer.record("look", as_of.isoformat(), look, at=as_of, actor="mend")
    cycle = dict.fromkeys(("drift_share", "dataset_drift_detected", "metrics_path", "report_path")) | {
        "as_of": as_of,
        "clock": "wall",
        "status": told[0] if told else "failed",
        "rows": 500 if told else None,
        "champion": "1",
        "summary_path": "a.json" if told else None,
        "note": kind,
    }
    if told and kind != "stale":
        cycle["metrics_path"] = f"{as_of:%H%M}.json"
    writer.record("cycle", as_of.isoformat(), cycle, at=as_of, actor="mend", files={"a.json": "00ff"} if told else {})


def kind_of(row):
    """Which of KINDS a row tells of."""
    known = (row["status"], row["features_drifted"], row["weighted_share"], row["change_kind"], row["recommendation"])
    return next(kind for kind, told in KINDS.items() if (told or ("failed", None, None, None, None)) == known)


# --- one cycle and its neighbours ------------------------------------------------------------------------------------


def test_a_moment_finds_the_cycle_that_had_run_by_then(ledger):
    lived(ledger, ["calm", "failed", "calls"])
    told = [
        (found := cycle_history.cycle_at_or_before(ledger, START + timedelta(minutes=minutes))) and found["note"]
        for minutes in (-1, 0, 4, 5, 9, 10, 5000)
    ]
    assert told == [None, "calm", "calm", "failed", "failed", "calls", "calls"]


def test_a_cycle_is_told_with_its_look_and_its_files_and_one_without_a_look_has_none(ledger):
    lived(ledger, ["calls", "failed"])
    first, last = cycle_history.newest_cycles(ledger, limit=2)
    assert (first["why"], first["recommendation"], first["files"]) == ("calls", "retrain", {"a.json": "00ff"})
    assert ledger.at(first["seq"]).key == START.isoformat()
    assert ({last[name] for name in cycle_history.LOOK}, last["files"]) == ({None}, {})


def test_neighbours_are_the_ones_beside_it_and_none_beyond_the_ends(ledger):
    lived(ledger, ["calm", "failed", "calls"])
    beside = [
        tuple(each and each["note"] for each in cycle_history.neighbours(ledger, START + number * FIVE))
        for number in range(3)
    ]
    assert beside == [(None, "failed"), ("calm", "calls"), ("failed", None)]


def test_a_page_of_cycles_goes_on_where_the_one_before_ends(ledger):
    lived(ledger, ["calm", "moved", "failed", "stale", "calls"])
    pages = [cycle_history.newest_cycles(ledger, limit=2, skip=skip) for skip in (0, 2, 4, 6)]
    assert [[row["note"] for row in page] for page in pages] == [["stale", "calls"], ["moved", "failed"], ["calm"], []]


def test_what_failed_is_counted_and_the_newest_result_is_found_behind_what_has_none(ledger):
    lived(ledger, ["calm", "moved", "failed", "stale"])
    assert cycle_history.failures(ledger) == {"cycle": 1, "run": 0}
    assert cycle_history.newest_measured(ledger)["note"] == "moved"
    assert cycle_history.span(ledger) == (START, START + 3 * FIVE)


def test_before_the_first_cycle_there_is_nothing(ledger):
    assert cycle_history.span(ledger) is None
    assert cycle_history.newest_cycles(ledger, limit=9) == []
    assert cycle_history.newest_measured(ledger) is None
    assert cycle_history.thinned(ledger, START, START + FIVE) == []
    assert cycle_history.neighbours(ledger, START) == (None, None)


# --- thinning ----------------------------------------------------------------------------------------------------------


def test_a_call_between_two_calm_looks_and_a_failure_beside_it_are_both_kept(ledger):
    kinds = ["calm"] * 40 + ["calls", "failed"] + ["calm"] * 40
    lived(ledger, kinds)
    rows = cycle_history.thinned(ledger, START, START + len(kinds) * FIVE, parts=3)
    assert [kind_of(row) for row in rows].count("calls") == 1
    assert [kind_of(row) for row in rows].count("failed") == 1
    assert (rows[0]["as_of"], rows[-1]["as_of"]) == (START, START + 81 * FIVE)
    assert len(rows) <= 8


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_part_keeps_its_worst_and_says_of_how_many(ledger, data):
    kinds = data.draw(st.lists(st.sampled_from([*KINDS, "calm", "calm"]), min_size=1, max_size=40))
    every = data.draw(st.sampled_from([FIVE, timedelta(hours=7), timedelta(days=3)]))
    parts = data.draw(st.integers(1, 12))
    first, last = sorted(data.draw(st.lists(st.integers(0, len(kinds) - 1), min_size=2, max_size=2)))
    with ledger.engine.begin() as connection:
        forget(connection)
    lived(ledger, kinds, every=every)
    start, end = START + first * every, START + last * every
    rows = cycle_history.thinned(ledger, start, end, parts=parts)

    told = {(row["part_start"], row["weighted_share"] is None): [] for row in rows}
    for row in rows:
        told[row["part_start"], row["weighted_share"] is None].append(row)
    expected: dict = {}
    for low, high in buckets(start, end, most=parts):
        for number in range(first, last + 1):
            if low <= START + number * every < high:
                expected.setdefault((low, kinds[number] in BLINDNESS), []).append(number)
    assert told.keys() == expected.keys()
    for where, numbers in expected.items():
        order = BLINDNESS if where[1] else GRAVITY
        worst = min((order.index(kinds[n]), -n) for n in numbers)  # of two alike, the newer
        kept = {(order.index(kind_of(row)), -((row["as_of"] - START) // every)) for row in told[where]}
        assert worst in kept
        assert kept - {worst} <= {(order.index(kinds[n]), -n) for n in {first, last} & set(numbers)}
        (row,) = [row for row in told[where] if -((row["as_of"] - START) // every) == worst[1]]
        own = [kinds[n] for n in numbers]
        assert row["of_cycles"] == len(own)
    assert {row["as_of"] for row in rows} >= {start, end}
    assert len(rows) <= 2 * parts + 2
    assert sum(row["of_cycles"] for row in rows) == last - first + 1
    assert [row["as_of"] for row in rows] == sorted(row["as_of"] for row in rows)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(kinds=["calm", "calls", "stale", "moved", "calm"], limit=50)
@given(kinds=st.lists(st.sampled_from([*KINDS, "calm", "calm"]), max_size=40), limit=st.integers(1, 50))
def test_turns_are_where_drift_began_or_ended_and_a_look_that_could_not_judge_is_neither(ledger, kinds, limit):
    with ledger.engine.begin() as connection:
        forget(connection)
    lived(ledger, kinds)
    expected, before = [], False
    for number, kind in enumerate(kinds):
        if kind in BLINDNESS:
            continue
        now = kind != "calm"
        if now is not before:
            expected.append((START + number * FIVE, kind))
        before = now
    found = cycle_history.turns(ledger, limit=limit)
    assert [row["as_of"] for row in found] == [as_of for as_of, _ in expected[-limit:]]
    assert [row["recommendation"] for row in found] == [KINDS[kind][4] for _, kind in expected[-limit:]]


@pytest.mark.parametrize("order", [GRAVITY, BLINDNESS])
def test_of_one_part_the_gravest_stands_for_the_others_whichever_comes_first(ledger, order):
    kinds = [*order[1:], order[0], *order[1:]] * 2
    lived(ledger, ["calm", *kinds, "calm"])
    rows = cycle_history.thinned(ledger, START + FIVE, START + len(kinds) * FIVE, parts=1)
    assert order[0] in [kind_of(row) for row in rows]
    assert sum(row["of_cycles"] for row in rows) == len(kinds)


def forget(connection):
    """The next example begins with an empty ledger, triggers or not."""
    from tampering import ALL

    if connection.dialect.name == "postgresql":
        for table in ALL:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER ALL")
    else:
        for name in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    for table in ALL:
        connection.execute(table.delete())


def test_a_part_that_is_over_stays_as_it_is_while_time_goes_on(ledger):
    kinds = ["calm", "calls", "failed", "moved"] * 30
    lived(ledger, kinds)
    end = START + 119 * FIVE
    before = cycle_history.thinned(ledger, START, end - timedelta(hours=1), parts=17)
    after = cycle_history.thinned(ledger, START, end, parts=19)
    assert {row["part_end"] - row["part_start"] for row in (*before, *after)} == {timedelta(hours=1)}
    over = [row for row in before if row["part_end"] <= end - timedelta(hours=1) and row["as_of"] != START]
    assert len(over) > 10
    assert all(row in after for row in over)


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_a_long_ledger_is_asked_by_index(ledger):
    """No question of a page reads the ledger through, but counting and thinning, which read one narrow index entry each."""
    lived(ledger, ["calm"] * 3)
    seen = []

    def plan(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "WITH")):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            seen.extend((row[3], statement) for row in cursor.fetchall())

    import sqlalchemy as sa

    sa.event.listen(ledger.engine, "before_cursor_execute", plan)
    cycle_history.cycle_at_or_before(ledger, START)
    cycle_history.neighbours(ledger, START)
    cycle_history.newest_cycles(ledger, limit=2)
    cycle_history.thinned(ledger, START, START + FIVE)
    ledger.entries(kind="cycle", limit=2)
    sa.event.remove(ledger.engine, "before_cursor_execute", plan)
    assert len(seen) > 10
    tables = ("cycles", "looks", "entries", "runs")
    scans = [what for what, _ in seen if what.split(" USING ")[0].removeprefix("SCAN ") in tables]
    assert [what for what in scans if "COVERING INDEX" not in what and "USING INDEX" not in what] == []


def test_entries_are_paged_by_kind_and_counted(ledger):
    lived(ledger, ["calm", "failed", "calls"])
    newest = ledger.entries(kind="cycle", limit=2)
    assert [json.dumps(entry.body["note"]) for entry in newest] == ['"failed"', '"calls"']
    assert [entry.body["note"] for entry in ledger.entries(kind="cycle", limit=2, skip=2)] == ["calm"]
    assert [entry.seq for entry in ledger.entries(limit=2, skip=1)] == [3, 4]
    assert ledger.entries(kind="watch", limit=2) == []
    assert ledger.counts() == {"cycle": 3, "look": 2}
