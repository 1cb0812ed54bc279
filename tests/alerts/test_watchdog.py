"""The dead man's switch tells when the monitor is dead, hangs, or has no ledger to write to."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from alerts_builders import NOON, alert_settings
from builders import mend

from pipeline.alerts.heartbeat import beat, heartbeat_path, is_alive, longest_silence, read_heartbeat
from pipeline.alerts.watchdog import tell_findings
from pipeline.clock import wall_clock
from pipeline.doctor import Finding, look_over, look_over_within
from pipeline.errors import MendError, RefusedError
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

MINUTE = timedelta(minutes=1)
CYCLE = {"as_of": NOON, "clock": "wall", "status": "judged"}


def wrong(check="cycles", detail="last cycle 20 min ago"):
    return Finding(check=check, ok=False, detail=detail, do="start it")


def tell(config, *findings, at=NOON):
    lines = []
    tell_findings(load_settings(config), findings, wall=at, say=lines.append)
    return lines


def by_check(findings):
    return {finding.check: finding for finding in findings}


# --- the heartbeat -----------------------------------------------------------------------------------------------


def test_a_beat_is_a_file_that_says_who_when_and_what(open_watched):
    workspace = open_watched()
    assert beat(workspace, CYCLE, now=NOON + MINUTE) is None
    content = json.loads(heartbeat_path(workspace.settings).read_text())
    assert content == {
        "as_of": "2026-05-04T12:00:00Z",
        "at": "2026-05-04T12:01:00Z",
        "clock": "wall",
        "state": "judged",
        "pid": os.getpid(),
        "ping": None,
    }
    assert [path.name for path in workspace.root.glob("*heartbeat*")] == ["heartbeat.json"]


def test_after_a_cycle_that_did_not_fail_an_address_is_asked_for(inbox, open_watched):
    workspace = open_watched(heartbeat_url=f'"http://127.0.0.1:{inbox.port}/s3cr3t"')
    assert beat(workspace, CYCLE | {"status": "failed"}, now=NOON) is None
    assert inbox.asked == []
    assert beat(workspace, CYCLE, now=NOON) is None
    assert inbox.asked == ["/s3cr3t"]
    assert read_heartbeat(workspace.settings).ping == "answered"


@pytest.mark.parametrize("status", [500, None])
def test_an_address_that_does_not_answer_is_told_and_stops_nothing(inbox, open_watched, status):
    inbox.answers["/s3cr3t"] = status
    port = inbox.port if status else 9
    workspace = open_watched(heartbeat_url=f'"http://127.0.0.1:{port}/s3cr3t"')
    told = beat(workspace, CYCLE, now=NOON)
    assert told == ("heartbeat address: " + ("answered with status 500" if status else "not reached (URLError)"))
    assert told in is_alive(read_heartbeat(workspace.settings), settings=workspace.settings, wall=NOON)
    assert "s3cr3t" not in heartbeat_path(workspace.settings).read_text()


def test_a_heartbeat_that_cannot_be_written_is_told_and_stops_nothing(open_watched):
    workspace = open_watched(heartbeat_file='"/proc/none/heartbeat.json"')
    assert beat(workspace, CYCLE, now=NOON).startswith("heartbeat not written: ")


@pytest.mark.parametrize(
    ("minutes", "lines", "dead"),
    [
        pytest.param(14, {}, False, id="two cycles late"),
        pytest.param(15, {}, True, id="three intervals"),
        pytest.param(90, {"no_cycle_after": '"2h"'}, False, id="a longer silence was allowed"),
        pytest.param(-1, {}, False, id="a clock a little off"),
        pytest.param(-60, {}, True, id="a beat from the future"),
    ],
)
def test_a_monitor_is_dead_after_three_intervals_of_silence(open_watched, minutes, lines, dead):
    settings = open_watched(**lines).settings
    beat(open_workspace(settings), CYCLE, now=NOON)
    alive = read_heartbeat(settings)
    if not dead:
        assert "last cycle 2026-05-04 12:00 UTC" in is_alive(alive, settings=settings, wall=NOON + minutes * MINUTE)
        return
    with pytest.raises(MendError):
        is_alive(alive, settings=settings, wall=NOON + minutes * MINUTE)


def test_silence_does_not_apply_to_a_simulated_clock(open_watched):
    workspace = open_watched()
    beat(workspace, CYCLE | {"clock": "replay"}, now=NOON)
    told = is_alive(read_heartbeat(workspace.settings), settings=workspace.settings, wall=NOON + 999 * MINUTE)
    assert told == "last cycle 2026-05-04 on a simulated clock: how old it may be does not apply"


def test_a_monitor_that_was_killed_is_noticed_and_told_by_cron_s_doctor(inbox, tmp_path):
    config = alert_settings(tmp_path, inbox.url(), no_cycle_after='"1s"')
    program = """
