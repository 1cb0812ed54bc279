"""Charts for notebooks and pages: a frame in, an Altair chart out. Colour is never the only cue."""

from __future__ import annotations

import altair as alt
import pandas as pd

GOOD, BAD, UNSURE, PLAIN, QUIET = "#1B7F5C", "#C2334A", "#B45F06", "#1D4ED8", "#6B7688"
_OUTCOME = alt.Scale(domain=["passed", "failed", "undecided"], range=[GOOD, BAD, UNSURE])
_OUTCOME_SHAPE = alt.Scale(domain=["passed", "failed", "undecided"], range=["circle", "cross", "triangle-up"])


def drift_scores(frame: pd.DataFrame) -> alt.LayerChart:
    """Drift score per feature beside its limit, most drifted on top. Columns of `pipeline.frames.drift_frame`."""
    judged = frame[frame["drift_score"].notna()].assign(
        verdict=lambda f: f["drift_detected"].map({True: "drifted", False: "within limit"})
    )
    base = alt.Chart(judged).encode(y=alt.Y("feature:N", sort=None, title=None))
    colour = alt.Color("verdict:N", scale=alt.Scale(domain=["drifted", "within limit"], range=[BAD, QUIET]), title=None)
    shape = alt.Shape(
        "verdict:N", scale=alt.Scale(domain=["drifted", "within limit"], range=["diamond", "circle"]), title=None
    )
    score = alt.X("drift_score:Q", title="drift score")
    tooltip = ["feature", "stat_test", alt.Tooltip("drift_score", format=".3f"), "threshold", "moved", "rows"]
    stems = base.mark_rule(strokeWidth=3).encode(x=score, x2=alt.datum(0), color=colour)
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        x=score, color=colour, shape=shape, tooltip=tooltip
    )
    limit = alt.Chart(judged).mark_rule(strokeDash=[4, 3], color=QUIET).encode(x="threshold:Q")
    return alt.layer(limit, stems, points).properties(height=alt.Step(22))


def drift_over_time(frame: pd.DataFrame, *, threshold: float) -> alt.LayerChart:
    """Share of drifted features per cycle, with the limit. Columns `as_of, drift_share, status, rows`."""
    judged = frame[frame["drift_share"].notna()]
    base = alt.Chart(judged).encode(x=alt.X("as_of:T", title=None))
    share = alt.Y(
        "drift_share:Q", title="share of features drifted", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
    )
    tooltip = [alt.Tooltip("as_of:T", format="%Y-%m-%d"), alt.Tooltip("drift_share:Q", format=".0%"), "status", "rows"]
    limit = alt.Chart(pd.DataFrame({"limit": [threshold]})).mark_rule(strokeDash=[4, 3], color=BAD).encode(y="limit:Q")
    status = alt.Scale(domain=["drift", "ok"], range=[BAD, GOOD])
    shape = alt.Scale(domain=["drift", "ok"], range=["diamond", "circle"])
    line = base.mark_line(color=QUIET, interpolate="step-after").encode(y=share)
    points = base.mark_point(size=50, filled=True, opacity=1).encode(
        y=share,
        color=alt.Color("status:N", scale=status, title="window"),
        shape=alt.Shape("status:N", scale=shape, title="window"),
        tooltip=tooltip,
    )
    return alt.layer(limit, line, points).properties(height=220)


def score_distribution(scores: pd.DataFrame) -> alt.Chart:
    """How the champion scored the window. Columns `score, decision`."""
    shown = scores.assign(call=scores["decision"].map({1: "called bad", 0: "called good"}))
    return (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("score:Q", bin=alt.Bin(maxbins=40), title="probability of default"),
            y=alt.Y("count():Q", title="applications"),
            color=alt.Color(
                "call:N", scale=alt.Scale(domain=["called good", "called bad"], range=[PLAIN, BAD]), title=None
            ),
            tooltip=["count()", "call:N"],
        )
        .properties(height=180)
    )


