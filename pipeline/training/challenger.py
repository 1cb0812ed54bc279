"""Train one model at one moment: what `train.ipynb` computes and writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from pipeline.artefacts import canonical_json, sha256_text, sha256_tree, stamp
from pipeline.desk import Desk
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.settings import Settings
from pipeline.stores.engine import iso
from pipeline.training.fit import Fitted, TrainingPlan, challenger_window
from pipeline.training.model_digests import folder_digest
from pipeline.training.model_format import TRUSTED_TYPES
from pipeline.training.plots import cutoff_figure, importance_figure

FOLDER = "monitoring/retraining/challengers"


def plan(desk: Desk, purpose: str) -> TrainingPlan:
    """What to train: "champion" (the first, on the window the settings name) or "challenger" (relative to now)."""
    if purpose == "champion":
        return champion_plan(desk.settings)
    if purpose != "challenger":
        raise InputError("train", f"purpose: expected champion or challenger, got {purpose!r}")
    train, horizon = desk.settings.train, desk.workspace.horizon
    start, end = challenger_window(desk.as_of, horizon=horizon, holdback=train.holdback, window=train.window)
    return dataclasses.replace(champion_plan(desk.settings), start=start, end=end)


def champion_plan(settings: Settings) -> TrainingPlan:
    """What the first champion is trained on, as the settings say it."""
    train = settings.train
    return TrainingPlan(
        start=train.champion_start,
        end=train.champion_end,
        recipe=train.recipe,
        grid=train.grid,
        tuning_share=train.tuning_share,
        min_rows=train.min_rows,
        seed=train.seed,
    )


def training_rows(desk: Desk, chosen: TrainingPlan) -> pd.DataFrame:
    """Labelled mature applications of the plan's window, as known now."""
    end = min(chosen.end, desk.as_of - desk.workspace.horizon)
    if end <= chosen.start:
        where = f"training window {chosen.start:%Y-%m-%d} to {chosen.end:%Y-%m-%d}"
        raise NotEnoughDataError(where, f"no label is mature at {desk.as_of:%Y-%m-%d}")
    rows = desk.workspace.traffic.outcomes(chosen.start, end, as_of=desk.as_of)
    return rows[rows["y"].notna()].reset_index(drop=True)


def save_model(
    desk: Desk,
    fitted: Fitted,
    chosen: TrainingPlan,
    rows: pd.DataFrame,
    *,
    purpose: str,
    signal: str,
    requested_by: str,
) -> Path:
    """Track the run in MLflow and, when scheduled, register the version; writes what the ledger will record.

    The key is the plan and its data: after a crash the version that was made is found again, not made twice.
    """
    registry = desk.workspace.registry
    key = sha256_text(canonical_json([purpose, signal, fitted.data_sha256, chosen.recipe, fitted.params, chosen.seed]))
    made = registry.find(key) if desk.scheduled else None
    made = made or registry.log_and_register(
        fitted.pipeline,
        key=key,
        run_name=f"{purpose} {desk.as_of:%Y-%m-%d}",
        example=rows[list(desk.kinds)].head(5),
        params={
            **fitted.params,
            "recipe": chosen.recipe,
            "seed": chosen.seed,
            "train_start": iso(chosen.start),
            "train_end": iso(chosen.end),
        },
        metrics={**fitted.metrics, "threshold": fitted.threshold, "rows": fitted.rows, "positives": fitted.positives},
        tags={"data_sha256": fitted.data_sha256, "purpose": purpose, "signal": signal, "as_of": iso(desk.as_of)},
        figures={
            "importance": importance_figure(fitted.importance),
            "cutoff": cutoff_figure(fitted.cutoffs, fitted.threshold),
        },
        tables={"importance": fitted.importance},
        trusted_types=TRUSTED_TYPES,
        register=desk.scheduled,
    )
    record = {
        "schema_version": 1,
        "as_of": iso(desk.as_of),
        "purpose": purpose,
        "signal": signal,
        "requested_by": requested_by,
        "version": made.version if made else None,
        "mlflow_run": made.run_id if made else None,
        "model_path": desk.workspace.relative(made.folder) if made else None,
        "model_sha256": folder_digest(sha256_tree(made.folder)) if made else None,
        "train_start": iso(chosen.start),
        "train_end": iso(chosen.end),
        "recipe": chosen.recipe,
        "params": fitted.params,
        "metrics": fitted.metrics,
        "threshold": fitted.threshold,
        "rows": fitted.rows,
        "positives": fitted.positives,
        "data_sha256": fitted.data_sha256,
        "importance": fitted.importance.to_dict("records"),
    }
    return desk.write(f"{FOLDER}/{purpose}_{stamp(desk.as_of)}.json", record)
