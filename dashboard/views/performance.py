"""Does the champion keep its promise: what came true, and what is estimated where nothing is known yet?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import findings, loaders, outcome_frames, performance_charts, track, words
from dashboard.components import chart, clock, facts, label, listed, opened
from monitoring.outcome_metrics import METRICS

workspace = opened()
RANKING_FIRST = [workspace.settings.retrain.metric, *(m for m in METRICS if m != workspace.settings.retrain.metric)]


def show_floor(outcomes: dict[str, Any]) -> None:
    """Realised performance against what was promised."""
    floor = outcomes["realised"]["floor"]
    st.subheader("Against the floor")
    label(findings.FLOORS[floor["state"]])
    st.markdown(words.plain(findings.realised(outcomes)))
    counts = f"{words.count(floor['mature'], 'mature row')}, {floor['rows']:,} labelled, {floor['bad']:,} bad"
    st.caption(f"Judged on this version's newest year of final outcomes: {counts}.")


def show_vintages(frame: pd.DataFrame) -> None:
    """A metric by vintage, as it was scored at the time."""
    st.subheader("What came true, by vintage")
    final = int((frame["status"] == "final").sum())
    st.caption(
        f"{final:,} of {words.count(len(frame), 'vintage')} are final, each as the champion of its day scored it. One "
        "that is not shows no metric: bad outcomes are known early and good ones late, so it would look worse than it "
        "is. Intervals: 90 %."
    )
    metric = st.selectbox("Metric", RANKING_FIRST, key="metric", format_func=track.name)
    known = frame[metric].notna().sum()
    drawn = performance_charts.metric_by_vintage(frame, metric=metric)
    chart(drawn, alt=f"{track.name(metric)} of {words.count(len(frame), 'vintage')}, measured for {known}.")
    with st.expander("Every vintage in numbers", icon=":material/table:"):
        facts(track.vintages_table(frame, metric))


def show_defaults(frame: pd.DataFrame, triangle: pd.DataFrame) -> None:
    """How many go bad: as expected, as observed, and with age."""
    st.subheader("How many go bad")
    st.caption("Expected is the mean score; observed needs a final vintage. Whiskers: 90 %.")
    drawn = performance_charts.default_rate_by_vintage(frame)
    chart(drawn, alt=f"Expected and observed default rate of {words.count(len(frame), 'vintage')}.")
    st.markdown("**Share gone bad by age**")
    filled = int(triangle["share"].notna().sum())
    st.caption(
        "Per cent of each vintage's rows known to be bad by an age that the whole vintage has reached. Rows whose "
        "outcome never becomes known count as not bad: where labels are missing, shares are lower bounds."
    )
    if filled:
        chart(performance_charts.vintage_triangle(triangle), alt=f"Vintage triangle, {filled} cells filled.")
    else:
        st.caption("No vintage is old enough for its first cell.")


def show_bands(bands: pd.DataFrame) -> None:
    """Are the scores right, band by band?"""
    st.subheader("Calibration by score band")
    rows, bad = int(bands["rows"].sum()), int(bands["bad"].sum())
    if not rows:
        st.caption("No outcome is final yet: nothing can be said about calibration.")
        return
    st.caption(
        f"{words.count(rows, 'final outcome')}, {bad:,} bad, of the newest four vintages that have any. Whiskers: 90 %."
    )
    empty = int((bands["rows"] == 0).sum())
    chart(performance_charts.calibration_by_band(bands), alt=f"Calibration in {len(bands) - empty} score bands.")


def show_estimates(estimated: dict[str, Any]) -> None:
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


st.title("Performance")
clock(workspace)
outcomes = loaders.outcomes(workspace)
if outcomes is None:
    st.info(
        "Nothing has been measured or estimated yet: each look that does its job writes it down. Run `mend replay` "
        "(history) or `mend monitor` (from now on)."
    )
    st.stop()
measured = words.day(pd.Timestamp(outcomes["measured_at"]))
st.caption(f"Measured and estimated as of {measured}, when version {words.plain(outcomes['champion'])} was champion.")
realised, champion = outcomes["realised"], workspace.require_champion()["version"]
if champion != outcomes["champion"]:
    st.warning(words.plain(f"Version {champion} is champion since: nothing on this page is about it yet."))
with st.container(border=True):
    show_floor(outcomes)
vintages = outcome_frames.vintages(realised)
if vintages.empty:
    st.info("No application has been scored in the vintages that are looked at.")
else:
    with st.container(border=True):
        show_vintages(vintages)
    with st.container(border=True):
        show_defaults(vintages, outcome_frames.triangle(realised))
    with st.container(border=True):
        show_bands(outcome_frames.bands(realised))
with st.container(border=True):
    show_estimates(outcomes["estimated"])
if realised["unscored"]:
    st.caption(f"{words.count(realised['unscored'], 'row')} without a usable score are in none of this.")