def importance(frame: pd.DataFrame) -> alt.LayerChart:
    """Loss of AUC when a feature is shuffled. Columns `feature, importance, std`."""
    shown = frame.assign(low=frame["importance"] - frame["std"], high=frame["importance"] + frame["std"])
    base = alt.Chart(shown).encode(y=alt.Y("feature:N", sort=None, title=None))
    bars = base.mark_bar(color=PLAIN).encode(x=alt.X("importance:Q", title="loss of AUC when shuffled (± 1 sd)"))
    whiskers = base.mark_rule(color="#0F172A").encode(x="low:Q", x2="high:Q")
    return alt.layer(bars, whiskers).properties(height=alt.Step(20))


def cutoffs(frame: pd.DataFrame, *, threshold: float) -> alt.LayerChart:
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


def gates(frame: pd.DataFrame) -> alt.LayerChart:
    """Each gate's margin in units of its own threshold: right of the line is the passing side. `checks_frame`'s columns."""
    scale = frame["threshold"].abs().where(frame["threshold"].abs() > 0, 1.0)
    shown = frame.assign(relative=(frame["margin"] / scale).clip(-2, 2), label=frame["gate"] + " " + frame["name"])
    base = alt.Chart(shown).encode(y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)))
    colour = alt.Color("outcome:N", scale=_OUTCOME, title=None)
    x = alt.X("relative:Q", title="margin, in units of the threshold (cut at ± 2)", scale=alt.Scale(domain=[-2, 2]))
    tooltip = ["label", "outcome", "observed", "threshold", "unit", "interval", "margin", "note"]
    bars = base.mark_bar(height=10).encode(x=x, color=colour, tooltip=tooltip)
    points = base.mark_point(size=90, filled=True, opacity=1).encode(
        x=x, color=colour, shape=alt.Shape("outcome:N", scale=_OUTCOME_SHAPE, title=None), tooltip=tooltip
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color=QUIET).encode(x="x:Q")
    return alt.layer(zero, bars, points).properties(height=alt.Step(26))


def comparison(frame: pd.DataFrame) -> alt.HConcatChart:
    """Challenger minus champion per metric, each on its own axis, with its interval. `comparison_frame`'s columns."""
    panels = []
    for row in frame[frame["difference"].notna()].to_dict("records"):
        better = "lower is better" if row["metric"] == "brier" else "higher is better"
        one = alt.Chart(pd.DataFrame([row]))
        point = one.mark_point(size=120, filled=True, opacity=1, color=PLAIN).encode(
            x=alt.X("difference:Q", title=f"{better}"), tooltip=list(row)
        )
        whisker = one.mark_rule(strokeWidth=2, color=PLAIN).encode(x="low:Q", x2="high:Q")
        zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(strokeDash=[4, 3], color=QUIET).encode(x="x:Q")
        title = f"{row['metric'].upper()}  {row['champion']:.3f} → {row['challenger']:.3f}"
        panels.append(alt.layer(zero, whisker, point).properties(width=190, height=50, title=title))
    return alt.hconcat(*panels)


def segments(frame: pd.DataFrame) -> alt.Chart:
    """F1 of both models in each segment. `segments_frame`'s columns."""
    shown = frame.assign(name=frame["segment"] + " = " + frame["value"]).melt(
        id_vars=["name", "rows", "bad"], value_vars=["champion_f1", "challenger_f1"], var_name="model", value_name="f1"
    )
    shown["model"] = shown["model"].str.removesuffix("_f1")
    pair = {"domain": ["champion", "challenger"]}
    return (
        alt.Chart(shown)
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
            x=alt.X("f1:Q", title="F1"),
            color=alt.Color("model:N", scale=alt.Scale(**pair, range=[QUIET, PLAIN]), title=None),
            shape=alt.Shape("model:N", scale=alt.Scale(**pair, range=["circle", "diamond"]), title=None),
            tooltip=["name", "model", alt.Tooltip("f1:Q", format=".3f"), "rows", "bad"],
        )
        .properties(height=alt.Step(24))
    )
