"""`mend traffic` and `mend live` as an operator types them, against a real service."""

import json
import os
import subprocess
import sys
import tomllib
from contextlib import contextmanager

import pandas as pd
import pytest
import sqlalchemy as sa
from builders import mend
from service import free_port, serving

from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.stores.traffic_tables import predictions
from pipeline.traffic.portfolio import read_portfolio

pytestmark = [pytest.mark.xdist_group("serving"), pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)]


@contextmanager
def sending(config, port, *options):
    command = [sys.executable, "-m", "pipeline", "traffic", "--json", "--url", f"http://127.0.0.1:{port}", *options]
    environment = os.environ | {CONFIG_VARIABLE: str(config)}
    with subprocess.Popen(command, env=environment, cwd=config.parent, stdout=subprocess.PIPE, text=True) as process:
        yield process


def on_record(workspace):
    with workspace.traffic.engine.connect() as connection:
        return connection.execute(sa.select(predictions.c.prediction_id)).scalars().all()


def test_what_a_service_that_died_missed_is_sent_when_it_lives_again_and_is_on_record_once(workspace):
    config, port = workspace.settings.source, free_port()
    options = ("--rate", "100", "--duration", "6s", "--change-after", "2s", "--scenario", "mix")
    with serving(config, port=port) as first, sending(config, port, *options) as sender:
        while len(on_record(workspace)) < 100:
            assert sender.poll() is None
        first.process.kill()
        first.process.wait()
        with serving(config, port=port):
            told = json.loads(sender.communicate(timeout=120)[0])
    assert sender.returncode == 0
    assert told["applications"] + told["outside_ranges"] + told["refused"] == 600
    assert "revolving_line" in told["why_refused"]  # may be missing in the portfolio, and never was in this bank
    assert told["by_version"] == {"1": told["applications"]}
    found = on_record(workspace)
    assert len(found) == len(set(found)) == told["applications"]
    assert (
        told["labels"] + told["labels_known_later"] + told["refused"] > 500
    )  # of loans that were granted three years are needed
    assert told["labels_not_counted"] == {}


def test_bad_options_and_a_file_for_a_url_are_one_line(workspace):
    config = workspace.settings.source
    for options in (["--scenario", "flood"], ["--url", "file:///etc/passwd"], ["--duration", "5"], ["--rate", "0"]):
        assert mend("traffic", *options, config=config, exit_code=2).stderr


def test_a_live_bank_has_the_portfolio_s_applicants_and_outcomes_that_take_seconds(workspace, tmp_path):
    config, folder = workspace.settings.source, tmp_path / "live"
    assert "in three terminals" in mend("live", str(folder), config=config).stdout
    settings = load_settings(folder / "mend.toml")
    made, theirs = read_portfolio(settings), read_portfolio(workspace.settings)
    window = theirs.rows[theirs.rows["event_time"].between(settings.reference.start, settings.reference.end)]
    assert window.empty  # it is now, not then
    assert made.horizon == pd.Timedelta("40s")
    assert (made.rows["known_at"] - made.rows["event_time"]).max() <= made.horizon
    assert 0.02 < made.rows["y"].mean() < 0.5
    assert set(tomllib.loads((folder / "mend.toml").read_text())["approval"]["approvers"])
    assert "expected a new or an empty folder" in mend("live", str(folder), config=config, exit_code=2).stderr


def test_a_window_is_filled_without_a_service_and_a_cycle_sees_the_change(workspace):
    config = workspace.settings.source
    told = json.loads(
        mend(
            "simulate", "--scenario", "scale", "--strength", "1", "--predictions", "2000", "--json", config=config
        ).stdout
    )
    assert 1_900 < told["applications"] <= 2_000
    assert len(on_record(workspace)) == told["applications"]
    now = pd.Timestamp.now("UTC").to_pydatetime()
    start = now - workspace.settings.monitor.lookback - pd.Timedelta("1h")
    rows = workspace.traffic.scored(start, now, as_of=now)
    assert len(rows) == told["applications"]
    assert abs(workspace.model("1").score(rows) - rows["score"]).max() < 1e-12
