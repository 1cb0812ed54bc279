"""Charts for notebooks and pages: a frame in, an Altair chart out. Colour is never the only cue."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

import altair as alt
import numpy as np
import pandas as pd

from dashboard.words import METRICS

Figure: TypeAlias = Any  # an Altair chart; its type hints give unions that its own methods refuse

# Each stands out by 3:1 or more from a white page and from a dark one.
GOOD, BAD, UNSURE, PLAIN, QUIET = "#1F9468", "#D6455D", "#C27314", "#3B73F0", "#7A869A"
_OUTCOME = alt.Scale(domain=["passed", "failed", "undecided"], range=[GOOD, BAD, UNSURE])
_OUTCOME_SHAPE = alt.Scale(domain=["passed", "failed", "undecided"], range=["circle", "cross", "triangle-up"])
_READINGS = ["better", "worse", "may be luck", "no side is better"]
_READING = alt.Scale(domain=_READINGS, range=[GOOD, BAD, UNSURE, PLAIN])
_READING_SHAPE = alt.Scale(domain=_READINGS, range=["circle", "cross", "square", "diamond"])
_FEATURES = alt.Axis(labelLimit=180, labelFlush=False)
_MONTHS = alt.Axis(format="%b %Y", tickCount=6, labelOverlap=True)
_TOP = alt.Legend(orient="top", columns=2)  # beside the chart, it takes half of a phone
_STACKED = alt.Legend(orient="top", columns=1)  # where long names leave little room
_CALLS = ["calls for a new model", "other change", "no change"]
_CALL_SHAPE = alt.Scale(domain=_CALLS, range=["diamond", "triangle-up", "circle"])
_SAMPLES = alt.Scale(domain=["reference", "window"], range=[QUIET, PLAIN])


NOTEBOOK_MIME = "application/vnd.vegalite.v5+json"  # JupyterLab 4.6 draws it with what it brought along


def draw_offline() -> None:
    """Have notebooks keep charts as data that JupyterLab draws itself, and the Runs page with it.

    Altair's default loads its scripts from a content network: on an air-gapped machine there would be no chart. Altair
    writes Vega-Lite 6, of which these charts use nothing that 5 has not.
    """

    def as_data(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {
            NOTEBOOK_MIME: spec | {"$schema": "https://vega.github.io/schema/vega-lite/v5.json"},
            "text/plain": "a chart",
        }

    alt.renderers.register("mend", as_data)
    alt.renderers.enable("mend")


def check_limits(frame: pd.DataFrame) -> Figure:
    """How far each question is on the way to its limit, the worst of a feature; columns of `drift_checks_frame`."""
    judged = frame[frame["limit"].notna()].sort_values("fold", ascending=False).drop_duplicates("feature")
    judged = judged.assign(verdict=judged["drifted"].map({True: "past its limit", False: "within limit"}))
    names = alt.Scale(domain=["past its limit", "within limit"], range=[BAD, QUIET])
    base = alt.Chart(judged).encode(
        y=alt.Y("feature:N", sort=None, title=None, axis=_FEATURES),
        x=alt.X(
            "fold:Q",
            title="times the limit (square-root scale)",
            scale=alt.Scale(type="sqrt"),
            axis=alt.Axis(tickCount=6, labelOverlap=True),
        ),
        color=alt.Color("verdict:N", scale=names, title=None, legend=_TOP),
        tooltip=["feature:N", "question:N", "seen:N", alt.Tooltip("fold:Q", format=".2f"), "rows:Q", "since:T"],
    )
    shape = alt.Scale(domain=["past its limit", "within limit"], range=["diamond", "circle"])
    stems = base.mark_rule(strokeWidth=3).encode(x2=alt.datum(0))
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        shape=alt.Shape("verdict:N", scale=shape, title=None, legend=_TOP)
    )
    limit = alt.Chart(pd.DataFrame({"fold": [1.0]})).mark_rule(strokeDash=[4, 3], color=QUIET).encode(x="fold:Q")
    return alt.layer(limit, stems, points).properties(height=alt.Step(22))


def weight_over_time(frame: pd.DataFrame, *, limit: float) -> Figure:
    """How much of what the score rests on has moved, per look; a grey line where there is no number: a gap is not calm.

    Columns `as_of, weighted_share, change_kind, recommendation, rows`, as the ledger's looks have them.
    """
    moved = frame["change_kind"].ne("none").map({True: _CALLS[1], False: _CALLS[2]})
    shown = frame.assign(reading=moved.mask(frame["recommendation"] == "retrain", _CALLS[0]))
    judged, others = shown[shown["weighted_share"].notna()], shown[shown["weighted_share"].isna()]
    when = alt.X("as_of:T", title=None, axis=_MONTHS)
    share = alt.Y(
        "weighted_share:Q",
        title="share of importance that moved",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    about = [alt.Tooltip("as_of:T", format="%Y-%m-%d %H:%M"), "change_kind:N", alt.Tooltip("rows:Q", format=",")]
    floor = alt.Chart(pd.DataFrame({"limit": [limit]})).mark_rule(strokeDash=[4, 3], color=BAD).encode(y="limit:Q")
    unjudged = alt.Chart(others).mark_rule(color=QUIET, opacity=0.5).encode(x=when, tooltip=about)
    base = alt.Chart(judged).encode(x=when, y=share)
    points = base.mark_point(size=60, filled=True, opacity=1).encode(
        color=alt.Color(
            "reading:N", scale=alt.Scale(domain=_CALLS, range=[BAD, UNSURE, GOOD]), title=None, legend=_TOP
        ),
        shape=alt.Shape("reading:N", scale=_CALL_SHAPE, title=None, legend=_TOP),
        tooltip=[*about, alt.Tooltip("weighted_share:Q", format=".0%"), "recommendation:N"],
    )
    line = base.mark_line(color=QUIET, interpolate="step-after")
    return alt.layer(floor, unjudged, line, points).properties(height=240)


def contributions(frame: pd.DataFrame) -> Figure:
    """What each feature's move does to the mean score, with its interval, the one that moves most on top.

    `drift_frames.contributions_frame`'s columns; changes are drawn in percentage points.
    """
    ends = {f"{name}_points": frame[name].astype("float64") * 100 for name in ("change", "low", "high")}
    base = alt.Chart(frame.assign(**ends)).encode(y=alt.Y("feature:N", sort=None, title=None, axis=_FEATURES))
    x = alt.X("change_points:Q", title="mean score, percentage points", axis=alt.Axis(tickCount=5))
    ranges = [alt.Tooltip(f"{name}_points:Q", title=name, format="+.2f") for name in ("change", "low", "high")]
    carries = alt.Tooltip("importance_share:Q", title="carries of the score", format=".0%")
    points = base.mark_point(size=80, filled=True, opacity=1, color=PLAIN).encode(
        x=x, tooltip=["feature:N", *ranges, carries, "leading_bin:N", alt.Tooltip("rows:Q", format=",")]
    )
    whiskers = base.mark_rule(strokeWidth=2, color=PLAIN).encode(x="low_points:Q", x2="high_points:Q")
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(strokeDash=[4, 3], color=QUIET).encode(x="x:Q")
    return alt.layer(zero, whiskers, points).properties(height=alt.Step(22))


def score_distribution(scores: pd.DataFrame) -> Figure:
    """How the champion scored the window. Columns `score, decision`."""
    shown = scores.assign(call=scores["decision"].map({1: "called bad", 0: "called good"}))
    return (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("score:Q", bin=alt.Bin(maxbins=40), title="probability of default"),
            y=alt.Y("count():Q", title="applications"),
            color=alt.Color(
                "call:N",
                scale=alt.Scale(domain=["called good", "called bad"], range=[PLAIN, BAD]),
                title=None,
                legend=_TOP,
            ),
            tooltip=["count()", "call:N"],
        )
        .properties(height=180)
    )


def importance(frame: pd.DataFrame) -> Figure:
    """Loss of AUC when a feature is shuffled. Columns `feature, importance, std`."""
    shown = frame.assign(low=frame["importance"] - frame["std"], high=frame["importance"] + frame["std"])
    base = alt.Chart(shown).encode(y=alt.Y("feature:N", sort=None, title=None))
    bars = base.mark_bar(color=PLAIN).encode(x=alt.X("importance:Q", title="loss of AUC when shuffled (± 1 sd)"))
    whiskers = base.mark_rule(color=QUIET, strokeWidth=2).encode(x="low:Q", x2="high:Q")
    return alt.layer(bars, whiskers).properties(height=alt.Step(20))


def cutoffs(frame: pd.DataFrame, *, threshold: float) -> Figure:
    """F1 at each cut-off tried, and the one chosen. Columns `threshold, f1`."""
    line = (
        alt.Chart(frame)
        .mark_line(color=PLAIN)
        .encode(
            x=alt.X("threshold:Q", title="cut-off (probability of default)"),
            y=alt.Y("f1:Q", title="F1 on the tuning split"),
        )
    )
    chosen = (
        alt.Chart(pd.DataFrame({"threshold": [threshold]}))
        .mark_rule(strokeDash=[4, 3], color=UNSURE)
        .encode(x="threshold:Q")
    )
    return alt.layer(line, chosen).properties(height=180)


def gates(frame: pd.DataFrame) -> Figure:
    """Each gate's margin in units of its own threshold: right of the line passes. `checks_frame`'s columns.

    A column `told`, if there is one, stands under each gate's name.
    """
    scale = frame["threshold"].abs().where(frame["threshold"].abs() > 0, 1.0)
    names = frame["gate"] + " " + frame["name"]
    label = names + "|" + frame["told"] if "told" in frame else names
    shown = frame.assign(relative=(frame["margin"] / scale).clip(-2, 2), label=label)
    axis = alt.Axis(labelExpr="split(datum.value, '|')", labelLimit=260, labelOffset=-6 if "told" in frame else 0)
    base = alt.Chart(shown).encode(y=alt.Y("label:N", sort=None, title=None, axis=axis))
    colour = alt.Color("outcome:N", scale=_OUTCOME, title=None, legend=_TOP)
    x = alt.X(
        "relative:Q",
        title="margin / limit (cut at ± 2)",
        scale=alt.Scale(domain=[-2.1, 2.1], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    tooltip = ["label:N", "outcome:N", "observed:Q", "threshold:Q", "unit:N", "interval:N", "margin:Q", "note:N"]
    bars = base.mark_bar(height=10).encode(x=x, color=colour, tooltip=tooltip)
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        x=x, color=colour, shape=alt.Shape("outcome:N", scale=_OUTCOME_SHAPE, title=None, legend=_TOP), tooltip=tooltip
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color=QUIET).encode(x="x:Q")
    return alt.layer(zero, bars, points).properties(height=alt.Step(36 if "told" in frame else 26))


def comparison(frame: pd.DataFrame) -> Figure:
    """Challenger minus champion with its interval, metrics of one unit in one panel. `comparison_frame`'s columns."""
    measured = frame[frame["difference"].notna()]
    return alt.vconcat(*[comparison_panel(rows).properties(width=420) for _, rows in panels(measured)])


