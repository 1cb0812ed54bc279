"""Drift of a window against the reference: Evidently's two scores by our own exact code, and a verdict from them.

Evidently itself takes 9 CPU s to import and 2 s to run; the scores below take milliseconds, and the tests hold them
equal to Evidently's to 1e-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.values import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote, Kind, State, Window

Numbers = NDArray[np.float64]
Counts = NDArray[np.integer[Any]]

STAT_TEST: Mapping[Kind, str] = {"numeric": "Wasserstein distance (normed)", "categorical": "Jensen-Shannon distance"}
TOP_CATEGORIES = 5


def wasserstein_normed(reference: Numbers, current: Numbers) -> float:
    """First Wasserstein distance between two samples, in standard deviations of the reference.

    Args:
        reference: Finite values in the feature's unit, shape (n_reference,), n_reference >= 1.
        current: Finite values in the same unit, shape (n_current,), n_current >= 1.

    Returns:
        Area between the two empirical distribution functions, divided by the population standard deviation of the
        reference or by 0.001 if that is larger: unitless, >= 0, and 0 only for equal distributions.

    Raises:
        ValueError: Either side is empty or not finite, or the spread is too large for a float.

    Source:
        Vallender (1974), "Calculation of the Wasserstein distance between probability distributions on the line",
        Theory Probab. Appl. 18(4):784-786; norm and floor as in Evidently 0.7.23 (wasserstein_distance_norm.py).

    >>> wasserstein_normed(np.array([0.0, 2.0]), np.array([3.0, 5.0]))
    3.0
    """
    if not (reference.size and current.size and np.isfinite(reference).all() and np.isfinite(current).all()):
        raise ValueError("both samples need at least one value, all finite")
    reference, current = np.sort(reference), np.sort(current)
    points = np.concatenate([reference, current])
    points.sort(kind="stable")  # merges the two sorted runs
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.diff(points)
        below_reference = reference.searchsorted(points[:-1], side="right") / reference.size
        below_current = current.searchsorted(points[:-1], side="right") / current.size
        spread = float(np.std(reference))
        area = np.sum(np.abs(below_reference - below_current) * gaps)  # not `@`: BLAS threads cost more CPU than it
        score = float(area) / max(spread, 0.001)
    if not np.isfinite([spread, score]).all():  # an infinite spread would divide any shift down to "no drift"
        raise ValueError("values are too large: their spread or the score is not finite")
    return score


def jensen_shannon(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen-Shannon distance between two tables of counts over the same categories.

    Args:
        reference_counts: Rows per category, shape (n_categories,), >= 0, at least one > 0.
        current_counts: The same categories in the same order.

    Returns:
        Square root of the divergence in nats, in [0, sqrt(ln 2)]; 0 for equal shares, symmetric.

    Raises:
        ValueError: Shapes differ, a count is negative, or either side is empty.

    Source:
        Endres & Schindelin (2003), "A new metric for probability distributions", IEEE Transactions on Information
        Theory 49(7):1858-1860; natural logarithm as in Evidently 0.7.23 (jensenshannon.py).

    >>> round(jensen_shannon(np.array([90, 10]), np.array([50, 50])), 6)
    0.318982
    """
    if reference_counts.shape != current_counts.shape or reference_counts.ndim != 1:
        raise ValueError(f"counts must be over the same categories: {reference_counts.shape}, {current_counts.shape}")
    if not (
        reference_counts.sum() > 0
        and current_counts.sum() > 0
        and min(reference_counts.min(), current_counts.min()) >= 0
    ):
        raise ValueError("counts must be >= 0, with at least one row on each side")
    reference, current = reference_counts / reference_counts.sum(), current_counts / current_counts.sum()
    middle = (reference + current) / 2
    divergence = (_relative_entropy(reference, middle) + _relative_entropy(current, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))  # rounding can leave -1e-17, whose root is NaN


def _relative_entropy(shares: Numbers, middle: Numbers) -> float:
    seen = shares > 0
    return float(np.sum(shares[seen] * np.log(shares[seen] / middle[seen])))


def numbers(column: pd.Series[Any]) -> Numbers:
    """The column as float64, missing as NaN; ValueError for text that is no number, for times and for complex numbers.

    >>> numbers(pd.Series([1, None, True], dtype=object))
    array([ 1., nan,  1.])
    """
    try:
        numeric = column if column.dtype.kind in "mM" else pd.to_numeric(column)
        if numeric.dtype.kind in "mMc":
            raise TypeError(f"{numeric.dtype} would lose its meaning as a float")
        return numeric.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("holds values that are not numbers") from error


def categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as text, missing as None; a whole number reads the same with or without its `.0`.

    A 0/1 column is float where one value is missing and int where none is: that is no change of category.

    >>> categories(pd.Series([1.0, None, 2.5])).tolist()
    ['1', None, '2.5']
    """
    try:
        codes, values = pd.factorize(column)
    except TypeError:  # lists and other values without a hash
        codes, values = pd.factorize(column.map(str, na_action="ignore"))
    texts = np.array([*map(_category, values), None], dtype=object)
    return pd.Series(texts[codes], index=column.index)  # code -1 is missing


def _category(value: object) -> str:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate could not be written to a file


def drift_summary(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    policy: DriftPolicy,
    window: Window,
    as_of: datetime,
    reference_sha256: str,
) -> DriftSummary:
    """Judge a window against the reference, feature by feature and as a whole.

    Missing values are left out of a score (as Evidently does) and counted in the notes. A feature is excluded, with its
    reason, if on either side it is absent, not numbers, infinite somewhere, or has fewer than `policy.min_rows` values
    that are present. What cannot be judged never reads as "no drift": see `DriftPolicy.judge`.

    Args:
        reference: One row per application, a column per feature; not changed.
        current: The window's rows, same columns.
        kinds: Which features to judge, and how each is to be read; others are ignored.
        policy: Thresholds and the fewest rows.
        window: Where `current` comes from.
        as_of: When it is judged, timezone-aware: becomes the summary's timestamp.
        reference_sha256: Identity of the reference.

    Returns:
        The summary; no value in it is NaN or infinite, whatever the frames hold.

    Raises:
        ValueError: `kinds` is empty or has an unknown kind, or `as_of` is naive. Never for what the frames hold.
    """
    if not kinds:
        raise ValueError("kinds is empty: no feature to judge")
    judged = [judge_feature(reference, current, feature, kind, policy) for feature, kind in kinds.items()]
    features = tuple(drift for drift, _ in judged if drift is not None)
    excluded = tuple(note.feature for _, note in judged if not note.evaluated)
    drifted = sum(drift.drift_detected for drift in features)
    state = policy.judge(rows=len(current), drifted=drifted, evaluated=len(features), total=len(kinds))
    return DriftSummary(
        timestamp=as_of,
        state=state,
        reason=_reason(state, len(current), drifted, excluded, len(kinds), policy),
        window=window,
        rows=len(current),
        reference_sha256=reference_sha256,
        reference_rows=len(reference),
        policy=policy,
        features=features,
        notes=tuple(note for _, note in judged),
        excluded_features=excluded,
    )


def _reason(
    state: State, rows: int, drifted: int, excluded: tuple[str, ...], total: int, policy: DriftPolicy
) -> str | None:
    unjudged = f"{len(excluded)} of {total} features could not be judged ({', '.join(excluded)})"
    match state:
        case State.NO_DATA:
            return "no rows in the window"
        case State.TOO_FEW_ROWS:
            return f"{rows} rows in the window, need {policy.min_rows}"
        case State.FAILED if len(excluded) < total:
            return f"{drifted} of the judged features drifted, but {unjudged}, enough to tip the verdict"
        case _:
            return unjudged if excluded else None


def judge_feature(
    reference: pd.DataFrame, current: pd.DataFrame, feature: str, kind: Kind, policy: DriftPolicy
) -> tuple[FeatureDrift | None, FeatureNote]:
    """One feature of `drift_summary`: its score, or None where there can be none, and its note with the reason."""
    before = _Sample.of(reference, feature, kind, "reference", policy.min_rows)
    now = _Sample.of(current, feature, kind, "window", policy.min_rows)
    reason, score = before.reason or now.reason, None
    summary: dict[str, Any] = {}
    if reason is None:
        compare = _compare_numbers if kind == "numeric" else _compare_categories
        try:
            score, summary = compare(before.values, now.values)
        except ValueError as error:
            reason = str(error)
    note = FeatureNote(
        feature=feature,
        kind=kind,
        evaluated=score is not None,
        reason=reason,
        reference_missing_share=before.missing_share,
        current_missing_share=now.missing_share,
        reference_rows=before.values.size,
        current_rows=now.values.size,
        summary=summary,
    )
    if score is None:
        return None, note
    drift = FeatureDrift(
        feature=feature,
        drift_detected=score >= policy.threshold,
        stat_test=STAT_TEST[kind],
        drift_score=score,
        threshold=policy.threshold,
    )
    return drift, note


@dataclass(frozen=True, slots=True)
class _Sample:
    """The values of one feature that are present on one side, or why they cannot be judged."""

    values: NDArray[Any]
    missing_share: float | None
    reason: str | None

    @classmethod
    def of(cls, frame: pd.DataFrame, feature: str, kind: Kind, side: str, need: int) -> _Sample:
        nothing, all_missing = np.array([]), 1.0 if len(frame) else None
        if (named := list(frame.columns).count(feature)) != 1:
            return cls(nothing, all_missing, f"{side} has {named or 'no'} columns of this name")
        try:
            values = numbers(frame[feature]) if kind == "numeric" else categories(frame[feature]).to_numpy()
        except ValueError as error:
            share = float(frame[feature].isna().mean()) if len(frame) else None
            return cls(nothing, share, f"{side} {error}")
        values = values[~pd.isna(values)]
        share = (len(frame) - values.size) / len(frame) if len(frame) else None
        if kind == "numeric" and np.isinf(values).any():
            return cls(values, share, f"{side} holds infinite values")
        reason = f"{side} has {values.size} values, need {need}" if values.size < need else None
        return cls(values, share, reason)


def _compare_numbers(reference: Numbers, current: Numbers) -> tuple[float, dict[str, Any]]:
    score = wasserstein_normed(reference, current)
    return score, {"reference": _quartiles(reference), "current": _quartiles(current)}


def _quartiles(values: Numbers) -> dict[str, float]:
    quartiles = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")  # observed values: cannot overflow
    return dict(zip(("q25", "median", "q75"), quartiles.tolist(), strict=True))


def _compare_categories(reference: NDArray[Any], current: NDArray[Any]) -> tuple[float, dict[str, Any]]:
    before, now = pd.Series(reference).value_counts(), pd.Series(current).value_counts()
    names = before.index.union(now.index)  # sorted, so that the order of rows changes nothing
    counts = before.reindex(names, fill_value=0).to_numpy(), now.reindex(names, fill_value=0).to_numpy()
    shares = counts[0] / reference.size, counts[1] / current.size
    largest = np.argsort(-np.maximum(*shares), kind="stable")[:TOP_CATEGORIES]
    new = counts[0] == 0
    return jensen_shannon(*counts), {
        "top": [
            {"category": names[i], "reference_share": float(shares[0][i]), "current_share": float(shares[1][i])}
            for i in largest
        ],
        "new_categories": int(new.sum()),
        "new_category_share": float(shares[1][new].sum()),
    }
