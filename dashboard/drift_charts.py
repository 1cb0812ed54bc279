"""Charts of what moved: a frame in, an Altair chart out. Colour is never the only cue."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dashboard.charts import BAD, PLAIN, QUIET, UNSURE, Figure

_BEYOND = ["beyond its limit", "within"]
_BEYOND_COLOUR = alt.Scale(domain=_BEYOND, range=[BAD, QUIET])
_BEYOND_SHAPE = alt.Scale(domain=_BEYOND, range=["diamond", "circle"])
_TOP = alt.Legend(orient="top", columns=2)
_TWO_LINES = alt.Axis(labelExpr="split(datum.value, '|')", labelLimit=230, labelOffset=-6, ticks=False, domain=False)


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
