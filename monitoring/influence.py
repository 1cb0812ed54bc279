"""What each row contributes to a metric: its influence, from which standard errors of paired differences follow.

An influence has mean 0 over the rows, and its standard deviation over sqrt(n) is the metric's standard error (the
infinitesimal jackknife: Efron & Stein 1981; Hampel 1974). The influence of a difference is the difference of the two,
so that two models over the same rows are compared with their correlation in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.performance import Ranked, confusion, placements, tallied

Numbers = NDArray[np.float64]


def of_f1(y: ArrayLike, called: ArrayLike) -> Numbers:
    """Influence of each row on F1, shape (n,); 0 everywhere when nothing is bad and nothing is called bad.

    Args:
        y: Outcomes, shape (n,), 0 or 1.
        called: Decisions, shape (n,), 1 for called bad.

    Raises:
        ValueError: As in `performance.confusion`.

    >>> of_f1([1, 1, 0, 0], [1, 0, 1, 0]).tolist()
    [1.0, -0.5, -0.5, 0.0]
    """
    f1 = confusion(y, called).f1
    outcome, decision = np.asarray(y, dtype=np.float64), np.asarray(called, dtype=np.float64)
    relevant = float(np.mean(outcome + decision))
    values = 2 * outcome * decision - f1 * (outcome + decision)
    return np.asarray(values / relevant if relevant else values)


def of_f1_difference(y: ArrayLike, called: ArrayLike, other: ArrayLike) -> Numbers:
    """Contributions to F1 of `other` less F1 of `called`: of every row, and of one row more of each kind that differs.

    Two models may differ on a handful of rows, and a window may by chance hold none of those on which one of them is
    right. Its error would then be far too small. So one row of each of the four kinds on which two decisions can differ
    (bad or good, called bad by the one or the other) is added to the spread, not to the estimate.

    Args:
        y: Outcomes, shape (n,), 0 or 1.
        called: Decisions of one model, shape (n,), 1 for called bad. `other`: of the other model.

    Returns:
        Shape (n + 4,), the added rows last.

    Raises:
        ValueError: As in `performance.confusion`.

    Source:
        Bonett & Price (2012), "Adjusted Wald confidence interval for a difference of binomial proportions based on
        paired data", who add one to each count that differs; here within either outcome.

    >>> of_f1_difference([1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0]).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.5, -1.5, -0.5, 0.5]
    """
    outcome = np.append(np.asarray(y, dtype=np.float64), (1, 1, 0, 0))
    parts = []
    for decision, added in ((called, (0, 1, 0, 1)), (other, (1, 0, 1, 0))):
        f1 = confusion(y, decision).f1
        relevant = float(np.mean(np.asarray(y, dtype=np.float64) + np.asarray(decision, dtype=np.float64)))
        both = np.append(np.asarray(decision, dtype=np.float64), added)
        values = 2 * outcome * both - f1 * (outcome + both)
        parts.append(values / relevant if relevant else values)
    return np.asarray(parts[1] - parts[0])


def of_mean(values: ArrayLike) -> Numbers:
    """Influence of each row on the mean of per-row values (Brier, log loss, profit), shape (n,)."""
    array = np.asarray(values, dtype=np.float64)
    return np.asarray(array - array.mean())


def of_auc(y: ArrayLike, p: ArrayLike | Ranked) -> Numbers | None:
    """Influence of each row on AUC, shape (n,); None when only one outcome is present.

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44: the placement of a row among those of the other outcome.
        The error that follows equals theirs but for n in place of n - 1 within each outcome.

    >>> of_auc([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5]).tolist()
    [0.25, 0.25, -0.25, -0.25]
    """
    order, of_bad, _ = tallied(y, p)
    bad = np.asarray(y, dtype=np.float64) == 1
    share = float(bad.mean())
    if not 0 < of_bad.sum() < len(bad):
        return None
    below, above = placements(bad, order)
    influence = np.empty(len(bad))
    influence[bad] = (below - below.mean()) / share
    influence[~bad] = (above - above.mean()) / (1 - share)
    return influence


def ks_cut(y: ArrayLike, p: ArrayLike | Ranked) -> float | None:
    """The cut-off at which the score distributions of good and bad are furthest apart; None with one outcome only.

    >>> ks_cut([1, 0, 1, 0], [0.9, 0.1, 0.6, 0.5])
    0.6
    """
    order, bad, good = tallied(y, p)
    if not (bad.any() and good.any()):
        return None
    caught, called = np.cumsum(bad[::-1])[::-1] / bad.sum(), np.cumsum(good[::-1])[::-1] / good.sum()
    return float(order.cuts[int(np.argmax(np.abs(caught - called)))])
