"""`mend alerts` as a person types it, and settings as a person writes them."""

import json

import pytest
from alerts_builders import NOON, a_condition, alert_settings
from builders import mend

from pipeline.alerts.alerting import alert
from pipeline.cli import main
from pipeline.errors import SettingsError
from pipeline.settings import load_settings
from pipeline.settings_alerts import address_name
from pipeline.wiring import open_workspace


@pytest.fixture
def two_alerts(inbox, tmp_path):
    """Settings file of a workspace with two open alerts."""
    config = alert_settings(tmp_path, inbox.url())
    workspace = open_workspace(load_settings(config))
    alert(workspace, [a_condition(), a_condition("window.stale", "")], as_of=NOON, say=lambda _: None)
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()
    return config


@pytest.fixture
def typed(capsys, monkeypatch):
    """Types a command in this process; what it printed, and its exit code."""

    def type_it(config, *arguments):
        monkeypatch.setenv("MEND_CONFIG", str(config))
        with pytest.raises(SystemExit) as stopped:
            main(list(arguments))
        return capsys.readouterr(), stopped.value.code

    return type_it


def test_alerts_are_listed_taken_silenced_and_judged(two_alerts, typed):
    told = mend("alerts", config=two_alerts).stdout
    assert told.splitlines()[0] == "2 alerts open, 2 so far"
    assert "drift.population loan_amount" in told
    assert "precision: not known, none of 2 alerts is judged" in told
    typed(two_alerts, "alerts", "own", "#1", "--as", "ann")
    typed(two_alerts, "alerts", "snooze", "2", "--for", "2d", "--as", "ann", "--reason", "known")
    told, _ = typed(two_alerts, "alerts", "judge", "2", "--false", "--as", "ann", "--reason", "a test")
    assert "precision: 0% (0 real of 1 judged, 95 % interval 0% to 79%); 1 not judged" in told.out
    told, code = typed(two_alerts, "alerts", "--all", "--json")
    found = json.loads(told.out)
    verdicts = [(row["id"], row["owner"], row["verdict"]) for row in found["alerts"]]
    assert (code, verdicts) == (0, [(1, "ann", None), (2, None, "false")])
    assert found["alerts"][1]["snoozed_until"] is not None
    assert found["precision"]["not_judged"] == 1
    assert found["addresses"] == ["1 json://127.0.0.1"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("own", "seven", "--as", "ann"), 2, "alert: expected its number, as in 12, got 'seven'"),
        (("own", "7", "--as", "ann"), 4, "alert 7 is not open; see `mend alerts`"),
        (("own", "1"), 2, "--as: expected a name, got nothing"),
        (("snooze", "1", "--as", "ann", "--reason", "x"), 2, "--for: a duration needs a unit"),
        (("snooze", "1", "--for", "0d", "--as", "ann", "--reason", "x"), 2, "--for: expected longer than nothing"),
        (("snooze", "1", "--for", "2d", "--as", "ann"), 2, "--reason: expected why, got nothing"),
        (("judge", "1", "--as", "ann", "--reason", "x"), 2, "expected --real or --false"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_slip_of_the_pen_is_one_line(two_alerts, typed, arguments, exit_code, says):
    told, code = typed(two_alerts, "alerts", *arguments)
    assert code == exit_code
    (line,) = told.err.splitlines()
    assert says in line


def test_a_test_message_says_for_each_address_whether_it_arrived(inbox, tmp_path, typed):
    config = alert_settings(tmp_path, inbox.url(), inbox.url("down"))
    inbox.answers["/down"] = 403
    told, code = typed(config, "alerts", "test")
    assert code == 4
    assert told.out.splitlines() == [
        "ok      1 json://127.0.0.1: delivered to its service",
        "PROBLEM 2 json://127.0.0.1: refused with status 403",
    ]
    assert inbox.got[0][1]["title"] == "[mend] sba-default: a test"
    inbox.answers.clear()
    assert typed(config, "alerts", "test")[1] == 0


@pytest.mark.parametrize("command", [("alerts", "test"), ("doctor", "--alert")])
def test_with_nobody_to_tell_that_is_the_answer(tmp_path, typed, command):
    told, code = typed(alert_settings(tmp_path), *command)
    (line,) = told.err.splitlines()
    assert code == 2
    assert line.endswith("alerts.urls is empty: there is nobody to tell")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('urls = "slack://s3cr3t"', "expected a list of addresses, got something else"),
        ('urls = ["json://x", "s3cr3t"]', "address 2: expected scheme://…, got something else"),
        ('urls = ["json://x", "json://s3cr3t y"]', "address 2: expected scheme://…"),
        ("urls = [3]", "address 1: expected scheme://…"),
        ('heartbeat_url = "ftp://s3cr3t"', "expected http:// or https://"),
        ('heartbeat_url = "s3cr3t"', "expected scheme://…"),
        ("close_after = 0", "alerts.close_after"),
        ('remind_after = "0d"', "longer than nothing"),
        ("max_messages_per_day = true", "alerts.max_messages_per_day"),
        ("page = 1", "alerts.page: unknown key"),
    ],
)
def test_a_senseless_setting_is_named_and_no_secret_is_shown(tmp_path, line, says):
    config = alert_settings(tmp_path)
    config.write_text(config.read_text().replace("urls = []", line))
    with pytest.raises(SettingsError) as refusal:
        load_settings(config)
    assert says in str(refusal.value)
    assert "alerts" in str(refusal.value)
    assert "s3cr3t" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", ["slack://s3cr3t", '["s3cr3t"]', '"slack://s3cr3t"'])
def test_a_variable_that_is_no_list_of_addresses_shows_no_secret(tmp_path, monkeypatch, value):
    monkeypatch.setenv("MEND_ALERTS__URLS", value)
    with pytest.raises(SettingsError) as refusal:
        load_settings(alert_settings(tmp_path))
    assert "s3cr3t" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("mailtos://ann:s3cr3t@mail.example.org?to=a@b.example", "1 mailtos://mail.example.org"),
        ("https://hooks.example.org/services/s3cr3t", "1 https://hooks.example.org"),
        ("tgram://s3cr3t/1", "1 tgram://…"),
        ("ntfy://s3cr3t", "1 ntfy://…"),
        ("json://[s3cr3t", "1 json://…"),
        ("json://s3cr3t:x@host:99999/", "1 json://host"),
    ],
)
def test_an_address_is_spoken_of_without_its_secret(url, name):
    assert address_name(url, 1) == name
