"""Who flags what in a window: Mend by its own `drift_summary`, and the peers' rules on the same columns.

The peers see the features and the champion's score, as Mend does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from drift_data import Population
from drift_ecdf import Ecdf
from numpy.typing import NDArray
from scipy.stats import chi2

from monitoring.checks import SCORE
from monitoring.columns import categories, numbers
from monitoring.distances import jensen_shannon, sorted_wasserstein
from monitoring.drift import drift_summary
from monitoring.summary import DriftPolicy, DriftSummary
from monitoring.values import Kind, Window

POLICY = DriftPolicy()  # as shipped
AS_OF = datetime(2026, 11, 23, tzinfo=UTC)
WINDOW = Window(start=AS_OF - timedelta(days=1), end=AS_OF)
EVIDENTLY_LIMIT, EVIDENTLY_SHARE, P_LIMIT = 0.1, 0.5, 0.05  # Evidently 0.7.23's defaults; the textbook's
MEND, EVIDENTLY, DATASET, KS, BONFERRONI, NANNYML = DETECTORS = (
    *("Mend", "Evidently: a column", "Evidently: half of them"),
    *("KS p < 0.05", "KS, Bonferroni", "NannyML"),
)

Flags = Mapping[str, frozenset[str]]


class Column:
    """One column of a reference, ready for the peers' rules."""

    def __init__(self, reference: pd.Series[Any], kind: Kind) -> None:
        self.kind = kind
        if kind == "numeric":
            values = numbers(reference)
            self.ecdf = Ecdf(np.sort(values[~np.isnan(values)]))
        else:
            found = categories(reference).value_counts()
            self.names, self.counts = found.index.to_numpy(), found.to_numpy()
            self.places = {name: place for place, name in enumerate(self.names)}

    def read(self, column: pd.Series[Any]) -> NDArray[Any]:
        """The column as numbers or as text, the missing ones among them."""
        return numbers(column) if self.kind == "numeric" else categories(column).to_numpy()

    def present(self, values: NDArray[Any]) -> NDArray[Any]:
        """What is there of values that were read, numbers sorted."""
        there = values[~pd.isna(values)]
        return np.sort(there) if self.kind == "numeric" else there

    def score(self, values: NDArray[Any]) -> float:
        """Evidently's: normed Wasserstein, or Jensen-Shannon for categories."""
        if self.kind == "numeric":
            return sorted_wasserstein(self.ecdf.values, values, spread=self.ecdf.spread)
        return jensen_shannon(*self._tables(values))

    def moved(self, values: NDArray[Any], levels: Sequence[float]) -> list[bool]:
        """Whether p < level, at each: Kolmogorov-Smirnov, or chi-square on the two rows of counts for categories."""
        if not len(values):
            return [False for _ in levels]
        if self.kind == "numeric":
            gap = self.ecdf.ks(values)
            return [gap > self.ecdf.ks_limit(len(values), level) for level in levels]
        table = np.vstack(self._tables(values))
        table = table[:, table.sum(axis=0) > 0]
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        p = float(chi2.sf(((table - expected) ** 2 / expected).sum(), max(table.shape[1] - 1, 1)))
        return [p < level for level in levels]

    def _tables(self, values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        codes, names = pd.factorize(values)
        new = [name for name in names if name not in self.places]
        places = self.places | {name: len(self.names) + number for number, name in enumerate(new)}
        now = np.bincount([places[name] for name in names], weights=np.bincount(codes), minlength=len(places))
        return np.append(self.counts, np.zeros(len(new), dtype=np.int64)), now.astype(np.int64)


class Judge:
    """Every rule but NannyML's, over one reference."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.columns = {name: Column(population.reference[name], kind) for name, kind in population.columns.items()}
        self.levels = (P_LIMIT, P_LIMIT / len(self.columns))

    def summary(self, window: pd.DataFrame) -> DriftSummary:
        """Mend's own judgement."""
        return drift_summary(self.population.prepared, window, policy=POLICY, window=WINDOW, as_of=AS_OF)

    def flags(self, window: pd.DataFrame) -> Flags:
        """Columns that each rule flags; `DATASET` names "dataset"."""
        summary = self.summary(window)
        values = {name: column.present(column.read(window[name])) for name, column in self.columns.items()}
        scores = {item.feature: item.drift_score for item in summary.features}
        scores[SCORE] = self.columns[SCORE].score(values[SCORE])
        evidently = frozenset(name for name, score in scores.items() if score >= EVIDENTLY_LIMIT)
        moved = {name: column.moved(values[name], self.levels) for name, column in self.columns.items()}
        return {
            MEND: frozenset(check.feature for check in summary.drifted),
            EVIDENTLY: evidently,
            DATASET: frozenset({"dataset"} if len(evidently) >= EVIDENTLY_SHARE * len(scores) else ()),
            KS: frozenset(name for name, (plain, _) in moved.items() if plain),
            BONFERRONI: frozenset(name for name, (_, strict) in moved.items() if strict),
        }

    def peers(self, name: str, values: NDArray[Any]) -> dict[str, bool]:
        """What the peers say of one column, for very many windows: the same scores, sooner."""
        column = self.columns[name]
        score = column.ecdf.wasserstein(values) if column.kind == "numeric" else column.score(values)
        plain, strict = column.moved(values, self.levels)
        return {EVIDENTLY: score >= EVIDENTLY_LIMIT, KS: plain, BONFERRONI: strict}
