"""What moved the score: which feature's move, through the champion, by how many probability points.

The champion is asked once, when it is prepared: what would it score, on average, if everyone's value of this feature
were in that bin (partial dependence)? After that a window is counts per bin, and no score is computed.

One feature at a time: interactions are ignored, features that move together are each given the move, and so the parts
need not add up to the observed change. `explained` says what is left over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from monitoring.bins import Bins, NumericBins, bins_from_json, bins_to_json
from monitoring.columns import categories, numbers
from monitoring.values import Kind, finite, whole

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Score = Callable[[pd.DataFrame], ArrayLike]

MISSING = "missing"
NEVER_SEEN = "(never seen)"  # stands for a category that the reference does not have
Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDependence:
    """The mean score with a feature set to each of its bins (missing last), and the reference's rows in each.

    `importance`: how far the mean score moves about over the reference's bins, in probability points, >= 0.
    """

    feature: str
    bins: Bins
    reference_counts: tuple[int, ...]
    mean_scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.mean_scores) == len(self.reference_counts) == self.bins.size + 1:
            raise ValueError(f"{self.feature}: expected {self.bins.size + 1} counts and mean scores, missing last")
        if min(whole(count, f"{self.feature}: count") for count in self.reference_counts) < 0:
            raise ValueError(f"{self.feature}: counts must be >= 0, got {self.reference_counts}")
        if not sum(self.reference_counts):
            raise ValueError(f"{self.feature}: the reference has no rows")
        for score in self.mean_scores:
            finite(score, f"{self.feature}: mean score")

    @property
    def shares(self) -> Numbers:
        """Of the reference's rows, per bin."""
        return np.array(self.reference_counts) / sum(self.reference_counts)

    @property
    def importance(self) -> float:
        scores = np.array(self.mean_scores)
        return float(self.shares @ np.abs(scores - self.shares @ scores))

    def bin_names(self) -> list[str]:
        """What each bin holds, in words, missing last."""
        return [*self.bins.names(), MISSING]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedContribution:
    """All that a window's contributions need. `rows`: of the reference, over which scores were averaged."""

    rows: int
    features: tuple[FeatureDependence, ...]

    @property
    def importance_shares(self) -> dict[str, float | None]:
        """Each feature's share of all importance; they sum to 1, and are None where the score never moves."""
        total = sum(one.importance for one in self.features)
        return {one.feature: one.importance / total if total else None for one in self.features}

    def to_json(self) -> dict[str, Any]:
        features = [asdict(one) | {"bins": bins_to_json(one.bins)} for one in self.features]
        return {"schema_version": 1, "rows": self.rows, "features": features}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: Another version, a key missing or unknown, or values that do not fit together.
        """
        if document.get("schema_version") != 1 or set(document) != {"schema_version", "rows", "features"}:
            raise ValueError(f"contribution: expected schema_version 1, rows and features, got {sorted(document)}")
        features = []
        for item in document["features"]:
            if set(item) != {"feature", "bins", "reference_counts", "mean_scores"}:
                raise ValueError(f"contribution: a feature has the keys {sorted(item)}")
            features.append(
                FeatureDependence(
                    feature=item["feature"],
                    bins=bins_from_json(item["bins"]),
                    reference_counts=tuple(item["reference_counts"]),
                    mean_scores=tuple(item["mean_scores"]),
                )
            )
        return cls(rows=whole(document["rows"], "rows"), features=tuple(features))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one feature's move does to the mean score, in probability points; None for a window without rows.

    `change`: signed, with a 95 % interval for the chance in both samples (not in the champion's answers). `movement`:
    >= 0, moves up and down do not cancel in it; about 0.8 standard errors of it are there without any move.
    `leading_bin`: the bin with the largest part of the movement, and its share in reference and window.
    """

    feature: str
    importance_share: float | None
    window_rows: int
    change: float | None
    change_interval: tuple[float, float] | None
    movement: float | None
    leading_bin: str | None
    leading_reference_share: float | None
    leading_window_share: float | None

    def to_json(self) -> dict[str, Any]:
        """Every field by its name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The observed change of the mean score, what the features one at a time account for, and the rest."""

    observed: float
    attributed: float

    @property
    def rest(self) -> float:
        """Interactions, features that move together, and changes inside a bin."""
        return self.observed - self.attributed


