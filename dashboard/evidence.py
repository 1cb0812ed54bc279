"""The sections of the Review page about the judgement: why, figures, gates, the two models, hashes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts, loaders, verdicts, words
from dashboard.components import chart, facts, listed
from monitoring.summary import DriftSummary
from pipeline.drift_words import movement_of
from pipeline.frames import checks_frame, comparison_frame, level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import LOWER_IS_BETTER, Paired
from pipeline.promotion.review import Reviewed
from pipeline.wiring import Workspace


def why(dossier: Dossier, signal: dict[str, Any] | None, summary: DriftSummary | None) -> None:
    """One paragraph: what caused the training, what moved, and what the new version gains."""
    measured, lines = dossier.evidence, []
    if signal is None:
        lines.append("Trained by hand.")
    else:
        lines.append(f"Trained because of {words.plain(signal['reason'])}: {words.plain(signal['note']).rstrip('.')}.")
    if summary is not None and summary.judged and summary.drifted_features:
        lines.append(_most_moved(summary))
    if measured.rows:
        lines.append(
            f"On {words.count(measured.rows, 'mature booked loan')} that no model trained on, {words.gained(dossier)}"
        )
    st.markdown(" ".join(lines))


def _most_moved(summary: DriftSummary) -> str:
    worst = next(check for check in summary.drifted if check.feature == summary.drifted_features[0])
    note = next(note for note in summary.notes if note.feature == worst.feature)
    return (
        f"**{len(summary.drifted_features)} of {summary.num_features_total} features** were beyond their limit, most "
        f"of all **{words.plain(worst.feature)}**: {words.plain(movement_of(worst, note))}, in "
        f"{words.count(worst.rows, 'row')}."
    )


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
    title, unit = words.METRICS[pair.metric], words.plain(unit, most=40)
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
    facts(verdicts.gates_table(dossier.checks))
    listed([verdicts.budget(dossier), *(f"{check.code}: {check.note}." for check in dossier.checks if check.note)])
    st.caption(
        "Distance to each limit, in units of that limit; right of the line is within it. "
        "A gate that also asks for significance can pass on the left, or stay undecided on the right: see its note."
    )
    chart(
        charts.gates(words.legible_frame(checks_frame(dossier))),
        alt=f"Margins of six gates: {verdicts.passed(dossier.checks)}.",
    )


def comparison(dossier: Dossier, *, unit: str) -> None:
    """Both models on the same rows, a panel per unit, and beside them the first champion and two baselines."""
    st.subheader(f"Champion {words.plain(dossier.champion)} against challenger {words.plain(dossier.challenger)}")
    policy, measured = dossier.policy, dossier.evidence
    st.caption(
        f"The same {words.count(measured.rows, 'booked loan')} with a final outcome, {measured.positives:,} bad, under "
        f"both. Whiskers {words.percent(policy.interval_level)}: DeLong for AUC and Gini, else a paired bootstrap of "
        f"{policy.resamples:,} resamples. Circle: better; cross: worse; square: may be luck, its whisker crosses the "
        "line; diamond: calibration, where no side is better by itself."
        f"{_stricter(dossier)}"
    )
    with st.grid(2, min_column_width=300):
        for panel, rows in charts.panels(comparison_frame(measured)):
            told = "; ".join(_spoken(measured.pair(metric), unit) for metric in rows["metric"])
            chart(
                charts.comparison_panel(rows, unit=words.legible(unit, most=40) if panel == "money" else ""),
                alt=f"{told}.",
            )
    facts(_metrics_table(dossier, words.plain(unit, most=40)))
    listed(_scale(dossier, unit))


def _stricter(dossier: Dossier) -> str:
    trial = dossier.evidence.trial
    if trial.interval is None:
        return ""
    return f" G4 decides on {words.METRICS[trial.metric]} at {level_text(trial.interval)}, not at the level drawn here."


def _spoken(pair: Paired, unit: str) -> str:
    before, after = (words.metric_number(pair.metric, each, unit=unit) for each in (pair.champion, pair.challenger))
    return f"{words.METRICS[pair.metric]} {before} to {after}, difference {words.difference(pair)}"


def _metrics_table(dossier: Dossier, unit: str) -> pd.DataFrame:
    measured = dossier.evidence
    models = {
        "Champion": measured.champion,
        "Challenger": measured.challenger,
        f"First champion ({words.plain(dossier.original)})": measured.original,
        "Everyone bad": measured.everyone_bad,
        "Base rate": measured.base_rate,
    }
    rows = []
    for pair in measured.paired:
        told = {
            name: words.metric_number(pair.metric, getattr(model, pair.metric), unit=unit)
            for name, model in models.items()
        }
        row = {"Metric": words.METRICS[pair.metric], "Champion": told.pop("Champion")}
        row |= {"Challenger": told.pop("Challenger")}
        row |= {"Difference": words.metric_number(pair.metric, pair.difference, signed=True)}
        rows.append(row | {"Interval": words.metric_interval(pair.metric, pair.interval)} | told)
    return pd.DataFrame(rows)


def _scale(dossier: Dossier, unit: str) -> list[str]:
    """What the table's last columns are for."""
    trial = dossier.evidence.trial
    lines = [
        "“Everyone bad” books nobody, “base rate” gives everyone the share that went bad and books everybody: a model "
        "that does not beat both in the primary metric has learnt nothing that counts.",
        "Calibration is best at an intercept of 0 and a slope of 1; profit counts a loan called bad as not booked.",
    ]
    if trial.original_gain is not None and dossier.original != dossier.champion:
        gain = words.metric_number(trial.metric, trial.original_gain, unit=unit, signed=True)
        at = f" at {level_text(trial.original_interval)}" if trial.original_interval else ""
        lines.append(
            f"Against the first champion, version {dossier.original}: {words.METRICS[trial.metric]} better by {gain} "
            f"({words.metric_interval(trial.metric, trial.original_interval)}{at})."
        )
    return lines


def models(workspace: Workspace, dossier: Dossier) -> None:
    """How the versions were made."""
    st.subheader("How the models were made")
    columns, roles = {}, {"Champion": dossier.champion, "Challenger": dossier.challenger}
    if dossier.original != dossier.champion:
        roles["First champion"] = dossier.original
    for role, version in roles.items():
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
        "All applicants since then": dossier.applicants_sha256 or "not recorded",
        "Champion's model files": dossier.champion_model_sha256,
        "Challenger's model files": dossier.challenger_model_sha256,
        "First champion's model files": dossier.original_model_sha256,
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
