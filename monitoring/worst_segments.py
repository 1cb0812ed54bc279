"""Which segments moved the portfolio's mean score: more of them, or another score inside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t

from monitoring.values import finite, whole

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentShift:
    """One segment's part in the change of the portfolio's mean score, in probability points.

    `mix`: its share changed; `within`: the score changed inside it; together `contribution`. Means and their `change`
    (window less reference, 95 % interval) are None where a side has no rows or too few to know.
    """

    segment: str
    value: str
    reference_rows: int
    window_rows: int
    reference_share: float
    window_share: float
    reference_mean: float | None
    window_mean: float | None
    change: float | None
    change_interval: tuple[float, float] | None
    mix: float
    within: float

    def __post_init__(self) -> None:
        name = f"{self.segment} {self.value}"
        if min(whole(self.reference_rows, "reference rows"), whole(self.window_rows, "window rows")) < 0:
            raise ValueError(f"{name}: rows must be >= 0, got {self.reference_rows} and {self.window_rows}")
        for rows, mean in ((self.reference_rows, self.reference_mean), (self.window_rows, self.window_mean)):
            if (mean is None) is (rows > 0):
                raise ValueError(f"{name}: a mean score belongs to rows, got {mean} of {rows} rows")
        for part in (self.mix, self.within):
            finite(part, f"{name}: mix and within")

    @property
    def contribution(self) -> float:
        """Part of the change of the portfolio's mean score: mix + within."""
        return self.mix + self.within

    def to_json(self) -> dict[str, Any]:
        """Every field by its name, and the contribution."""
        return asdict(self) | {"contribution": self.contribution}


def worst_segments(
    reference: Mapping[str, NDArray[np.str_]],
    window: Mapping[str, NDArray[np.str_]],
    *,
    reference_scores: ArrayLike,
    window_scores: ArrayLike,
) -> tuple[SegmentShift, ...]:
    """Split the change of the mean score among the values of each segment, exactly.

    For each value with shares p, q and mean scores m, n (reference, window), and M the mean of the two portfolio means:
    mix is (q - p) ((m + n) / 2 - M) and within is (n - m) (p + q) / 2. Over the values of one segment they add up to
    the change. M cancels in the sum; with it, growth counts as a rise only for a value that scores above the portfolio.
    A value that one side does not have is mix alone. A composition is described, no cause is named.

    Args:
        reference: Segment name to each reference row's value, shape (n_reference,), as text.
        window: The same segments for the window's rows, shape (n_window,).
        reference_scores: Probability of bad of the reference's rows, shape (n_reference,), each in [0, 1].
        window_scores: The same of the window's rows, shape (n_window,).

    Returns:
        One value for each segment and value, largest absolute contribution first.

    Raises:
        ValueError: A side has no rows, the segments or lengths differ, or a score is not in [0, 1].

    Source:
        Kitagawa (1955), "Components of a difference between two rates", JASA 50; the interval of a change: Welch
        (1947), "The generalization of 'Student's' problem when several different population variances are involved",
        Biometrika 34.

    >>> before, now = {"new": np.array(["no", "yes"])}, {"new": np.array(["no", "yes", "yes", "yes"])}
    >>> shifts = worst_segments(before, now, reference_scores=[0.1, 0.3], window_scores=[0.1, 0.3, 0.3, 0.3])
    >>> [(shift.value, round(shift.mix, 4), round(shift.within, 4)) for shift in shifts]
    [('no', 0.0312, 0.0), ('yes', 0.0187, 0.0)]
    """
    if set(reference) != set(window):
        raise ValueError(f"segments: expected the same on both sides, got {sorted(reference)} and {sorted(window)}")
    before, now = _scores(reference_scores, "reference"), _scores(window_scores, "window")
    shifts: list[SegmentShift] = []
    for name in reference:
        for values, scores, side in ((reference[name], before, "reference"), (window[name], now, "window")):
            if np.shape(values) != scores.shape:
                raise ValueError(f"{name}: expected {len(scores)} values in the {side}, got shape {np.shape(values)}")
        shifts += _of_segment(name, reference[name], window[name], before, now)
    return tuple(sorted(shifts, key=lambda shift: (-abs(shift.contribution), shift.segment, shift.value)))


def _scores(values: ArrayLike, side: str) -> Numbers:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or not scores.size:
        raise ValueError(f"{side} scores: expected one dimension and at least one row, got shape {scores.shape}")
    if not ((scores >= 0) & (scores <= 1)).all():  # false for NaN too
        raise ValueError(f"{side} scores: expected finite probabilities in [0, 1]")
    return scores


def _of_segment(
    name: str, values_before: NDArray[np.str_], values_now: NDArray[np.str_], before: Numbers, now: Numbers
) -> list[SegmentShift]:
    middle = (float(before.mean()) + float(now.mean())) / 2
    shifts = []
    for value in np.union1d(values_before, values_now).tolist():
        first, second = before[values_before == value], now[values_now == value]
        p, q = len(first) / len(before), len(second) / len(now)
        m, n = (float(side.mean()) if side.size else None for side in (first, second))
        change = n - m if m is not None and n is not None else None
        level = sum(known := [mean for mean in (m, n) if mean is not None]) / len(known)
        shifts.append(
            SegmentShift(
                segment=name,
                value=str(value),
                reference_rows=len(first),
                window_rows=len(second),
                reference_share=p,
                window_share=q,
                reference_mean=m,
                window_mean=n,
                change=change,
                change_interval=_interval(first, second),
                mix=(q - p) * (level - middle),
                within=0.0 if change is None else change * (p + q) / 2,
            )
        )
    return shifts


def _interval(first: Numbers, second: Numbers) -> tuple[float, float] | None:
    """95 % interval of the difference of two means (Welch); None where a side has fewer than two rows."""
    if min(len(first), len(second)) < 2:
        return None
    change = float(second.mean() - first.mean())
    errors = [float(side.var(ddof=1)) / len(side) for side in (first, second)]
    if not (error := sum(errors)):
        return change, change
    parts = [own / error for own in errors]
    freedom = 1 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True))
    half = float(t.ppf(0.975, freedom)) * float(error**0.5)
    return change - half, change + half
