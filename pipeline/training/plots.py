"""Pictures that go with a training run into MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def importance_figure(importance: pd.DataFrame) -> Figure:
    """Loss of AUC when a feature is shuffled, largest on top, with one standard deviation."""
    from matplotlib.figure import Figure

    rows = importance[::-1]
    figure = Figure(figsize=(7, 0.35 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.barh(rows["feature"], rows["importance"], xerr=rows["std"], color="#1D4ED8")
    axes.set(xlabel="loss of AUC when shuffled (3 repeats, ± 1 sd)", title="What the model leans on (tuning split)")
    return figure


def cutoff_figure(cutoffs: pd.DataFrame, threshold: float) -> Figure:
    """F1 at each cut-off tried on the tuning split, and the one chosen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(cutoffs["threshold"], cutoffs["f1"], color="#1D4ED8")
    axes.axvline(threshold, color="#B45F06", linestyle="--", label=f"chosen: {threshold:.3f}")
    axes.set(xlabel="cut-off (probability of default)", ylabel="F1", title="Where to cut (tuning split)")
    axes.legend()
    return figure