import sys, time
from datetime import UTC, datetime
from pipeline.alerts.heartbeat import beat
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace
workspace = open_workspace(load_settings(sys.argv[1]))
while True:
    now = datetime.now(UTC)
    beat(workspace, {"as_of": now, "clock": "wall", "status": "judged"}, now=now)
    print("beat", flush=True)
    time.sleep(0.2)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(config)], stdout=subprocess.PIPE) as monitor:
        monitor.stdout.readline()
        settings = load_settings(config)
        assert by_check(look_over(settings, wall=datetime.now(UTC)))["cycles"].ok
        monitor.send_signal(signal.SIGKILL)
    time.sleep(1.2)
    done = mend("doctor", "--alert", config=config, exit_code=4)
    (message,) = inbox.bodies()
    assert "PROBLEM cycles" in done.stdout
    assert f"process {monitor.pid} is gone. What to do: is `mend monitor` running?\n" in message


# --- what the doctor tells ---------------------------------------------------------------------------------------


def test_what_lasts_is_told_once_again_after_a_week_and_when_it_is_well(inbox, tmp_path):
    config = alert_settings(tmp_path, inbox.url())
    for minute in range(5):
        tell(config, wrong(), at=NOON + minute * MINUTE)
    assert len(inbox.got) == 1
    tell(config, wrong(), wrong("disk", "0.1 GB free"), at=NOON + 9 * MINUTE)
    assert ["doctor.disk" in body for body in inbox.bodies()] == [False, True]
    tell(config, wrong(), at=NOON + timedelta(days=7))
    assert "STILL OPEN (page) doctor.cycles" in inbox.bodies()[2]
    for minute in range(10, 15):
        tell(config, at=NOON + timedelta(days=7) + minute * MINUTE)
    assert [message["title"] for _, message in inbox.got[3:]] == [
        "[mend] sba-default: doctor.disk closed",
        "[mend] sba-default: doctor.cycles closed",
    ]


def test_a_message_of_the_doctor_reads_like_this(inbox, tmp_path):
    tell(alert_settings(tmp_path, inbox.url()), wrong())
    assert inbox.bodies() == [
        "sba-default, mend doctor of 2026-05-04 12:00 UTC\n"
        "\n"
        "PAGE doctor.cycles\n"
        "last cycle 20 min ago. What to do: start it.\n"
        "Since 2026-05-04 12:00 UTC.\n"
        "\n"
        "Look with `mend doctor`."
    ]


def test_a_doctor_that_reaches_nobody_tries_again(inbox, tmp_path):
    config = alert_settings(tmp_path, inbox.url())
    inbox.answers["/box"] = 500
    assert "NOT delivered" in tell(config, wrong())[0]
    inbox.answers.clear()
    tell(config, wrong(), at=NOON + MINUTE)
    assert len(inbox.got) == 1