def prepare_contribution(
    score: Score,
    reference: pd.DataFrame,
    kinds: Mapping[str, Kind],
    bins: Mapping[str, Bins],
    *,
    rows: int,
    seed: int,
) -> PreparedContribution:
    """Ask the champion for its mean score at each bin of each feature, once.

    Args:
        score: Rows to probabilities of bad, shape (n,); must take missing values and categories never seen.
        reference: One row per application, all columns that `score` needs; not changed.
        kinds: How each feature is read.
        bins: The features to prepare, a part of `kinds`, and their bins.
        rows: Over how many rows of the reference to average, >= 1; all if there are fewer.
        seed: Of the draw of these rows.

    Returns:
        Mean scores per bin. A bin is entered at a value the reference has: the median of a bin of numbers, the most
        frequent category of "other". One that the reference has no value for is entered at its lower edge, or with a
        category never seen.

    Raises:
        ValueError: No rows, a feature in `bins` is absent or not of its kind, or a score is not finite in [0, 1].

    Source:
        Friedman (2001), "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29,
        section 8.2 (partial dependence); importance from it: Greenwell, Boehmke & McCarthy (2018), "A simple and
        effective model-based variable importance measure", here the mean absolute deviation.

    >>> reference = pd.DataFrame({"late": [0.0, 0.0, 0.0, 1.0]})
    >>> bins = {"late": NumericBins(edges=(0.5,))}
    >>> answer = prepare_contribution(
    ...     lambda rows: 0.1 + 0.4 * rows["late"].fillna(0), reference, {"late": "numeric"}, bins, rows=4, seed=1
    ... )
    >>> answer.features[0].mean_scores, round(answer.features[0].importance, 6)
    ((0.1, 0.5, 0.1), 0.15)
    """
    if whole(rows, "rows") < 1 or not len(reference):
        raise ValueError(f"expected at least one row, got {rows} of {len(reference)} in the reference")
    drawn = np.random.default_rng(seed).permutation(len(reference))[:rows]
    sample = reference.iloc[np.sort(drawn)].reset_index(drop=True)
    features = []
    for feature, cut in bins.items():
        if list(reference.columns).count(feature) != 1:
            raise ValueError(f"{feature}: expected one column of this name in the reference")
        if kinds.get(feature) != ("numeric" if isinstance(cut, NumericBins) else "categorical"):
            raise ValueError(f"{feature}: its bins are not those of a {kinds.get(feature)} feature")
        counts, values = _typical(reference[feature], feature, cut)
        features.append(
            FeatureDependence(
                feature=feature,
                bins=cut,
                reference_counts=tuple(counts.tolist()),
                mean_scores=_mean_scores(score, sample, feature, values),
            )
        )
    return PreparedContribution(rows=len(sample), features=tuple(features))


def _typical(column: pd.Series[Any], feature: str, cut: Bins) -> tuple[Counts, list[Any]]:
    """Rows per bin, missing last, and one value of each bin as the column would hold it."""
    try:
        values: NDArray[Any] = numbers(column) if isinstance(cut, NumericBins) else categories(column).to_numpy()
    except ValueError as error:
        raise ValueError(f"{feature}: reference {error}") from error
    present = ~pd.isna(values)
    counts = np.append(cut.count(values[present]), (~present).sum())
    place = np.full(len(values), cut.size)
    place[present] = cut.place(values[present])
    if isinstance(cut, NumericBins):
        lower = [float(np.nextafter(cut.edges[0], -np.inf)) if cut.edges else 0.0, *cut.edges]
        inside = (values[(place == k) & np.isfinite(values)] for k in range(cut.size))
        return counts, [*(_median(own, edge) for own, edge in zip(inside, lower, strict=True)), np.nan]
    return counts, [*(_commonest(column[place == k]) for k in range(cut.size)), None]


def _median(values: Numbers, otherwise: float) -> float:
    """A value that was seen, so that a count stays a count."""
    return float(np.quantile(values, 0.5, method="inverted_cdf")) if values.size else otherwise


def _commonest(column: pd.Series[Any]) -> Any:
    if column.empty:
        return -1 if pd.api.types.is_numeric_dtype(column) else NEVER_SEEN
    return column.value_counts().index[0]


