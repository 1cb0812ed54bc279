"""From identical mature rows, scored by both models, to everything the checks read. Pure: same rows, same evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring import performance
from monitoring.performance import CELLS
from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import InputError
from pipeline.gate.values import (
    Evidence,
    GatePolicy,
    Interval,
    ModelMetrics,
    Paired,
    SegmentEvidence,
    difference,
    relative_drop,
    relative_gain,
)

__all__ = ["Evidence", "JudgedRows", "ModelMetrics", "Paired", "SegmentEvidence", "corrected_level", "evidence"]

WHOLE = "all rows"
MAX_SEGMENT_VALUES = 500  # beyond this a column is an identifier or a number, not a segment
_COVERAGE_LEVEL = 0.95

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedRows:
    """The same mature, labelled rows under both models. A row is called bad when its score >= the model's threshold.

    Arrays have shape (n,), n >= 0, and are copied, made read-only, and put in order of id, so that neither the evidence
    nor a digest depends on the order the rows were fetched in.

    Args:
        ids: Prediction ids, distinct strings.
        y: Outcomes, 1 bad and 0 good.
        champion_score: Probabilities of bad, each in [0, 1]. `challenger_score` likewise.
        champion_threshold: In [0, 1]. `challenger_threshold` likewise.
        segments: Each segment column's value per row, as strings; a missing value is spelled "missing".
        mature_rows: Rows in the mature window, labelled or not, >= n.

    Raises:
        InputError: Any of this does not hold.
    """

    ids: NDArray[np.str_]
    y: NDArray[np.int8]
    champion_score: Numbers
    challenger_score: Numbers
    champion_threshold: float
    challenger_threshold: float
    segments: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    mature_rows: int

    def __post_init__(self) -> None:
        ids = _texts("ids", self.ids, None)
        order = np.argsort(ids, kind="stable")
        if (ids[order][1:] == ids[order][:-1]).any():
            raise InputError("judged rows", "ids", "the same row twice")
        put = {"ids": ids, "y": _numbers("y", self.y, len(ids))}
        if not np.isin(put["y"], (0, 1)).all():
            raise InputError("judged rows", "y", "expected only 0 and 1")
        put["y"] = put["y"].astype(np.int8)
        for name in ("champion_score", "challenger_score"):
            put[name] = _in_unit(name, _numbers(name, getattr(self, name), len(ids)))
        for name in ("champion_threshold", "challenger_threshold"):
            object.__setattr__(self, name, float(_in_unit(name, _numbers(name, [getattr(self, name)], 1))[0]))
        if not isinstance(self.mature_rows, (int, np.integer)) or self.mature_rows < len(ids):
            raise InputError("judged rows", "mature_rows", f"expected at least {len(ids)}, got {self.mature_rows}")
        columns = {name: _frozen(_texts(name, self.segments[name], len(ids))[order]) for name in sorted(self.segments)}
        object.__setattr__(self, "segments", columns)
        object.__setattr__(self, "mature_rows", int(self.mature_rows))
        for name, array in put.items():
            object.__setattr__(self, name, _frozen(array[order]))

    @property
    def row_ids_sha256(self) -> str:
        """Which rows these are, whatever they hold."""
        return sha256_text(canonical_json(self.ids.tolist()))

    @property
    def data_sha256(self) -> str:
        """All that the evidence is computed from: ids, outcomes, scores, thresholds, segments, mature rows."""
        parts = {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name != "segments"}
        parts |= {f"segment {name}": column for name, column in self.segments.items()}
        plain = {name: part.tolist() if isinstance(part, np.ndarray) else part for name, part in parts.items()}
        return sha256_text(canonical_json(plain))


def evidence(
    rows: JudgedRows, *, policy: GatePolicy, expected_segments: Mapping[str, Sequence[str]] | None = None
) -> Evidence:
    """Measure both models, their paired differences, and every segment.

    Args:
        rows: The judged rows; none at all is allowed, and gives evidence in which nothing is measured.
        policy: Level of the intervals, number of resamples, seed, smallest segment judged.
        expected_segments: Values per segment column that the champion's reference holds; those not among the rows
            are reported in `absent_segments`.

    Raises:
        InputError: A segment column has more values than a segment can have.

    Source:
        F1: `monitoring.performance.resampled_f1`, percentile interval. AUC: `auc_difference_error`. Brier: the mean of
        independent per-row differences of squared errors is normal in the limit (central limit theorem).
    """
    n, positives = len(rows.y), int(rows.y.sum())
    ours, theirs = rows.champion_score >= rows.champion_threshold, rows.challenger_score >= rows.challenger_threshold
    cells = performance.decision_cells(rows.y, ours, theirs) if n else np.zeros(0, dtype=np.int64)
    champion = _metrics(rows.y, rows.champion_score, rows.champion_threshold)
    challenger = _metrics(rows.y, rows.challenger_score, rows.challenger_threshold)
    draws = _resampled(np.bincount(cells, minlength=CELLS), policy, stream=0) if n else None
    f1_interval = None if draws is None else _percentile(draws[1] - draws[0], policy.interval_level)
    segments = _segments(rows, cells, policy)
    present = {(column, value) for column, values in rows.segments.items() for value in np.unique(values).tolist()}
    expected = [(column, value) for column, values in (expected_segments or {}).items() for value in values]
    return Evidence(
        rows=n,
        positives=positives,
        mature_rows=rows.mature_rows,
        coverage=n / rows.mature_rows if rows.mature_rows else None,
        coverage_interval=_coverage_interval(n, rows.mature_rows),
        baseline_f1=2 * positives / (n + positives) if n else None,
        champion=champion,
        challenger=challenger,
        f1=_paired("f1", champion, challenger, f1_interval),
        f1_gain=Paired(
            metric="f1_gain",
            champion=champion.f1,
            challenger=challenger.f1,
            difference=relative_gain(champion.f1, challenger.f1),
            interval=_gain_interval(draws, policy.interval_level) if champion.f1 else None,
        ),
        brier=_paired("brier", champion, challenger, _brier_interval(rows, policy.interval_level)),
        auc=_paired("auc", champion, challenger, _auc_interval(rows, champion, challenger, policy.interval_level)),
        segments=segments,
        absent_segments=tuple(f"{column}={value}" for column, value in expected if (column, value) not in present),
    )


def corrected_level(level: float, judged: int) -> float:
    """Level of each of several intervals so that all hold together at `level` (Bonferroni).

    >>> round(corrected_level(0.90, 5), 3)
    0.98
    """
    return 1 - (1 - level) / max(judged, 1)


def _metrics(y: NDArray[np.int8], score: Numbers, threshold: float) -> ModelMetrics:
    if not len(y):
        nothing = dict.fromkeys(("f1", "brier", "auc", "ks", "gini", "predicted_positive_rate"))
        return ModelMetrics(threshold=threshold, **nothing)
    decision = score >= threshold
    return ModelMetrics(
        f1=performance.f1(y, decision),
        brier=performance.brier(y, score),
        auc=performance.auc(y, score),
        ks=performance.ks(y, score),
        gini=performance.gini(y, score),
        predicted_positive_rate=float(decision.mean()),
        threshold=threshold,
    )


def _paired(metric: str, champion: ModelMetrics, challenger: ModelMetrics, interval: Interval | None) -> Paired:
    ours, theirs = getattr(champion, metric), getattr(challenger, metric)
    change = difference(ours, theirs)
    return Paired(metric=metric, champion=ours, challenger=theirs, difference=change, interval=interval)


def _resampled(counts: Counts, policy: GatePolicy, *, stream: int) -> tuple[Numbers, Numbers]:
    return performance.resampled_f1(counts, resamples=policy.resamples, seed=(policy.seed, stream))


def _percentile(draws: Numbers, level: float) -> Interval | None:
    """Percentile interval by order statistics, without interpolation: so the interval of a difference and that of a
    ratio lie on the same side of "no change". None when an end is not finite."""
    ordered, cut = np.sort(draws), int((1 - level) / 2 * (len(draws) - 1))
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    return Interval(low, high, level) if isfinite(low) and isfinite(high) else None


def _gain_interval(draws: tuple[Numbers, Numbers] | None, level: float) -> Interval | None:
    if draws is None:
        return None
    ours, theirs = draws
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(ours > 0, theirs / ours - 1, np.where(theirs > 0, np.inf, 0.0))
    return _percentile(gain, level)


def _brier_interval(rows: JudgedRows, level: float) -> Interval | None:
    n = len(rows.y)
    if n < 2:
        return None
    change = (rows.challenger_score - rows.y) ** 2 - (rows.champion_score - rows.y) ** 2
    return _normal(float(change.mean()), float(change.std(ddof=1)) / n**0.5, level)


def _auc_interval(rows: JudgedRows, champion: ModelMetrics, challenger: ModelMetrics, level: float) -> Interval | None:
    change = difference(champion.auc, challenger.auc)
    if change is None:
        return None
    error = performance.auc_difference_error(rows.y, rows.champion_score, rows.challenger_score)
    return None if error is None else _normal(change, error, level)


def _normal(centre: float, error: float, level: float) -> Interval:
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(centre - half, centre + half, level)


def _coverage_interval(labelled: int, mature: int) -> Interval | None:
    if not mature:
        return None
    return Interval(*performance.wilson_interval(labelled, mature, level=_COVERAGE_LEVEL), _COVERAGE_LEVEL)


def _segments(rows: JudgedRows, cells: Counts, policy: GatePolicy) -> tuple[SegmentEvidence, ...]:
    """Every value of every segment column, in order; without columns the whole window is the one segment."""
    columns: Mapping[str, NDArray[Any]] = rows.segments or {WHOLE: np.full(len(cells), "")}
    found: list[tuple[str, str, Counts]] = []
    for column, values in columns.items():
        names, position = np.unique(values, return_inverse=True)
        if len(names) > MAX_SEGMENT_VALUES:
            need = f"expected at most {MAX_SEGMENT_VALUES} different values, got {len(names)}"
            raise InputError("judged rows", f"segment {column}", need)
        counts = np.bincount(position * CELLS + cells, minlength=len(names) * CELLS).reshape(-1, CELLS)
        found += [(column, str(name), count) for name, count in zip(names, counts, strict=True)]
    judged = sum(_is_judged(counts, policy) for *_, counts in found)
    level = corrected_level(policy.interval_level, judged)
    return tuple(_segment(*each, policy, level, stream=1 + i) for i, each in enumerate(found))


def _is_judged(counts: Counts, policy: GatePolicy) -> bool:
    n, bad = int(counts.sum()), int(counts[4:].sum())
    return n >= policy.min_segment_samples and 0 < bad < n


def _segment(
    column: str, value: str, counts: Counts, policy: GatePolicy, level: float, *, stream: int
) -> SegmentEvidence:
    ours, theirs = (float(f1) for f1 in performance.f1_of_cells(counts))
    interval = None
    if _is_judged(counts, policy):
        drawn_ours, drawn_theirs = _resampled(counts, policy, stream=stream)
        drops = 1 - np.divide(drawn_theirs, drawn_ours, out=np.ones_like(drawn_ours), where=drawn_ours > 0)
        interval = _percentile(drops, level)
    return SegmentEvidence(
        segment=column,
        value=value,
        rows=int(counts.sum()),
        positives=int(counts[4:].sum()),
        champion_f1=ours,
        challenger_f1=theirs,
        drop=relative_drop(ours, theirs),
        interval=interval,
    )


def _numbers(name: str, values: object, length: int) -> Numbers:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("judged rows", name, "expected numbers") from None
    if array.shape != (length,):
        raise InputError("judged rows", name, f"expected shape ({length},), got {array.shape}")
    return array


def _in_unit(name: str, array: Numbers) -> Numbers:
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise InputError("judged rows", name, "expected finite numbers in [0, 1]")
    return array


def _texts(name: str, values: object, length: int | None) -> NDArray[np.str_]:
    array = np.asarray(values)
    if array.ndim != 1 or (length is not None and len(array) != length):
        raise InputError(
            "judged rows", name, f"expected shape ({'n' if length is None else length},), got {array.shape}"
        )
    if array.dtype.kind != "U" and not all(isinstance(value, str) for value in array.tolist()):
        raise InputError("judged rows", name, 'expected strings (a missing value is spelled "missing")')
    return array.astype(np.str_)


def _frozen(array: Any) -> Any:
    array.setflags(write=False)
    return array
