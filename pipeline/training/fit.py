"""Fit one model: search a grid over time-ordered folds, tune the cut-off on the window's latest rows, refit on all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

from pipeline.artefacts import sha256_text
from pipeline.errors import NotEnoughDataError
from pipeline.training.recipes import build

_FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Event times [start, end) to learn from, and how."""

    start: datetime
    end: datetime
    recipe: str
    grid: Mapping[str, tuple[Any, ...]]
    tuning_share: float
    min_rows: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted pipeline with its cut-off, and what was measured on the tuning split (the latest rows of the window).

    `metrics` were taken before the refit on the whole window: they say how well the recipe did on rows it had not seen.
    `importance` is the loss of AUC when a feature is shuffled in the tuning split: columns `feature, importance, std`.
    `cutoffs` is the F1 at each cut-off tried: columns `threshold, f1`.
    """

    pipeline: Pipeline
    threshold: float
    params: dict[str, Any]
    metrics: dict[str, float]
    importance: pd.DataFrame
    cutoffs: pd.DataFrame
    rows: int
    positives: int
    data_sha256: str


def challenger_window(
    as_of: datetime, *, horizon: timedelta, holdback: timedelta, window: timedelta
) -> tuple[datetime, datetime]:
    """Event times a challenger learns from: the `window` before the rows held back for judging it.

    >>> from datetime import UTC
    >>> day = timedelta(days=1)
    >>> lengths = {"horizon": 1096 * day, "holdback": 365 * day, "window": 1096 * day}
    >>> start, end = challenger_window(datetime(2006, 7, 1, tzinfo=UTC), **lengths)
    >>> start.date().isoformat(), end.date().isoformat()
    ('1999-07-01', '2002-07-01')
    """
    end = as_of - horizon - holdback
    return end - window, end


def data_fingerprint(rows: pd.DataFrame) -> str:
    """SHA-256 of rows as CSV text, labels included: anybody can recompute it with pandas."""
    return sha256_text(rows.to_csv(index=False))


def fit(rows: pd.DataFrame, kinds: Mapping[str, str], plan: TrainingPlan) -> Fitted:
    """Fit a model on labelled, mature rows in order of event time.

    Args:
        rows: `application_id, event_time, y` and the features, one row per application, every y known.
        kinds: Feature name to "numeric" or "categorical".
        plan: What to fit.

    Raises:
        NotEnoughDataError: Too few rows, or one class only in any part that needs both.
    """
    rows = rows.sort_values(["event_time", "application_id"], ignore_index=True)
    where = require_teachable(rows, plan)
    features, y = rows[list(kinds)], rows["y"].to_numpy().astype(np.int8)
    split = int(len(rows) * (1 - plan.tuning_share))
    estimator, default_grid = build(plan.recipe, kinds, seed=plan.seed)
    grid = {f"model__{name}": list(values) for name, values in (plan.grid or default_grid).items()}
    search = _searched(estimator, grid, features, y, where)
    tuned = TunedThresholdClassifierCV(
        estimator.set_params(**search.best_params_),
        scoring="f1",
        cv=[(np.arange(split), np.arange(split, len(rows)))],
        refit=True,
        store_cv_results=True,
    ).fit(features, y)
    early = estimator.fit(features[:split], y[:split])
    metrics, importance = _on_tuning_split(early, features[split:], y[split:], plan.seed)
    return Fitted(
        pipeline=tuned.estimator_,
        threshold=float(tuned.best_threshold_),
        params={name.removeprefix("model__"): value for name, value in search.best_params_.items()},
        metrics={"cv_auc": float(search.best_score_), "tuning_f1": float(tuned.best_score_), **metrics},
        importance=importance,
        cutoffs=pd.DataFrame({"threshold": tuned.cv_results_["thresholds"], "f1": tuned.cv_results_["scores"]}),
        rows=len(rows),
        positives=int(y.sum()),
        data_sha256=data_fingerprint(rows[["application_id", "event_time", *kinds, "y"]]),
    )


def require_teachable(rows: pd.DataFrame, plan: TrainingPlan) -> str:
    """Enough rows, in order of time, and both outcomes in the part to learn from and the part to tune on.

    Returns:
        The window in words, for later messages.

    Raises:
        NotEnoughDataError: One of these is not so.
    """
    where = f"training window {plan.start:%Y-%m-%d} to {plan.end:%Y-%m-%d}"
    if len(rows) < plan.min_rows:
        raise NotEnoughDataError(where, f"{len(rows)} labelled mature rows, need train.min_rows = {plan.min_rows}")
    split = int(len(rows) * (1 - plan.tuning_share))
    for name, part in (("learning", rows["y"][:split]), ("tuning", rows["y"][split:])):
        if part.nunique() < 2:
            raise NotEnoughDataError(
                where, f"the {name} part has {len(part)} rows of one class only, need good and bad ones"
            )
    return where


def _searched(
    estimator: Pipeline, grid: dict[str, list[Any]], features: pd.DataFrame, y: np.ndarray[Any, Any], where: str
) -> Any:
    folds = TimeSeriesSplit(_FOLDS)
    if any(len(np.unique(y[part])) < 2 for train, test in folds.split(y) for part in (train, test)):
        raise NotEnoughDataError(
            where, f"a fold of {_FOLDS} in time has one class only, need good and bad rows in each"
        )
    try:
        return GridSearchCV(estimator, grid, cv=folds, scoring="roc_auc", refit=False, error_score="raise").fit(
            features, y
        )
    except ValueError as error:
        raise NotEnoughDataError(where, f"no model could be fitted: {str(error).partition(chr(10))[0]}") from None


def _on_tuning_split(
    model: Pipeline, features: pd.DataFrame, y: np.ndarray[Any, Any], seed: int
) -> tuple[dict[str, float], pd.DataFrame]:
    score = model.predict_proba(features)[:, 1]
    shuffled = permutation_importance(model, features, y, scoring="roc_auc", n_repeats=3, random_state=seed)
    importance = pd.DataFrame(
        {"feature": list(features.columns), "importance": shuffled.importances_mean, "std": shuffled.importances_std}
    ).sort_values("importance", ascending=False, ignore_index=True)
    metrics = {"tuning_auc": float(roc_auc_score(y, score)), "tuning_brier": float(brier_score_loss(y, score))}
    return metrics, importance