@pytest.mark.parametrize("content", ["", "{", '{"alerts": 3}'])
def test_a_doctor_that_lost_its_memory_tells_again(inbox, tmp_path, content):
    config = alert_settings(tmp_path, inbox.url())
    tell(config, wrong())
    (memory,) = (tmp_path / "ws").glob("*.doctor.json")
    memory.write_text(content)
    tell(config, wrong(), at=NOON + MINUTE)
    assert len(inbox.got) == 2


def test_a_clock_that_was_set_back_silences_nobody(inbox, tmp_path):
    config = alert_settings(tmp_path, inbox.url())
    tell(config, at=NOON + timedelta(days=999))
    tell(config, wrong(), at=NOON)
    assert len(inbox.got) == 1


def test_two_doctors_do_not_tell_at_once(tmp_path):
    from pipeline.alerts import watchdog

    config = alert_settings(tmp_path)
    settings = load_settings(config)
    with watchdog._alone(watchdog._memory_path(settings)), pytest.raises(RefusedError, match="is at work"):
        tell(config, wrong())


def test_passwords_in_what_went_wrong_are_not_sent(inbox, tmp_path):
    tell(alert_settings(tmp_path, inbox.url()), wrong("stores", "no answer from postgresql://mend:s3cr3t@db/ledger"))
    assert "postgresql://…@db/ledger" in inbox.bodies()[0]


# --- what the doctor looks at ------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_opened_is_told(inbox, tmp_path):
    config = alert_settings(tmp_path, inbox.url())
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "ledger.db").write_bytes(b"this is not a database, and it is long enough to be looked at" * 99)
    done = mend("doctor", "--alert", "--json", config=config, exit_code=4)
    found = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["stores"]["ok"] is False
    assert {"python", "disk", "data file"} <= set(found)
    assert "doctor.stores" in inbox.bodies()[0]
    assert found["cycles"]["detail"].startswith("no cycle has run yet")


def test_an_examination_that_hangs_is_found(inbox, tmp_path, monkeypatch):
    from pipeline import doctor

    settings = load_settings(alert_settings(tmp_path, inbox.url()))
    monkeypatch.setattr(doctor, "open_workspace", lambda _: time.sleep(1))
    found = look_over_within(0.3, settings, wall=NOON, watched=True)
    assert [(item.check, item.ok) for item in found] == [("cycles", False), ("alerts", True), ("examination", False)]
    assert found[-1].detail == "not done after 0 s; met so far: cycles, alerts"
    time.sleep(1)  # let it end inside the test


def test_doctor_says_that_nobody_is_told(tmp_path):
    found = by_check(look_over(load_settings(alert_settings(tmp_path)), wall=NOON))
    assert (found["alerts"].ok, found["alerts"].detail) == (
        True,
        "nobody is told: alerts.urls is empty, so alerts are only put on record (see `mend alerts`)",
    )
    assert found["cycles"].ok


def test_doctor_names_an_address_that_cannot_work(inbox, tmp_path):
    settings = load_settings(alert_settings(tmp_path, inbox.url(), "slack://s3cr3t"))
    found = by_check(look_over(settings, wall=NOON))["alerts"]
    assert not found.ok
    assert found.detail == "address 2 slack://…: Apprise knows no such service, or a part of the address is missing"


def test_doctor_names_an_address_that_is_not_reached(inbox, open_watched):
    from alerts_builders import a_condition

    from pipeline.alerts.alerting import alert

    workspace = open_watched(inbox.url())
    inbox.answers["/box"] = 500
    alert(workspace, [a_condition()], as_of=NOON, say=lambda _: None)
    found = by_check(look_over(workspace.settings, wall=wall_clock()))["alert delivery"]
    assert found.detail == (
        "1 json://127.0.0.1 not told since 2026-05-04 12:00 UTC, 1 attempts: refused with status 500"
    )


def test_silence_is_three_intervals_unless_given(tmp_path):
    assert longest_silence(load_settings(alert_settings(tmp_path))) == 15 * MINUTE
    assert longest_silence(load_settings(alert_settings(tmp_path, no_cycle_after='"7m"'))) == 7 * MINUTE
