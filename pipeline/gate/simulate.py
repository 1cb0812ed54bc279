"""What the gates would do on a portfolio: many windows drawn at once, judged by G1 and G4 exactly as the product does.

F1 depends on the rows only through how many are in each of 8 cells (outcome, champion's decision, challenger's), so a
window of n rows is one multinomial draw, and a year of tries is a few lines of arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from monitoring.performance import CELLS, f1_of_cells, wilson_interval
from monitoring.skewed_t import Spread, limits
from pipeline.errors import InputError
from pipeline.gate.budget import YEAR, spendable
from pipeline.gate.values import GatePolicy

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # the budget reads only the time between two tries
_AT_ONCE = 100_000  # windows in memory
_Y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
_CHAMPION = np.array([0, 0, 1, 1, 0, 0, 1, 1])
_CHALLENGER = np.array([0, 1, 0, 1, 0, 1, 0, 1])
_APART = (_CHAMPION != _CHALLENGER).astype(np.int64)  # one row more of each such kind: `influence.of_f1_difference`


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How champion and challenger decide, each a share of all rows. `disagreement_*` counts rows with that outcome on
    which the two differ; a difference in F1 needs some of it, and takes at least that.

    Raises:
        InputError: No two models can decide like this.
    """

    base_rate: float
    f1: float
    called_bad: float
    challenger_called_bad: float
    disagreement_bad: float
    disagreement_good: float

    def __post_init__(self) -> None:
        for name in ("base_rate", "f1", "called_bad", "challenger_called_bad"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(name, f"expected a share above 0 and below 1, got {getattr(self, name)}")
        for name in ("disagreement_bad", "disagreement_good"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(name, f"expected a share in [0, 1], got {getattr(self, name)}")

    def cells(self, gain: float) -> Numbers:
        """Chance of each cell, shape (8,), when the challenger's F1 is (1 + gain) times the champion's.

        >>> equal = Behaviour(base_rate=0.1, f1=0.5, called_bad=0.1, challenger_called_bad=0.1,
        ...                   disagreement_bad=0.02, disagreement_good=0.02).cells(0.0)
        >>> equal.round(3).tolist()
        [0.84, 0.01, 0.01, 0.04, 0.04, 0.01, 0.01, 0.04]
        """
        caught = self.f1 * (self.base_rate + self.called_bad) / 2
        theirs = self.f1 * (1 + gain) * (self.base_rate + self.challenger_called_bad) / 2
        bad = _joint(caught, theirs, of=self.base_rate, differ=self.disagreement_bad, gain=gain)
        false = self.called_bad - caught, self.challenger_called_bad - theirs
        good = _joint(*false, of=1 - self.base_rate, differ=self.disagreement_good, gain=gain)
        return np.concatenate([good, bad])


def behaviour_of(cells: Counts) -> Behaviour:
    """What a pair of models did on a window, from its counts per cell, shape (8,). Errors as in `Behaviour`."""
    share = np.asarray(cells, dtype=np.float64) / max(int(np.sum(cells)), 1)
    return Behaviour(
        base_rate=float(share[4:].sum()),
        f1=float(f1_of_cells(np.asarray(cells))[0]),
        called_bad=float(share[_CHAMPION == 1].sum()),
        challenger_called_bad=float(share[_CHALLENGER == 1].sum()),
        disagreement_bad=float(share[5] + share[6]),
        disagreement_good=float(share[1] + share[2]),
    )


def _joint(ours: float, theirs: float, *, of: float, differ: float, gain: float) -> Numbers:
    """Shares called (neither, challenger only, champion only, both) among rows of one outcome."""
    least, most = abs(ours - theirs), min(ours + theirs, 2 * of - ours - theirs)
    if min(ours, theirs) < 0 or most < least - 1e-12:
        raise InputError("simulation", f"no challenger with F1 {gain:+.1%} can decide like this: F1 is out of reach")
    apart = min(max(differ, least), max(most, least))
    both = (ours + theirs - apart) / 2
    return np.maximum([of - ours - theirs + both, theirs - both, ours - both, both], 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """What G1 and G4 read of many windows, arrays of one shape. `scale`, `need`: as G4 asks, gain / scale >= need.
    `lead` is the challenger's over the better of the two baselines, in the primary metric, more is better."""

    rows: int
    positives: Counts
    gain: Numbers
    scale: Numbers
    need: Numbers
    lead: Numbers
    around: Spread

    def enough(self, policy: GatePolicy) -> Flags:
        """Where G1 passes."""
        good = self.rows - self.positives
        return np.asarray((self.rows >= policy.min_samples) & (self.positives >= policy.min_positives) & (good >= 2))

    def reached(self) -> Flags:
        """Where the gain, taken at its word, is what is asked."""
        return np.asarray((self.positives > 0) & (self.gain / self.scale >= self.need) & (self.gain > 0))

    def lower_limit(self, alpha: float) -> Numbers:
        """Lower end of the gain's interval at a one-sided error; -inf where there is none."""
        known = np.minimum(self.positives, self.rows - self.positives) >= 2
        low, _ = limits(self.gain, self.around, alpha=alpha)
        return np.where(known & np.isfinite(low), low, -np.inf)

    def passes(self, alpha: float, policy: GatePolicy) -> Flags:
        """Where G1 and G4 pass, for a try that may take this error; the first champion is today's."""
        if alpha <= 0:
            return np.zeros(self.positives.shape, dtype=bool)
        sure = self.lower_limit(alpha) > 0
        return np.asarray(self.enough(policy) & self.reached() & (self.lead > 0) & sure)


def f1_windows(counts: Counts, policy: GatePolicy) -> Windows:
    """Windows judged by F1, from counts per cell, shape (..., 8), each window of the same number of rows."""
    rows = int(counts.reshape(-1, CELLS)[0].sum())
    positives = counts[..., 4:].sum(axis=-1)
    ours, theirs = f1_of_cells(counts)
    everyone = 2 * positives / (rows + positives)
    return Windows(
        rows=rows,
        positives=positives,
        gain=theirs - ours,
        scale=np.where(ours > 0, ours, 1.0),
        need=np.where(ours > 0, policy.min_f1_gain, 0.0),
        lead=theirs - everyone,
        around=_spread(counts, rows, positives, ours, theirs),
    )


def _spread(counts: Counts, rows: int, positives: Counts, ours: Numbers, theirs: Numbers) -> Spread:
    """Error and skewness as `influence.of_f1_difference` and `skewed_t.spread` find them row by row."""
    first, second = (_influence(counts, positives, f1, d) for f1, d in ((ours, _CHAMPION), (theirs, _CHALLENGER)))
    more = rows + int(_APART.sum())
    contributions, share = (second - first) * rows, (counts + _APART) / more
    centred = contributions - (share * contributions).sum(axis=-1, keepdims=True)
    squares = centred**2
    variance = (share * squares).sum(axis=-1)
    third = (share * squares * centred).sum(axis=-1)
    skewness = np.where(variance > 0, third / np.where(variance > 0, variance, 1.0) ** 1.5, 0.0)
    degrees = np.maximum(np.minimum(positives, rows - positives) - 1, 1)
    return Spread(np.sqrt(variance / more), skewness / more**0.5, degrees)


def _influence(counts: Counts, positives: Counts, f1: Numbers, decision: NDArray[np.int_]) -> Numbers:
    """Influence of a row of each cell on F1, over the number of rows, shape (..., 8)."""
    relevant = positives + counts[..., decision == 1].sum(axis=-1)
    values = 2.0 * _Y * decision - f1[..., None] * (_Y + decision)
    return np.asarray(values / np.maximum(relevant, 1)[..., None])


def plain_rule_passes(windows: Windows, policy: GatePolicy) -> Flags:
    """The rule that most pipelines have: enough rows, and the gain that is asked, taken at its word."""
    return np.asarray((windows.rows >= policy.min_samples) & windows.reached())


def year_of_tries(windows: Windows, *, policy: GatePolicy, every: timedelta) -> Flags:
    """Which tries of each year pass, when windows has shape (years, tries) and the year begins with no try on record.

    A window that G1 finds too small spends nothing, and the next try may spend what accrued since the last that did.
    """
    enough = windows.enough(policy)
    number = np.arange(enough.shape[1])
    spent = np.maximum.accumulate(np.where(enough, number, -1), axis=1)
    before = np.concatenate([np.full((len(enough), 1), -1), spent[:, :-1]], axis=1)
    longest = -(-policy.budget_carry // every)  # beyond the carry nothing more accrues
    waited = np.where(before < 0, longest, np.minimum(number - before, longest))
    passed = np.zeros(enough.shape, dtype=bool)
    for gap in np.unique(waited):
        last = _ANY_DAY - (policy.budget_carry if gap == longest else every * int(gap))
        alpha = spendable(policy=policy, as_of=_ANY_DAY, last_try_at=last)
        passed |= (waited == gap) & windows.passes(alpha, policy)
    return passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """How often something happened, with its Wilson interval at 95 %."""

    happened: int
    of: int

    @property
    def share(self) -> float:
        """In [0, 1]."""
        return self.happened / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high, in [0, 1]."""
        return wilson_interval(self.happened, self.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One kind of challenger, tried again and again for many years. A try is one made `every` after the last one; a
    year counts when one challenger or more passed in it."""

    gain: float
    every: timedelta
    tries: Frequency
    years: Frequency
    plain_tries: Frequency
    plain_years: Frequency

    @property
    def weeks_until_passed(self) -> tuple[float | None, float, float | None]:
        """Mean time between two passes, and its interval; None where nothing passed."""
        return _weeks(self.tries, self.every)

    @property
    def plain_weeks_until_passed(self) -> tuple[float | None, float, float | None]:
        """The same under the plain rule."""
        return _weeks(self.plain_tries, self.every)


def _weeks(tries: Frequency, every: timedelta) -> tuple[float | None, float, float | None]:
    (low, high), weeks = tries.interval, every / timedelta(weeks=1)
    return (weeks / tries.share if tries.happened else None, weeks / high, weeks / low if tries.happened else None)


def simulate(
    cells: Numbers,
    *,
    gain: float,
    rows: int,
    every: timedelta,
    years: int,
    policy: GatePolicy,
    seed: int,
    tick: Callable[[int], object] | None = None,
) -> Simulated:
    """Try a kind of challenger every so often for many years, each try on fresh rows, by both rules.

    Fresh rows are the least favourable case for false promotions: windows that overlap repeat one another's luck.

    Args:
        cells: Chance of each cell, shape (8,), sums to 1: `Behaviour.cells`, or shares of a pool of scored rows.
        gain: By how much the challenger's F1 truly is better, relative; told back with the result.
        rows: Mature labelled rows per try, >= 1.
        every: Time between two tries, in (0, 365 days].
        years: Years to live through, >= 1; each begins with no try on record, when the first may spend the most.
        policy: The product's; primary is taken to be F1.
        seed: The same seed gives the same result.
        tick: Told how many more years are done.

    Raises:
        InputError: Any of this does not hold.
    """
    if np.shape(cells) != (CELLS,) or not np.all(np.asarray(cells) >= 0) or not np.isclose(np.sum(cells), 1):
        raise InputError("simulation", "cells", "expected 8 shares that sum to 1")
    if rows < 1 or years < 1 or not timedelta(0) < every <= YEAR:
        raise InputError("simulation", "expected rows >= 1, years >= 1, and a time between tries of up to 365 days")
    a_year, chance = int(-(-YEAR // every)), np.asarray(cells) / np.sum(cells)
    rng, found = np.random.default_rng(seed), np.zeros(6, dtype=np.int64)
    for part in _parts(years, of=max(1, _AT_ONCE // a_year)):
        windows = f1_windows(rng.multinomial(rows, chance, size=(part, a_year)), policy)
        for place, passed in (
            (0, year_of_tries(windows, policy=policy, every=every)),
            (3, plain_rule_passes(windows, policy)),
        ):
            later = passed[:, 1:] if a_year > 1 else passed
            found[place : place + 3] += (int(later.sum()), later.size, int(passed.any(axis=1).sum()))
        if tick is not None:
            tick(part)
    return Simulated(
        gain=gain,
        every=every,
        tries=Frequency(happened=int(found[0]), of=int(found[1])),
        years=Frequency(happened=int(found[2]), of=years),
        plain_tries=Frequency(happened=int(found[3]), of=int(found[4])),
        plain_years=Frequency(happened=int(found[5]), of=years),
    )


def _parts(total: int, *, of: int) -> Iterator[int]:
    yield from [of] * (total // of)
    if total % of:
        yield total % of
