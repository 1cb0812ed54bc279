"""The record under another policy: every dossier once, what changes first, and nothing unknown counted as calm."""

import dataclasses
import json
from datetime import timedelta

import pytest
from builders import AS_OF, a_dossier, a_workspace, judged
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.gate.values import GatePolicy, Outcome
from pipeline.gate.what_if import ANSWERABLE, NEEDS_ROWS
from pipeline.policy_replay import another_policy, read_dossiers, replay, replay_record, without_effect
from pipeline.promotion.review import Reviewed
from pipeline.promotion.state import Standing

LATER = AS_OF + timedelta(days=3)
TODAY = GatePolicy()


@pytest.fixture
def workspace(tmp_path):
    made = a_workspace(tmp_path)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


@pytest.fixture
def two(workspace):
    """Version 2 passed every gate and waits; version 3 is no better and was refused."""
    judged(workspace, a_dossier())
    judged(workspace, a_dossier(challenger="3", better=False, as_of=LATER))
    return workspace


def asked(workspace, **changes):
    policy = another_policy(workspace.settings.gate_policy, changes)
    return replay_record(workspace, policy, now=LATER)


def one(found, challenger):
    (each,) = [each for each in found.dossiers if each.challenger == challenger]
    return each


def test_todays_policy_says_what_was_recorded(two):
    found = asked(two)
    assert [(each.challenger, each.standing, each.recorded, each.would_be) for each in found.dossiers] == [
        ("3", Standing.REFUSED, "refused", "refused"),
        ("2", Standing.PENDING, "promotable", "promotable"),
    ]
    assert (found.changed, found.unknown) == (0, 0)
    assert set(found.changed_by_gate.values()) == {0}
    assert found.in_words() == "0 of 2 verdicts would be another. No gate says anything else."


def test_what_would_have_been_stands_beside_what_happened_with_the_gates_that_differ(two):
    found = asked(two, min_samples=5000, cooldown="3650d")
    assert [each.challenger for each in found.dossiers] == ["3", "2"]  # both change; the newest first
    moved = one(found, "2")
    assert (moved.recorded, moved.would_be) == ("promotable", "waiting")
    assert [(gate.code, gate.recorded, gate.would_be) for gate in moved.changed_gates] == [
        ("G1", Outcome.PASSED, Outcome.UNDECIDED),
        ("G3", Outcome.PASSED, Outcome.FAILED),
    ]
    assert found.changed_by_gate == {"G1": 2, "G2": 0, "G3": 2, "G4": 0, "G5": 0, "G6": 0}
    assert "G1 in 2, G3 in 2" in found.in_words()


def test_a_refusal_that_a_stricter_policy_turns_into_waiting_is_explained(two):
    (line,) = asked(two, min_samples=5000).let_off()
    assert line.startswith("1 refused would wait instead: nothing is refused while rows or labels are too few (G1, G2)")
    assert asked(two).let_off() == ()
    assert asked(two, max_brier_rise=0.9).let_off() == ()


def test_changed_verdicts_come_first_then_changed_gates_then_the_rest(two):
    found = asked(two, cooldown="3650d")
    assert [(each.challenger, each.changed) for each in found.dossiers] == [("2", True), ("3", False)]
    assert [gate.code for gate in one(found, "3").changed_gates] == ["G3"]


def test_nothing_is_written_by_a_replay(two):
    before = [entry.hash for entry in two.ledger.entries()]
    files = {
        path: path.stat().st_mtime_ns for path in two.root.rglob("*") if path.is_file() and "ledger" not in path.name
    }
    asked(two, min_samples=5000)
    assert [entry.hash for entry in two.ledger.entries()] == before
    after = {
        path: path.stat().st_mtime_ns for path in two.root.rglob("*") if path.is_file() and "ledger" not in path.name
    }
    assert after == files


def test_a_dossier_that_was_changed_is_unknown_and_never_unchanged(two):
    path = two.root / two.ledger.acts("dossier")[0]["path"]
    path.write_text(path.read_text().replace("promotable", "promotablf", 1))
    found = asked(two, min_samples=5000)
    spoilt = one(found, "2")
    assert (spoilt.would_be, spoilt.gates, spoilt.changed, spoilt.primary) == (None, (), False, None)
    assert "changed after it was judged" in spoilt.unknown
    assert (found.changed, found.unknown) == (1, 1)
    assert found.in_words().startswith("1 of 2 verdicts would be another; of 1 the record cannot tell.")
    (line,) = found.why_unknown()
    assert line == f"1 of 2: {spoilt.unknown}"


