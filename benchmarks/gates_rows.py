"""Windows drawn row by row, for the primaries that need every score: AUC, Brier score, profit. And segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pools import Pair

from monitoring.performance import CELLS, decision_cells, surprise
from monitoring.skewed_t import Spread, limits
from pipeline.gate.evidence import F1_WEIGHT
from pipeline.gate.models import Decided
from pipeline.gate.simulate import Windows, f1_windows
from pipeline.gate.swap import booking_value
from pipeline.gate.values import GatePolicy

BINS = 512
_ROWS_AT_ONCE = 1_500_000

Numbers = NDArray[np.float64]
Places = NDArray[np.int32]
Flags = NDArray[np.bool_]


def batches(windows: int, rows: int) -> Iterator[int]:
    """How many windows to draw at once."""
    most = max(1, _ROWS_AT_ONCE // rows)
    yield from [most] * (windows // most)
    if windows % most:
        yield windows % most


def drawn(pair: Pair, windows: int, rows: int, rng: np.random.Generator) -> Places:
    """Places in the pool, with replacement, shape (windows, rows)."""
    return rng.integers(0, len(pair.y), (windows, rows), dtype=np.int32)


def rounded(model: Decided) -> Decided:
    """The model with its score rounded to its rank in 512ths of the pool, so that AUC is a count per step."""
    rank = np.empty(len(model.score), dtype=np.int64)
    rank[np.argsort(model.score, kind="stable")] = np.arange(len(rank))
    return Decided((rank * BINS // len(rank)) / BINS, model.threshold)


def windows_of(pair: Pair, place: Places, policy: GatePolicy) -> Windows:
    """What G1 and G4 read of each window, by the policy's primary; for AUC both scores must be `rounded`."""
    if policy.primary == "f1":
        cell = decision_cells(pair.y, pair.champion.bad, pair.challenger.bad)[place]
        steps = np.arange(len(place))[:, None] * CELLS + cell
        return f1_windows(np.bincount(steps.ravel(), minlength=len(place) * CELLS).reshape(-1, CELLS), policy)
    return {"auc": _auc, "brier": _brier, "profit": _profit}[policy.primary](pair, place, policy)


def _brier(pair: Pair, place: Places, policy: GatePolicy) -> Windows:
    ours, theirs = ((model.score - pair.y) ** 2 for model in (pair.champion, pair.challenger))
    positives, share = _positives(pair, place)
    known_nothing = np.minimum(1 - share, share * (1 - share))
    return Windows(
        rows=place.shape[1],
        positives=positives,
        gain=(ours - theirs)[place].mean(axis=1),
        scale=ours[place].mean(axis=1),
        need=np.full(len(place), policy.min_brier_gain),
        lead=known_nothing - theirs[place].mean(axis=1),
        around=moments((ours - theirs)[place], positives),
    )


def _profit(pair: Pair, place: Places, policy: GatePolicy) -> Windows:
    value = booking_value(pair.y, pair.amount, cost_of_bad=policy.cost_of_bad, gain_of_good=policy.gain_of_good)
    ours, theirs = (np.where(model.bad, 0.0, value) for model in (pair.champion, pair.challenger))
    positives, _ = _positives(pair, place)
    return Windows(
        rows=place.shape[1],
        positives=positives,
        gain=(theirs - ours)[place].mean(axis=1),
        scale=np.ones(len(place)),
        need=np.full(len(place), policy.min_profit_gain),
        lead=theirs[place].mean(axis=1) - np.maximum(value[place].mean(axis=1), 0.0),
        around=moments((theirs - ours)[place], positives),
    )


def _auc(pair: Pair, place: Places, policy: GatePolicy) -> Windows:
    y = pair.y[place]
    positives, share = _positives(pair, place)
    (ours, first), (theirs, second) = (_placements(model, y, place) for model in (pair.champion, pair.challenger))
    weight = np.where(y == 1, share[:, None], 1 - share[:, None])
    contributions = (second - theirs[:, None] - first + ours[:, None]) / np.maximum(weight, 1e-12)
    return Windows(
        rows=place.shape[1],
        positives=positives,
        gain=theirs - ours,
        scale=np.ones(len(place)),
        need=np.full(len(place), policy.min_auc_gain),
        lead=theirs - 0.5,
        around=moments(contributions, positives),
    )


