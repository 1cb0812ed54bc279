"""How well scores and decisions agreed with what happened. Pure functions of arrays; "bad" is the positive class, 1."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CELLS = 8  # of outcome x one model's decision x the other's
SMALLEST = 1e-6  # probabilities nearer to 0 or 1 are read as this where a logarithm is taken


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


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean surprise of the outcomes under the probabilities, in nats, >= 0; lower is better.

    A probability within 1e-6 of 0 or 1 counts as that, so that one sure and wrong score costs at most 13.8 nats.
    Arguments and errors as in `brier`.

    Source:
        Good (1952), "Rational decisions".

    >>> round(log_loss([1, 0], [0.8, 0.4]), 4)
    0.367
    """
    return float(np.mean(surprise(*checked_scores(y, p))))


def surprise(y: NDArray[np.int8], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row's log loss in nats, shape (n,)."""
    clipped = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.asarray(-np.where(y == 1, np.log(clipped), np.log1p(-clipped)))


class Ranked(NamedTuple):
    """The one sort that AUC, KS and placements share: give it in place of the scores where several are wanted.

    `cuts` are the different scores, rising, shape (m,); `position` says which of them each row has, shape (n,).
    """

    cuts: NDArray[np.float64]
    position: NDArray[np.intp]


def ranked(p: ArrayLike | Ranked) -> Ranked:
    """Scores in order; what is in order already is given back.

    Raises:
        ValueError: Empty, or a score is not finite or outside [0, 1].

    >>> [part.tolist() for part in ranked([0.5, 0.1, 0.5])]
    [[0.1, 0.5], [1, 0, 1]]
    """
    return p if isinstance(p, Ranked) else Ranked(*np.unique(_probabilities(p), return_inverse=True))


def tallied(y: ArrayLike, p: ArrayLike | Ranked) -> tuple[Ranked, NDArray[np.float64], NDArray[np.float64]]:
    """The scores in order, and of each how many bad and how many good rows have it, shape (m,). Errors as in `brier`.

    >>> [part.tolist() for part in tallied([1, 0, 0], [0.5, 0.1, 0.5])[1:]]
    [[0.0, 1.0], [1.0, 1.0]]
    """
    order = ranked(p)
    outcome, position = _pair(_binary("y", y), order.position)
    bad = np.bincount(position, weights=outcome, minlength=len(order.cuts)).astype(np.float64, copy=False)
    everybody = np.bincount(position, minlength=len(order.cuts)).astype(np.float64)
    return order, bad, everybody - bad


def auc(y: ArrayLike, p: ArrayLike | Ranked) -> float | None:
    """Chance that a bad row scores above a good one, ties counting one half, in [0, 1].

    Args and errors as in `brier`. Returns None when only one class is present: then nothing can be ranked.

    Source:
        Hanley & McNeil (1982), "The meaning and use of the area under a ROC curve" (the Mann-Whitney statistic).

    >>> auc([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.875
    >>> auc([0, 0], [0.2, 0.3]) is None
    True
    """
    _, bad, good = tallied(y, p)
    pairs = float(bad.sum()) * float(good.sum())
    return float(bad @ (np.cumsum(good) - good / 2)) / pairs if pairs else None


def gini(y: ArrayLike, p: ArrayLike | Ranked) -> float | None:
    """2 AUC - 1, in [-1, 1]; 0 is no ranking at all. Arguments, errors and None as in `auc`.

    >>> gini([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.75
    """
    area = auc(y, p)
    return None if area is None else 2 * area - 1


def ks(y: ArrayLike, p: ArrayLike | Ranked) -> float | None:
    """Largest gap between the score distributions of good and bad, in [0, 1]. Arguments, errors and None as in `auc`.

    Source:
        Smirnov (1939), the two-sample statistic.

    >>> ks([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5])
    0.5
    """
    _, bad, good = tallied(y, p)
    if not (bad.any() and good.any()):
        return None
    return float(np.abs(np.cumsum(bad) / bad.sum() - np.cumsum(good) / good.sum()).max())


def placements(bad: NDArray[np.bool_], scores: ArrayLike | Ranked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each bad row the share of good rows below it, and for each good row the share of bad rows above it.

    Ties count one half; both outcomes must be present.

    >>> [part.tolist() for part in placements(np.array([True, False]), np.array([0.9, 0.1]))]
    [[1.0], [1.0]]
    """
    order, of_bad, of_good = tallied(bad, scores)
    below = (np.cumsum(of_good) - of_good / 2) / of_good.sum()
    above = 1 - (np.cumsum(of_bad) - of_bad / 2) / of_bad.sum()
    return below[order.position[bad]], above[order.position[~bad]]


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


def checked_scores(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Outcomes and probabilities as arrays of one length, n >= 1.

    Raises:
        ValueError: As in `brier`.
    """
    outcome, scores = _pair(_binary("y", y), _probabilities(p))
    return outcome, scores


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: expected numbers, got {error}") from None
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected one dimension and at least one row, got shape {array.shape}")
    return array


def _binary(name: str, values: ArrayLike) -> NDArray[np.int8]:
    array = _numbers(name, values)
    if not ((array == 0) | (array == 1)).all():  # false for NaN too
        raise ValueError(f"{name}: expected only 0 and 1")
    return array.astype(np.int8)


def _probabilities(values: ArrayLike) -> NDArray[np.float64]:
    array = _numbers("p", values)
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise ValueError("p: expected finite probabilities in [0, 1]")
    return array


def _pair(
    outcome: NDArray[np.int8], other: NDArray[np.float64] | NDArray[np.int8] | NDArray[np.intp]
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    if len(outcome) != len(other):
        raise ValueError(f"expected one value per outcome, got {len(other)} for {len(outcome)}")
    return outcome, other
