"""Charts of the first screen and of the Drift page: a frame in, an Altair chart out. Colour is never the only cue."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts import BAD, GOOD, PLAIN, QUIET, UNSURE, Figure

_BEYOND = ["beyond its limit", "within"]
_BEYOND_COLOUR = alt.Scale(domain=_BEYOND, range=[BAD, QUIET])
_BEYOND_SHAPE = alt.Scale(domain=_BEYOND, range=["diamond", "circle"])
_TOP = alt.Legend(orient="top", columns=2)
_TWO_LINES = alt.Axis(labelExpr="split(datum.value, '|')", labelLimit=230, labelOffset=-6, ticks=False, domain=False)
_DAYS = alt.Axis(format="%b %Y", tickCount=6, labelOverlap=True)
_KINDS = ["realised", "estimated", "estimated, not trusted"]
_KIND_COLOUR = alt.Scale(domain=_KINDS, range=[PLAIN, UNSURE, QUIET])
_KIND_SHAPE = alt.Scale(domain=_KINDS, range=["circle", "diamond", "cross"])
LANES = ["In production", "Drift", "Training", "Gates", "Decision", "Alert"]
EVENTS: dict[str, tuple[str, str]] = {  # what happened: colour, shape
    "drift, or a call for a new model": (BAD, "diamond"),
    "calm again": (GOOD, "circle"),
    "challenger trained": (PLAIN, "square"),
    "passed every gate": (GOOD, "circle"),
    "waits for labels": (UNSURE, "triangle-up"),
    "refused by the gates": (BAD, "cross"),
    "approved": (GOOD, "circle"),
    "rejected": (BAD, "cross"),
    "rolled back": (UNSURE, "triangle-down"),
    "alert that wants somebody": (UNSURE, "triangle-up"),
}


def what_moved(frame: pd.DataFrame) -> Figure:
    """How far each feature is past its limit, the heaviest change first; what it carries and since when, in words.

    `ranking.ranked`'s columns. The axis is a square root: a limit passed sixteen times still leaves room for one
    passed once.
    """
    shown = frame.assign(
        name=frame["feature"] + "|" + frame["told"], verdict=frame["drifted"].map({True: _BEYOND[0], False: _BEYOND[1]})
    )
    colour = alt.Color("verdict:N", scale=_BEYOND_COLOUR, legend=None)
    base = alt.Chart(shown).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=_TWO_LINES),
        x=alt.X(
            "fold:Q", title="times the limit", scale=alt.Scale(type="sqrt", domainMin=0), axis=alt.Axis(tickCount=4)
        ),
        color=colour,
        tooltip=[
            "feature:N",
            "question:N",
            "seen:N",
            alt.Tooltip("fold:Q", title="times the limit", format=".2f"),
            alt.Tooltip("importance:Q", title="carries of the score", format=".0%"),
            alt.Tooltip("since:T", format="%Y-%m-%d"),
            alt.Tooltip("rows:Q", format=","),
        ],
    )
    points = base.mark_point(size=110, filled=True, opacity=1).encode(
        shape=alt.Shape("verdict:N", scale=_BEYOND_SHAPE, legend=None)
    )
    limit = alt.Chart(pd.DataFrame({"fold": [1.0]})).mark_rule(strokeDash=[4, 3], color=QUIET, strokeWidth=1.5)
    stems = base.mark_rule(strokeWidth=3).encode(x2=alt.datum(0))
    return alt.layer(limit.encode(x="fold:Q"), stems, points).properties(height=alt.Step(34))


def heat(frame: pd.DataFrame) -> Figure:
    """Feature by time: how far past its limit; a mark where it is beyond, a dash where nothing could be said.

    Columns `feature, as_of, at, fold, drifted, judged`, features in their order; `at` names the look.
    """
    looks = frame["at"].drop_duplicates().tolist()  # said in full: a layer that leaves some out would order them anew
    base = alt.Chart(frame).encode(
        x=alt.X(
            "at:O",
            title=None,
            sort=looks,
            scale=alt.Scale(domain=looks),
            axis=alt.Axis(labelAngle=-45, labelOverlap=True, labelLimit=90),
        ),
        y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=[
            "feature:N",
            alt.Tooltip("as_of:T", format="%Y-%m-%d %H:%M"),
            alt.Tooltip("fold:Q", title="times the limit", format=".2f"),
        ],
    )
    cells = base.transform_filter("isValid(datum.fold)").mark_rect()
    colour = alt.Color(
        "shade:Q",
        title="times the limit",
        scale=alt.Scale(domain=[0, 1, 4], range=[f"{QUIET}22", f"{UNSURE}99", BAD], interpolate="rgb", clamp=True),
        legend=alt.Legend(orient="top", values=[0, 1, 2, 4], gradientLength=160),
    )
    shaded = cells.transform_calculate(shade="min(datum.fold, 4)").encode(color=colour)
    beyond = base.transform_filter("datum.drifted").mark_point(shape="diamond", size=22, filled=True, color="black")
    unknown = base.transform_filter("!datum.judged").mark_text(text="–", color=QUIET)
    return alt.layer(shaded, beyond, unknown).properties(height=alt.Step(20))


def small_distribution(frame: pd.DataFrame, *, unit: str) -> Figure:
    """One numeric feature, small: the reference as an area, the window as a line. `distributions.numeric_shares`'."""
    short = "~s" if len(frame) and frame["high"].abs().max() >= 1000 else ",~g"
    base = alt.Chart(frame).encode(
        x=alt.X("low:Q", title=unit or None, axis=alt.Axis(tickCount=3, format=short, labelOverlap=True)),
        y=alt.Y("share:Q", title=None, axis=None),
        tooltip=["sample:N", alt.Tooltip("low:Q", format=",.4~g"), alt.Tooltip("share:Q", format=".1%")],
    )
    area = base.transform_filter("datum.sample == 'reference'").mark_area(
        interpolate="step-after", color=QUIET, opacity=0.4
    )
    line = base.transform_filter("datum.sample == 'window'").mark_line(
        interpolate="step-after", color=PLAIN, strokeWidth=2
    )
    return alt.layer(area, line).properties(height=110)