def _placements(model: Decided, y: NDArray[np.int8], place: Places) -> tuple[Numbers, Numbers]:
    """AUC of each window, and each row's placement among the rows of the other outcome."""
    windows = len(place)
    step = (model.score * BINS).astype(np.int64)[place] + np.arange(windows)[:, None] * BINS
    bad = np.bincount(step[y == 1], minlength=windows * BINS).reshape(windows, BINS)
    good = np.bincount(step[y == 0], minlength=windows * BINS).reshape(windows, BINS)
    all_bad, all_good = (np.maximum(count.sum(axis=1, keepdims=True), 1) for count in (bad, good))
    below = (np.cumsum(good, axis=1) - good / 2) / all_good
    above = 1 - (np.cumsum(bad, axis=1) - bad / 2) / all_bad
    auc = (below * bad).sum(axis=1) / all_bad[:, 0]
    return auc, np.where(y == 1, below.ravel()[step], above.ravel()[step])


def _positives(pair: Pair, place: Places) -> tuple[NDArray[np.int64], Numbers]:
    positives = pair.y[place].sum(axis=1, dtype=np.int64)
    return positives, positives / place.shape[1]


def moments(contributions: Numbers, positives: NDArray[np.int64]) -> Spread:
    """`skewed_t.spread` of each window, shape (windows, rows) in."""
    rows = contributions.shape[1]
    centred = contributions - contributions.mean(axis=1, keepdims=True)
    squares = centred * centred
    variance, third = squares.mean(axis=1), np.einsum("ij,ij->i", squares, centred) / rows
    skewness = np.where(variance > 0, third / np.where(variance > 0, variance, 1.0) ** 1.5, 0.0)
    degrees = np.maximum(np.minimum(positives, rows - positives) - 1, 1)
    return Spread(np.sqrt(variance / rows), skewness / rows**0.5, degrees)


def regressions(
    pair: Pair, place: Places, *, policy: GatePolicy, alpha: float, mirror: np.random.Generator | None = None
) -> tuple[Flags, Flags]:
    """Which windows, each a segment, G6 and the point comparison call regressed.

    With `mirror` the roles are exchanged row by row at random, so that both are equal in everything.
    """
    y = pair.y[place]
    swap = np.zeros(place.shape, dtype=bool) if mirror is None else mirror.random(place.shape, dtype=np.float32) < 0.5
    ours, theirs = pair.champion.bad[place], pair.challenger.bad[place]
    cell = 4 * y + 2 * np.where(swap, theirs, ours) + np.where(swap, ours, theirs)
    steps = np.arange(len(place))[:, None] * CELLS + cell
    counts = np.bincount(steps.ravel(), minlength=len(place) * CELLS).reshape(-1, CELLS)
    seen = f1_windows(counts, replace(policy, primary="f1"))
    low, _ = limits(seen.gain, seen.around, alpha=alpha)
    rise = (surprise(pair.y, pair.challenger.score) - surprise(pair.y, pair.champion.score))[place]
    rise = np.where(swap, -rise, rise)
    lost = _lost_f1(y, np.where(swap, theirs, ours), np.where(swap, ours, theirs))
    f1_scale = np.where((varying := np.asarray(seen.around.error) * (place.shape[1] + 4) ** 0.5) > 0, varying, 1.0)
    rise_scale = np.where((varied := rise.std(axis=1)) > 0, varied, 1.0)
    together = F1_WEIGHT * lost / f1_scale[:, None] + rise / rise_scale[:, None]
    loss = F1_WEIGHT * -seen.gain / f1_scale + rise.mean(axis=1) / rise_scale
    shown = limits(loss, moments(together, seen.positives), alpha=alpha)[0] > 0
    drop, most = -seen.gain / seen.scale, policy.max_segment_f1_drop
    regressed = (drop > 0) & shown & (-low / seen.scale > most)
    return np.asarray(regressed), np.asarray(drop > most)


def _lost_f1(y: NDArray[np.int8], ours: Flags, theirs: Flags) -> Numbers:
    """Each row's contribution to the loss of F1, shape (windows, rows)."""
    return _f1_influence(y, ours) - _f1_influence(y, theirs)


def _f1_influence(y: NDArray[np.int8], called: Flags) -> Numbers:
    relevant = (y + called).sum(axis=1, dtype=np.int64)
    f1 = 2 * (y & called).sum(axis=1, dtype=np.int64) / np.maximum(relevant, 1)
    values = 2.0 * (y & called) - f1[:, None] * (y + called)
    return np.asarray(values / np.maximum(relevant / y.shape[1], 1e-12)[:, None])