def test_a_threshold_that_changes_the_segments_is_unknown_with_what_to_do(two):
    sizes = sorted(s.rows for s in a_dossier().evidence.segments if s.interval)
    found = asked(two, min_segment_samples=sizes[0] + 1)
    assert found.unknown == 2
    assert "mend gate VERSION" in found.why_unknown()[0]
    assert found.why_unknown()[0].startswith("2 of 2: ")


def test_what_was_measured_otherwise_keeps_its_intervals_and_is_counted(workspace):
    other = dataclasses.replace(workspace.settings.gate_policy, yearly_false_promotions=0.2, interval_level=0.8)
    judged(workspace, a_dossier(policy=other))
    found = asked(workspace, min_samples=5000)
    assert one(found, "2").would_be == "waiting"
    assert one(found, "2").kept == ("yearly_false_promotions", "interval_level")
    assert found.measured_otherwise() == (
        "interval_level was another when 1 of 1 were measured: their intervals stay as they were",
        "yearly_false_promotions was another when 1 of 1 were measured: their intervals stay as they were",
    )


def test_a_gain_in_a_metric_that_nobody_was_judged_by_is_said_to_change_nothing(two):
    found = asked(two, min_auc_gain=0.9, min_f1_gain=0.9)
    assert without_effect(found, ["min_auc_gain", "min_f1_gain"]) == (
        "min_auc_gain changes nothing: G4 judged no dossier on record by auc",
    )


def test_the_json_says_policy_verdicts_and_what_is_not_followed(two):
    told = json.loads(json.dumps(asked(two, min_samples=5000).to_json()))
    assert told["policy"]["min_samples"] == 5000
    assert set(told["policy"]) == set(ANSWERABLE)
    first = told["dossiers"][0]
    assert (first["recorded"], first["would_be"], first["changed"], first["standing"]) == (
        *("refused", "waiting", True, "refused"),
    )
    assert {"code": "G1", "recorded": "passed", "would_be": "undecided"} in first["gates"]
    assert "is not followed" in told["covers"]


@pytest.mark.parametrize("name", NEEDS_ROWS)
def test_what_evidence_cannot_answer_is_refused_by_its_name(name):
    with pytest.raises(InputError, match=rf"^gate\.{name}: not told by recorded evidence"):
        another_policy(TODAY, {name: 0.01})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"min_samples": 0}, "gate.min_samples: Input should be greater than", id="no rows"),
        pytest.param({"min_samples": "many"}, "gate.min_samples: Input should be a valid integer", id="no number"),
        pytest.param({"cooldown": "7"}, "gate.cooldown: a duration needs a unit", id="no unit"),
        pytest.param({"min_f1_gain": float("nan")}, "gate.min_f1_gain", id="NaN"),
        pytest.param({"min_sampels": 5}, "gate.min_sampels: no such threshold", id="misspelt"),
    ],
)
def test_a_senseless_threshold_is_one_line(changes, says):
    with pytest.raises(InputError) as refusal:
        another_policy(TODAY, changes)
    assert str(refusal.value).startswith(says)
    assert "\n" not in str(refusal.value)


def test_thresholds_as_typed_mean_what_the_settings_mean():
    read = another_policy(TODAY, {"min_samples": "500", "cooldown": "30d", "min_coverage": "0.5"})
    assert read == dataclasses.replace(TODAY, min_samples=500, cooldown=timedelta(days=30), min_coverage=0.5)


def test_every_dossier_is_read_once_by_its_digest(two):
    assert set(read_dossiers(two)) == {row["digest"] for row in two.ledger.acts("dossier")}


DOSSIER = a_dossier(policy=GatePolicy(resamples=200))
ROW = {"digest": "d" * 64, "challenger": "2", "champion": "1", "as_of": AS_OF, "status": DOSSIER.status}
ITEM = Reviewed(row=ROW, standing=Standing.PENDING, decision=None)


@given(
    rows=st.integers(1, 3000),
    rise=st.floats(0, 0.02),
    gain=st.floats(0, 0.9),
    read=st.lists(st.booleans(), max_size=4),
)
def test_the_counts_add_up_whatever_is_asked(rows, rise, gain, read):
    policy = dataclasses.replace(DOSSIER.policy, min_samples=rows, max_brier_rise=rise, min_f1_gain=gain)
    found = replay([(ITEM, DOSSIER if readable else "not readable") for readable in read], policy)
    same = sum(each.would_be == each.recorded for each in found.dossiers)
    assert found.changed + found.unknown + same == len(found.dossiers) == len(read)
    assert found.unknown == read.count(False)
    for each in found.dossiers:
        assert not each.changed or each.changed_gates  # no verdict changes without a gate
        assert sum(gate.changed for gate in each.gates) == len(each.changed_gates)
    assert [each.changed for each in found.dossiers] == sorted((each.changed for each in found.dossiers), reverse=True)
