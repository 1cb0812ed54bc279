"""`mend monitor` on the wall clock, and other people's data."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from builders import REPOSITORY, a_settings_file, mend

from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

pytestmark = pytest.mark.slow

TODAY = pd.Timestamp.now(tz="UTC").normalize()


def status(config):
    return json.loads(mend("status", "--json", config=config).stdout)


@pytest.fixture(scope="module")
def living(tmp_path_factory):
    """Loans moved in time, so that the last of them are from this week; initialised."""
    folder = tmp_path_factory.mktemp("living")
    loans = pd.read_csv(REPOSITORY / "data" / "sba_loans.csv.gz", dtype=str, keep_default_na=False)
    dates = ["application_date", "charge_off_date", "label_date_36m"]
    loans = loans[loans["application_date"] < "2006-08-01"].copy()
    shift = TODAY.tz_localize(None) - pd.Timestamp("2006-08-01")
    for name in dates:
        moved = pd.to_datetime(loans[name], errors="coerce") + shift
        loans[name] = moved.dt.strftime("%Y-%m-%d").fillna("")
    loans.to_csv(folder / "loans.csv", index=False)

    def moved(day):
        return json.dumps(str((pd.Timestamp(day) + shift).date()))

    config = a_settings_file(
        folder,
        path='"loans.csv"',
        go_live=moved("2004-01-01"),
        champion_start=moved("1998-01-01"),
        champion_end=moved("2001-01-01"),
        start=moved("2001-01-01"),
        end=moved("2004-01-01"),
        interval='"10s"',
    )
    mend("init", config=config)
    return config


@pytest.mark.xdist_group("living")
def test_it_looks_at_once_then_every_interval_and_finishes_the_cycle_when_told_to_stop(living):
    command = [sys.executable, "-m", "pipeline", "--config", str(living), "monitor"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    lines, deadline = [], time.monotonic() + 120
    while sum(" drift, " in line or " ok, " in line for line in lines) < 3 and time.monotonic() < deadline:
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopping after the running cycle" in rest
    workspace = open_workspace(load_settings(living))
    cycles = workspace.ledger.acts("cycle")
    assert len(cycles) >= 3
    assert {row["clock"] for row in cycles} == {"wall"}
    moments = [row["as_of"] for row in cycles]
    assert moments == sorted(set(moments))
    assert all(moment.second % 10 == 0 for moment in moments)
    assert cycles[-1]["rows"] > 500
    assert status(living)["ledger"]["verified"] is True


@pytest.mark.xdist_group("living")
def test_one_cycle_can_be_asked_for_and_history_cannot_be_mixed_in(living):
    before = status(living)["ledger"]["entries"]
    mend("monitor", "--once", config=living)
    assert status(living)["ledger"]["entries"] >= before
    assert "last cycle ran on the wall clock" in mend("replay", config=living, exit_code=4).stderr


@pytest.mark.xdist_group("demo")
def test_a_simulated_life_is_not_mixed_with_the_wall_clock(demo_copy):
    assert "lives on a simulated clock" in mend("monitor", "--once", config=demo_copy, exit_code=4).stderr
    assert "lives on a simulated clock" in mend("serve", config=demo_copy, exit_code=4).stderr
    mend("monitor", "--once", "--as-of", "2007-04-15", config=demo_copy)
    assert status(demo_copy)["last_cycle"]["as_of"] == "2007-04-15T00:00:00.000000Z"
    assert "after the last cycle" in mend("monitor", "--as-of", "2005-01-01", config=demo_copy, exit_code=2).stderr


@pytest.mark.xdist_group("kaggle")
def test_the_kaggle_file_takes_a_settings_file_and_no_code(tmp_path):
    shared = REPOSITORY.parent / "shared" / "data" / "give_me_some_credit.parquet"
    if not shared.is_file():
        pytest.skip(f"SKIPPED FOR WANT OF DATA: {shared.name} (Give Me Some Credit) may not be shipped and is not here")
    every_third = pd.read_parquet(shared).iloc[::3].rename(columns={"id": ""})
    every_third.to_csv(tmp_path / "cs-training.csv", index=False)
    config = REPOSITORY / "configs" / "give_me_some_credit.toml"
    variables = {
        "MEND_MODEL__WORKSPACE": str(tmp_path / "ws"),
        "MEND_DATA__PATH": str(tmp_path / "cs-training.csv"),
        "MEND_DATA__ASSUMED_TIME": '{"start": "2015-01-01", "rows_per_day": 34}',
    }
    mend("init", config=config, **variables)
    mend("replay", "--keep-going", "--until", "2018-07-15", config=config, **variables)
    cycles = json.loads(mend("status", "--json", config=config, **variables).stdout)
    assert cycles["last_cycle"]["status"] == "ok"  # rows in no particular order: nothing to find
    (told,) = json.loads(mend("story", "--json", config=config, **variables).stdout)
    assert told["outcome"] == "refused"
    assert 0.3 < told["primary_champion"] < 0.6
    assert told["rows"] > 2000
