"""How well scores and decisions agreed with what happened. Pure functions of arrays; "bad" is the positive class, 1."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS = 8  # of outcome x one model's decision x the other's


class Confusion(NamedTuple):
    """Counts of decisions by outcome; positive means bad."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def f1(self) -> float:
        """2TP / (2TP + FP + FN), in [0, 1]; 0.0 by definition when nothing is bad and nothing is called bad."""
        relevant = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / relevant if relevant else 0.0


def confusion(y: ArrayLike, decision: ArrayLike) -> Confusion:
    """Count decisions by outcome.

    Args:
        y: Outcomes, shape (n,), 1 for bad and 0 for good, n >= 1.
        decision: Decisions, shape (n,), 1 for called bad and 0 for called good.

    Raises:
        ValueError: Empty, lengths differ, or a value is not 0 or 1.

    >>> confusion([1, 1, 0, 0], [1, 0, 1, 0])
    Confusion(true_positive=1, false_positive=1, false_negative=1, true_negative=1)
    """
    outcome, called = _pair(_binary("y", y), _binary("decision", decision))
    both, bad, positive = int((outcome & called).sum()), int(outcome.sum()), int(called.sum())
    return Confusion(both, positive - both, bad - both, len(outcome) - bad - positive + both)


def f1(y: ArrayLike, decision: ArrayLike) -> float:
    """F1 of the bad class, in [0, 1]; see `confusion` for the arguments and errors, `Confusion.f1` for 0 / 0.

    Source:
        van Rijsbergen (1979), "Information Retrieval", chapter 7 (effectiveness measure at beta = 1).

    >>> f1([1, 1, 0, 0], [1, 0, 1, 0])
    0.5
    """
    return confusion(y, decision).f1


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared error of the probabilities of bad, in [0, 1]; lower is better.

    Args:
        y: Outcomes, shape (n,), 0 or 1, n >= 1.
        p: Probabilities of bad, shape (n,), each in [0, 1].

    Raises:
        ValueError: Empty, lengths differ, an outcome is not 0 or 1, a probability is not finite or outside [0, 1].

    Source:
        Brier (1950), "Verification of forecasts expressed in terms of probability".

    >>> round(brier([1, 0], [0.8, 0.4]), 3)
    0.1
    """
    outcome, scores = _pair(_binary("y", y), _probabilities(p))
    return float(np.mean((scores - outcome) ** 2))


def auc(y: ArrayLike, p: ArrayLike) -> float | None:
    """Chance that a bad row scores above a good one, ties counting one half, in [0, 1].

    Args and errors as in `brier`. Returns None when only one class is present: then nothing can be ranked.

    Source:
        Hanley & McNeil (1982), "The meaning and use of the area under a ROC curve" (the Mann-Whitney statistic).

    >>> auc([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.875
    >>> auc([0, 0], [0.2, 0.3]) is None
    True
    """
    outcome, scores = _pair(_binary("y", y), _probabilities(p))
    bad = int(outcome.sum())
    good = len(outcome) - bad
    if bad == 0 or good == 0:
        return None
    wins = float(midranks(scores)[outcome == 1].sum()) - bad * (bad + 1) / 2
    return wins / (bad * good)


def gini(y: ArrayLike, p: ArrayLike) -> float | None:
    """2 AUC - 1, in [-1, 1]; 0 is no ranking at all. Arguments, errors and None as in `auc`.

    >>> gini([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.75
    """
    area = auc(y, p)
    return None if area is None else 2 * area - 1


def ks(y: ArrayLike, p: ArrayLike) -> float | None:
    """Largest gap between the score distributions of good and bad, in [0, 1]. Arguments, errors and None as in `auc`.

    Source:
        Smirnov (1939), the two-sample statistic.

    >>> ks([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.5
    """
    outcome, scores = _pair(_binary("y", y), _probabilities(p))
    bad = int(outcome.sum())
    if bad in (0, len(outcome)):
        return None
    _, position = np.unique(scores, return_inverse=True)
    seen_bad = np.cumsum(np.bincount(position, weights=outcome)) / bad
    seen_good = np.cumsum(np.bincount(position, weights=1 - outcome)) / (len(outcome) - bad)
    return float(np.abs(seen_bad - seen_good).max())


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing the mean of their ranks. Shape (n,) in and out.

    >>> midranks(np.array([0.5, 0.1, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(shared[position], dtype=np.float64)


def auc_difference_error(y: ArrayLike, p: ArrayLike, q: ArrayLike) -> float | None:
    """Standard error of AUC(q) - AUC(p) over the same rows, >= 0; the pairing is in it.

    Args:
        y: Outcomes, shape (n,), 0 or 1.
        p: Probabilities of bad by one model, shape (n,), each in [0, 1].
        q: The same by the other model.

    Returns:
        The standard error, or None with fewer than two rows of either class.

    Raises:
        ValueError: As in `brier`.

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44; by midranks as in Sun & Xu (2014), IEEE SPL 21.

    >>> auc_difference_error([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5], [0.9, 0.1, 0.5, 0.5])
    0.0
    """
    outcome, first = _pair(_binary("y", y), _probabilities(p))
    _, second = _pair(outcome, _probabilities(q))
    bad = outcome == 1
    if bad.sum() < 2 or (~bad).sum() < 2:
        return None
    of_bad, of_good = (b - a for a, b in zip(_placements(bad, first), _placements(bad, second), strict=True))
    variance = of_bad.var(ddof=1) / len(of_bad) + of_good.var(ddof=1) / len(of_good)
    return float(np.sqrt(variance))


def _placements(bad: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each bad row the share of good rows below it, and for each good row the share of bad rows above it."""
    ranks, n_bad, n_good = midranks(scores), int(bad.sum()), int((~bad).sum())
    below = (ranks[bad] - midranks(scores[bad])) / n_good
    above = 1 - (ranks[~bad] - midranks(scores[~bad])) / n_bad
    return below, above


def decision_cells(y: ArrayLike, first: ArrayLike, second: ArrayLike) -> NDArray[np.int64]:
    """Which of 8 cells each row is in: 4 * outcome + 2 * first model's decision + second's. Errors as in `confusion`.

    >>> decision_cells([1, 1, 0], [1, 0, 0], [1, 1, 0]).tolist()
    [7, 5, 0]
    """
    outcome, ours = _pair(_binary("y", y), _binary("decision", first))
    _, theirs = _pair(outcome, _binary("decision", second))
    return np.asarray(outcome * 4 + ours * 2 + theirs, dtype=np.int64)


def f1_of_cells(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F1 of both models from counts per cell, shape (..., 8): 2TP / (bad + called bad), and 0 for 0 / 0."""
    bad = counts[..., 4:].sum(axis=-1)
    ours, theirs = counts[..., [2, 3, 6, 7]].sum(axis=-1), counts[..., [1, 3, 5, 7]].sum(axis=-1)
    our_hits, their_hits = counts[..., 6] + counts[..., 7], counts[..., 5] + counts[..., 7]
    return 2 * our_hits / np.maximum(bad + ours, 1), 2 * their_hits / np.maximum(bad + theirs, 1)


def resampled_f1(
    counts: NDArray[np.int64], *, resamples: int, seed: int | Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Paired bootstrap of both models' F1, each of shape (resamples,).

    F1 sees a row only through its cell. Drawing n rows with replacement and counting them per cell is one draw of a
    multinomial(n, counts / n): this is the row bootstrap itself, not an approximation, at a cost free of n.

    Args:
        counts: Rows per cell of `decision_cells`, shape (8,), at least one row.
        resamples: Number of bootstrap samples.
        seed: The same seed and counts give the same draws.

    Source:
        Efron & Tibshirani (1993), "An introduction to the bootstrap", chapters 6 and 13.
    """
    seen, n = counts > 0, int(counts.sum())
    drawn = np.zeros((resamples, CELLS), dtype=np.int64)
    drawn[:, seen] = np.random.default_rng(seed).multinomial(n, counts[seen] / n, size=resamples)
    return f1_of_cells(drawn)


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share, inside [0, 1] and honest near its ends.

    Raises:
        ValueError: Not 0 <= successes <= trials with trials >= 1, or level outside (0, 1).

    Source:
        Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    >>> [round(bound, 4) for bound in wilson_interval(30, 100)]
    [0.2189, 0.3958]
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"successes: expected 0 <= successes <= trials, trials >= 1, got {successes} of {trials}")
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = (z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) ** 0.5 / (1 + z2 / trials)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {error}") from None
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected one dimension and at least one row, got shape {array.shape}")
    return array


def _binary(name: str, values: ArrayLike) -> NDArray[np.int8]:
    array = _numbers(name, values)
    if not np.isin(array, (0.0, 1.0)).all():
        raise ValueError(f"{name}: expected only 0 and 1")
    return array.astype(np.int8)


def _probabilities(values: ArrayLike) -> NDArray[np.float64]:
    array = _numbers("p", values)
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise ValueError("p: expected finite probabilities in [0, 1]")
    return array


def _pair(
    outcome: NDArray[np.int8], other: NDArray[np.float64] | NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    if len(outcome) != len(other):
        raise ValueError(f"expected one value per outcome, got {len(other)} for {len(outcome)}")
    return outcome, other
