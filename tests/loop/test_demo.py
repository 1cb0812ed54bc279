"""The healing loop on real loans, end to end, as a newcomer meets it."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import nbformat
import pytest
from builders import HEAD, OFFICER, REPOSITORY, mend

from monitoring.summary import DriftSummary
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def answer(*arguments, config):
    return json.loads(mend(*arguments, "--json", config=config).stdout)


@pytest.fixture
def workspace(demo):
    opened = open_workspace(load_settings(demo))
    yield opened
    opened.ledger.engine.dispose()
    opened.traffic.engine.dispose()


def test_it_stops_in_front_of_a_person_after_real_refusals(demo):
    told = answer("story", config=demo)
    assert [row["outcome"] for row in told[:-1]] == ["refused"] * (len(told) - 1)
    assert len(told) >= 3
    assert told[-1]["outcome"] == "pending"
    assert told[-1]["as_of"] >= "2006-06-01"
    assert told[-1]["primary_challenger"] > 1.02 * told[-1]["primary_champion"]
    assert told[-1]["gain_interval"][0] > 0
    assert 0 < told[-1]["error_spent"] < 0.01


def test_a_challenger_that_might_be_luck_waits_and_is_judged_again_once_the_budget_has_accrued(workspace):
    trials = workspace.ledger.acts("trial")
    assert sum(row["error_spent"] for row in trials[-5:]) < 0.05
    (first,) = [row for row in trials if row["recheck_at"] is not None and row["error_spent"] > 0]
    again = trials[-1]
    assert again["challenger"] == first["challenger"]
    assert again["as_of"] >= first["recheck_at"] >= first["as_of"] + timedelta(days=91)


def test_status_and_review_say_what_is_documented(demo):
    status, (item,) = answer("status", config=demo), answer("review", config=demo)
    assert set(status) >= {"model", "champion", "pending", "last_cycle", "reference", "ledger"}
    assert status["model"] == "sba-default"
    assert status["champion"] == {"version": "1", "since": "2004-01-01T00:00:00.000000Z"}
    assert status["pending"] == [item["digest"]]
    assert set(status["last_cycle"]) == {"as_of", "status", "drift_share"}
    assert set(status["reference"]) == {"sha256", "rows"}
    assert set(status["ledger"]) == {"entries", "head", "verified"}
    assert status["ledger"]["verified"] is True
    assert set(item) >= {"digest", "challenger", "champion", "as_of", "promotable", "expires_at", "gates"}
    assert item["promotable"] is True
    assert [gate["code"] for gate in item["gates"]] == ["G1", "G2", "G3", "G4", "G5", "G6"]
    assert {gate["outcome"] for gate in item["gates"]} == {"passed"}


def test_the_doctor_finds_nothing(demo):
    assert answer("doctor", config=demo)["ok"] is True


def test_every_drift_summary_has_the_documented_fields(workspace):
    documented = {
        "timestamp", "dataset_drift_detected", "drift_share", "num_drifted_features", "num_features_total",
        "num_features_evaluated", "excluded_features", "features",
    }  # fmt: skip
    folder = workspace.root / "monitoring/reports/drift_reports"
    paths = sorted(folder.glob("drift_summary_*.json"))
    assert len(paths) == len(workspace.ledger.acts("cycle"))
    for path in paths:
        summary = json.loads(path.read_text())
        assert documented < set(summary)
        for feature in summary["features"]:
            assert list(feature) == ["drift_detected", "drift_score", "feature", "stat_test", "threshold"]
        assert DriftSummary.from_json(summary).to_json() == summary
    assert list(folder.glob("drift_report_*.html"))


def test_labels_are_not_known_before_their_time(workspace):
    for row in workspace.ledger.acts("cycle"):
        start = row["as_of"] - load_settings(workspace.settings.source).monitor.lookback
        seen = workspace.traffic.scored(start, row["as_of"], as_of=row["as_of"])
        assert (seen["known_at"].dropna() <= row["as_of"]).all()
        assert (seen["y"].dropna() == 1).all()  # nothing is known to be good before 36 months are over


def test_no_model_is_judged_on_rows_it_was_trained_on(workspace):
    dossiers = workspace.root.glob("monitoring/retraining/decisions/decision_*_v*.json")
    trained = {row["version"]: row["train_end"] for row in workspace.ledger.acts("challenger")}
    for path in dossiers:
        dossier = json.loads(path.read_text())
        start = datetime.fromisoformat(dossier["window_start"])
        assert start >= max(trained[dossier["challenger"]], trained[dossier["champion"]])


def test_every_notebook_run_is_kept_and_on_record(workspace):
    runs = workspace.ledger.acts("run")
    assert {row["notebook"] for row in runs} == {"train", "drift", "gate"}
    assert {row["status"] for row in runs} == {"succeeded"}
    for row in runs:
        nbformat.validate(nbformat.read(workspace.root / row["path"], as_version=4))


def test_a_signature_promotes_and_the_record_verifies(demo_copy):
    (digest,) = answer("status", config=demo_copy)["pending"]
    assert (
        "not on the list"
        in mend("approve", digest, "--as", "eve", "--reason", "x", config=demo_copy, exit_code=4).stderr
    )
    done = mend("approve", digest[:12], "--as", OFFICER, "--reason", "better on later loans", config=demo_copy)
    assert "registry: alias champion: 1 → " in done.stdout
    mend("approve", digest, "--as", OFFICER, "--reason", "again", config=demo_copy)
    assert (
        "already approved"
        in mend("reject", digest, "--as", HEAD, "--reason", "no", config=demo_copy, exit_code=4).stderr
    )
    status = answer("status", config=demo_copy)
    assert (status["champion"]["version"], status["pending"]) == (
        answer("story", config=demo_copy)[-1]["challenger"],
        [],
    )
    assert "the registry says what the ledger says" in mend("reconcile", config=demo_copy).stdout
    assert ": verified" in mend("ledger", "verify", config=demo_copy).stdout


@pytest.mark.parametrize(
    "pattern",
    [
        "monitoring/reports/drift_reports/drift_summary_*.json",
        "monitoring/reports/drift_reports/drift_report_*.html",
        "monitoring/metrics/monitoring_results/monitoring_*.json",
        "monitoring/retraining/decisions/decision_*.json",
        "monitoring/retraining/challengers/*.json",
        "monitoring/runs/*/drift.ipynb",
        "monitoring/runs/*/gate.ipynb",
        "monitoring/reference/reference_data.parquet",
        "monitoring/reference/reference_metadata.json",
        "mlflow/artifacts/models/*/artifacts/model.skops",
    ],
)
def test_one_byte_of_any_artefact_changed_is_found_and_named(demo_copy, pattern):
    root = demo_copy.parent / "ws"
    path = sorted(root.glob(pattern))[0]
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told = mend("ledger", "verify", config=demo_copy, exit_code=4)
    assert f"BROKEN {path.relative_to(root)}: not the file" in told.stderr


def test_a_changed_model_does_not_score(demo_copy):
    for path in (demo_copy.parent / "ws").glob("mlflow/artifacts/models/*/artifacts/model.skops"):
        path.write_bytes(path.read_bytes() + b"\0")
    told = mend("replay", "--keep-going", "--step", "90d", config=demo_copy, exit_code=4)
    assert "is not used" in told.stderr
    assert "model.skops: changed, SHA-256" in told.stderr


def test_an_alias_moved_by_hand_is_put_back_and_told(demo_copy):
    script = (
        "from pipeline.settings import load_settings; from pipeline.wiring import open_workspace\n"
        f"registry = open_workspace(load_settings({str(demo_copy)!r})).registry\n"
        "registry._client.set_registered_model_alias('sba-default', 'champion', '2')"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    problem = json.loads(mend("doctor", "--json", config=demo_copy, exit_code=4).stdout)["checks"][-1]
    assert (problem["check"], problem["ok"]) == ("registry", False)
    assert "alias champion: 2 → 1 (moved by hand, put back)" in mend("reconcile", config=demo_copy).stdout
    assert answer("doctor", config=demo_copy)["ok"] is True


@pytest.mark.parametrize("name", ["drift", "train", "gate", "explore"])
def test_each_notebook_runs_by_hand_with_its_defaults(demo_copy, tmp_path, name):
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--output-dir", str(tmp_path)]
    before = answer("status", config=demo_copy)["ledger"]
    done = subprocess.run(
        [*command, str(REPOSITORY / "notebooks" / f"{name}.ipynb")],
        env=os.environ | {"MEND_CONFIG": str(demo_copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    executed = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
    assert not [out for cell in executed.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    assert answer("status", config=demo_copy)["ledger"] == before  # a look by hand leaves no trace on record
    assert ": verified" in mend("ledger", "verify", config=demo_copy).stdout
