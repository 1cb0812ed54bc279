"""From a cycle's conditions to what arrives and what stands on the ledger: real stores, a real server."""

import json
import logging
from datetime import timedelta
from logging.handlers import BufferingHandler
from types import SimpleNamespace

import pytest
from alerts_builders import NOON, a_condition
from builders import put_on_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.alerts import alerting
from pipeline.alerts.alerting import alert, judge, own, snooze
from pipeline.alerts.journal import read_state
from pipeline.alerts.precision import history, precision
from pipeline.errors import InputError, RefusedError
from pipeline.stores.verify import verify

HOUR = timedelta(hours=1)
SECRET = "s3cr3t-t0ken"


def run(workspace, *conditions, at=NOON, **options):
    lines = []
    alert(workspace, conditions, as_of=at, say=lines.append, **options)
    return lines


def events(workspace):
    return [row["event"] for row in workspace.ledger.acts("alert_event")]


def test_the_alerts_of_a_cycle_are_one_message_with_the_worst_first(inbox, open_watched):
    workspace = open_watched(inbox.url())
    waits = a_condition("review.waiting", "version 5", "note", "version 5 waits for a signature for 3 days")
    missing = a_condition("feed.missing", "employees", text="43 % of 812 values are missing, expected at most 2 %")
    run(workspace, waits, a_condition(), missing, at=NOON)
    (message,) = [content for _, content in inbox.got]
    assert message["title"] == "[mend] sba-default: drift.population loan_amount and 2 more"
    assert message["type"] == "failure"
    assert message["message"] == (
        "sba-default, cycle of 2026-05-04 12:00 UTC\n"
        "\n"
        "PAGE #1 drift.population loan_amount\n"
        "PSI 0.31 of 812 rows\n"
        "Since 2026-05-04 12:00 UTC.\n"
        "\n"
        "PAGE #2 feed.missing employees\n"
        "43 % of 812 values are missing, expected at most 2 %\n"
        "Since 2026-05-04 12:00 UTC.\n"
        "\n"
        "NOTE #3 review.waiting version 5\n"
        "version 5 waits for a signature for 3 days\n"
        "Since 2026-05-04 12:00 UTC.\n"
        "\n"
        "Take it: `mend alerts own 1 --as NAME`\n"
        "Silence it: `mend alerts snooze 1 --for 2d --as NAME --reason WHY`\n"
        "All of them: `mend alerts`"
    )


def test_the_end_is_told_once_with_how_long_it_lasted(inbox, open_watched):
    workspace = open_watched(inbox.url())
    run(workspace, a_condition())
    for number in range(1, 6):
        run(workspace, at=NOON + number * HOUR)
    assert len(inbox.got) == 2
    assert inbox.got[1][1]["type"] == "info"
    assert inbox.got[1][1]["title"] == "[mend] sba-default: drift.population loan_amount closed"
    assert "CLOSED #1 drift.population loan_amount\nOpen since 2026-05-04 12:00 UTC (3 h)." in inbox.bodies()[1]
    assert events(workspace) == ["counted", "sent", "counted", "counted", "closed", "sent"]
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_a_cycle_run_again_after_a_crash_sends_nothing_that_is_on_record_as_sent(inbox, open_watched):
    workspace = open_watched(inbox.url())
    for _ in range(3):
        run(workspace, a_condition())
    assert (len(inbox.got), events(workspace)) == (1, ["counted", "sent"])


