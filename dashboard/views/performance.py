"""Does the champion keep its promise: what came true, and what is estimated where nothing is known yet?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import drift, loaders, outcome_frames, performance, words
from dashboard.components import clock, opened
from monitoring.outcome_metrics import METRICS

workspace = opened()
metric = workspace.settings.retrain.metric

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
    performance.floor(outcomes, metric=metric)
vintages = outcome_frames.vintages(realised)
if vintages.empty:
    st.info("No application has been scored in the vintages that are looked at.")
else:
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        performance.vintages(vintages, [metric, *(each for each in METRICS if each != metric)])
    with right, st.container(border=True):
        performance.defaults(vintages)
    with st.container(border=True):
        performance.by_age(outcome_frames.triangle(realised))
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        performance.bands(outcome_frames.bands(realised))
    with right, st.container(border=True):
        performance.profit(outcomes)
newest = loaders.newest_cycle(workspace)
last = loaders.result_of(workspace, newest) if newest is not None else None
if last is not None:
    with st.container(border=True):
        st.header("How scores are spread")
        drift.score_spread(last)
with st.container(border=True):
    performance.estimates(outcomes["estimated"])
if realised["unscored"]:
    st.caption(f"{words.count(realised['unscored'], 'row')} without a usable score are in none of this.")
