"""The sections of the Review page about the judgement: why, figures, gates, the two models, hashes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import charts, judgement, loaders, verdicts, words
from dashboard.components import chart, facts, listed
from monitoring.summary import DriftSummary
from pipeline.frames import checks_frame, comparison_frame, level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import LOWER_IS_BETTER, Paired
from pipeline.promotion.review import Reviewed
from pipeline.wiring import Workspace


def why(dossier: Dossier, signal: dict[str, Any] | None, summary: DriftSummary | None) -> None:
    """One paragraph: what caused the training, what moved, and what the new version gains."""
    st.markdown(judgement.why(dossier, signal, summary))


def figures(dossier: Dossier, summary: DriftSummary | None, *, unit: str) -> None:
    """The numbers that a decision starts from, the primary metric first; a difference that may be luck stays grey."""
    measured = dossier.evidence
    metrics = dict.fromkeys([measured.trial.metric, "f1", "auc", "brier", "profit"])
    with st.grid(3, min_column_width=190):
        for metric in metrics:
            _figure(words.decisive(measured, metric), unit=unit)
        _count("Loans judged", f"{measured.rows:,}", f"{measured.positives:,} bad")
        if summary is not None:
            value = f"{len(summary.drifted_features)} of {summary.num_features_total}" if summary.judged else "–"
            _count("Features beyond their limit", value, f"{words.count(summary.rows, 'row')} in the window")


def _count(title: str, value: str, beside: str) -> None:
    st.metric(title, value, beside, delta_color="off", delta_arrow="off", border=True)


def _figure(pair: Paired, *, unit: str) -> None:
    title = words.METRICS[pair.metric]
    if pair.difference is None:
        st.metric(title, "–", border=True, help="Cannot be measured on these rows.")
        return
    judged = "inverse" if pair.metric in LOWER_IS_BETTER else "normal"
    level = f"; in brackets where it may lie, at {level_text(pair.interval)}" if pair.interval else ""
    before = words.metric_number(pair.metric, pair.champion, unit=unit)
    st.metric(
        title,
        words.metric_number(pair.metric, pair.challenger, unit=unit),
        words.difference(pair),
        delta_color="off" if words.sure(pair) == "unsure" else judged,  # type: ignore[arg-type]
        help=f"Champion: {before}. Below: challenger minus champion{level}.",
        border=True,
    )


def gates(dossier: Dossier) -> None:
    """All six gates, in their own units, what an undecided one waits for, and what this try costs."""
    st.subheader("Gates")
    frame = checks_frame(dossier).assign(told=[verdicts.gate_in_short(check) for check in dossier.checks])
    st.caption(
        "Distance to each limit, in units of that limit; right of the line is within it. A gate that also asks for "
        "significance can pass on the left, or stay undecided on the right: see its note."
    )
    chart(charts.gates(frame), alt=f"Margins of six gates: {verdicts.passed(dossier.checks)}.")
    facts(verdicts.gates_table(dossier.checks))
    listed(verdicts.beside_the_gates(dossier))


def comparison(dossier: Dossier, *, unit: str) -> None:
    """Both models on the same rows, a panel per unit, and beside them the first champion and two baselines."""
    st.subheader(f"Champion {words.plain(dossier.champion)} against challenger {words.plain(dossier.challenger)}")
    st.caption(judgement.compared_how(dossier))
    with st.grid(2, min_column_width=300):
        for panel, rows in charts.panels(comparison_frame(dossier.evidence)):
            told = "; ".join(judgement.spoken(dossier.evidence.pair(metric), unit) for metric in rows["metric"])
            chart(charts.comparison_panel(rows, unit=unit if panel == "money" else ""), alt=f"{told}.")
    facts(judgement.metrics_table(dossier, unit))
    listed(judgement.beside_the_metrics(dossier, unit))


def models(workspace: Workspace, dossier: Dossier) -> None:
    """How the versions were made."""
    st.subheader("How the models were made")
    facts(judgement.models_table(dossier, workspace.challenger))


def files(workspace: Workspace, item: Reviewed, dossier: Dossier) -> None:
    """Everything by its hash, so that it can be recomputed and checked."""
    st.caption("Digest of this dossier: what an approver signs.")
    st.code(item.digest, language=None, wrap_lines=True)
    st.code(
        "\n".join(f"{digest}  {name}" for name, digest in judgement.hashes(dossier).items()),
        language=None,
        wrap_lines=True,
    )
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