def test_a_crash_between_delivery_and_record_sends_again_and_loses_nothing(inbox, open_watched, monkeypatch):
    workspace = open_watched(inbox.url())
    with monkeypatch.context() as patch:
        patch.setattr(alerting, "_answered", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(workspace, a_condition())
    run(workspace, a_condition())
    assert (len(inbox.got), events(workspace)) == (2, ["counted", "sent"])


def test_what_cannot_be_delivered_is_on_record_and_comes_with_the_next_cycle(inbox, open_watched):
    workspace = open_watched(inbox.url("up"), inbox.url("down"))
    inbox.answers["/down"] = 500
    lines = run(workspace, a_condition())
    assert lines[-1].endswith("NOT delivered, tried again next time (refused with status 500)")
    run(workspace, a_condition(), at=NOON + HOUR)
    (failing,) = read_state(workspace.ledger).failing
    assert (failing.attempts, failing.since, failing.target) == (2, NOON, "2 json://127.0.0.1")
    inbox.answers.clear()
    run(workspace, a_condition(), a_condition(subject="employees"), at=NOON + 2 * HOUR)
    assert [len(inbox.bodies(name)) for name in ("up", "down")] == [2, 1]
    assert "#1 drift.population loan_amount" in inbox.bodies("down")[0]
    assert "#2 drift.population employees" in inbox.bodies("down")[0]
    assert "loan_amount" not in inbox.bodies("up")[1]
    assert read_state(workspace.ledger).failing == ()


def test_an_address_nobody_answers_at_stops_no_cycle(open_watched):
    workspace = open_watched("json://127.0.0.1:9/nobody", "slack://no/such")
    lines = run(workspace, a_condition())
    assert [line.partition("(")[2] for line in lines[1:]] == [
        "refused or not reached)",
        "Apprise knows no such service, or a part of the address is missing)",
    ]


def test_an_address_that_calls_itself_optional_is_not_believed(inbox, open_watched):
    workspace = open_watched(inbox.url() + "?optional=yes")
    inbox.answers["/box"] = inbox.answers["/box/"] = 503
    run(workspace, a_condition())
    assert events(workspace)[-1] == "failed"


def test_the_days_last_message_says_that_more_is_held_back_and_the_next_day_brings_it(inbox, open_watched):
    workspace = open_watched(inbox.url(), max_messages_per_day=2)
    for number in range(4):
        lines = run(workspace, *[a_condition(subject=f"x{n}") for n in range(number + 1)], at=NOON + number * HOUR)
    assert len(inbox.got) == 2
    assert "held back for 1 json://127.0.0.1: 2 messages on 2026-05-04" in lines[-1]
    assert "This is message 2 of at most 2 on 2026-05-04 (UTC)" in inbox.bodies()[1]
    assert "`mend alerts`" in inbox.bodies()[1].splitlines()[-1]
    run(workspace, *[a_condition(subject=f"x{n}") for n in range(4)], at=NOON + timedelta(days=1))
    assert [f"x{n}" in inbox.bodies()[2] for n in range(4)] == [False, False, True, True]


def test_many_alerts_are_a_message_that_can_be_read(inbox, open_watched):
    workspace = open_watched(inbox.url())
    run(workspace, *[a_condition(subject=f"x{n}") for n in range(25)])
    assert inbox.bodies()[0].count("PAGE #") == 20
    assert "... and 5 more" in inbox.bodies()[0]
    run(workspace, *[a_condition(subject=f"x{n}") for n in range(25)], at=NOON + HOUR)
    assert len(inbox.got) == 1


def test_history_lived_through_again_is_recorded_and_wakes_nobody(inbox, open_watched):
    workspace = open_watched(inbox.url())
    run(workspace, a_condition(), silent=True)
    assert (len(inbox.bodies()), len(workspace.ledger.acts("alert"))) == (0, 1)


def test_nothing_wrong_writes_nothing_and_what_lasts_is_written_once(inbox, open_watched):
    workspace = open_watched(inbox.url())
    run(workspace)
    assert workspace.ledger.head()[0] == 0
    for number in range(20):
        run(workspace, a_condition(), at=NOON + number * HOUR)
    assert workspace.ledger.head()[0] == 3


def test_what_a_cycle_reads_does_not_grow_with_what_is_closed(inbox, open_watched):
    workspace = open_watched(inbox.url())
    sizes = []
    for number in range(0, 80, 4):
        run(workspace, a_condition(), at=NOON + number * HOUR)
        for clear in (1, 2, 3):
            run(workspace, at=NOON + (number + clear) * HOUR)
        sizes.append(len(workspace.ledger.acts("alert_event", limit=1)[0]["state"]))
    assert len(workspace.ledger.acts("alert")) == 20
    assert max(sizes) - min(sizes) < 10  # digits of the numbers


def test_without_addresses_alerts_are_recorded_and_later_told_to_the_first_one(inbox, open_watched):
    alone = open_watched()
    assert run(alone, a_condition()) == ["alert 1 (page): drift.population loan_amount: PSI 0.31 of 812 rows"]
    told = open_watched(inbox.url())
    run(told, a_condition(), at=NOON + HOUR)
    assert "PAGE #1 drift.population loan_amount" in inbox.bodies()[0]


def test_a_cycle_that_failed_closes_nothing_it_did_not_look_at(open_watched):
    workspace = open_watched()
    run(workspace, a_condition())
    for number in range(1, 9):
        failed = a_condition("window.failed", "", text="the notebook failed")
        run(workspace, failed, at=NOON + number * HOUR, unmeasured={("drift.population", None)})
    assert [alert.code for alert in read_state(workspace.ledger).open] == ["drift.population", "window.failed"]


@pytest.fixture
def root_log():
    """What reaches the root logger. (caplog also hooks into loggers that pass nothing on.)"""
    handler = BufferingHandler(1000)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_an_address_is_never_shown_whole(inbox, open_watched, capfd, root_log):
    urls = (
        f"json://ann:{SECRET}@127.0.0.1:{inbox.port}/{SECRET}",
        f"slack://{SECRET}/B/C",
        f"json://127.0.0.1:9/{SECRET}",
    )
    workspace = open_watched(*urls)
    inbox.answers[f"/{SECRET}"] = 401
    said = run(workspace, a_condition())
    acts = [entry.to_json() for entry in workspace.ledger.entries()]
    shown = json.dumps([said, acts, repr(workspace.settings), workspace.settings.model_dump(mode="json")], default=str)
    assert "failed" in events(workspace)
    assert SECRET not in shown + "".join(capfd.readouterr())
    assert [record.getMessage() for record in root_log.buffer if record.name.startswith("apprise")] == []
    assert "1 json://127.0.0.1" in shown


# --- persons -----------------------------------------------------------------------------------------------------


def test_snoozing_and_owning_are_on_record_with_who_and_why(inbox, open_watched):
    workspace = open_watched(inbox.url())
    run(workspace, a_condition())
    snooze(workspace, 1, until=NOON + 2 * HOUR, actor="ann", reason="known", now=NOON)
    own(workspace, 1, actor="bob", now=NOON)
    for number in (1, 2, 3):
        run(workspace, a_condition(), at=NOON + number * 7 * 24 * HOUR)
    assert len(inbox.got) == 1
    said = {row["event"]: row for row in workspace.ledger.acts("alert_event") if row["event"] in ("snoozed", "owned")}
    assert (said["snoozed"]["actor"], said["snoozed"]["note"]) == ("ann", "known")
    assert said["snoozed"]["until"] == NOON + 2 * HOUR
    assert said["owned"]["actor"] == "bob"
    assert verify(workspace.ledger, workspace=None).verified


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        pytest.param(lambda w: own(w, 7, actor="ann", now=NOON), RefusedError, "alert 7 is not open", id="not open"),
        pytest.param(lambda w: own(w, 1, actor=" ", now=NOON), InputError, "--as: expected a name", id="nobody"),
        pytest.param(
            lambda w: snooze(w, 1, until=NOON, actor="ann", reason="", now=NOON), InputError, "--reason", id="no reason"
        ),
        pytest.param(
            lambda w: judge(w, 7, real=True, actor="ann", reason="x", now=NOON), InputError, "no alert 7", id="unknown"
        ),
    ],
)
def test_an_act_without_sense_is_one_line_and_leaves_nothing(open_watched, act, error, says):
    workspace = open_watched()
    run(workspace, a_condition())
    before = workspace.ledger.head()
    with pytest.raises(error, match=says):
        act(workspace)
    assert workspace.ledger.head() == before


