"""Why this score: the features that moved it up most, for letters to those who are declined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = tuple[Any, ...]
Score = Callable[[Sequence[Row]], NDArray[np.float64]]
PERMUTATIONS = 32  # half of them the other half backwards
_LEAST = 1e-9  # of probability; rounding is a millionth of it


def orders(features: int, *, seed: int) -> NDArray[np.intp]:
    """Orders in which features change, shape (PERMUTATIONS, features), each followed by itself backwards.

    >>> orders(3, seed=7)[:2].tolist()
    [[0, 2, 1], [1, 2, 0]]
    """
    rng = np.random.default_rng(seed)
    half = [rng.permutation(features) for _ in range(PERMUTATIONS // 2)]
    return np.array([order for forwards in half for order in (forwards, forwards[::-1])], dtype=np.intp)


def contributions(
    score: Score, row: Row, *, background: Sequence[Row], orders: NDArray[np.intp]
) -> NDArray[np.float64]:
    """How far each feature moves this applicant's probability away from what applicants have on average.

    The Shapley value of each feature, for the game in which a feature that is not in the coalition has the value of an
    applicant of the background. Estimated over fixed orders and fixed applicants, so that one row always gets one
    answer; it asks nothing of the model but scores, so that it means the same for every model. The comparison with all
    applicants is one of the two that the official interpretation of Regulation B names for stating reasons.

    Args:
        score: Probability of default per row, each in [0, 1].
        row: The applicant's values.
        background: Applicants, as many as orders: one for each.
        orders: As `orders` makes them, shape (n, features).

    Returns:
        Points of probability per feature, shape (features,); they add up to the score less the background's mean.

    Source:
        Strumbelj and Kononenko (2014), "Explaining prediction models and individual predictions with feature
        contributions", Knowledge and Information Systems 41:647-665; orders and their reverse as in Mitchell et al.
        (2022), "Sampling permutations for Shapley value estimation", JMLR 23(43). 12 CFR part 1002, Supplement I,
        paragraph 9(b)(2), comment 5.

    >>> mean = lambda rows: np.array([0.1 * row[0] + 0.02 * row[1] for row in rows])
    >>> found = contributions(mean, (3.0, 1.0, 9.0), background=[(1.0, 1.0, 0.0)] * 32, orders=orders(3, seed=7))
    >>> found.round(3).tolist()
    [0.2, 0.0, 0.0]
    """
    steps: list[Row] = []
    for other, order in zip(background, orders, strict=True):
        values = list(other)
        steps.append(tuple(values))
        for place in order:
            values[place] = row[place]
            steps.append(tuple(values))
    moved = np.diff(score(steps).reshape(len(orders), -1), axis=1)
    found = np.zeros(orders.shape[1])
    np.add.at(found, orders, moved)
    return found / len(orders)


def reasons(found: NDArray[np.float64], names: Sequence[str], *, most: int) -> tuple[str, ...]:
    """The features that moved the score up, the one that moved it most first; none that did not.

    >>> reasons(np.array([0.01, -0.2, 0.05, 0.0]), ["a", "b", "c", "d"], most=4)
    ('c', 'a')
    """
    ranked = np.argsort(-found, kind="stable")[:most]
    return tuple(names[place] for place in ranked if found[place] > _LEAST)
