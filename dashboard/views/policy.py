"""Which thresholds are in force, what do they buy, and what would others have done?"""

from __future__ import annotations

import streamlit as st

from dashboard import policy_history, policy_simulator, policy_thresholds
from dashboard.components import clock, opened

workspace = opened()
st.title("Policy")
clock(workspace)
policy_thresholds.how_it_is_changed(workspace)
with st.container(border=True):
    policy_thresholds.thresholds(workspace)
with st.container(border=True):
    policy_thresholds.budget(workspace)
with st.container(border=True):
    policy_simulator.simulator(workspace)
with st.container(border=True):
    policy_history.history(workspace)