def test_precision_counts_the_last_word_of_persons(open_watched):
    workspace = open_watched()
    run(workspace, *[a_condition(subject=name) for name in ("a", "b", "c", "d")])
    assert precision(history(workspace.ledger)).to_json() == {
        "real": 0,
        "false": 0,
        "not_judged": 4,
        "precision": None,
        "interval_95": None,
    }
    for number, real in ((1, False), (1, True), (2, True), (3, False)):
        judge(workspace, number, real=real, actor="ann", reason="looked", now=NOON)
    found = precision(history(workspace.ledger))
    assert (found.real, found.false, found.not_judged) == (2, 1, 1)
    assert [round(bound, 3) for bound in found.interval] == [0.208, 0.939]
    assert len(read_state(workspace.ledger).open) == 4


def test_an_alert_whose_signal_led_to_a_promotion_was_real_unless_a_person_says_no(open_watched):
    workspace = open_watched()
    names = ("drift.population", "feed.missing", "signal.fired")
    run(workspace, *[a_condition(name) for name in names])
    run(workspace, *[a_condition(name) for name in names], a_condition(subject="later"), at=NOON + HOUR)
    promoted(workspace, signal_at=NOON, verdict="rejected")
    assert [row["verdict"] for row in history(workspace.ledger)] == [None] * 4
    promoted(workspace, signal_at=NOON, verdict="approved", number=3)
    rows = {(row["code"], row["subject"]): row for row in history(workspace.ledger)}
    assert [row["verdict"] for row in rows.values()] == ["real", None, "real", None]
    assert rows["signal.fired", "loan_amount"]["verdict_by"] == "promotion of version 3"
    judge(workspace, 1, real=False, actor="ann", reason="by luck", now=NOON)
    assert [row["verdict"] for row in history(workspace.ledger)] == ["false", None, "real", None]