def _mean_scores(score: Score, sample: pd.DataFrame, feature: str, values: list[Any]) -> tuple[float, ...]:
    """The mean score over the sample with the feature set to each value; one call."""
    rows = pd.concat([sample] * len(values), ignore_index=True)
    numeric = all(isinstance(value, float) for value in values)
    rows[feature] = np.repeat(np.array(values, dtype=np.float64 if numeric else object), len(sample))  # None stays None
    scores = np.asarray(score(rows), dtype=np.float64)
    if scores.shape != (len(rows),) or not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"{feature}: expected {len(rows)} scores, finite and in [0, 1]")
    return tuple(scores.reshape(len(values), len(sample)).mean(axis=1).tolist())


def contributions(prepared: PreparedContribution, counts: Mapping[str, Counts]) -> tuple[Contribution, ...]:
    """What each feature's move does to the champion's mean score, largest movement first.

    With shares p and q of the bins in reference and window, and mean scores s: change is sum (q - p) s, movement is
    sum |q - p| |s - sum p s|.

    Args:
        prepared: From `prepare_contribution`.
        counts: For every prepared feature the window's rows per bin, shape (bins + 1,), >= 0, missing last.

    Raises:
        ValueError: A feature has no counts, they are not one per bin, or one is negative.

    Source:
        Shifted shares at fixed effects: the "explained" part of Oaxaca (1973), "Male-female wage differentials in urban
        labor markets", International Economic Review 14; error of a mean over multinomial counts: the delta method.

    >>> late = FeatureDependence(
    ...     feature="late",
    ...     bins=NumericBins(edges=(0.5,)),
    ...     reference_counts=(900, 100, 0),
    ...     mean_scores=(0.1, 0.5, 0.1),
    ... )
    >>> found = contributions(PreparedContribution(rows=4, features=(late,)), {"late": np.array([70, 30, 0])})[0]
    >>> round(found.change, 3), [round(end, 3) for end in found.change_interval], found.leading_bin
    (0.08, [0.043, 0.117], '0.5 and more')
    """
    shares = prepared.importance_shares
    found = [_contribution(one, counts, shares[one.feature]) for one in prepared.features]
    return tuple(sorted(found, key=lambda one: (one.movement is None, -(one.movement or 0.0), one.feature)))


def _contribution(one: FeatureDependence, counts: Mapping[str, Counts], importance_share: float | None) -> Contribution:
    if one.feature not in counts:
        raise ValueError(f"{one.feature}: no counts for the window")
    rows = np.asarray(counts[one.feature])
    if rows.shape != (one.bins.size + 1,) or rows.min() < 0:
        raise ValueError(f"{one.feature}: expected {one.bins.size + 1} counts >= 0, missing last, got {rows.tolist()}")
    total, scores, p = int(rows.sum()), np.array(one.mean_scores), one.shares
    if not total:
        nothing = dict.fromkeys(("change", "change_interval", "movement"), None)
        leading = dict.fromkeys(("leading_bin", "leading_reference_share", "leading_window_share"), None)
        return Contribution(feature=one.feature, importance_share=importance_share, window_rows=0, **nothing, **leading)
    q = rows / total
    parts = np.abs(q - p) * np.abs(scores - p @ scores)
    change, lead = float((q - p) @ scores), int(np.argmax(parts))
    variances = [float(s @ (scores - s @ scores) ** 2) for s in (p, q)]
    half = Z95 * (variances[0] / sum(one.reference_counts) + variances[1] / total) ** 0.5
    return Contribution(
        feature=one.feature,
        importance_share=importance_share,
        window_rows=total,
        change=change,
        change_interval=(change - half, change + half),
        movement=float(parts.sum()),
        leading_bin=one.bin_names()[lead],
        leading_reference_share=float(p[lead]),
        leading_window_share=float(q[lead]),
    )


def explained(found: tuple[Contribution, ...], *, reference_mean: float, window_mean: float) -> Explained:
    """The change of the mean score beside the sum of what single features account for.

    Args:
        found: From `contributions`; a feature without rows counts as no change.
        reference_mean: Mean score of the reference's rows, in [0, 1].
        window_mean: Mean score of the window's rows, in [0, 1].

    >>> explained((), reference_mean=0.25, window_mean=0.5).rest
    0.25
    """
    observed = finite(window_mean, "window mean") - finite(reference_mean, "reference mean")
    return Explained(observed=observed, attributed=sum(one.change or 0.0 for one in found))
