"""Charts of the policy page: a frame in, an Altair chart out. Colour is never the only cue."""

from __future__ import annotations

import altair as alt
import pandas as pd

from dashboard.charts import BAD, GOOD, PLAIN, QUIET, UNSURE, Figure
from dashboard.policy_frames import CANNOT_TELL, RULES, SIDES

_TOP = alt.Legend(orient="top", columns=2)  # beside the chart, it takes half of a phone
_MONTHS = alt.Axis(format="%b %Y", tickCount=5, labelOverlap=True)
_DAY = alt.Tooltip("as_of:T", format="%Y-%m-%d", title="judged")
_RULE = alt.Scale(domain=list(RULES), range=[PLAIN, UNSURE])
_RULE_SHAPE = alt.Scale(domain=list(RULES), range=["circle", "diamond"])
_LANES = ["promotable", "waiting", "refused", CANNOT_TELL]
_SIDE = alt.Scale(domain=list(SIDES), range=[QUIET, BAD, PLAIN, UNSURE])
_SIDE_SHAPE = alt.Scale(domain=list(SIDES), range=["square", "diamond", "circle", "cross"])
_OUTCOMES = ["passed", "failed", "undecided"]
_OUTCOME = alt.Scale(domain=_OUTCOMES, range=[GOOD, BAD, UNSURE])
_OUTCOME_SHAPE = alt.Scale(domain=_OUTCOMES, range=["circle", "cross", "triangle-up"])


def budget(tries: pd.DataFrame, spending: pd.DataFrame, *, yearly: float) -> Figure:
    """What each try spent, as a bar, and what the 365 days before had spent, as a line, below the year's budget.

    `policy_frames.tries_frame`'s and `spending_frame`'s columns.
    """
    x = alt.X("as_of:T", title=None, axis=_MONTHS)
    room = alt.Scale(domain=[0, 1.15 * max(yearly, spending["spent_365_days"].max())], nice=False)
    y = alt.Y("spent:Q", title="chance spent", scale=room, axis=alt.Axis(format=".0%", tickCount=5))
    bars = alt.Chart(tries).mark_bar(color=QUIET, size=6)
    bars = bars.encode(x=x, y=y, tooltip=[_DAY, "challenger:N", _percent("spent", "spent")])
    line = alt.Chart(spending).mark_line(
        color=PLAIN, interpolate="step-after", point=alt.OverlayMarkDef(color=PLAIN, size=40)
    )
    line = line.encode(x=x, y="spent_365_days:Q", tooltip=[_DAY, _percent("spent_365_days", "in 365 days")])
    limit = alt.Chart(pd.DataFrame({"y": [yearly]})).mark_rule(strokeDash=[4, 3], strokeWidth=2, color=BAD)
    return alt.layer(limit.encode(y="y:Q"), bars, line).properties(height=170)


def chances(frame: pd.DataFrame, *, promised: float) -> Figure:
    """Chance of one promotion or more in a year, by kind of challenger and rule; dashed: what is promised.

    `policy_frames.chances_frame`'s columns.
    """
    base = alt.Chart(frame).encode(
        y=alt.Y("challenger:N", sort=None, title=None, axis=alt.Axis(labelFlush=False, ticks=False)),
        yOffset=alt.YOffset("rule:N", sort=list(RULES)),
        color=alt.Color("rule:N", scale=_RULE, title=None, legend=_TOP),
        tooltip=[
            "challenger:N",
            "rule:N",
            *(_percent(name, title) for name, title in (("share", "chance a year"), ("low", "from"), ("high", "to"))),
            alt.Tooltip("happened:Q", title="years with one", format=","),
            alt.Tooltip("years:Q", title="of years", format=","),
        ],
    )
    x = alt.X(
        "share:Q",
        title="years with a promotion (square-root scale)",
        scale=alt.Scale(type="sqrt", domain=[0, 1]),
        axis=alt.Axis(format="%", values=[0, 0.01, 0.05, 0.2, 0.5, 1]),
    )
    whiskers = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q")
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        x=x, shape=alt.Shape("rule:N", scale=_RULE_SHAPE, title=None, legend=_TOP)
    )
    near, far = (base.transform_filter(f"datum.share {side} 0.7") for side in ("<", ">="))  # no label is cut off
    texts = [
        near.mark_text(dy=-11, fontSize=11).encode(x=x, text="told:N"),
        far.mark_text(dy=-11, align="right", dx=8, fontSize=11).encode(x=x, text="told:N"),
    ]
    limit = alt.Chart(pd.DataFrame({"x": [promised]})).mark_rule(strokeDash=[4, 3], strokeWidth=2, color=BAD)
    return alt.layer(limit.encode(x="x:Q"), whiskers, points, *texts).properties(height=alt.Step(30))