def promoted(workspace, *, signal_at, verdict, number=2):
    """A signal, its challenger, a dossier and a decision, as a cycle and a person leave them."""
    key, digest = f"s{number}", str(number) * 64
    with workspace.ledger.transaction(recorded_at=NOON) as writer:
        signal = {"key": key, "as_of": signal_at, "reason": "drift", "note": "", "windows": "[]"}
        writer.record("signal", key, signal, at=NOON, actor="mend")
        signalled = SimpleNamespace(
            record=lambda kind, name, values, **rest: writer.record(kind, name, {**values, "signal": key}, **rest)
        )
        put_on_record(signalled, version=str(number))
        dossier = {
            "digest": digest,
            "challenger": str(number),
            "champion": "1",
            "status": "passed",
            "path": "x",
            "as_of": NOON,
            "expires_at": NOON,
        }
        writer.record("dossier", digest, dossier, at=NOON, actor="mend")
        decision = {"digest": digest, "verdict": verdict, "actor": "ann", "reason": "x", "at": NOON, "path": "x"}
        writer.record("decision", digest, decision, at=NOON, actor="ann")


# --- for any sequence --------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cycles=st.lists(
        st.tuples(st.sets(st.sampled_from("abc")), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_happens_the_record_holds_and_the_ledger_verifies(inbox, open_watched, tmp_path, cycles):
    inbox.got.clear()
    number = len(list(tmp_path.iterdir()))
    workspace = open_watched(inbox.url(), folder=tmp_path / f"life{number}", max_messages_per_day=4)
    for count, (subjects, up, again) in enumerate(cycles):
        inbox.answers = {} if up else {"/box": 500}
        conditions = [a_condition(subject=each) for each in sorted(subjects)]
        for _ in range(1 + again):
            run(workspace, *conditions, at=NOON + count * HOUR)
        state = read_state(workspace.ledger)
        assert {alert.subject for alert in state.open} >= subjects
        assert len(state.open) == len({alert.key for alert in state.open})
    sent = [row for row in workspace.ledger.acts("alert_event") if row["event"] == "sent"]
    assert len(sent) == len(inbox.got) <= 4
    assert [row["note"].partition("\n\n")[2] for row in sent] == inbox.bodies()
    opened = {row["number"] for row in workspace.ledger.acts("alert")}
    ended = {row["alert"] for row in workspace.ledger.acts("alert_event") if row["event"] == "closed"}
    assert opened - ended == {alert.number for alert in state.open}
    assert verify(workspace.ledger, workspace=workspace.root).verified