def panels(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The measured metrics of `comparison_frame` that can share an axis, in the frame's order."""
    measured = frame[frame["difference"].notna()]
    return [(str(name), rows) for name, rows in measured.groupby("panel", sort=False)]


def comparison_panel(frame: pd.DataFrame, *, unit: str = "") -> Figure:
    """Metrics of one panel: right of the line the challenger is better, whichever way the metric counts.

    Calibration has no such side: what counts is how near each model is to the ideal, so there nothing is coloured.
    """
    panel, reverse = str(frame["panel"].iloc[0]), set(frame["better"]) == {"lower"}
    shown = frame.assign(name=[_told(row) for row in frame.to_dict("records")], reading=frame.apply(_reading, axis=1))
    reach = 1.15 * (float(np.nanmax(np.abs(shown[["difference", "low", "high"]].to_numpy(dtype=float)))) or 1.0)
    scale = alt.Scale(domain=[-reach, reach], reverse=reverse, nice=False)
    sided = "challenger − champion" if panel == "calibration" else "worse ← difference → better"
    x = alt.X("difference:Q", title=sided + (f" ({unit})" if unit else ""), scale=scale, axis=alt.Axis(tickCount=5))
    two_lines = alt.Axis(labelExpr="split(datum.value, '|')", labelLimit=150, labelOffset=-6, ticks=False)
    base = alt.Chart(shown).encode(y=alt.Y("name:N", sort=None, title=None, axis=two_lines))
    colour = alt.Color("reading:N", scale=_READING, legend=None)
    columns = ("metric", "champion", "challenger", "difference", "low", "high", "level", "reading")
    whisker = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", color=colour)
    point = base.mark_point(size=130, filled=True, opacity=1).encode(
        x=x, color=colour, shape=alt.Shape("reading:N", scale=_READING_SHAPE, legend=None), tooltip=list(columns)
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(strokeDash=[4, 3], strokeWidth=2, color=QUIET).encode(x="x:Q")
    return alt.layer(zero, whisker, point).properties(height=alt.Step(44))


def _told(row: Mapping[Hashable, Any]) -> str:
    digits = 2 if row["panel"] in ("money", "calibration") else 4 if row["better"] == "lower" else 3
    return f"{METRICS[row['metric']]}|{row['champion']:,.{digits}f} → {row['challenger']:,.{digits}f}"


def _reading(row: pd.Series) -> str:
    """Whether the interval leaves out "the same", and on which side; calibration is not read by its sign."""
    if row["better"] not in ("higher", "lower"):
        return "no side is better"
    if pd.isna(row["low"]) or row["low"] <= 0 <= row["high"]:
        return "may be luck"
    return "better" if (row["low"] > 0) == (row["better"] == "higher") else "worse"


def coverage_by_vintage(frame: pd.DataFrame) -> Figure:
    """Whose outcome is known, by quarter of application: what is not known is paler. `coverage_frame`'s columns."""
    names = {"labelled": "mature, labelled", "mature_unlabelled": "mature, no label", "not_mature": "not mature"}
    shown = (
        frame[frame["group"] == "vintage"]
        .rename(columns=names)
        .melt(id_vars=["value", "final_at"], value_vars=list(names.values()), var_name="outcome", value_name="n")
    )
    shown["order"] = shown["outcome"].map({name: place for place, name in enumerate(names.values())})
    domain = list(names.values())
    fills = alt.Scale(domain=domain, range=[PLAIN, f"{UNSURE}66", "transparent"])
    strokes = alt.Scale(domain=domain, range=[PLAIN, UNSURE, QUIET])
    return (
        alt.Chart(shown)
        .mark_bar(height=12, strokeWidth=1.5)
        .encode(
            y=alt.Y("value:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False, labelFlush=False)),
            x=alt.X("n:Q", title="applicants", stack="zero", axis=alt.Axis(tickCount=5)),
            fill=alt.Fill("outcome:N", scale=fills, title=None, legend=_TOP),
            stroke=alt.Stroke("outcome:N", scale=strokes, title=None, legend=_TOP),
            order="order:Q",
            tooltip=[
                "value:N",
                "outcome:N",
                alt.Tooltip("n:Q", format=","),
                alt.Tooltip("final_at:T", format="%Y-%m-%d"),
            ],
        )
        .properties(height=alt.Step(19))
    )


def segments(frame: pd.DataFrame) -> Figure:
    """F1 of both models in each segment. `segments_frame`'s columns."""
    shown = frame.assign(name=frame["segment"] + " = " + frame["value"]).melt(
        id_vars=["name", "rows", "bad"], value_vars=["champion_f1", "challenger_f1"], var_name="model", value_name="f1"
    )
    shown["model"] = shown["model"].str.removesuffix("_f1")
    both = ["champion", "challenger"]
    return (
        alt.Chart(shown)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
            x=alt.X("f1:Q", title="F1", axis=alt.Axis(tickCount=6)),
            color=alt.Color("model:N", scale=alt.Scale(domain=both, range=[QUIET, PLAIN]), title=None, legend=_STACKED),
            shape=alt.Shape(
                "model:N", scale=alt.Scale(domain=both, range=["circle", "diamond"]), title=None, legend=_STACKED
            ),
            tooltip=["name:N", "model:N", alt.Tooltip("f1:Q", format=".3f"), "rows:Q", "bad:Q"],
        )
        .properties(height=alt.Step(24))
    )


def numeric_distribution(frame: pd.DataFrame, *, unit: str) -> Figure:
    """A numeric feature: the reference as an area, the window as a line. `distributions.numeric_shares`' columns."""
    y = alt.Y("share:Q", title="share of rows", axis=alt.Axis(format="%"))
    x = alt.X("low:Q", title=unit or None, axis=alt.Axis(tickCount=8))
    bounds = [alt.Tooltip(f"{name}:Q", format=",.4~g") for name in ("low", "high")]
    tooltip = [alt.Tooltip("sample:N"), *bounds, alt.Tooltip("share:Q", format=".1%")]
    colour = alt.Color("sample:N", scale=_SAMPLES, title=None, legend=_TOP)
    base = alt.Chart(frame).encode(x=x, y=y, color=colour, tooltip=tooltip)
    area = base.transform_filter("datum.sample == 'reference'").mark_area(interpolate="step-after", opacity=0.35)
    line = base.transform_filter("datum.sample == 'window'").mark_line(interpolate="step-after", strokeWidth=2.5)
    return alt.layer(area, line).properties(height=240)


def category_distribution(frame: pd.DataFrame) -> Figure:
    """A categorical feature: the reference as bars, the window as points. `distributions.category_shares`' columns."""
    base = alt.Chart(frame).encode(
        y=alt.Y("category:N", sort=None, title=None),
        x=alt.X("share:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=6)),
        color=alt.Color("sample:N", scale=_SAMPLES, title=None, legend=_TOP),
        tooltip=["category:N", "sample:N", alt.Tooltip("share:Q", format=".1%")],
    )
    bars = base.transform_filter("datum.sample == 'reference'").mark_bar(height=12, opacity=0.45)
    points = base.transform_filter("datum.sample == 'window'").mark_point(
        size=100, filled=True, opacity=1, shape="diamond"
    )
    return alt.layer(bars, points).properties(height=alt.Step(24))


def reigns(frame: pd.DataFrame) -> Figure:
    """Who was champion when. Columns `version, since, until, how`, the last `until` filled in."""
    shown = frame.assign(name="version " + frame["version"])
    return (
        alt.Chart(shown)
        .mark_bar(height=14, cornerRadius=3, color=PLAIN)
        .encode(
            x=alt.X("since:T", title=None, axis=_MONTHS),
            x2="until:T",
            y=alt.Y("name:N", sort=None, title=None),
            tooltip=[
                "name",
                "how",
                alt.Tooltip("since:T", format="%Y-%m-%d"),
                alt.Tooltip("until:T", format="%Y-%m-%d"),
            ],
        )
        .properties(height=alt.Step(24))
    )