def small_categories(frame: pd.DataFrame) -> Figure:
    """One categorical feature, small: the reference as bars, the window as points. `distributions.category_shares`'."""
    base = alt.Chart(frame).encode(
        y=alt.Y(
            "category:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=80, ticks=False, domain=False, labelOverlap=False),
        ),
        x=alt.X("share:Q", title=None, axis=alt.Axis(format="%", tickCount=3)),
        tooltip=["category:N", "sample:N", alt.Tooltip("share:Q", format=".1%")],
    )
    bars = base.transform_filter("datum.sample == 'reference'").mark_bar(color=QUIET, opacity=0.5)
    points = base.transform_filter("datum.sample == 'window'").mark_point(
        shape="diamond", size=60, filled=True, color=PLAIN
    )
    return alt.layer(bars, points).properties(height=110)


def score_spread(frame: pd.DataFrame, *, threshold: float) -> Figure:
    """Scores of reference and window over the same bins, and the cut-off. Columns `sample, low, high, share`."""
    base = alt.Chart(frame).encode(
        x=alt.X("low:Q", title="score (probability of default)", axis=alt.Axis(format="%", tickCount=6)),
        y=alt.Y("share:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=4)),
        color=alt.Color(
            "sample:N", scale=alt.Scale(domain=["reference", "window"], range=[QUIET, PLAIN]), title=None, legend=_TOP
        ),
        tooltip=[
            "sample:N",
            alt.Tooltip("low:Q", format=".1%"),
            alt.Tooltip("high:Q", format=".1%"),
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )
    area = base.transform_filter("datum.sample == 'reference'").mark_area(interpolate="step-after", opacity=0.4)
    line = base.transform_filter("datum.sample == 'window'").mark_line(interpolate="step-after", strokeWidth=2.5)
    cut = alt.Chart(pd.DataFrame({"low": [threshold], "told": ["cut-off"]}))
    rule = cut.mark_rule(strokeDash=[4, 3], color=BAD).encode(x="low:Q")
    name = cut.mark_text(align="left", dx=4, dy=-4, baseline="top", y=8, color=BAD).encode(x="low:Q", text="told:N")
    return alt.layer(area, line, rule, name).properties(height=230)


def profit_by_cutoff(frame: pd.DataFrame, *, chosen: dict[str, Any], unit: str) -> Figure:
    """Profit per application by the share approved, with its interval, and where the cut-off in force lies.

    Columns `approved, profit, low, high, cutoff`; `chosen` has the same names.
    """
    x = alt.X("approved:Q", title="share of applications approved", axis=alt.Axis(format="%", tickCount=6))
    money = f"profit per application{f', {unit}' if unit else ''}"
    tooltip = [
        alt.Tooltip("cutoff:Q", format=".4f"),
        alt.Tooltip("approved:Q", format=".0%"),
        *(alt.Tooltip(f"{name}:Q", format=",.2f") for name in ("profit", "low", "high")),
    ]
    base = alt.Chart(frame).encode(x=x, tooltip=tooltip)
    band = base.mark_area(opacity=0.25, color=PLAIN).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(color=PLAIN, strokeWidth=2).encode(y=alt.Y("profit:Q", title=money))
    here = alt.Chart(pd.DataFrame([chosen])).encode(x=x, tooltip=tooltip)
    point = here.mark_point(shape="diamond", size=160, filled=True, color=BAD, opacity=1).encode(y="profit:Q")
    zero = alt.Chart(pd.DataFrame({"profit": [0.0]})).mark_rule(strokeDash=[4, 3], color=QUIET).encode(y="profit:Q")
    return alt.layer(zero, band, line, point).properties(height=230)


def performance(frame: pd.DataFrame, *, title: str, floor: float | None, promise: float | None) -> Figure:
    """One metric over time: what came true by vintage, what was estimated, and the floor.

    Columns `at, value, low, high, kind, rows, about`; `kind` is realised, estimated, or estimated, not trusted.
    """
    base = alt.Chart(frame).encode(x=alt.X("at:T", title=None, axis=_DAYS))
    colour = alt.Color("kind:N", scale=_KIND_COLOUR, title=None, legend=_TOP)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    whiskers = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, opacity=0.8)
    points = base.mark_point(size=75, filled=True, opacity=1).encode(
        y=y,
        color=colour,
        shape=alt.Shape("kind:N", scale=_KIND_SHAPE, title=None, legend=_TOP),
        tooltip=[
            "about:N",
            "kind:N",
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high")),
            alt.Tooltip("rows:Q", format=","),
        ],
    )
    layers = [whiskers.encode(y="low:Q", y2="high:Q", color=colour), points]
    for value, name, dash in ((floor, "floor", [4, 3]), (promise, "promised", [1, 3])):
        if value is not None:
            line = alt.Chart(pd.DataFrame({"value": [value], "name": [name]}))
            layers.append(line.mark_rule(strokeDash=dash, color=BAD if name == "floor" else QUIET).encode(y="value:Q"))
            layers.append(
                line.mark_text(
                    align="left", dx=3, dy=8 if name == "floor" else -6, x=0, color=BAD if name == "floor" else QUIET
                ).encode(y="value:Q", text="name:N")
            )
    return alt.layer(*layers).properties(height=240)


def what_happened(reigns: pd.DataFrame, events: pd.DataFrame) -> Figure:
    """What happened, in order: who was in production, and every act as a mark in its lane.

    `reigns`: `version, since, until`. `events`: `at, lane, what, told`, `what` among `EVENTS`.
    """
    lane = alt.Y(
        "lane:N", sort=LANES, scale=alt.Scale(domain=LANES), title=None, axis=alt.Axis(ticks=False, domain=False)
    )
    span = alt.Chart(reigns.assign(lane=LANES[0], name="v" + reigns["version"])).encode(y=lane)
    bars = span.mark_bar(height=16, color=PLAIN, opacity=0.3, stroke=PLAIN).encode(
        x=alt.X("since:T", title=None, axis=_DAYS),
        x2="until:T",
        tooltip=[
            "name:N",
            alt.Tooltip("since:T", format="%Y-%m-%d %H:%M"),
            alt.Tooltip("until:T", format="%Y-%m-%d %H:%M"),
        ],
    )
    names = span.mark_text(align="left", dx=4, fontWeight="bold", color=PLAIN).encode(x="since:T", text="name:N")
    kinds = [kind for kind in EVENTS if kind in set(events["what"])]
    points = (
        alt.Chart(events)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x="at:T",
            y=lane,
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=kinds, range=[EVENTS[kind][0] for kind in kinds]),
                title=None,
                legend=None,
            ),
            shape=alt.Shape(
                "what:N",
                scale=alt.Scale(domain=kinds, range=[EVENTS[kind][1] for kind in kinds]),
                title=None,
                legend=None,
            ),
            tooltip=["told:N", "what:N", alt.Tooltip("at:T", format="%Y-%m-%d %H:%M")],
        )
    )
    return alt.layer(bars, names, points).properties(height=alt.Step(30))


