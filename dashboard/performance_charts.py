"""Charts of realised performance: a frame in, an Altair chart out. What is not final says so in words."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from dashboard.charts import BAD, PLAIN, QUIET, UNSURE, Figure
from dashboard.words import METRICS

_TITLES = METRICS | {"default_rate": "Default rate", "expected_minus_observed": "Expected less observed default rate"}
_TOP = alt.Legend(orient="top", columns=2)  # beside the chart, it takes half of a phone
_SHARE = alt.Axis(format="%", tickCount=5)
_IDEAL = {"expected_minus_observed": 0.0, "calibration_intercept": 0.0, "calibration_slope": 1.0}
_SIDES = ["expected", "observed"]
_SIDE = alt.Scale(domain=_SIDES, range=[UNSURE, PLAIN])
_SIDE_SHAPE = alt.Scale(domain=_SIDES, range=["diamond", "circle"])
_KINDS = ["estimate", "estimate, not trusted", "realised"]
_KIND = alt.Scale(domain=_KINDS, range=[UNSURE, QUIET, PLAIN])
_KIND_SHAPE = alt.Scale(domain=_KINDS, range=["diamond", "cross", "circle"])
_COUNTS = [alt.Tooltip(f"{name}:Q", format=",") for name in ("rows", "mature", "labelled", "bad")]
_SPAN = [alt.Tooltip("low:Q", format=".3f"), alt.Tooltip("high:Q", format=".3f")]
_MONTHS = alt.Axis(format="%b %Y", tickCount=5, labelOverlap=True)
_TYPES = {"low": "float64", "high": "float64", "value": "float64", "kind": "object"}
_SHOWN = ["vintage", "final_at", "status", "rows", "mature", "labelled", "bad", "models", "note"]
_ABOUT = [*_COUNTS, "models:N", "status:N"]


def metric_by_vintage(frame: pd.DataFrame, *, metric: str) -> Figure:
    """A realised metric and its interval by vintage; one that is not final says when it will be, and shows no point.

    `pipeline.realising.vintages_frame`'s columns.
    """
    columns = {metric: "value", f"{metric}_low": "low", f"{metric}_high": "high"}
    base = alt.Chart(_with_note(frame.rename(columns=columns)[[*_SHOWN, "value", "low", "high"]])).encode(y=_vintage())
    x = alt.X("value:Q", title=_TITLES[metric], scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    measured = base.transform_filter("isValid(datum.value)")
    whiskers = measured.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, color=PLAIN)
    points = measured.mark_point(size=70, filled=True, opacity=1, color=PLAIN).encode(
        x=x, tooltip=["vintage:N", alt.Tooltip("value:Q", title=_TITLES[metric], format=".3f"), *_SPAN, *_ABOUT]
    )
    layers = [whiskers.encode(x="low:Q", x2="high:Q"), points, _not_measured(base, "isValid(datum.value)")]
    if metric in _IDEAL:
        ideal = alt.Chart(pd.DataFrame({"x": [_IDEAL[metric]]})).mark_rule(strokeDash=[4, 3], color=QUIET)
        layers.insert(0, ideal.encode(x="x:Q"))
    return alt.layer(*layers).properties(height=alt.Step(19))


def vintage_triangle(frame: pd.DataFrame) -> Figure:
    """Per cent of each vintage gone bad by age; empty where part of it is younger. `triangle_frame`'s columns.

    Black on any of the colours between these two has a contrast of 4.8:1 or more, on a light page and on a dark one.
    """
    base = alt.Chart(frame).transform_filter("isValid(datum.share)")
    base = base.encode(
        x=alt.X("months:O", title="months since application", axis=alt.Axis(labelAngle=0, orient="top")),
        y=_vintage(),
        tooltip=[
            "vintage:N",
            "months:Q",
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", format=".1%"),
            alt.Tooltip("high:Q", format=".1%"),
            alt.Tooltip("bad:Q", format=","),
            alt.Tooltip("rows:Q", format=","),
        ],
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share:Q",
            title="gone bad, %",
            scale=alt.Scale(range=[QUIET, BAD], interpolate="rgb", domainMin=0),
            legend=alt.Legend(orient="top", format="%", tickCount=4),
        )
    )
    told = base.transform_calculate(percent="round(datum.share * 100)").mark_text(fontSize=10, color="black")
    return alt.layer(cells, told.encode(text="percent:Q")).properties(height=alt.Step(19))


def calibration_by_band(frame: pd.DataFrame) -> Figure:
    """Expected and observed share of bad per score band, with the observed one's interval. `bands_frame`'s columns."""
    shown = frame[frame["rows"] > 0].melt(
        id_vars=["band", "rows", "bad", "low", "high"], value_vars=_SIDES, var_name="side", value_name="share"
    )
    base = alt.Chart(shown).encode(
        y=alt.Y("band:N", sort=None, title="score", axis=alt.Axis(labelLimit=150, labelFlush=False))
    )
    tooltip = ["band:N", "side:N", *_shares("share", "low", "high"), *_COUNTS[::3]]
    return _two_sides(base, tooltip, title="share gone bad").properties(height=alt.Step(26))


def default_rate_by_vintage(frame: pd.DataFrame) -> Figure:
    """Expected and observed default rate by vintage; one that is not final has only an expectation.

    `vintages_frame`'s columns. Expected is the mean score of the rows that were judged; before that, of all.
    """
    columns = {"default_rate": "observed", "default_rate_low": "low", "default_rate_high": "high"}
    wide = _with_note(frame.assign(expected=frame["expected"].fillna(frame["mean_score"])).rename(columns=columns))
    shown = wide.melt(id_vars=[*_SHOWN, "told", "low", "high"], value_vars=_SIDES, var_name="side", value_name="share")
    base = alt.Chart(shown).encode(y=_vintage())
    widest = float(np.nanmax(shown[["share", "high"]].to_numpy(dtype=float), initial=0.0))
    room = alt.Scale(domain=[0, widest * 1.4 or 1.0], nice=False)  # at the right, for what is not final
    tooltip = ["vintage:N", "side:N", *_shares("share", "low", "high"), *_ABOUT]
    chart = _two_sides(base, tooltip, title="default rate", scale=room)
    observed = base.transform_filter("datum.side == 'observed'")
    waits = _not_measured(observed, "isValid(datum.share)", place="right")
    return alt.layer(chart, waits).properties(height=alt.Step(22))


def estimate_and_realised(frame: pd.DataFrame, *, metric: str) -> Figure:
    """A metric estimated without labels, with its range, beside what was realised later.

    Columns `at, metric, estimate, low, high, realised, trusted`; rows of other metrics are left out.
    """
    wide = frame[frame["metric"] == metric].assign(
        kind=lambda f: f["trusted"].astype(bool).map({True: _KINDS[0], False: _KINDS[1]}).astype(object)
    )
    estimates = wide[["at", "low", "high", "kind"]].assign(value=wide["estimate"])
    later = wide[["at"]].assign(low=None, high=None, kind=_KINDS[2], value=wide["realised"])
    shown = pd.concat([part.astype(_TYPES) for part in (estimates, later)], ignore_index=True)
    base = alt.Chart(shown).transform_filter("isValid(datum.value)").encode(x=alt.X("at:T", title=None, axis=_MONTHS))
    colour = alt.Color("kind:N", scale=_KIND, title=None, legend=_TOP)
    y = alt.Y("value:Q", title=_TITLES[metric], scale=alt.Scale(zero=False))
    ranges = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
    points = base.mark_point(size=60, filled=True, opacity=1).encode(
        y=y,
        color=colour,
        shape=alt.Shape("kind:N", scale=_KIND_SHAPE, title=None, legend=_TOP),
        tooltip=[alt.Tooltip("at:T", format="%Y-%m-%d"), "kind:N", alt.Tooltip("value:Q", format=".3f"), *_SPAN],
    )
    return alt.layer(ranges.encode(y="low:Q", y2="high:Q", color=colour), points).properties(height=240)


def _vintage() -> Figure:
    return alt.Y("vintage:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False, labelFlush=False))


def _shares(*names: str) -> list[Figure]:
    return [alt.Tooltip(f"{name}:Q", format=".1%") for name in names]


def _with_note(frame: pd.DataFrame) -> pd.DataFrame:
    """`told`: what stands where a metric would: when the vintage is final, or why one that is has none."""
    days = pd.to_datetime(frame["final_at"], utc=True).dt.strftime("%Y-%m-%d")
    return frame.assign(told=("final on " + days).where(frame["status"] != "final", "not measured"))


def _not_measured(base: Figure, measured: str, *, place: str = "left") -> Figure:
    """Words in place of a point: an empty row would read as forgotten, or as calm."""
    left = place == "left"
    text = base.transform_filter(f"!{measured}").mark_text(
        align="left" if left else "right", fontSize=10, fontStyle="italic", color=QUIET
    )
    at: Figure = alt.value(4 if left else "width")
    return text.encode(x=at, text="told:N", tooltip=["vintage:N", "told:N", "note:N", *_ABOUT])


def _two_sides(base: Figure, tooltip: list[Figure], *, title: str, scale: Figure = alt.Undefined) -> Figure:
    """Expected and observed shares as two shapes on one line, and the interval of the observed."""
    valid = base.transform_filter("isValid(datum.share)")
    colour = alt.Color("side:N", scale=_SIDE, title=None, legend=_TOP)
    whiskers = valid.transform_filter("datum.side == 'observed'").mark_rule(strokeWidth=2)
    points = valid.mark_point(size=80, filled=True, opacity=1).encode(
        x=alt.X("share:Q", title=title, axis=_SHARE, scale=scale),
        color=colour,
        shape=alt.Shape("side:N", scale=_SIDE_SHAPE, title=None, legend=_TOP),
        tooltip=tooltip,
    )
    return alt.layer(whiskers.encode(x="low:Q", x2="high:Q", color=colour), points)
