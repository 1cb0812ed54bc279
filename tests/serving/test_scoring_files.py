"""`mend score`: the same scores as the service's, each row on record once, and a reason for every row without one."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from builders import OFFICER, mend
from service import serving
from small_bank import SETTINGS, applicants

from pipeline.settings import CONFIG_VARIABLE
from pipeline.stores.traffic_tables import predictions

FEATURES = list(SETTINGS.data.features)


def a_file(path, rows=200, *, first=0, **changes):
    """Some of the small bank's applicants under ids of their own."""
    frame = pd.concat([applicants()] * (rows // 1200 + 1), ignore_index=True)[FEATURES].iloc[:rows]
    frame = frame.assign(loan_id=[f"f{first + place}" for place in range(rows)], **changes)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return frame


def scored(file, config, *options, exit_code=0):
    told = mend("score", str(file), "--json", *options, config=config, exit_code=exit_code)
    return json.loads(told.stdout) if exit_code == 0 else told.stderr


def on_record(workspace):
    with workspace.traffic.engine.connect() as connection:
        rows = connection.execute(sa.select(predictions)).mappings()
        return {row["prediction_id"]: row["score"] for row in rows}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_is_scored_as_the_model_scores_it_and_put_on_record_once(workspace, tmp_path, suffix):
    config, file = workspace.settings.source, tmp_path / f"a{suffix}"
    rows = a_file(file)
    told = scored(file, config)
    assert (told["scored"], told["on_record_before"], told["refused"]) == (200, 0, 0)
    read = pd.read_parquet if suffix == ".parquet" else partial(pd.read_csv, float_precision="round_trip")
    answers = read(told["out"])
    assert answers["prediction_id"].tolist() == rows["loan_id"].tolist()
    assert np.abs(answers["probability"] - workspace.model("1").score(rows)).max() < 1e-12
    assert on_record(workspace) == dict(zip(answers["prediction_id"], answers["probability"], strict=True))
    assert "is there already" in scored(file, config, exit_code=4)
    again = scored(file, config, "--force")
    assert (again["scored"], again["on_record_before"]) == (0, 200)
    pd.testing.assert_frame_equal(read(again["out"]), answers)
    with serving(config) as service:  # and the service knows them, too
        body = {**rows.iloc[0][FEATURES].to_dict(), "prediction_id": "f0"}
        assert service.ask("/predict", body)[1]["probability"] == answers["probability"][0]


def test_every_row_that_is_not_scored_has_its_reason(workspace, tmp_path):
    config, file = workspace.settings.source, tmp_path / "a.csv"
    rows = a_file(file, 12).astype({"employees": object})
    rows.loc[0, "employees"], rows.loc[1, "employees"], rows.loc[2, "employees"] = "many", -1, None
    rows.loc[3, "employees"], rows.loc[4, "borrower_state"] = "inf", "x" * 201
    rows.loc[5, "loan_id"], rows.loc[6, "loan_id"], rows.loc[7, "loan_id"] = "f8", "two words", "row0000"
    rows.loc[9, "borrower_state"] = "never seen"
    rows.to_csv(file, index=False)
    mend("erase", "row0000", "--as", OFFICER, "--reason", "asked", config=config)
    with serving(config) as service:
        taken = {**rows.iloc[11][FEATURES].to_dict(), "prediction_id": "f10"}
        assert service.ask("/predict", taken)[0] == 200
    told = scored(file, config)
    assert (told["scored"], told["refused"], told["unknown_category"]) == (3, 9, {"borrower_state": 1})
    listed = pd.read_csv(told["refused_rows"]).set_index("row")["why"]
    assert listed.index.tolist() == [1, 2, 3, 4, 5, 7, 8, 9, 11]
    assert listed[1] == "employees: expected a number from 0"
    assert listed[3] == "employees: expected a value; it is never missing in the reference"
    assert "twice" in listed[9]
    assert listed[8] == "the applicant was erased"
    assert listed[11] == "on record with another application"


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_a_trial_leaves_no_trace_and_bad_files_are_one_line(workspace, tmp_path):
    config, file = workspace.settings.source, tmp_path / "a.parquet"
    a_file(file, 50)
    assert scored(file, config, "--no-log")["scored"] == 50
    assert on_record(workspace) == {}
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    pd.read_parquet(file).assign(employees=-1.0).to_parquet(tmp_path / "d.parquet")
    for name, said in (("nowhere.csv", "no such file"), ("b.csv", "no column"), ("c.parquet", "not readable")):
        assert said in scored(tmp_path / name, config, exit_code=2)
    assert "no row of 50 could be scored" in scored(tmp_path / "d.parquet", config, exit_code=2)
    assert "expected a name that ends" in scored(file, config, "--out", str(tmp_path / "x.xlsx"), exit_code=2)
    assert sorted(path.name for path in tmp_path.glob("*scored*")) == ["a.scored.parquet"]


def test_killed_and_run_again_every_row_is_there_once(workspace, tmp_path):
    config, file = workspace.settings.source, tmp_path / "a.parquet"
    a_file(file, 120_000)
    environment = os.environ | {CONFIG_VARIABLE: str(config)}
    command = [sys.executable, "-m", "pipeline", "score", str(file)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not on_record(workspace):
            assert process.poll() is None
            assert time.monotonic() < end
        process.send_signal(signal.SIGKILL)
    before = len(on_record(workspace))
    assert 0 < before < 120_000
    assert before % 50_000 == 0
    assert not list(tmp_path.glob("a.scored*"))
    told = scored(file, config)
    assert (told["scored"], told["on_record_before"]) == (120_000 - before, before)
    assert len(on_record(workspace)) == len(pd.read_parquet(told["out"])) == 120_000