def swapped(frame: pd.DataFrame) -> Figure:
    """Applicants decided otherwise, by segment: approved instead to the right, declined instead to the left.

    Columns `name, direction, applicants, amount`.
    """
    signed = frame["applicants"].where(frame["direction"] == "swapped in", -frame["applicants"])
    directions = ["swapped in", "swapped out"]
    colour = alt.Scale(domain=directions, range=[PLAIN, UNSURE])
    return (
        alt.Chart(frame.assign(signed=signed))
        .mark_bar(height=11)
        .encode(
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X(
                "signed:Q",
                title="declined instead ← applicants → approved instead",
                axis=alt.Axis(tickCount=5, format="d"),
            ),
            color=alt.Color("direction:N", scale=colour, title=None, legend=_TOP),
            tooltip=[
                "name:N",
                "direction:N",
                alt.Tooltip("applicants:Q", format=","),
                alt.Tooltip("amount:Q", format=",.0f"),
            ],
        )
        .properties(height=alt.Step(22))
    )


def swap_outcomes(frame: pd.DataFrame) -> Figure:
    """Who comes in and who goes out, and what became of them. Columns `direction, good, bad, unknown`."""
    names = {"good": "good", "bad": "bad", "unknown": "not known yet"}
    shown = frame.rename(columns=names).melt(
        id_vars=["direction"], value_vars=list(names.values()), var_name="outcome", value_name="n"
    )
    shown["order"] = shown["outcome"].map({name: place for place, name in enumerate(names.values())})
    fills = alt.Scale(domain=list(names.values()), range=[GOOD, BAD, "transparent"])
    strokes = alt.Scale(domain=list(names.values()), range=[GOOD, BAD, QUIET])
    return (
        alt.Chart(shown)
        .mark_bar(height=18, strokeWidth=1.5)
        .encode(
            y=alt.Y("direction:N", sort=None, title=None),
            x=alt.X("n:Q", title="applicants", stack="zero", axis=alt.Axis(tickCount=6)),
            fill=alt.Fill("outcome:N", scale=fills, title=None, legend=alt.Legend(orient="top", columns=3)),
            stroke=alt.Stroke("outcome:N", scale=strokes, title=None, legend=alt.Legend(orient="top", columns=3)),
            order="order:Q",
            tooltip=["direction:N", "outcome:N", alt.Tooltip("n:Q", format=",")],
        )
        .properties(height=alt.Step(34))
    )
