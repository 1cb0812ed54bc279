"""What stands in a result's JSON makes the frames that the notebook draws, number for number."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from builders import AS_OF
from look_builders import scored, some_estimates, some_realised

from dashboard import charts, outcome_frames, performance_charts, track
from pipeline.artefacts import canonical_json
from pipeline.realising import RealisedPerformance, bands_frame, triangle_frame, vintages_frame

CASES = {"five years": scored(), "all young": scored(0.5, n=400)}


@pytest.fixture(scope="module", params=CASES)
def performance(request: pytest.FixtureRequest) -> RealisedPerformance:
    return some_realised(CASES[request.param])


def through_json(value: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(canonical_json(value))
    return plain


def test_frames_from_json_are_those_from_objects(performance: RealisedPerformance) -> None:
    realised = through_json(performance.to_json())
    for ours, theirs in (
        (outcome_frames.vintages(realised), vintages_frame(performance)),
        (outcome_frames.triangle(realised), triangle_frame(performance)),
        (outcome_frames.bands(realised), bands_frame(performance)),
    ):
        pd.testing.assert_frame_equal(ours[theirs.columns], theirs, check_dtype=False)
        assert set(ours.columns) == set(theirs.columns)


def test_charts_draw_them(performance: RealisedPerformance) -> None:
    realised = through_json(performance.to_json())
    vintages = outcome_frames.vintages(realised)
    for drawn in (
        performance_charts.metric_by_vintage(vintages, metric="auc"),
        performance_charts.default_rate_by_vintage(vintages),
        performance_charts.vintage_triangle(outcome_frames.triangle(realised)),
        performance_charts.calibration_by_band(outcome_frames.bands(realised)),
    ):
        json.dumps(drawn.to_dict(), allow_nan=False)


def test_a_vintage_that_is_not_final_has_no_metric_in_the_table(performance: RealisedPerformance) -> None:
    frame = outcome_frames.vintages(through_json(performance.to_json()))
    table = track.vintages_table(frame, "auc")
    waiting = (frame["status"] != "final").to_numpy()
    assert waiting.any()
    assert (table.loc[waiting, ["AUC", "Observed bad"]] == "–").all(axis=None)
    assert table.loc[waiting, "Final"].str.startswith("on ").all()
    assert table.loc[~waiting, "AUC"].str.contains(r" to |not measured").all()


def test_past_estimates_stand_beside_what_came_true_oldest_first() -> None:
    estimated = some_estimates(bias=0.2, tests=3)
    frame = outcome_frames.back_tests(through_json(estimated.to_json()))
    own = frame[frame["metric"] == "auc"]
    assert own["at"].is_monotonic_increasing
    assert own["at"].iloc[-1] == AS_OF - timedelta(days=365)
    assert own["missed"].all()
    assert not own["trusted"].any()
    checks = [check for test in reversed(estimated.back_tests) for check in test.checks]
    assert own["realised"].tolist() == [check.realised for check in checks if check.estimate.metric == "auc"]
    assert track.record_table(own)["Missed"].tolist() == ["✗ missed"] * 3
    json.dumps(performance_charts.estimate_and_realised(frame, metric="auc").to_dict(), allow_nan=False)
    assert outcome_frames.back_tests(through_json(some_estimates(tests=0).to_json())).empty


LOOKS = pd.DataFrame(
    {
        "as_of": pd.date_range(AS_OF, periods=5, freq="30D"),
        "weighted_share": [0.0, 0.3, 0.9, 0.6, None],
        "change_kind": ["none", "population", "population", "feed", None],
        "recommendation": ["nothing", "wait_for_labels", "retrain", "fix_feed", None],
        "rows": [500, 500, 500, 500, None],
    }
)


def test_history_marks_what_calls_for_a_model_and_leaves_a_line_where_nothing_is_known() -> None:
    spec = charts.weight_over_time(LOOKS, limit=0.5).to_dict()
    limit, unjudged, _, points = spec["layer"]
    rows = {layer["data"]["name"]: spec["datasets"][layer["data"]["name"]] for layer in spec["layer"]}
    assert rows[limit["data"]["name"]] == [{"limit": 0.5}]
    assert [row["weighted_share"] for row in rows[unjudged["data"]["name"]]] == [None]
    assert [row["reading"] for row in rows[points["data"]["name"]]] == [
        "no change",
        "other change",
        "calls for a new model",
        "other change",
    ]
    assert points["encoding"]["shape"]["field"] == points["encoding"]["color"]["field"]
    json.dumps(spec, allow_nan=False)
