"""Charts of realised performance: what is not final is told in words, and colour is never the only cue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from dashboard.performance_charts import (
    calibration_by_band,
    default_rate_by_vintage,
    estimate_and_realised,
    metric_by_vintage,
    vintage_triangle,
)
from monitoring.outcome_metrics import METRICS

Spec = dict[str, Any]

FINAL = {"status": "final", "mature": 500, "labelled": 480, "bad": 60, "expected": 0.1, "note": ""}
WAITING = {"status": "not final", "mature": 20, "labelled": 20, "bad": 1, "expected": None, "note": "not final: …"}
LIMITS = [name for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")]
VINTAGES = pd.DataFrame(
    [
        {"vintage": "2004 Q1", "final_at": "2007-04-01", **FINAL, **dict.fromkeys(LIMITS, 0.15)},
        {"vintage": "2004 Q2", "final_at": "2007-07-01", **FINAL, **dict.fromkeys(LIMITS)},
        {"vintage": "2004 Q3", "final_at": "2007-10-01", **WAITING, **dict.fromkeys(LIMITS)},
    ]
).assign(rows=500, models="version 1: 500", mean_score=0.12, start=pd.Timestamp("2004-01-01", tz="UTC"))
VINTAGES = VINTAGES.astype(dict.fromkeys([*LIMITS, "expected"], "float64"))
TRIANGLE = pd.DataFrame(
    {"vintage": ["2004 Q1", "2004 Q1", "2004 Q2", "2004 Q2"], "months": [3, 6, 3, 6], "age_days": [91, 183] * 2,
     "rows": 500, "bad": [1, 9, 2, None], "share": [0.002, 0.018, 0.004, None], "low": [0.0, 0.01, 0.0, None],
     "high": [0.01, 0.03, 0.01, None]}
)  # fmt: skip
BANDS = pd.DataFrame(
    {"band": ["below 0.1", "0.1 to 0.2", "0.2 and more"], "rows": [200, 0, 90], "bad": [10, 0, 30],
     "expected": [0.04, None, 0.3], "observed": [0.05, None, 1 / 3], "low": [0.03, None, 0.26],
     "high": [0.08, None, 0.42]}
)  # fmt: skip
ESTIMATES = pd.DataFrame(
    {"at": pd.to_datetime(["2004-01-01", "2004-04-01", "2004-07-01", "2004-07-01"], utc=True),
     "metric": ["auc", "auc", "auc", "f1"], "estimate": [0.71, 0.72, 0.7, 0.3], "low": [0.68, None, 0.6, 0.2],
     "high": [0.75, None, 0.8, 0.4], "realised": [0.7, None, None, None], "trusted": [True, True, False, True]}
)  # fmt: skip

Draw = Callable[[pd.DataFrame], Any]
CHARTS: list[tuple[Draw, pd.DataFrame]] = [
    (lambda frame: metric_by_vintage(frame, metric="auc"), VINTAGES),
    (lambda frame: metric_by_vintage(frame, metric="expected_minus_observed"), VINTAGES),
    (vintage_triangle, TRIANGLE),
    (calibration_by_band, BANDS),
    (default_rate_by_vintage, VINTAGES),
    (lambda frame: estimate_and_realised(frame, metric="auc"), ESTIMATES),
]
IDS = ["metric", "gap", "triangle", "bands", "default rate", "estimate"]
every_chart = pytest.mark.parametrize(("draw", "frame"), CHARTS, ids=IDS)


def units(spec: Spec) -> Iterator[Spec]:
    """Every mark of a chart, however deep it lies."""
    for layer in spec.get("layer", []):
        yield from units(layer)
    if "mark" in spec:
        yield spec


def marked(spec: Spec, mark: str) -> list[Spec]:
    return [unit for unit in units(spec) if unit["mark"]["type"] == mark]


def data_of(spec: Spec, unit: Spec) -> list[Spec]:
    name = unit.get("data", spec.get("data", {})).get("name")
    return list(spec["datasets"][name])


def fields_of(unit: Spec) -> set[str]:
    channels = [c for each in unit["encoding"].values() for c in (each if isinstance(each, list) else [each])]
    return {channel["field"] for channel in channels if "field" in channel}


@every_chart
def test_every_field_that_is_drawn_is_in_the_data(draw: Draw, frame: pd.DataFrame) -> None:
    spec = draw(frame).to_dict()
    drawn = [unit for unit in units(spec) if unit["mark"]["type"] in ("point", "rect", "text")]
    assert drawn
    for unit in drawn:
        computed = {transform["as"] for transform in unit.get("transform", []) if "as" in transform}
        assert fields_of(unit) <= set(data_of(spec, unit)[0]) | computed
    json.dumps(spec, allow_nan=False)


@every_chart
def test_counts_or_limits_stand_beside_every_point(draw: Draw, frame: pd.DataFrame) -> None:
    spec = draw(frame).to_dict()
    for unit in [*marked(spec, "point"), *marked(spec, "rect")]:
        told = {tip["field"] for tip in unit["encoding"]["tooltip"]}
        assert told >= {"low", "high"}
        assert "rows" in told or draw is CHARTS[-1][0]


@every_chart
def test_nothing_to_show_is_drawn_as_nothing(draw: Draw, frame: pd.DataFrame) -> None:
    spec = draw(frame[:0]).to_dict()
    assert all(rows == [] or rows == [{"x": 0.0}] for rows in spec["datasets"].values())


@every_chart
def test_colour_is_never_the_only_cue_and_legends_lie_on_top(draw: Draw, frame: pd.DataFrame) -> None:
    spec = draw(frame).to_dict()
    for unit in units(spec):
        colour = unit["encoding"].get("color", {})
        if "field" not in colour:
            continue
        assert colour["legend"]["orient"] == "top"
        if unit["mark"]["type"] == "point":
            assert unit["encoding"]["shape"]["field"] == colour["field"]
            shapes = unit["encoding"]["shape"]["scale"]
            assert len(set(shapes["range"])) == len(shapes["domain"]) == len(set(colour["scale"]["range"]))
        if unit["mark"]["type"] == "rect":
            assert marked(spec, "text")


def test_a_vintage_that_is_not_final_says_when_it_will_be_and_has_no_point() -> None:
    spec = metric_by_vintage(VINTAGES, metric="auc").to_dict()
    (point,), (text,) = marked(spec, "point"), marked(spec, "text")
    told = {row["vintage"]: (row["told"], row["value"]) for row in data_of(spec, text)}
    assert told["2004 Q3"] == ("final on 2007-10-01", None)
    assert told["2004 Q2"] == ("not measured", None)
    assert point["transform"] == [{"filter": "isValid(datum.value)"}]
    assert text["transform"] == [{"filter": "!isValid(datum.value)"}]
    assert text["encoding"]["text"]["field"] == "told"


def test_a_metric_with_an_ideal_shows_it() -> None:
    def rules(metric: str) -> int:
        return len(marked(metric_by_vintage(VINTAGES, metric=metric).to_dict(), "rule"))

    assert (rules("auc"), rules("calibration_slope"), rules("expected_minus_observed")) == (1, 2, 2)


def test_a_cell_of_the_triangle_is_drawn_only_where_the_whole_vintage_is_that_old() -> None:
    spec = vintage_triangle(TRIANGLE).to_dict()
    for unit in (*marked(spec, "rect"), *marked(spec, "text")):
        assert unit["transform"][0] == {"filter": "isValid(datum.share)"}
    assert [row["share"] for row in data_of(spec, marked(spec, "rect")[0])] == [0.002, 0.018, 0.004, None]


def test_bands_without_rows_are_left_out_and_only_what_was_observed_has_an_interval() -> None:
    spec = calibration_by_band(BANDS).to_dict()
    (point,), (whisker,) = marked(spec, "point"), marked(spec, "rule")
    assert {row["band"] for row in data_of(spec, point)} == {"below 0.1", "0.2 and more"}
    assert sorted((row["side"], round(row["share"], 2)) for row in data_of(spec, point)) == [
        ("expected", 0.04),
        ("expected", 0.3),
        ("observed", 0.05),
        ("observed", 0.33),
    ]
    assert whisker["transform"][-1] == {"filter": "datum.side == 'observed'"}


def test_before_it_is_final_a_vintage_has_only_an_expected_default_rate() -> None:
    spec = default_rate_by_vintage(VINTAGES).to_dict()
    shares = {(row["vintage"], row["side"]): row["share"] for row in data_of(spec, marked(spec, "point")[0])}
    assert shares["2004 Q1", "expected"] == 0.1  # of the rows that were judged
    assert (shares["2004 Q3", "expected"], shares["2004 Q3", "observed"]) == (0.12, None)
    (text,) = marked(spec, "text")
    assert text["transform"] == [{"filter": "datum.side == 'observed'"}, {"filter": "!isValid(datum.share)"}]


def test_an_estimate_that_is_not_trusted_looks_different_from_one_that_is() -> None:
    spec = estimate_and_realised(ESTIMATES, metric="auc").to_dict()
    rows = data_of(spec, marked(spec, "point")[0])
    assert [row["kind"] for row in rows] == ["estimate"] * 2 + ["estimate, not trusted"] + ["realised"] * 3
    assert [row["value"] for row in rows] == [0.71, 0.72, 0.7, 0.7, None, None]
    assert {tuple(t.values()) for t in marked(spec, "rule")[0]["transform"]} == {
        ("isValid(datum.value)",),
        ("isValid(datum.low)",),
    }
