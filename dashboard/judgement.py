"""What the judgement found, in sentences and tables whose cells are safe as Markdown. No Streamlit, no store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from dashboard import words
from monitoring.summary import DriftSummary
from pipeline.drift_words import movement_of
from pipeline.frames import level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import Paired


def why(dossier: Dossier, signal: dict[str, Any] | None, summary: DriftSummary | None) -> str:
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
    return " ".join(lines)


def _most_moved(summary: DriftSummary) -> str:
    worst = next(check for check in summary.drifted if check.feature == summary.drifted_features[0])
    note = next(note for note in summary.notes if note.feature == worst.feature)
    return (
        f"**{len(summary.drifted_features)} of {summary.num_features_total} features** were beyond their limit, most "
        f"of all **{words.plain(worst.feature)}**: {words.plain(movement_of(worst, note))}, in "
        f"{words.count(worst.rows, 'row')}."
    )


def compared_how(dossier: Dossier) -> str:
    """On which rows both models are compared, and how the drawing is read."""
    policy, measured = dossier.policy, dossier.evidence
    return (
        f"The same {words.count(measured.rows, 'booked loan')} with a final outcome, {measured.positives:,} bad, under "
        f"both. Whiskers {words.percent(policy.interval_level)}: DeLong for AUC and Gini, else a paired bootstrap of "
        f"{policy.resamples:,} resamples. Circle: better; cross: worse; square: may be luck, its whisker crosses the "
        "line; diamond: calibration, where no side is better by itself."
        f"{_stricter(dossier)}"
    )


def _stricter(dossier: Dossier) -> str:
    trial = dossier.evidence.trial
    if trial.interval is None:
        return ""
    return f" G4 decides on {words.METRICS[trial.metric]} at {level_text(trial.interval)}, not at the level drawn here."


def spoken(pair: Paired, unit: str) -> str:
    """One metric of both models and the difference, in words."""
    before, after = (words.metric_number(pair.metric, each, unit=unit) for each in (pair.champion, pair.challenger))
    return f"{words.METRICS[pair.metric]} {before} to {after}, difference {words.difference(pair)}"


def metrics_table(dossier: Dossier, unit: str) -> pd.DataFrame:
    """Every metric of both models, the difference with its interval, the first champion and two baselines."""
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


def beside_the_metrics(dossier: Dossier, unit: str) -> list[str]:
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


def models_table(dossier: Dossier, made: Callable[[str], Mapping[str, Any]]) -> pd.DataFrame:
    """How the versions were made. `made`: what the ledger recorded when a version was trained."""
    columns, roles = {}, {"Champion": dossier.champion, "Challenger": dossier.challenger}
    if dossier.original != dossier.champion:
        roles["First champion"] = dossier.original
    for role, version in roles.items():
        record = made(version)
        columns[f"{role} {words.plain(version)}"] = {
            "Trained as of": words.day(record["as_of"]),
            "On applications": f"{words.day(record['train_start'])} to {words.day(record['train_end'])}",
            "Rows (bad)": f"{record['rows']:,} ({record['positives']:,})",
            "Recipe": words.plain(record["recipe"]),
            "Calls bad from a score of": f"{record['threshold']:.4f}",
            "Asked for by": words.plain(record["requested_by"]),
        }
    return pd.DataFrame(columns).rename_axis(" ").reset_index()


def hashes(dossier: Dossier) -> dict[str, str]:
    """SHA-256 of everything that the judgement stands on, by what it is of."""
    return {
        "Rows judged": dossier.row_ids_sha256,
        "Their data and labels": dossier.data_sha256,
        "All applicants since then": dossier.applicants_sha256 or "not recorded",
        "Champion's model files": dossier.champion_model_sha256,
        "Challenger's model files": dossier.challenger_model_sha256,
        "First champion's model files": dossier.original_model_sha256,
        "Reference": dossier.reference_sha256,
    }
