"""The sections of the first screen."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import desk_charts, drift_charts, findings, history, loaders, ranking, track, words
from dashboard.components import chart, facts, listed
from monitoring.checks import SCORE
from monitoring.summary import DriftSummary
from pipeline.alerts.values import Alert
from pipeline.promotion.review import Reviewed
from pipeline.watching import units
from pipeline.wiring import Workspace

MOST_ALERTS = 10
MOST_FEATURES = 8
SPARK = 60  # looks in a tile's line
Result = Mapping[str, Any]


def reign(champion: Mapping[str, Any]) -> str:
    """Who is in production, since when, by whom."""
    signed = champion["signature"]
    unverified = " (local, unverified)" if signed is not None and not signed["verified"] else ""
    how = {"init": "as the first champion", "rollback": "by a rollback"}.get(champion["how"], "by a promotion")
    act = "put in place by" if champion["how"] == "init" else "signed by"
    since = words.day(champion["since"])
    return f"Version {champion['version']} is champion since {since}, {how}, {act} {champion['by']}{unverified}."


def links(waiting: Sequence[Reviewed]) -> None:
    """To what waits for a person."""
    for item in waiting:
        st.markdown(f"**Version {words.plain(item.row['challenger'])} waits for a signature.**")
        st.page_link(
            "views/review.py",
            label=f"Review version {words.plain(item.row['challenger'])}, before {words.day(item.row['expires_at'])}",
            icon=":material/fact_check:",
            query_params={"digest": item.digest},
        )


def tiles(recent: pd.DataFrame, summary: DriftSummary | None, result: Result | None, *, limit: float) -> None:
    """Five numbers, each with what it is counted of and how it went over the last looks."""

    def tile(title: str, value: str, beside: str, line: str | None = None, about: str = "") -> None:
        went = recent[line].dropna().tolist() if line else []
        st.metric(
            title,
            value,
            beside,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
            chart_data=went if len(went) > 1 else None,
            help=f"{about}{f' The line: the last {len(went)} looks that have a number.' if len(went) > 1 else ''}"
            or None,
        )

    with st.grid(5, min_column_width=170):
        if summary is None:
            tile("Features beyond limit", "–", "the last look failed")
            return
        moved = f"{len(summary.drifted_features)} of {summary.num_features_total}" if summary.judged else "–"
        tile("Features beyond limit", moved, f"{summary.num_features_evaluated} judged", "features_drifted")
        share = words.percent(None if result is None else result["diagnosis"]["weighted_share"])
        about = "Share of what the score rests on that features beyond their limit carry."
        tile("Score that moved", share, f"limit {words.percent(limit)}", "weighted_share", about)
        tile("Score PSI", *findings.psi_text(findings.check_of(summary, SCORE, "psi")), line="score_psi")
        tile("Applications", f"{summary.rows:,}", _fresh(summary), "rows")
        tile(*_called_bad(result))


def _fresh(summary: DriftSummary) -> str:
    return f"newest {words.day(summary.newest_event)}" if summary.newest_event else "none"


def _called_bad(result: Result | None) -> tuple[str, str, str]:
    windows = [] if result is None else result["proxy_metrics"]["windows"]
    if not windows or windows[-1]["predicted_positive_rate"] is None:
        return "Called bad", "–", "not known"
    whole = windows[-1]
    low, high = (words.percent(end, 1) for end in whole["predicted_positive_interval"])
    return "Called bad", words.percent(whole["predicted_positive_rate"], 1), f"{low} to {high} at 95 %"


def moved(workspace: Workspace, summary: DriftSummary | None, result: Result | None) -> None:
    """Which feature, how bad, since when."""
    st.header("What moved")
    if summary is None:
        st.caption("The last look failed: nothing is known of what moved.")
        return
    frame = ranking.ranked(summary, ranking.shares_of(result), units(workspace.settings))
    if frame.empty:
        st.caption("No feature could be judged in this window, which is not the same as no drift.")
        return
    st.caption(
        "How far past its limit, the heaviest change first: distance times the share of the score that rests on it. "
        f"Diamonds are beyond it, circles within; dashed is the limit, where chance ends or a change begins to matter. "
        f"{words.count(summary.rows, 'row')}."
    )
    shown, beyond = frame.head(MOST_FEATURES), int(frame["drifted"].sum())
    worst = frame.iloc[0]
    told = f"{beyond} of {len(frame)} beyond their limit; first {worst['feature']}, {worst['fold']:.1f} times its limit"
    chart(drift_charts.what_moved(shown), alt=f"{told}, {worst['told']}.")
    if result is not None and result["moved"]:
        more = len(result["moved"]) - 1
        left = f" {more} more on the Drift page." if more else ""
        st.markdown(words.plain(f"In words: {result['moved'][0]}") + left)
    st.page_link("views/drift.py", label="Every feature, and any window", icon=":material/waterfall_chart:")


def performance(workspace: Workspace, outcomes: Result | None) -> None:
    """Whether it keeps its promise: what came true, what is estimated, and the floor."""
    st.header("Performance")
    if outcomes is None:
        st.caption("Nothing has been measured or estimated yet.")
        return
    metric = workspace.settings.retrain.metric
    frame, floor = history.performance(outcomes, metric=metric), outcomes["realised"]["floor"]
    measured = words.day(pd.Timestamp(outcomes["measured_at"]))
    st.caption(
        f"{track.name(metric)}, with 90 % intervals: by vintage once it is final, scored by the champion of its day; "
        f"estimated before. Version {words.plain(outcomes['champion'])}, measured and estimated as of {measured}."
    )
    realised, estimates = (int((frame["kind"] == "realised").sum()), int((frame["kind"] != "realised").sum()))
    if frame.empty:
        st.caption("No vintage is final, and no estimate could be made.")
    else:
        figure = desk_charts.performance(
            frame, title=track.name(metric), floor=floor["floor"], promise=floor["promise"]
        )
        counts = f"{words.count(realised, 'final vintage')}, {words.count(estimates, 'estimate')}"
        chart(figure, alt=f"{track.name(metric)} over time: {counts}.")
    st.markdown(words.plain(findings.realised(outcomes)))
    st.page_link("views/performance.py", label="Vintages, calibration, profit", icon=":material/target:")


def what_happened(workspace: Workspace) -> None:
    """Champions and acts on one line of time."""
    st.header("What happened, in order")
    head = loaders.head(workspace)
    events = history.events(loaders.acts(workspace, head), loaders.turns(workspace, head))
    reigns = history.reigns(loaders.champions(workspace, head), now=workspace.now())
    last = "nothing yet" if events.empty else f"{events['what'].iloc[-1]}, {events['told'].iloc[-1]}"
    st.caption(
        "Diamonds: drift begins. Squares: a challenger is trained. Circles: passed, or approved. Crosses: refused. "
        "Hover, or see the Ledger, for who and when."
    )
    alt = f"{words.count(len(reigns), 'reign')} and {words.count(len(events), 'event')}; last: {last}."
    chart(desk_charts.what_happened(reigns, events), alt=alt)


def alerts(found: Sequence[Alert]) -> None:
    """What is wrong and who looks after it."""
    st.header(f"Open alerts: {len(found)}")
    facts(_alerts_table(found[:MOST_ALERTS]))
    left = f"{len(found) - MOST_ALERTS} more are not listed here. " if len(found) > MOST_ALERTS else ""
    st.caption(
        f"{left}Told as on the day an alert opened, got worse or was repeated; what stands above is of now. "
        "`mend alerts` lists all; `mend alerts own`, `snooze` and `judge` answer one."
    )


def _alerts_table(found: Sequence[Alert]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Alert": [f"{alert.number} ({alert.severity.value})" for alert in found],
            "What was wrong": [words.plain(_shortened(alert)) for alert in found],
            "Open since": [words.day(alert.opened_at) for alert in found],
            "Looked after": [words.plain(findings.alert_line(alert), most=words.CELL) for alert in found],
        }
    )


def _shortened(alert: Alert) -> str:
    about = "" if alert.text.startswith(alert.subject) else f", {alert.subject}"  # most sentences name it themselves
    return textwrap.shorten(f"{alert.code}{about}: {alert.text}", 200, placeholder=" …")


def before_outcomes(result: Result) -> None:
    """What scored traffic says before any outcome is known, one column per stretch of time."""
    columns = {}
    for part in result["proxy_metrics"]["windows"]:
        rate, coverage = part["predicted_positive_interval"], part["label_coverage"]
        interval = f" ({words.percent(rate[0], 1)} to {words.percent(rate[1], 1)})" if rate else ""
        name = f"last {part['label'].removesuffix('d')} days" if part["label"].endswith("d") else part["label"]
        columns[name] = {
            "Applications": f"{part['volume']:,}",
            "Not scored": f"{part['unscored']:,}",
            "Mean score (probability of default)": words.percent(part["score_mean"], 1),
            "Called bad (95 % interval)": words.percent(part["predicted_positive_rate"], 1) + interval,
            "Uncertainty of scores (entropy, nats)": "–" if part["entropy"] is None else f"{part['entropy']:.3f}",
            "Outcome known so far": words.percent(coverage, 1),
            "Features missing in a row": words.percent(part["missing_share"], 1),
        }
    estimated = result["outcomes"]["estimated"]
    listed([f"{name}, estimated: {said}." for name, said in findings.estimates(estimated)])
    window = words.count(estimated["window"]["rows"], "application")
    st.caption(words.plain(f"Estimated on {window} of the window. {estimated['cannot_see']}"))
    st.caption("What the scored traffic of the last cycle says. It cannot tell whether the scores are right.")
    facts(pd.DataFrame(columns).rename_axis("What").reset_index())
