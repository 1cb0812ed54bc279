"""G6: how often an equal challenger is refused for a segment, and how often a planted loss in one segment is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from gates_errors import Effort, measure_of
from gates_lines import Line, percent, promise
from gates_rows import drawn, regressions
from numpy.typing import NDArray
from pools import Pair, apart, bisect, with_noise
from scipy.special import expit, logit

from monitoring.performance import f1
from pipeline.gate.evidence import segment_alpha
from pipeline.gate.models import Decided
from pipeline.gate.values import GatePolicy

ROWS = 1_000  # in each segment
SEGMENTS = (1, 5)
LOSS = 0.15  # of the champion's F1
_AT_ONCE = 100  # tries

Numbers = NDArray[np.float64]


def segments(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """Equal challengers refused; then planted losses caught."""
    equal = apart(pair, measure_of(pair, "f1", policy), by=0.0, rng=np.random.default_rng(seed))
    for count in SEGMENTS:
        refused = _refused(equal, equal, count, policy, effort.segments, seed, mirrored=True)
        yield _line(
            name, "equal, roles exchanged row by row: refused", count, refused, effort.segments, policy.segment_error
        )
    for way, model in planted(equal, np.random.default_rng(seed)).items():
        for count in SEGMENTS:
            worse = replace(equal, challenger=model)
            caught = _refused(worse, equal, count, policy, effort.segments, seed, mirrored=False)
            yield _line(name, f"{LOSS:.0%} of F1 lost in one segment, {way}: caught", count, caught, effort.segments)


def planted(pair: Pair, rng: np.random.Generator) -> dict[str, Decided]:
    """The challenger with 15 % of the champion's F1 lost on the pool, in four ways."""
    model, y = pair.challenger, pair.y

    def level(made: Decided) -> float:
        return f1(y, made.bad)

    goal = (1 - LOSS) * level(pair.champion)
    lot, other = rng.random(len(y)), rng.permutation(len(y))
    ways: dict[str, tuple[Callable[[float], Decided], float]] = {
        "noise on the log-odds": (with_noise(model, rng), 8.0),
        "scores shuffled among rows": (
            _changed(model, lambda t: np.where(lot < t, model.score[other], model.score)),
            1,
        ),
        "log-odds shifted down": (_changed(model, lambda t: expit(_log_odds(model) - t)), 8.0),
        "caught bads pushed under the cut-off": (
            _changed(model, lambda t: np.where((lot < t) & (y == 1) & model.bad, 0.98 * model.threshold, model.score)),
            1,
        ),
    }
    return {way: bisect(make, level, goal, most) for way, (make, most) in ways.items()}


def _changed(model: Decided, score: Callable[[float], Numbers]) -> Callable[[float], Decided]:
    return lambda amount: Decided(score(amount), model.threshold)


def _log_odds(model: Decided) -> Numbers:
    return np.asarray(logit(np.clip(model.score, 1e-6, 1 - 1e-6)))


def _refused(
    first: Pair, others: Pair, count: int, policy: GatePolicy, tries: int, seed: int, *, mirrored: bool
) -> tuple[int, int]:
    """Tries that G6 and the point comparison refuse: one segment from `first`, the rest from `others`."""
    rng, alpha, found = np.random.default_rng(seed), segment_alpha(policy, count), np.zeros(2, dtype=np.int64)
    for start in range(0, tries, _AT_ONCE):
        size = min(_AT_ONCE, tries - start)
        refused = np.zeros((2, size), dtype=bool)
        for segment in range(count):
            source = first if segment == 0 else others
            place = drawn(source, size, ROWS, rng)
            refused |= regressions(source, place, policy=policy, alpha=alpha, mirror=rng if mirrored else None)
        found += refused.sum(axis=1)
    return int(found[0]), int(found[1])


def _line(name: str, case: str, count: int, refused: tuple[int, int], tries: int, allowed: float | None = None) -> Line:
    return Line(
        portfolio=name,
        part="4 segments",
        case=case,
        rows=f"{count} × {ROWS:,}",
        mend=percent(refused[0], tries),
        plain=percent(refused[1], tries),
        drawn=f"{tries:,} tries",
        promise="" if allowed is None else promise(refused[0], tries, at_most=allowed),
    )