def verdicts_over_time(frame: pd.DataFrame) -> Figure:
    """What was recorded, as a square, and what would have been in it; a line joins the two where they differ.

    `policy_frames.replay_frame`'s columns.
    """
    lanes = [lane for lane in _LANES if lane != CANNOT_TELL or (frame["verdict"] == CANNOT_TELL).any()]
    about: list[Figure] = [_DAY, "dossier:N", "happened:N", "side:N", "verdict:N", "reading:N"]
    y = alt.Y("verdict:N", scale=alt.Scale(domain=lanes), title=None, axis=alt.Axis(labelOverlap=False))
    x = alt.X("as_of:T", title=None, axis=_MONTHS)
    base = alt.Chart(frame).encode(
        x=x,
        y=y,
        color=alt.Color("side:N", scale=_SIDE, title=None, legend=_TOP),
        shape=alt.Shape("side:N", scale=_SIDE_SHAPE, title=None, legend=_TOP),
        tooltip=about,
    )
    recorded = base.transform_filter(f"datum.side === '{SIDES[0]}'")
    squares = recorded.mark_point(size=260, filled=False, strokeWidth=2, opacity=1)
    would_be = base.transform_filter(f"datum.side !== '{SIDES[0]}'")
    points = would_be.mark_point(size=70, filled=True, opacity=1)
    changed = frame[frame["changed"]]
    moves = alt.Chart(changed).mark_line(color=BAD, strokeWidth=2).encode(x=x, y=y, detail=["as_of:T", "dossier:N"])
    return alt.layer(*[moves] * _any(changed), squares, points).properties(height=alt.Step(34))


def gates_over_time(frame: pd.DataFrame) -> Figure:
    """What each gate would have said, dossier by dossier; a square around it where that is not what was recorded.

    `policy_frames.gates_frame`'s columns.
    """
    about: list[Figure] = [_DAY, "dossier:N", "gate:N", "recorded:N", alt.Tooltip("would_be:N", title="would be")]
    x, y = alt.X("as_of:T", title=None, axis=_MONTHS), alt.Y("gate:N", title=None, axis=alt.Axis(labelOverlap=False))
    points = alt.Chart(frame).encode(x=x, y=y, tooltip=about)
    points = points.mark_point(size=70, filled=True, opacity=1).encode(
        color=alt.Color("would_be:N", scale=_OUTCOME, title=None, legend=_TOP),
        shape=alt.Shape("would_be:N", scale=_OUTCOME_SHAPE, title=None, legend=_TOP),
    )
    changed = frame[frame["changed"]]
    squares = alt.Chart(changed).encode(x=x, y=y, tooltip=about)
    squares = squares.mark_point(shape="square", size=230, filled=False, strokeWidth=2, color=BAD, opacity=1)
    return alt.layer(points, *[squares] * _any(changed)).properties(height=alt.Step(26))


def _any(frame: pd.DataFrame) -> bool:
    """A layer without a mark is left out: Vega warns of an axis from infinity to minus infinity."""
    return not frame.empty


def _percent(name: str, title: str) -> Figure:
    return alt.Tooltip(f"{name}:Q", title=title, format=".2%")
