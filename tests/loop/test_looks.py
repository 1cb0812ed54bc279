"""What each cycle saw of the population, on real loans: on record, explained, and checked before it is used."""

import itertools
import json
from datetime import timedelta

import pytest
from builders import mend

from pipeline.alerts.heartbeat import read_heartbeat
from pipeline.baseline import load_baseline
from pipeline.desk import Desk
from pipeline.errors import IntegrityError
from pipeline.settings import load_settings
from pipeline.watching import look, read_result, read_summary, scored_by
from pipeline.wiring import open_workspace

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


@pytest.fixture
def workspace(demo):
    opened = open_workspace(load_settings(demo))
    yield opened
    opened.ledger.engine.dispose()
    opened.traffic.engine.dispose()


def test_every_cycle_has_a_look_that_agrees_with_its_files(workspace):
    looks = {row["as_of"]: row for row in workspace.ledger.acts("look")}
    cycles = workspace.ledger.acts("cycle")
    assert [row["as_of"] for row in cycles] == list(looks)
    for cycle in cycles:
        seen = looks[cycle["as_of"]]
        summary = read_summary(workspace, cycle["summary_path"])
        result = read_result(workspace, cycle["metrics_path"])
        assert seen["state"] == cycle["status"] == summary.state == result["state"]
        assert seen["features_drifted"] == len(summary.drifted_features)
        assert (seen["change_kind"], seen["recommendation"]) == (
            result["diagnosis"]["change"],
            result["diagnosis"]["recommendation"],
        )
        assert seen["why"] and seen["why"] in cycle["note"]
        assert len(result["moved"]) == len({check.feature for check in summary.drifted})


def test_the_record_of_calm_looks_verifies_as_well(demo, workspace):
    assert any(row["weighted_share"] == 0 for row in workspace.ledger.acts("look"))
    assert ": verified" in mend("ledger", "verify", config=demo).stdout


def test_a_look_says_since_when_and_keeps_saying_so_while_it_lasts(workspace):
    since = {}
    for cycle in workspace.ledger.acts("cycle"):
        drifted = {(c.feature, c.code): c.since for c in read_summary(workspace, cycle["summary_path"]).drifted}
        for key, first in drifted.items():
            assert first == since.get(key, cycle["as_of"]), key
        since = drifted
    assert len(set(since.values())) > 1


def test_a_challenger_is_trained_only_where_two_of_three_looks_called_for_it(workspace):
    looks = workspace.ledger.acts("look")
    fired = [number for number, row in enumerate(looks) if row["fired"]]
    assert fired
    for number in fired:
        recent = [row["recommendation"] for row in looks[max(number - 2, 0) : number + 1]]
        assert recent.count("retrain") >= 2
        assert recent[-1] == "retrain"
    trained = [row["as_of"] for row in workspace.ledger.acts("challenger") if row["signal"]]
    assert trained == [looks[number]["as_of"] for number in fired]
    least = workspace.settings.retrain.min_gap
    assert all(later - earlier >= least for earlier, later in itertools.pairwise(trained))


def test_realised_performance_waits_for_final_outcomes(workspace):
    horizon = workspace.horizon
    for cycle in workspace.ledger.acts("cycle"):
        realised = read_result(workspace, cycle["metrics_path"])["outcomes"]["realised"]
        if cycle["as_of"] < workspace.settings.train.go_live + horizon:
            assert realised["recent"] is None
            assert realised["floor"]["state"] == "undecided"


def test_an_estimate_says_that_it_cannot_see_everything_and_keeps_score(workspace):
    last = read_result(workspace, workspace.ledger.acts("cycle")[-1]["metrics_path"])["outcomes"]["estimated"]
    assert "cannot see" in last["cannot_see"].lower() or "concept" in last["cannot_see"].lower()
    assert len(last["back_tests"]) <= 8
    assert {each["metric"] for each in last["trust"]} == {each["metric"] for each in last["estimates"]}
    assert all(each["reason"] for each in last["trust"])


def test_looking_again_at_a_past_moment_finds_the_same(workspace):
    cycle = workspace.ledger.acts("cycle")[3]
    again = look(Desk(workspace=workspace, as_of=cycle["as_of"], scheduled=True), _traffic(workspace, cycle["as_of"]))
    assert again.summary == read_summary(workspace, cycle["summary_path"])
    assert again.diagnosis.to_json() == read_result(workspace, cycle["metrics_path"])["diagnosis"]


def test_how_features_go_together_is_asked_once_a_lookback(workspace):
    asked = [
        read_result(workspace, cycle["metrics_path"])["joint"]
        for cycle in workspace.ledger.acts("cycle")
        if cycle["status"] in ("ok", "drift")
    ]
    times = sorted({joint["as_of"] for joint in asked})
    assert 1 < len(times) < len(asked)


def test_a_change_of_model_is_no_change_of_the_population(workspace):
    as_of = workspace.ledger.acts("cycle")[-1]["as_of"]
    traffic = _traffic(workspace, as_of)
    newest = workspace.ledger.acts("challenger")[-1]["version"]
    rescored = scored_by(workspace, traffic, newest)
    assert (rescored["score"] != traffic["score"]).any()
    assert scored_by(workspace, traffic, "1")["score"].equals(traffic["score"])


def test_alerts_and_a_heartbeat_are_left(demo, workspace):
    told = json.loads(mend("alerts", "--all", "--json", config=demo).stdout)
    codes = {each["code"] for each in told["alerts"]}
    assert {"drift.population", "review.waiting", "signal.fired"} <= codes
    keys = [(each["code"], each["subject"]) for each in told["alerts"] if not each["closed_at"]]
    assert len(keys) == len(set(keys))
    beat = read_heartbeat(workspace.settings)
    assert beat is not None
    assert beat.as_of == workspace.ledger.last_cycle()["as_of"]


def test_drift_by_hand_answers_in_words_and_in_json(demo_copy):
    told = json.loads(mend("drift", "--as-of", "2006-01-01", "--json", config=demo_copy).stdout)
    assert told["state"] == "drift"
    assert {"checks", "diagnosis", "moved", "contributions", "outcomes"} <= set(told)
    said = mend("drift", "--as-of", "2006-01-01", config=demo_copy).stdout
    assert told["diagnosis"]["recommendation"] in said
    assert "median" in said


@pytest.mark.parametrize("name", ["reference_limits_v1.json", "reference_scores_v1.parquet", "reference_data.parquet"])
def test_limits_that_are_not_the_recorded_ones_are_not_used(demo_copy, name):
    path = demo_copy.parent / "ws/monitoring/reference" / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    workspace = open_workspace(load_settings(demo_copy))
    with pytest.raises(IntegrityError, match=name):
        load_baseline(workspace, "1")


def test_the_limits_on_record_are_those_made_in_memory(workspace):
    recorded = load_baseline(workspace, "1")
    fresh = Desk(workspace=workspace, as_of=workspace.now() + timedelta(days=1), scheduled=False)
    version = workspace.ledger.acts("challenger")[-1]["version"]
    made = load_baseline(fresh.workspace, version)  # never champion: nothing on record
    tails = {name: tail for name, tail in made.prepared.tails.items() if name != "score"}
    assert tails == {name: tail for name, tail in recorded.prepared.tails.items() if name != "score"}
    assert made.importance != recorded.importance


def _traffic(workspace, as_of):
    return Desk(workspace=workspace, as_of=as_of, scheduled=True).traffic()
