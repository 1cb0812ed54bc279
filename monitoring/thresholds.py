"""Limits that know how many rows a window has: how far chance alone moves a PSI or a share, at the level of one look.

A look asks many questions, and looks are many. The level of one question is the false-alarm budget divided by both: a
union bound, which holds however much the windows overlap and the features hang together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from monitoring.psi import HALF_A_ROW, psi_rows

# Rows; between them by logarithm. With fewer than 150, an empty bin of ten is rare and costly, and the tail not smooth:
# at 80 to 140 rows its end was exceeded two to six times too often.
SIZES = (150, 200, 400, 800, 1600, 3200, 6400, 12_800, 51_200, 204_800)
DRAWS = 40_000
TAIL = 0.005  # of the draws, the largest, that the tail is fitted to: 200 of 40,000, so its mean is right to 7 %
FEWEST_VALUES = SIZES[0]
SURE = float(
    stats.norm.isf(0.05)
)  # one-sided 95 %: a change is called material when it is that surely more than the floor


def look_level(*, false_alarms: float, per: timedelta, interval: timedelta) -> float:
    """Chance of a false alarm that one look may take.

    Args:
        false_alarms: Expected number of looks that alarm without cause, over `per`, > 0.
        per: Stretch of time the budget is for.
        interval: Time between looks.

    Returns:
        false_alarms · interval / per, at most 0.01: looks that are years apart do not make a coin of one look.

    >>> round(look_level(false_alarms=1, per=timedelta(days=91), interval=timedelta(minutes=5)) * 1e6, 2)
    38.16
    """
    if min(false_alarms, per.total_seconds(), interval.total_seconds()) <= 0:
        raise ValueError(f"expected all > 0, got {false_alarms} per {per} at one look every {interval}")
    return min(false_alarms * (interval / per), 0.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class NullTail:
    """How far chance moves the PSI of one partition, at each of `SIZES`: what a window drawn from the reference shows.

    In units of PSI / (1/n + 1/n_reference), which changes little with n. With chance `TAIL` it is above `start`, and
    then by `excess` on average.
    """

    reference_rows: int
    start: tuple[float, ...]
    excess: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.start) == len(self.excess) == len(SIZES):
            raise ValueError(f"expected one start and one excess for each of {len(SIZES)} sizes")
        if not (np.isfinite(self.start).all() and np.isfinite(self.excess).all() and min(self.excess) > 0):
            raise ValueError("start and excess: expected finite numbers, excess > 0")

    def critical(self, rows: int, level: float) -> float:
        """PSI that chance alone exceeds with probability `level`, in nats.

        Args:
            rows: Present values in the window, >= 150.
            level: In (0, TAIL].

        Raises:
            ValueError: Too few rows, or a level that the tail says nothing about.

        Source:
            Above a high threshold, excesses over it are about exponential or lighter: Pickands (1975), "Statistical
            inference using extreme order statistics", Annals of Statistics 3:119-131, with shape 0. A PSI's tail is
            that of a chi-square (Yurdakul 2018), which is lighter, so the limit errs to the careful side.
        """
        if rows < FEWEST_VALUES or not 0 < level <= TAIL:
            raise ValueError(f"expected >= {FEWEST_VALUES} rows and a level in (0, {TAIL}], got {rows} and {level}")
        where = np.log(rows)
        start, excess = (float(np.interp(where, np.log(SIZES), values)) for values in (self.start, self.excess))
        return (start + excess * float(np.log(TAIL / level))) * (1 / rows + 1 / self.reference_rows)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"reference_rows": self.reference_rows, "start": list(self.start), "excess": list(self.excess)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NullTail:
        """A tail from its JSON values."""
        start, excess = (tuple(map(float, content[name])) for name in ("start", "excess"))
        return cls(reference_rows=int(content["reference_rows"]), start=start, excess=excess)


def null_tail(counts: NDArray[np.integer[Any]], *, rng: np.random.Generator, draws: int = DRAWS) -> NullTail:
    """Resample a frozen reference over its bins, at every size.

    A window of n rows drawn from rows that are only seen through their bins is a multinomial draw of the bins' shares,
    so the counts are resampled and not the rows. The shares themselves are known from a sample only: each draw takes
    them anew from their posterior (the Bayesian bootstrap, with half a row in each bin).

    Args:
        counts: Rows per bin in the reference, shape (n_bins,), n_bins >= 2.
        rng: Source of randomness.
        draws: Windows drawn at each size.

    Source:
        Rubin (1981), "The Bayesian bootstrap", Annals of Statistics 9:130-134.

    >>> tail = null_tail(np.array([5000] * 10), rng=np.random.default_rng(7))
    >>> 27 < tail.critical(2000, 0.001) * 2000 < 31  # chi-square with 9 degrees of freedom: 27.9, and the reference's
    True
    """
    shares = rng.dirichlet(counts + HALF_A_ROW, size=draws)
    found = [_tail_at(size, counts, shares, rng) for size in SIZES]
    start, excess = zip(*found, strict=True)
    return NullTail(reference_rows=int(counts.sum()), start=start, excess=excess)


def _tail_at(
    size: int, counts: NDArray[np.integer[Any]], shares: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, float]:
    scaled = psi_rows(counts, rng.multinomial(size, shares)) / (1 / size + 1 / counts.sum())
    start = float(np.quantile(scaled, 1 - TAIL, method="higher"))
    above = scaled[scaled > start]
    # The excess of chi-square tails is at least 2: with few bins, ties can leave nothing above, or nothing but a step.
    return start, max(float(np.mean(above)) - start if above.size else 0.0, 2.0)


def share_limits(
    seen: ArrayLike, reference_rows: ArrayLike, rows: int, *, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of a window that chance does not explain at `level`, for many questions at once.

    The reference's own share is known from a sample: it is taken at the end of its confidence interval that explains
    most, a tenth of the level being kept for that interval's error.

    Args:
        seen: Rows of the reference that have it (are missing, are out of range), shape (m,), 0 to reference_rows.
        reference_rows: Rows of the reference that could have had it, shape (m,), >= 1.
        rows: Rows of the window, >= 1.
        level: Chance of being refused without cause, both sides together, in (0, 1).

    Returns:
        `low` and `high`, shape (m,): a share is refused when <= low or >= high. -inf or inf where no window of so few
        rows can be refused on that side.

    Source:
        Berger & Boos (1994), "P values maximized over a confidence set for the nuisance parameter", Journal of the
        American Statistical Association 89:1012-1016; the interval is Clopper and Pearson's (1934).

    >>> low, high = share_limits([0, 6000], [30_000, 30_000], 2000, level=1e-6)
    >>> (high * 2000).round().tolist(), (low * 2000).round().tolist()
    ([10.0, 518.0], [-inf, 291.0])
    """
    have, total = (
        np.atleast_1d(np.asarray(seen, dtype=np.int64)),
        np.atleast_1d(np.asarray(reference_rows, dtype=np.int64)),
    )
    if not ((have >= 0) & (have <= total) & (total >= 1)).all() or rows < 1 or not 0 < level < 1:
        raise ValueError(
            f"expected 0 <= seen <= reference rows, got {have.tolist()} of {total.tolist()}; {rows} rows, {level}"
        )
    both = np.concatenate([have, total - have])  # too few who have it are too many who have not
    most = special.betaincinv(both + 1, np.maximum(np.concatenate([total, total]) - both, 1e-9), 1 - 0.05 * level)
    refused = np.asarray(stats.binom.isf(0.45 * level, rows, most)) + 1
    high, without = refused[: len(have)] / rows, refused[len(have) :]
    return np.where(without > rows, -np.inf, (rows - without) / rows), np.where(high > 1, np.inf, high)


