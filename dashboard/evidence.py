"""The sections of the Review page that show what a dossier says."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, loaders, words
from dashboard.components import chart, facts, listed
from monitoring.values import DriftSummary
from pipeline.frames import checks_frame, comparison_frame, drift_frame, segments_frame
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Paired
from pipeline.promotion.review import Reviewed
from pipeline.wiring import Workspace


def why(dossier: Dossier, signal: dict[str, Any] | None, summary: DriftSummary | None) -> None:
    """One paragraph: what caused the training, what moved, and what the new version gains."""
    measured, lines = dossier.evidence, []
    if signal is None:
        lines.append("Trained by hand.")
    else:
        lines.append(f"Trained because of {words.plain(signal['reason'])}: {words.plain(signal['note']).rstrip('.')}.")
    if summary is not None and summary.num_drifted_features:
        moved = drift_frame(summary).head(1).to_dict("records")[0]
        lines.append(
            f"**{summary.num_drifted_features} of {summary.num_features_evaluated} features** were beyond their limit, "
            f"most of all **{words.plain(moved['feature'])}**, {words.plain(moved['moved'])}."
        )
    if measured.f1.difference is not None:
        verdict = {"better": "better by more than luck", "worse": "worse", "unsure": "not told apart from luck"}
        lines.append(
            f"On {words.count(measured.rows, 'mature loan')} that neither model trained on, F1 goes from "
            f"**{measured.f1.champion:.3f}** to **{measured.f1.challenger:.3f}**: {verdict[words.sure(measured.f1)]}."
        )
    st.markdown(" ".join(lines))


def figures(dossier: Dossier, summary: DriftSummary | None) -> None:
    """The numbers that a decision starts from; a difference that may be luck stays grey."""
    measured = dossier.evidence
    with st.grid(5, min_column_width=150):
        for pair in (measured.f1, measured.auc, measured.brier):
            _figure(pair)
        st.metric(
            "Loans judged",
            f"{measured.rows:,}",
            f"{measured.positives:,} bad",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        if summary is not None:
            limit = f"limit {words.percent(summary.policy.drift_share)}"
            share = words.percent(summary.drift_share)
            st.metric("Features drifted", share, limit, delta_color="off", delta_arrow="off", border=True)


def _figure(pair: Paired) -> None:
    digits = 4 if pair.metric in words.LOWER_IS_BETTER else 3
    title = words.METRICS[pair.metric]
    if pair.difference is None:
        st.metric(title, "–", border=True, help="Cannot be measured on these rows.")
        return
    judged = "inverse" if pair.metric in words.LOWER_IS_BETTER else "normal"
    st.metric(
        title,
        f"{pair.challenger:.{digits}f}",
        f"{pair.difference:+.4f}",
        delta_color="off" if words.sure(pair) == "unsure" else judged,  # type: ignore[arg-type]
        help=f"Champion: {pair.champion:.{digits}f}. Difference: {words.between(pair.interval, 4)}.",
        border=True,
    )


def gates(dossier: Dossier) -> None:
    """All six gates, in their own units."""
    st.subheader("Gates")
    facts(words.gates_table(dossier.checks))
    listed([f"{check.code}: {check.note}" for check in dossier.checks if check.note])
    st.caption(
        "Distance to each limit, in units of that limit; right of the line is within it. "
        "A gate that also asks for significance can pass on the left, or stay undecided on the right: see its note."
    )
    chart(charts.gates(checks_frame(dossier)), alt=f"Margins of six gates: {words.passed(dossier.checks)}.")


def comparison(dossier: Dossier) -> None:
    """Both models on the same rows, one panel per metric."""
    st.subheader(f"Champion {words.plain(dossier.champion)} against challenger {words.plain(dossier.challenger)}")
    policy, measured = dossier.policy, dossier.evidence
    st.caption(
        f"Paired bootstrap, {policy.resamples:,} resamples of the same {measured.rows:,} loans; whiskers "
        f"{words.percent(policy.interval_level)}. Right of the line: the challenger is better."
    )
    with st.grid(3, min_column_width=240):
        for row in comparison_frame(measured).to_dict("records"):
            if pd.notna(row["difference"]):
                name = words.METRICS[row["metric"]]
                chart(
                    charts.comparison_panel(row).properties(height=150),
                    alt=f"{name}: {row['champion']:.3f} to {row['challenger']:.3f}.",
                )
    rows = [
        {
            "Metric": words.METRICS.get(pair.metric, pair.metric),
            "Champion": "–" if pair.champion is None else f"{pair.champion:.4f}",
            "Challenger": "–" if pair.challenger is None else f"{pair.challenger:.4f}",
            "Difference": "–" if pair.difference is None else f"{pair.difference:+.4f}",
            "Interval": words.between(pair.interval, 4),
        }
        for pair in (measured.f1, measured.auc, measured.brier)
    ]
    facts(pd.DataFrame(rows))
    if measured.baseline_f1 is not None:
        st.caption(f"For scale: calling every loan bad has an F1 of {measured.baseline_f1:.3f}.")


def coverage(dossier: Dossier) -> None:
    """What the judgement rests on, and what it cannot see."""
    measured = dossier.evidence
    st.subheader("What this covers")
    absent = (
        [f"Expected segments that are absent: {', '.join(measured.absent_segments)}."]
        if measured.absent_segments
        else []
    )
    listed(
        [
            f"Judged on {measured.rows:,} of {words.count(measured.mature_rows, 'mature booked loan')}, "
            f"{measured.positives:,} bad.",
            f"Applications from {words.day(dossier.window_start)} to {words.day(dossier.window_end)}: old enough for "
            "the outcome to be final, and later than both training windows.",
            "Rejected applicants have no outcome: nothing here says how either model treats them.",
            *absent,
        ]
    )


def segments(dossier: Dossier) -> None:
    """Who gains and who loses."""
    st.subheader("Segments")
    frame = segments_frame(dossier.evidence)
    if frame.empty:
        st.caption("No segments are set: gate G6 has nothing to judge.")
        return
    worst = frame.iloc[int(frame["drop"].argmax())]
    chart(
        charts.segments(frame),
        alt=f"F1 of both models in {len(frame)} segments; worst drop in {worst['segment']} {worst['value']}.",
    )
    table = pd.DataFrame(
        {
            "Segment": (frame["segment"] + " = " + frame["value"]).map(words.plain),
            "Loans (bad)": [f"{row['rows']:,} ({row['bad']:,})" for row in frame.to_dict("records")],
            "Champion F1": frame["champion_f1"].map("{:.3f}".format),
            "Challenger F1": frame["challenger_f1"].map("{:.3f}".format),
            "Loss of F1": frame["drop"].map(words.percent),
            "Interval of the loss": frame["interval"].map(words.plain),
        }
    )
    facts(table)


def models(workspace: Workspace, dossier: Dossier) -> None:
    """How both versions were made."""
    st.subheader("Both models")
    columns = {}
    for role, version in (("Champion", dossier.champion), ("Challenger", dossier.challenger)):
        made = workspace.challenger(version)
        columns[f"{role} {words.plain(version)}"] = {
            "Trained as of": words.day(made["as_of"]),
            "On applications": f"{words.day(made['train_start'])} to {words.day(made['train_end'])}",
            "Rows (bad)": f"{made['rows']:,} ({made['positives']:,})",
            "Recipe": words.plain(made["recipe"]),
            "Calls bad from a score of": f"{made['threshold']:.4f}",
            "Asked for by": words.plain(made["requested_by"]),
        }
    facts(pd.DataFrame(columns).rename_axis(" ").reset_index())


def files(workspace: Workspace, item: Reviewed, dossier: Dossier) -> None:
    """Everything by its hash, so that it can be recomputed and checked."""
    st.caption("Digest of this dossier: what an approver signs.")
    st.code(item.digest, language=None, wrap_lines=True)
    hashes = {
        "Rows judged": dossier.row_ids_sha256,
        "Their data and labels": dossier.data_sha256,
        "Champion's model files": dossier.champion_model_sha256,
        "Challenger's model files": dossier.challenger_model_sha256,
        "Reference": dossier.reference_sha256,
    }
    st.code("\n".join(f"{digest}  {name}" for name, digest in hashes.items()), language=None, wrap_lines=True)
    listed(
        [
            f"Judged as of {words.day(dossier.as_of)}, expires {words.day(dossier.expires_at)}.",
            f"Caused by signal {dossier.signal_key}.",
        ]
    )
    path = item.row["path"]
    st.download_button(
        "Download the dossier (JSON)",
        data=lambda: loaders.recorded(workspace, path, item.digest),
        file_name=loaders.file_name(path),
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )
