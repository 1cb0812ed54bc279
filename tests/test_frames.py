"""What notebooks and pages show: also of a challenger whose labels have not come yet, where nothing can be measured."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from builders import AS_OF, a_dossier, a_workspace, judged
from dashboard_builders import a_lifelike_desk, a_lifelike_dossier

from dashboard import charts
from pipeline.frames import (
    PANELS,
    approvals_frame,
    checks_frame,
    comparison_frame,
    coverage_frame,
    segments_frame,
    swap_frame,
)
from pipeline.gate.checks import all_checks
from pipeline.gate.evidence import JudgedRows, evidence
from pipeline.gate.measured import METRICS
from pipeline.gate.values import GatePolicy
from pipeline.status import review, story, story_markdown

LIFELIKE = a_lifelike_dossier()


def nothing_measured():
    none = np.array([], dtype=float)
    rows = JudgedRows(
        ids=np.array([], dtype=str),
        y=none,
        champion_score=none,
        challenger_score=none,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        segments={"state": np.array([], dtype=str)},
        mature_rows=0,
    )
    return evidence(rows, policy=GatePolicy(), alpha=0.01)


@pytest.mark.parametrize(
    "found",
    [nothing_measured(), a_dossier().evidence, LIFELIKE.evidence],
    ids=["nothing measured", "without segments", "everything"],
)
def test_evidence_is_shown_whether_or_not_there_is_any(found):
    compared, segments, covered = comparison_frame(found), segments_frame(found), coverage_frame(found)
    assert compared["metric"].tolist() == list(METRICS)
    assert (len(segments), len(covered)) == (len(found.segments), len(found.cells))
    assert len(swap_frame(found)) == len(found.swap)
    assert len(approvals_frame(found)) == len(found.approvals)
    for chart in (charts.comparison(compared), charts.segments(segments), charts.coverage_by_vintage(covered)):
        assert chart.to_dict()


@pytest.mark.parametrize("frame_of", [segments_frame, swap_frame, coverage_frame, approvals_frame])
def test_an_empty_table_has_the_columns_of_a_full_one(frame_of):
    empty, full = frame_of(nothing_measured()), frame_of(LIFELIKE.evidence)
    assert len(full) > len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()


def test_every_gate_is_a_row_and_a_bar():
    gates = checks_frame(a_dossier())
    assert gates["gate"].tolist() == ["G1", "G2", "G3", "G4", "G5", "G6"]
    assert gates[["more_rows", "decidable_at"]].isna().all(axis=None)
    assert charts.gates(gates).to_dict()


def test_an_undecided_gate_says_how_many_rows_it_waits_for_and_until_when():
    dossier = a_lifelike_dossier(sharpness=1.17)
    gates = checks_frame(dossier).set_index("gate")
    (check,) = [check for check in dossier.checks if check.outcome == "undecided"]
    assert (check.code, dossier.status) == ("G4", "waiting")
    assert gates.loc["G4", "more_rows"] == check.more_rows
    assert gates.loc["G4", "decidable_at"] == check.decidable_at > AS_OF
    assert charts.gates(gates.reset_index()).to_dict()


def test_both_models_stand_beside_the_first_champion_and_the_baselines():
    compared, found = comparison_frame(LIFELIKE.evidence).set_index("metric"), LIFELIKE.evidence
    for name in ("champion", "challenger", "original", "everyone_bad", "base_rate"):
        shown = [None if pd.isna(value) else value for value in compared[name]]
        assert shown == [getattr(getattr(found, name), metric) for metric in METRICS]
    assert compared.loc["f1", "base_rate"] == 0
    assert compared.loc["profit", "everyone_bad"] == 0


def test_a_challenger_that_says_yes_to_all_shows_the_baseline_s_numbers():
    rng = np.random.default_rng(1)
    y = (np.arange(1000) % 10 == 0).astype(np.int8)
    rows = JudgedRows(
        ids=np.array([f"r{i:04d}" for i in range(1000)]),
        y=y,
        champion_score=np.clip(0.3 * y + rng.normal(0.3, 0.2, 1000), 0, 1),
        challenger_score=np.full(1000, 0.9),
        champion_threshold=0.9,
        challenger_threshold=0.5,
        mature_rows=1000,
    )
    found = evidence(rows, policy=GatePolicy(), alpha=0.01)
    compared = comparison_frame(found).set_index("metric")
    assert compared.loc["f1", "challenger"] == compared.loc["f1", "everyone_bad"] > compared.loc["f1", "champion"]
    dossier = a_dossier()
    checks = all_checks(
        found,
        policy=GatePolicy(),
        as_of=AS_OF,
        last_promotion_at=dossier.last_promotion_at,
        last_try_at=dossier.last_try_at,
    )
    gates = checks_frame(dataclasses.replace(dossier, evidence=found, checks=checks)).set_index("gate")
    assert gates.loc["G4", "outcome"] == "failed"
    assert "calling everyone bad" in gates.loc["G4", "note"]


def test_a_panel_holds_metrics_of_one_unit_and_better_is_always_right():
    compared = comparison_frame(LIFELIKE.evidence)
    found = charts.panels(compared)
    assert [name for name, _ in found] == list(dict.fromkeys(PANELS.values()))
    for name, rows in found:
        drawn = charts.comparison_panel(rows).to_dict()
        point = next(layer for layer in drawn["layer"] if layer["mark"]["type"] == "point")
        assert point["encoding"]["x"]["scale"]["reverse"] is (name == "score errors")


@pytest.mark.parametrize(
    ("metric", "low", "high", "reading"),
    [
        pytest.param("f1", 0.01, 0.03, "better", id="higher is better"),
        pytest.param("f1", -0.03, -0.01, "worse", id="lower F1"),
        pytest.param("brier", -0.03, -0.01, "better", id="lower Brier score"),
        pytest.param("brier", 0.01, 0.03, "worse", id="higher Brier score"),
        pytest.param("auc", -0.01, 0.03, "may be luck", id="across the line"),
        pytest.param("auc", None, None, "may be luck", id="no interval"),
        pytest.param("calibration_slope", 0.1, 0.3, "no side is better", id="calibration"),
    ],
)
def test_a_difference_is_read_by_its_interval_and_its_metric(metric, low, high, reading):
    row = comparison_frame(LIFELIKE.evidence).set_index("metric", drop=False).loc[[metric]]
    drawn = charts.comparison_panel(row.assign(low=low, high=high)).to_dict()
    (data,) = [rows for rows in drawn["datasets"].values() if "reading" in rows[0]]
    assert data[0]["reading"] == reading


def test_the_swap_set_adds_up_to_the_difference_of_the_models():
    found, swaps = LIFELIKE.evidence, swap_frame(LIFELIKE.evidence)
    totals = swaps[swaps["segment"] == "all applicants"].set_index("direction")
    assert (swaps["good"] + swaps["bad"] + swaps["unknown"] == swaps["applicants"]).all()
    net = totals.loc["swapped in", "result"] - totals.loc["swapped out", "result"]
    assert net == pytest.approx(found.pair("profit").difference * found.rows)
    caught = found.champion.caught_bad - found.challenger.caught_bad
    assert totals.loc["swapped in", "bad"] - totals.loc["swapped out", "bad"] == caught


def test_coverage_counts_everybody_once_in_every_group_and_dates_each_vintage():
    covered = coverage_frame(LIFELIKE.evidence)
    parts = covered["not_mature"] + covered["mature_unlabelled"] + covered["labelled"]
    assert (parts == covered["applicants"]).all()
    sums = covered.groupby("group")[["applicants", "labelled"]].sum()
    assert (sums["labelled"] == LIFELIKE.evidence.rows).all()
    assert sums["applicants"].nunique() == 1
    dated = covered[covered["group"] == "vintage"]
    assert dated["final_at"].notna().all()
    assert (dated.loc[dated["final_at"] > AS_OF, "not_mature"] > 0).all()


def test_approval_rates_say_who_is_below_the_floor():
    shown = approvals_frame(LIFELIKE.evidence)
    floor = LIFELIKE.evidence.fairness.adverse_impact_floor
    assert shown["below_floor"].tolist() == (shown["challenger_impact_ratio"] < floor).tolist()
    assert (shown["challenger_rate"] - shown["champion_rate"]).round(12).tolist() == shown["rate_change"].round(
        12
    ).tolist()


def test_a_segment_says_what_loss_its_rows_could_show():
    shown = segments_frame(LIFELIKE.evidence).set_index(["segment", "value"])
    small = shown.loc[("state", "<b>NY</b>")]
    assert pd.isna(small["detectable_drop"])
    assert small["interval"] == "not judged: too few rows"
    judged = shown[shown["detectable_drop"].notna()].sort_values("rows")
    assert len(judged) == 4
    assert judged["detectable_drop"].iloc[0] > judged["detectable_drop"].iloc[-1] > 0


@pytest.fixture
def workspace(tmp_path):
    made = a_workspace(tmp_path)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def test_the_story_of_a_refused_challenger_names_the_gates_and_what_the_try_cost(workspace):
    dossier = a_dossier(better=False)
    judged(workspace, dossier)
    (row,) = story(workspace, now=AS_OF)
    trial = dossier.evidence.trial
    assert (row["primary"], row["gain"], row["gain_level"]) == ("f1", trial.gain, trial.interval.level)
    assert row["error_spent"] == dossier.error_spent > 0
    head, _, line = story_markdown([row]).splitlines()
    assert "F1 champion → challenger" in head
    assert "| 1.00 % |" in line
    assert f"{trial.gain:+.3f}, {trial.interval.low:+.3f} to {trial.interval.high:+.3f} at 98 %" in line
    assert "| refused: G4 failed" in line
    assert line.count("|") == head.count("|")


def test_the_story_of_a_waiting_challenger_says_until_when(workspace):
    dossier = a_lifelike_desk(workspace, sharpness=1.17)
    (row,), (item,) = story(workspace, now=AS_OF), review(workspace, now=AS_OF, every=True)
    (waits,) = [check for check in dossier.checks if check.decidable_at]
    assert row["outcome"] == item["standing"] == "waiting"
    assert f"waiting until {waits.decidable_at:%Y-%m-%d}: G4 undecided" in story_markdown([row])
    told = {gate["code"]: gate["more_rows"] for gate in item["gates"]}
    assert told == {"G1": None, "G2": None, "G3": None, "G4": waits.more_rows, "G5": None, "G6": None}
    assert item["recheck_at"] is not None


@pytest.mark.parametrize(
    ("primary", "named"),
    [("auc", "AUC"), ("brier", "Brier score"), ("profit", "profit per application")],
)
def test_the_story_is_told_in_the_primary_metric(workspace, primary, named):
    dossier = a_lifelike_dossier(challenger="2", champion="1", primary=primary)
    judged(workspace, dossier)
    rows = story(workspace, now=AS_OF)
    assert rows[0]["primary_challenger"] == getattr(dossier.evidence.challenger, primary)
    assert rows[0]["gain"] > 0
    assert f"| {named} champion → challenger |" in story_markdown(rows)
    mixed = story_markdown([*rows, rows[0] | {"primary": "f1", "gain": None, "gain_interval": None}])
    assert "| primary metric champion → challenger |" in mixed
    assert "| not measurable |" in mixed
