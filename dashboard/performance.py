"""The sections of the Performance page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import desk_charts, findings, history, outcome_frames, performance_charts, track, words
from dashboard.components import chart, facts, label, listed

Outcomes = Mapping[str, Any]


def floor(outcomes: Outcomes, *, metric: str) -> None:
    """Realised performance against what was promised, and what is estimated since."""
    found = outcomes["realised"]["floor"]
    st.subheader("Against the floor")
    label(findings.FLOORS[found["state"]])
    st.markdown(words.plain(findings.realised(outcomes)))
    counts = f"{words.count(found['mature'], 'mature row')}, {found['rows']:,} labelled, {found['bad']:,} bad"
    st.caption(
        f"Judged on this version's newest year of final outcomes: {counts}. Below: by vintage as it came true, and "
        "estimated before that, with 90 % intervals. A grey cross is an estimate whose record does not bear it out."
    )
    frame = history.performance(outcomes, metric=metric)
    if frame.empty:
        st.caption("No vintage is final, and no estimate could be made.")
        return
    drawn = desk_charts.performance(frame, title=track.name(metric), floor=found["floor"], promise=found["promise"])
    realised = int((frame["kind"] == "realised").sum())
    chart(drawn, alt=f"{track.name(metric)} over time: {realised} final vintages, {len(frame) - realised} estimates.")


def vintages(frame: pd.DataFrame, metrics: Sequence[str]) -> None:
    """A metric by vintage, as it was scored at the time."""
    st.subheader("What came true, by vintage")
    final = int((frame["status"] == "final").sum())
    st.caption(
        f"{final:,} of {words.count(len(frame), 'vintage')} are final, each as the champion of its day scored it. One "
        "that is not shows no metric: bad outcomes are known early and good ones late, so it would look worse than it "
        "is. Intervals: 90 %."
    )
    metric = st.selectbox("Metric", metrics, key="metric", format_func=track.name)
    known = frame[metric].notna().sum()
    drawn = performance_charts.metric_by_vintage(frame, metric=metric)
    chart(drawn, alt=f"{track.name(metric)} of {words.count(len(frame), 'vintage')}, measured for {known}.")
    with st.expander("Every vintage in numbers", icon=":material/table:"):
        facts(track.vintages_table(frame, metric))


def defaults(frame: pd.DataFrame) -> None:
    """How many go bad: as expected, as observed."""
    st.subheader("How many go bad")
    st.caption("Expected is the mean score; observed needs a final vintage. Whiskers: 90 %.")
    drawn = performance_charts.default_rate_by_vintage(frame)
    chart(drawn, alt=f"Expected and observed default rate of {words.count(len(frame), 'vintage')}.")


def by_age(triangle: pd.DataFrame) -> None:
    """Vintage by maturity."""
    st.subheader("Share gone bad, by vintage and age")
    filled = int(triangle["share"].notna().sum())
    st.caption(
        "Per cent of each vintage's rows known to be bad by an age that the whole vintage has reached; hover for "
        "counts and the 90 % interval. Rows whose outcome never becomes known count as not bad: where labels are "
        "missing, shares are lower bounds."
    )
    if filled:
        chart(performance_charts.vintage_triangle(triangle), alt=f"Vintage triangle, {filled} cells filled.")
    else:
        st.caption("No vintage is old enough for its first cell.")


def bands(frame: pd.DataFrame) -> None:
    """Are the scores right, band by band?"""
    st.subheader("Calibration by score band")
    rows, bad = int(frame["rows"].sum()), int(frame["bad"].sum())
    if not rows:
        st.caption("No outcome is final yet: nothing can be said about calibration.")
        return
    st.caption(
        f"{words.count(rows, 'final outcome')}, {bad:,} bad, of the newest four vintages that have any. Whiskers: 90 %."
    )
    empty = int((frame["rows"] == 0).sum())
    chart(performance_charts.calibration_by_band(frame), alt=f"Calibration in {len(frame) - empty} score bands.")


def profit(outcomes: Outcomes) -> None:
    """What the cut-off earned, and what another would have."""
    st.subheader("Profit at the cut-off")
    found = outcomes["realised"].get("profit")
    if not found:
        st.caption("No outcome of this version is final yet, so nothing is known of what its cut-off earns.")
        return
    here, unit = found["at_cutoff"], found["unit"]
    money = words.money(here["profit"], unit)
    ends = f" ({words.money(here['low'])} to {words.money(here['high'])} at {words.percent(found['level'])})"
    left = f"; {found['left_out']:,} older ones are left out" if found["left_out"] else ""
    st.markdown(
        f"At the cut-off in force, {here['cutoff']:.4f}, version {words.plain(outcomes['champion'])} approved "
        f"**{words.percent(here['approved'])}** and earned **{words.plain(money)}** per application"
        f"{words.plain(ends if here['low'] is not None else '')}."
    )
    st.caption(
        f"{words.count(found['rows'], 'final outcome')}, {found['bad']:,} bad{left}. What a good and a bad one are "
        "worth is assumed in the settings (`[profit]`). The curve is what other cut-offs would have earned on the same "
        "rows: the best of many looks better than it will be."
    )
    best = max(found["curve"], key=lambda point: point["profit"])
    most = words.money(best["profit"], unit)
    alt = f"Profit by share approved; in force {money} at {words.percent(here['approved'])}, most {most}."
    chart(desk_charts.profit_by_cutoff(pd.DataFrame(found["curve"]), chosen=here, unit=unit), alt=alt)


def estimates(estimated: Mapping[str, Any]) -> None:
    """What is estimated for the window, and how past estimates did."""
    st.subheader("Estimated before outcomes are known")
    window = estimated["window"]
    ends = " to ".join(words.day(pd.Timestamp(window[name])) for name in ("start", "end"))
    st.caption(f"The window of {ends}, {words.count(window['rows'], 'application')}.")
    listed([f"{name}: {said}." for name, said in findings.estimates(estimated)])
    listed([estimated["cannot_see"], estimated["booked_only"]])
    tests = outcome_frames.back_tests(estimated)
    st.markdown("**Past estimates beside what came true**")
    if tests.empty:
        st.caption("No past window could be checked yet.")
        return
    names = list(dict.fromkeys(tests["metric"]))
    metric = st.selectbox("Estimate", names, key="estimate", format_func=track.name)
    own = tests[tests["metric"] == metric]
    missed, checked = int(own["missed"].sum()), int((own["estimate"].notna() & own["realised"].notna()).sum())
    st.caption(f"{missed} of {checked} past estimates missed: what came true lay outside their interval.")
    drawn = performance_charts.estimate_and_realised(tests, metric=metric)
    chart(drawn, alt=f"{track.name(metric)}: {len(own)} past estimates, {missed} of {checked} missed.")
    with st.expander("Past estimates in numbers", icon=":material/table:"):
        facts(track.record_table(own))
