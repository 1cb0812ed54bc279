"""Charts of performance over time, of acts, of decisions and of runs: a frame in, an Altair chart out."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from dashboard.charts import BAD, GOOD, PLAIN, QUIET, UNSURE, Figure

_TOP = alt.Legend(orient="top", columns=2)
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


def run_times(frame: pd.DataFrame, *, deadline_s: float) -> Figure:
    """How long notebooks took, and which failed. Columns `as_of, notebook, seconds, failed, run_id`; seconds > 0."""
    kinds, notebooks = ["succeeded", "failed"], ["drift", "gate", "train"]
    shown = frame.assign(came_to=frame["failed"].map({True: kinds[1], False: kinds[0]}))
    seconds = alt.Y("seconds:Q", title="seconds", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(tickCount=5))
    colours = alt.Scale(domain=notebooks, range=[QUIET, PLAIN, UNSURE])
    shapes = alt.Scale(domain=kinds, range=["circle", "cross"])
    points = (
        alt.Chart(shown)
        .mark_point(size=45, filled=True, opacity=0.8)
        .encode(
            x=alt.X("as_of:T", title=None, axis=_DAYS),
            y=seconds,
            color=alt.Color("notebook:N", scale=colours, title=None, legend=_TOP),
            shape=alt.Shape("came_to:N", scale=shapes, title=None, legend=_TOP),
            tooltip=[
                "run_id:N",
                "came_to:N",
                alt.Tooltip("seconds:Q", format=".1f"),
                alt.Tooltip("as_of:T", format="%Y-%m-%d %H:%M"),
            ],
        )
    )
    if frame["seconds"].max() < deadline_s / 10:  # far away, it would squeeze everything else
        return points.properties(height=200)
    limit = alt.Chart(pd.DataFrame({"seconds": [deadline_s]})).mark_rule(strokeDash=[4, 3], color=BAD)
    return alt.layer(points, limit.encode(y="seconds:Q")).properties(height=200)
