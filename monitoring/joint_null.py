"""What products of features show where only margins differ: the main-effects model, and labels redrawn from it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2

from monitoring.joint_coding import Codes, Coding, Floats, Numbers

PRIOR = 0.1  # on log odds of classes: bounds those seen on one side only, moves those of 50 rows by a 500th
NEWTON_STEPS = 12  # it settles in about 6; bounded all the same
TAIL_SHARE = 0.1  # of the redrawn statistics, from which the tail beyond them is drawn
TAIL_LEVEL = 0.95  # one-sided confidence for the tail's decay
AT_ONCE = 4_000_000  # random draws held at a time


def indicators(codes: Codes, sizes: list[int]) -> Floats:
    starts = np.cumsum([0, *sizes[:-1]])
    classes = np.zeros((len(codes), sum(sizes) + 1), dtype=np.float32)
    classes[np.arange(len(codes))[:, None], codes + starts] = 1
    classes[:, -1] = 1
    return classes


def main_effects(classes: Floats, in_window: NDArray[np.bool_]) -> Numbers:
    """Chance of each row to be the window's by its classes one at a time: logistic regression, Newton's method."""
    prior = np.append(np.full(classes.shape[1] - 1, PRIOR), 0.0)
    share = float(in_window.mean())
    weights = np.zeros(classes.shape[1])
    weights[-1] = np.log(share / (1 - share))
    for _ in range(NEWTON_STEPS):
        chance = expit(classes @ weights.astype(np.float32)).astype(np.float64)
        spread = (chance * (1 - chance)).astype(np.float32)
        slope = (in_window - chance) @ classes - prior * weights
        bend = (classes * spread[:, None]).T @ classes + np.diag(prior + 1e-6)
        step = np.linalg.solve(bend, slope)
        weights += step * min(1.0, 2 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-3:
            break
    return np.clip(expit(classes @ weights.astype(np.float32)).astype(np.float64), 1e-6, 1 - 1e-6)


def products_of(codings: list[Coding], codes: Codes) -> tuple[Floats, list[tuple[tuple[int, int], tuple[int, int]]]]:
    scores = [coding.scores[codes[:, place]] for place, coding in enumerate(codings)]
    places = [(f, k) for f, coding in enumerate(codings) for k in range(len(coding.names))]
    columns = [(a, b) for a, b in combinations(places, 2) if a[0] != b[0]]
    return np.column_stack([scores[f][:, j] * scores[g][:, k] for (f, j), (g, k) in columns]), columns


def without_margins(classes: Floats, products: Floats, weight: Floats) -> Floats:
    """What of the products the classes one at a time do not explain (weighted least squares)."""
    weighted = classes * weight[:, None]
    normal = (weighted.T @ classes).astype(np.float64) + 1e-4 * np.eye(classes.shape[1])
    explained = np.linalg.solve(normal, (weighted.T @ products).astype(np.float64))
    return products - classes @ explained.astype(np.float32)


def redrawn_sums(products: Floats, chance: Numbers, rng: np.random.Generator, permutations: int) -> Numbers:
    """Sums over windows redrawn from the main-effects model, shape (permutations, products)."""
    reached = np.round(chance * 65_536).clip(0, 65_535).astype(np.uint16)
    expected = (reached / 65_536) @ products
    at_once = max(1, AT_ONCE // len(chance))
    sums = np.empty((permutations, products.shape[1]))
    for start in range(0, permutations, at_once):
        shape = (min(at_once, permutations - start), len(chance))
        draws = rng.integers(0, 65_536, size=shape, dtype=np.uint16)
        sums[start : start + shape[0]] = (draws < reached).astype(np.float32) @ products
    return sums - expected


def quadratic(z: Numbers, inverse: Numbers) -> Numbers:
    return np.asarray(np.einsum("ij,ij->i", z @ inverse, z))


def tail_p(observed: float, redrawn: Numbers) -> float:
    """Chance of a statistic at least as large as observed where nothing changed; its tail by an exponential.

    Ten or more redrawn ones beyond it are counted. With fewer, the largest tenth decays beyond where it starts as an
    exponential with their mean excess, at its upper confidence limit. A log-concave tail (normal, root of chi-squared,
    Poisson) decays faster, so that this errs towards "no drift".

    Source:
        Phipson & Smyth (2010), "Permutation p-values should never be zero"; a tail in place of ever more permutations:
        Knijnenburg et al. (2009), "Fewer permutations, more accurate P-values", Bioinformatics 25; log-concave tails:
        Bagnoli & Bergstrom (2005), "Log-concave probability and its applications", Economic Theory 26.

    >>> from statistics import NormalDist
    >>> normal = NormalDist()
    >>> redrawn = np.array([normal.inv_cdf((i + 0.5) / 1000) for i in range(1000)])
    >>> round(tail_p(1.0, redrawn), 3), 1 - normal.cdf(4.5) < tail_p(4.5, redrawn) < 5e-4
    (0.16, True)
    """
    beyond, count = int((redrawn >= observed).sum()), len(redrawn)
    exact = (1 + beyond) / (1 + count)
    if beyond >= 10:
        return exact
    ordered = np.sort(redrawn)
    taken = int(count * TAIL_SHARE)
    start = float(ordered[-taken - 1])
    excess = float(ordered[-taken:].mean()) - start
    if excess <= 0:
        return exact
    decay = excess * 2 * taken / float(chi2.ppf(1 - TAIL_LEVEL, 2 * taken))
    tail = (taken + 1) / (count + 1) * float(np.exp(-(observed - start) / decay))
    return min(exact, max(tail, 1e-300))
