"""Is the model well, and does anything wait for a person?"""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import findings, loaders, rollback, words
from dashboard.components import clock, facts, finding, listed, not_seen, opened, weight_history
from monitoring.checks import SCORE
from monitoring.summary import DriftSummary
from pipeline.alerts.values import Alert

MOST_ALERTS = 10
LAST = 8  # cycles of which it is told what they did

workspace = opened()
head = loaders.head(workspace)
champion = workspace.require_champion()
waiting = loaders.waiting(workspace)
last = loaders.newest_cycle(workspace)


def who() -> str:
    """Champion and desk in two plain sentences."""
    reign = f"**Version {words.plain(champion['version'])}** is champion since **{words.day(champion['since'])}**."
    names = " and ".join(f"Version {item.row['challenger']}" for item in waiting)
    desk = f"**{names} {'waits' if len(waiting) == 1 else 'wait'} for a signature.**" if names else "Nothing waits."
    return f"{reign} {desk}"


def tiles(cycle: loaders.Cycle, summary: DriftSummary | None, result: dict[str, Any] | None) -> None:
    """The state in five numbers, each with what it is counted of."""

    def tile(title: str, value: object, beside: str | None = None) -> None:
        st.metric(title, str(value), beside, delta_color="off", delta_arrow="off", border=True)

    with st.grid(5, min_column_width=150):
        tile("Champion", f"Version {champion['version']}", f"since {words.day(champion['since'])}")
        tile("Waits for a person", len(waiting), "to be signed")
        tile("State", findings.state_label(cycle["status"], result)[0], f"cycle of {words.day(cycle['as_of'])}")
        if summary is not None:
            moved = f"{len(summary.drifted_features)} of {summary.num_features_total}" if summary.judged else "–"
            tile("Features beyond their limit", moved, f"{summary.num_features_evaluated} judged")
            tile("Score PSI", *findings.psi_text(findings.check_of(summary, SCORE, "psi")))


def alerts_table(alerts: list[Alert]) -> pd.DataFrame:
    """What is wrong, letter by letter."""
    return pd.DataFrame(
        {
            "Alert": [f"{alert.number} ({alert.severity.value})" for alert in alerts],
            "What was wrong": [words.plain(_shortened(alert)) for alert in alerts],
            "Open since": [words.day(alert.opened_at) for alert in alerts],
            "Looked after": [words.plain(findings.alert_line(alert)) for alert in alerts],
        }
    )


def _shortened(alert: Alert) -> str:
    about = "" if alert.text.startswith(alert.subject) else f", {alert.subject}"  # most sentences name it themselves
    return textwrap.shorten(f"{alert.code}{about}: {alert.text}", 200, placeholder=" …")


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
summary = loaders.summary_of(workspace, last) if last is not None else None
result = loaders.result_of(workspace, last) if last is not None else None
st.markdown(who())
rollback.banner(workspace)
for item in waiting:
    st.page_link(
        "views/review.py",
        label=f"Review version {item.row['challenger']}, before {words.day(item.row['expires_at'])}",
        icon=":material/fact_check:",
        query_params={"digest": item.digest},
    )
if last is None:
    st.info("No cycle has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()
if summary is None:
    not_seen(workspace, last)
else:
    finding(summary, result)
if result and result["moved"]:
    more = len(result["moved"]) - 1
    left = f" {more} more on the Drift page." if more else ""
    st.markdown(words.plain(f"What moved: {result['moved'][0]}") + left)
tiles(last, summary, result)
rollback.watch_box(workspace)

alerts = loaders.open_alerts(workspace, head)
if alerts:
    with st.container(border=True):
        st.subheader(f"Open alerts: {len(alerts)}")
        facts(alerts_table(alerts[:MOST_ALERTS]))
        left = f"{len(alerts) - MOST_ALERTS} more are not listed here. " if len(alerts) > MOST_ALERTS else ""
        st.caption(
            f"{left}Told as on the day an alert opened, got worse or was repeated; what stands above is of now. "
            "`mend alerts` lists all; `mend alerts own`, `snooze` and `judge` answer one."
        )

with st.container(border=True):
    weight_history(loaders.history(workspace, head), limit=workspace.settings.retrain.min_importance)
    st.page_link("views/drift.py", label="Look at one window", icon=":material/waterfall_chart:")

outcomes = loaders.outcomes(workspace)
if outcomes:
    with st.container(border=True):
        st.subheader("How good the champion is")
        measured = words.day(pd.Timestamp(outcomes["measured_at"]))
        st.caption(f"Version {words.plain(outcomes['champion'])}, measured and estimated as of {measured}.")
        window = words.count(outcomes["estimated"]["window"]["rows"], "application")
        estimated = [f"{name}, estimated: {said}." for name, said in findings.estimates(outcomes["estimated"])]
        listed([findings.realised(outcomes), *estimated])
        st.caption(words.plain(f"Estimated on {window} of the window. {outcomes['estimated']['cannot_see']}"))
        st.page_link("views/performance.py", label="All of it", icon=":material/target:")

if result:
    with st.container(border=True):
        st.subheader("Before outcomes are known")
        st.caption("What the scored traffic of the last cycle says. It cannot tell whether the scores are right.")
        facts(proxy_table(result))

with st.container(border=True):
    st.subheader("What the last cycles did")
    lines = [
        f"- **{words.day(cycle['as_of'])}** {findings.state_text(cycle)}. {words.plain(cycle['note'])}"
        for cycle in loaders.cycles(workspace, head, LAST)[::-1].to_dict("records")
    ]
    st.markdown("\n".join(lines))
