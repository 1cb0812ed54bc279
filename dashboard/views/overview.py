"""Is the model well, and does anything wait for a person?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import loaders, words
from dashboard.components import clock, drift_history, facts, opened
from monitoring.values import DriftSummary

workspace = opened()
head = loaders.head(workspace)
monitor = workspace.settings.monitor
champion = workspace.require_champion()
waiting = loaders.waiting(workspace)
cycles = loaders.cycles(workspace, head)


def whole_state(summary: DriftSummary | None, last: pd.Series | None) -> str:
    """Champion, drift and desk in three plain sentences."""
    reign = f"**Version {words.plain(champion['version'])}** is champion since **{words.day(champion['since'])}**."
    if last is None:
        drift = "No window has been judged yet."
    elif summary is None:
        drift = f"The last look at the population, {words.day(last['as_of'])}, failed: nothing is known about drift."
    else:
        drift = words.plain(words.drift_verdict(summary))
    names = " and ".join(f"Version {item.row['challenger']}" for item in waiting)
    desk = f"**{names} {'waits' if len(waiting) == 1 else 'wait'} for a signature.**" if names else "Nothing waits."
    return f"{reign} {drift} {desk}"


def proxy_table(result: dict[str, Any]) -> pd.DataFrame:
    """What scored traffic says before any outcome is known, one column per stretch of time."""
    columns = {}
    for part in result["proxy_metrics"]["windows"]:
        rate, coverage = part["predicted_positive_interval"], part["label_coverage"]
        interval = f" ({words.percent(rate[0], 1)} to {words.percent(rate[1], 1)})" if rate else ""
        columns[f"last {part['label'].removesuffix('d')} days" if part["label"].endswith("d") else part["label"]] = {
            "Applications": f"{part['volume']:,}",
            "Not scored": f"{part['unscored']:,}",
            "Mean score (probability of default)": words.percent(part["score_mean"], 1),
            "Called bad (95 % interval)": words.percent(part["predicted_positive_rate"], 1) + interval,
            "Uncertainty of scores (entropy, nats)": "–" if part["entropy"] is None else f"{part['entropy']:.3f}",
            "Outcome known so far": words.percent(coverage, 1),
            "Features missing in a row": words.percent(part["missing_share"], 1),
        }
    return pd.DataFrame(columns).rename_axis(" ").reset_index()


st.title("Overview")
clock(workspace)
last = cycles.iloc[-1] if len(cycles) else None
summary = loaders.summary_of(workspace, last.to_dict()) if last is not None else None
st.markdown(whole_state(summary, last))
for item in waiting:
    st.page_link(
        "views/review.py",
        label=f"Review version {item.row['challenger']}, before {words.day(item.row['expires_at'])}",
        icon=":material/fact_check:",
        query_params={"digest": item.digest},
    )

with st.grid(5, min_column_width=150):
    st.metric("Champion", f"Version {champion['version']}", border=True)
    st.metric("Waits for a person", len(waiting), border=True)
    if last is not None:
        st.metric(f"Cycle of {words.day(last['as_of'])}", words.STATES[last["status"]][0], border=True)
        limit = f"A window has drifted when this reaches {words.percent(monitor.drift_share)}."
        st.metric("Features drifted", words.percent(last["drift_share"]), border=True, help=limit)
        days = f"Last {monitor.lookback.days} days." if monitor.lookback.days else f"Last {monitor.lookback}."
        rows = "–" if pd.isna(last["rows"]) else f"{int(last['rows']):,}"
        st.metric("Rows in window", rows, border=True, help=days)

if last is None:
    st.info("No cycle has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()

with st.container(border=True):
    drift_history(cycles, limit=monitor.drift_share)
    st.page_link("views/drift.py", label="Look at one window", icon=":material/waterfall_chart:")

if last["metrics_path"]:
    with st.container(border=True):
        st.subheader("Before outcomes are known")
        st.caption("What the scored traffic of the last cycle says. It cannot tell whether the scores are right.")
        facts(proxy_table(loaders.document(workspace, last["metrics_path"], last["files"].get(last["metrics_path"]))))

with st.container(border=True):
    st.subheader("What the last cycles did")
    lines = [
        f"- **{words.day(cycle['as_of'])}** {words.STATES[cycle['status']][0]}. {words.plain(cycle['note'])}"
        for cycle in cycles.tail(8)[::-1].to_dict("records")
    ]
    st.markdown("\n".join(lines))