def material_psi(floor: float, *, bins: int, rows: int, reference_rows: int) -> float:
    """PSI beyond which a change is larger than `floor`, and not merely seems so: one-sided 95 %.

    A change of exactly the floor reads as more than that half of the time, and the fewer rows the more.

    Args:
        floor: Largest PSI that does not matter, in nats, > 0.
        bins: Of the partition, >= 2.
        rows: Of the window, >= 1; `reference_rows` likewise.

    Returns:
        floor + (bins - 1) e + 1.645 · 2 √(floor e) with e = 1 / rows + 1 / reference_rows: mean and standard error of
        an observed PSI near the floor, by the delta method. (A PSI is
        skewed: at 500 rows 7.5 % are beyond it, not 5.)

    Source:
        Yurdakul (2018), "Statistical properties of the population stability index", for mean and variance.

    >>> [round(material_psi(0.04, bins=10, rows=rows, reference_rows=30_000), 3) for rows in (500, 2_000, 1_000_000)]
    [0.088, 0.06, 0.044]
    """
    e = 1 / rows + 1 / reference_rows
    return floor + (bins - 1) * e + SURE * 2 * float(np.sqrt(floor * e))


def material_shares(share: float, *, psi: float) -> tuple[float, float]:
    """Shares at which a change from `share` is as far as a PSI of `psi`: below the first, above the second.

    The distance is Cohen's h = 2 asin √q − 2 asin √p, with h² = psi, to which the PSI of two fine bins is equal for
    small changes.

    Source:
        Cohen (1988), "Statistical power analysis for the behavioral sciences", chapter 6: h = 0.2 is small.

    >>> [round(limit, 4) for limit in material_shares(0.2, psi=0.04)]
    [0.1265, 0.2854]
    >>> material_shares(0.0, psi=0.04)[0], round(material_shares(0.0, psi=0.04)[1], 4)
    (-inf, 0.01)
    """
    angle, half = float(np.arcsin(np.sqrt(share))), float(np.sqrt(psi)) / 2
    low = float(np.sin(angle - half) ** 2) if angle > half else -np.inf
    high = float(np.sin(angle + half) ** 2) if angle + half < np.pi / 2 else np.inf
    return low, high


def surely_material(share: float, *, rows: int, psi: float) -> tuple[float, float]:
    """Shares of a window that are past `material_shares`, and not merely seem so: one-sided 95 % on either side.

    >>> [round(limit * 2000) for limit in surely_material(0.2, rows=2000, psi=0.04)]  # 253 and 571 rows are material
    [228, 605]
    """
    low, high = material_shares(share, psi=psi)
    fewest = stats.binom.ppf(0.05, rows, low) - 1 if low >= 0 else -np.inf
    most = stats.binom.isf(0.05, rows, high) + 1 if high <= 1 else np.inf
    return (float(fewest) / rows if fewest >= 0 else -np.inf), (float(most) / rows if most <= rows else np.inf)
