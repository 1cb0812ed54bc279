"""What can happen to a population, made to order: the same frame, scenario, strength and seed give the same frame.

For tests, demos and benchmarks: what changed is known to the row, so what a judgement says can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from monitoring.columns import categories, numbers
from monitoring.informative import informative, outcomes, part_of, spearman, spread
from monitoring.values import Kind, finite

Numbers = NDArray[np.float64]
Members = NDArray[np.bool_]
Positions = NDArray[np.int64]

WEEK = timedelta(days=7)
THOUSANDS = 1000.0  # what a unit error multiplies by: an amount in thousands read as an amount, or the other way round
_SLOT = ("application_id", "event_time")  # of a row's place; everything else moves with the row that is put there


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The changed rows, and exactly what was done: `touched` counts the rows that were rewritten or replaced."""

    rows: pd.DataFrame
    log: str
    features: tuple[str, ...]
    strength: float
    touched: int


class _Asked(NamedTuple):
    rows: pd.DataFrame
    features: tuple[str, ...]
    kinds: Mapping[str, Kind]
    strength: float
    rng: np.random.Generator
    period: timedelta

    @property
    def feature(self) -> str:
        return self.features[0]

    @property
    def column(self) -> pd.Series[Any]:
        return self.rows[self.feature]


class _Change(NamedTuple):
    rows: pd.DataFrame
    touched: int
    done: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of change. `takes` are the kinds of feature it works on, none if it works on the rows as a whole.

    `between` are the strengths it can have; `unseen` says why a look at the features one by one cannot see it.
    """

    summary: str
    means: str
    default: float
    between: tuple[float, float]
    takes: tuple[Kind, ...] = ()
    unseen: str = ""
    change: Callable[[_Asked], _Change]


_REGISTRY: dict[str, Scenario] = {}
SCENARIOS: Mapping[str, Scenario] = MappingProxyType(_REGISTRY)
_ANY: tuple[Kind, ...] = ("numeric", "categorical")


def _scenario(name: str, summary: str, **known: Any) -> Callable[[Callable[[_Asked], _Change]], None]:
    def enter(change: Callable[[_Asked], _Change]) -> None:
        _REGISTRY[name] = Scenario(summary=summary, change=change, **known)

    return enter


@_scenario("none", "nothing changes: every alarm is a false one", means="", default=0, between=(0, 0))
def _nothing(asked: _Asked) -> _Change:
    return _Change(asked.rows.copy(), 0, "nothing changed")


@_scenario(
    "scale",
    "covariate shift: a number is multiplied",
    means="factor less 1",
    default=0.5,
    between=(-0.99, 1000),
    takes=("numeric",),
)
def _scale(asked: _Asked) -> _Change:
    values, factor = numbers(asked.column), 1 + asked.strength
    return _rewritten(asked, values * factor, f"{asked.feature} × {factor:g}")


@_scenario(
    "location",
    "covariate shift: a number moves",
    means="standard deviations",
    default=0.5,
    between=(-100, 100),
    takes=("numeric",),
)
def _location(asked: _Asked) -> _Change:
    values = numbers(asked.column)
    shift = asked.strength * spread(values, asked.feature)
    return _rewritten(asked, values + shift, f"{asked.feature} {shift:+.6g} ({asked.strength:+g} standard deviations)")


@_scenario(
    "unit-error",
    "a number arrives multiplied by 1,000 in part of the rows",
    means="share of its values that are not 0",
    default=0.1,
    between=(0, 1),
    takes=("numeric",),
)
def _unit_error(asked: _Asked) -> _Change:
    values = numbers(asked.column).copy()
    able = np.flatnonzero(~np.isnan(values) & (values != 0))  # 0 in thousands is 0
    hit = _drawn(able, asked.strength, asked.rng)
    values[hit] *= THOUSANDS
    return _rewritten(asked, values, f"{asked.feature} × {THOUSANDS:g} in {len(hit):,} of {len(able):,} values not 0")


@_scenario(
    "missing-feed", "a feature goes missing", means="share of its values", default=0.5, between=(0, 1), takes=_ANY
)
def _missing_feed(asked: _Asked) -> _Change:
    absent = asked.column.isna().to_numpy()
    hit = _drawn(np.flatnonzero(~absent), asked.strength, asked.rng)
    now = np.isin(np.arange(len(absent)), hit)
    changed = asked.column.mask(now)
    done = f"{asked.feature} missing share {absent.mean():.3f} → {(absent | now).mean():.3f}"
    return _Change(asked.rows.assign(**{asked.feature: changed}), len(hit), done)


@_scenario(
    "new-category",
    "a code that was never seen",
    means="share of rows",
    default=0.1,
    between=(0, 1),
    takes=("categorical",),
)
def _new_category(asked: _Asked) -> _Change:
    hit = _drawn(np.arange(len(asked.rows)), asked.strength, asked.rng)
    seen = set(categories(asked.column).dropna())
    if pd.api.types.is_numeric_dtype(asked.column.dtype):
        code: Any = float(np.nan_to_num(numbers(asked.column)).max()) + 1
    else:
        code = next(text for text in ("NEW", *(f"NEW-{count}" for count in range(len(seen)))) if text not in seen)
    changed = asked.column.astype(object)
    changed.iloc[hit] = code
    done = f"{asked.feature} = {code!r}, never seen, in {len(hit):,} rows"
    return _Change(asked.rows.assign(**{asked.feature: changed}), len(hit), done)


@_scenario(
    "mix",
    "covariate shift: a feature's upper half, or its second most common category, takes another share of the rows",
    means="points of share, 0.2 is 20 points more",
    default=0.2,
    between=(-1, 1),
    takes=_ANY,
)
def _mix(asked: _Asked) -> _Change:
    inside, words = part_of(asked.rows, asked.feature, asked.kinds[asked.feature])
    return _reshared(asked, inside, float(inside.mean()) + asked.strength, f"share of {words}")


@_scenario(
    "base-rate",
    "more go bad, and the bad look as they did",
    means="relative, 1 doubles the bad share",
    default=1,
    between=(-1, 100),
    unseen="outcomes arrive late, and the features move only as far as the bad differ from the good",
)
def _base_rate(asked: _Asked) -> _Change:
    y = outcomes(asked.rows)
    bad, known = y == 1, ~np.isnan(y)
    if not bad.any() or bad.sum() == known.sum():
        raise ValueError("base-rate: expected good and bad outcomes in y")
    share = float(bad.sum() / known.sum())
    return _reshared(asked, bad, share * (1 + asked.strength), "bad share", among=known)


@_scenario(
    "concept",
    "the same applicants go bad at another rate on the safer side of a feature, so that ranking suffers",
    means="log-odds of bad",
    default=1,
    between=(-10, 10),
    takes=_ANY,
    unseen="no feature changes; only outcomes show it",
)
def _concept(asked: _Asked) -> _Change:
    """Outcomes of the safer side of a feature move: what ranked well ranks worse, and no feature changes."""
    y = outcomes(asked.rows)
    inside, words = part_of(asked.rows, asked.feature, asked.kinds[asked.feature])
    sides = [(side & ~np.isnan(y), text) for side, text in ((inside, words), (~inside, f"not {words}"))]
    if not all(len(np.unique(y[side])) == 2 for side, _ in sides):
        raise ValueError(f"concept: expected good and bad outcomes on both sides of {words}")
    side, words = min(sides, key=lambda each: float(y[each[0]].mean()))
    was = float(y[side].mean())
    due = float(expit(logit(was) + asked.strength))
    turned = np.flatnonzero(side & (y == (due < was)))
    hit = asked.rng.choice(turned, min(round(abs(due - was) * int(side.sum())), len(turned)), replace=False)
    y[hit] = 1 - y[hit]
    done = (
        f"bad share where {words} {was:.3f} → {y[side].mean():.3f} ({asked.strength:+g} log-odds), "
        f"{len(hit):,} outcomes turned {'bad' if due > was else 'good'}, features untouched"
    )
    return _Change(
        asked.rows.assign(y=pd.Series(y, index=asked.rows.index).astype(asked.rows["y"].dtype)), len(hit), done
    )


@_scenario(
    "correlation",
    "how two numbers go together turns round, and each alone is as it was",
    means="share of rows paired anew, 1 turns the sign",
    default=1,
    between=(0, 1),
    takes=("numeric",),
    unseen="each feature alone is as it was",
)
def _correlation(asked: _Asked) -> _Change:
    """Within the chosen rows the value of rank r goes where the value of rank n + 1 - r was; ties in random order."""
    first, second = asked.features
    column = asked.rows[second]
    a, b = numbers(asked.rows[first]), numbers(column)
    hit = _drawn(np.flatnonzero(~np.isnan(a) & ~np.isnan(b)), asked.strength, asked.rng)
    rising = hit[np.lexsort((asked.rng.random(len(hit)), b[hit]))]
    source = np.arange(len(b))
    source[rising] = rising[::-1]
    changed = column.iloc[source].set_axis(column.index)
    rows = asked.rows.assign(**{second: changed})
    was, now = (spearman(frame[first], frame[second]) for frame in (asked.rows, rows))
    done = f"rank correlation of {first} and {second} {was:+.3f} → {now:+.3f}, both margins as they were"
    return _Change(rows, int((b[source] != b)[hit].sum()), done)


@_scenario(
    "seasonality",
    "the mix goes up and down in waves: a real change that does not last",
    means="height of a wave, 1 as high as the shares allow",
    default=0.5,
    between=(0, 1),
    takes=_ANY,
)
def _seasonality(asked: _Asked) -> _Change:
    if "event_time" not in asked.rows:
        raise ValueError("seasonality: the rows have no column 'event_time'")
    inside, words = part_of(asked.rows, asked.feature, asked.kinds[asked.feature])
    share = float(inside.mean())
    amplitude = asked.strength * min(share, 1 - share)
    time = asked.rows["event_time"]
    turn = ((time - time.min()) / asked.period).to_numpy(dtype=np.float64)
    off = amplitude * np.sin(2 * np.pi * turn)
    chance = np.where(inside, np.maximum(-off, 0) / share, np.maximum(off, 0) / (1 - share))
    slots = np.flatnonzero(asked.rng.random(len(off)) < chance)
    donors = np.where(
        inside[slots], *(asked.rng.choice(np.flatnonzero(side), slots.size) for side in (~inside, inside))
    )
    done = f"share of {words} {share:.3f} ± {amplitude:.3f} in waves of {asked.period / timedelta(days=1):g} days"
    return _Change(_replaced(asked.rows, slots, donors), slots.size, done)


def _rewritten(asked: _Asked, values: Numbers, done: str) -> _Change:
    before = numbers(asked.column)
    touched = int((~np.isnan(before) & (values != before)).sum())
    return _Change(asked.rows.assign(**{asked.feature: values}), touched, done)


def _reshared(asked: _Asked, inside: Members, due: float, what: str, *, among: Members | None = None) -> _Change:
    """As few rows as possible replaced by rows from the other side, until `inside` has the share that is due."""
    among = np.ones(len(inside), dtype=np.bool_) if among is None else among
    total, was = int(among.sum()), float(inside.sum() / among.sum())
    if not 0 <= due <= 1:
        raise ValueError(f"strength {asked.strength:g}: {what} is {was:.3f} and cannot become {due:.3f}")
    need = round(due * total) - int(inside.sum())
    leave, enter = (among & ~inside, inside) if need > 0 else (inside, among & ~inside)
    slots = asked.rng.choice(np.flatnonzero(leave), abs(need), replace=False)
    donors = asked.rng.choice(np.flatnonzero(enter), abs(need))
    now = (int(inside.sum()) + need) / total
    done = f"{what} {was:.3f} → {now:.3f}, all else given it as it was"
    return _Change(_replaced(asked.rows, slots, donors), abs(need), done)


def _replaced(rows: pd.DataFrame, slots: Positions, donors: Positions) -> pd.DataFrame:
    source = np.arange(len(rows))
    source[slots] = donors
    changed = rows.iloc[source].set_axis(rows.index)
    return changed.assign(**{name: rows[name] for name in _SLOT if name in rows})


def _drawn(able: Positions, share: float, rng: np.random.Generator) -> Positions:
    return rng.choice(able, round(share * len(able)), replace=False)


def describe() -> dict[str, str]:
    """Name of each scenario to what it does, what its strength means, and the strength it has unless told."""
    return {
        name: item.summary + (f". Strength: {item.means}; {item.default:g} unless told" if item.means else "")
        for name, item in SCENARIOS.items()
    }


def apply(
    name: str,
    rows: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    feature: str | None = None,
    strength: float | None = None,
    rng: np.random.Generator,
    period: timedelta = WEEK,
) -> Applied:
    """Change a population in a way that is known.

    Args:
        name: A key of `SCENARIOS`.
        rows: One row per application: the features and, where a scenario needs them, `y` (1 bad, 0 good, missing when
            not known) and `event_time`. Not changed. Other columns stay with their row; where whole rows are replaced,
            `application_id` and `event_time` belong to the place and stay.
        kinds: The features and how each is to be read.
        feature: Which feature; None takes the most informative of a fitting kind. `correlation` takes a pair as "a,b",
            or one and finds its partner.
        strength: How much, in the scenario's own unit (`describe`); None takes its default, 0 changes nothing.
        rng: Where chance comes from.
        period: Length of a wave, for `seasonality` alone.

    Returns:
        The changed rows in the same order under the same index, and what was done.

    Raises:
        ValueError: No such scenario or feature, a feature of the wrong kind, a strength out of range, or rows that
            cannot be changed this way (none, all the same, no known outcomes).

    >>> loans = pd.DataFrame({"income": [10.0, 20.0, 30.0, np.nan], "y": [1, 0, 0, 0]})
    >>> done = apply("scale", loans, {"income": "numeric"}, strength=0.5, rng=np.random.default_rng(7))
    >>> done.rows["income"].tolist(), done.touched
    ([15.0, 30.0, 45.0, nan], 3)
    """
    scenario = named(name)
    much = scenario.default if strength is None else finite(strength, "strength")
    low, high = scenario.between
    if not low <= much <= high:
        expected = f"expected {low:g} to {high:g} ({scenario.means or 'it has none'})"
        raise ValueError(f"{name}: strength {much:g}: {expected}")
    if rows.empty:
        raise ValueError(f"{name}: expected at least one row")
    if period <= timedelta(0):
        raise ValueError(f"{name}: period {period}: expected longer than nothing")
    features, chosen = _features(name, scenario, rows, kinds, feature)
    if much == 0:
        nothing = "nothing changed" + ("" if name == "none" else " (strength 0)")
        return Applied(rows=rows.copy(), log=f"{name}: {nothing}", features=features, strength=0.0, touched=0)
    change = scenario.change(_Asked(rows, features, kinds, much, rng, period))
    log = f"{name}: {change.done}; {change.touched:,} of {len(rows):,} rows touched{chosen}"
    return Applied(rows=change.rows, log=log, features=features, strength=much, touched=change.touched)


def named(name: str) -> Scenario:
    """The scenario of this name, or a ValueError that lists what there is."""
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def _features(
    name: str, scenario: Scenario, rows: pd.DataFrame, kinds: Mapping[str, Kind], asked: str | None
) -> tuple[tuple[str, ...], str]:
    """The features to change, and in words why these if nobody named them."""
    if not scenario.takes:
        if asked is not None:
            raise ValueError(f"{name}: feature {asked!r}: expected none, it changes the rows as a whole")
        return (), ""
    fitting = {each: kind for each, kind in kinds.items() if kind in scenario.takes}
    pair = name == "correlation"
    if len(fitting) < 1 + pair:
        raise ValueError(
            f"{name}: expected {1 + pair} feature of kind {' or '.join(scenario.takes)}, got {len(fitting)}"
        )
    given = [] if asked is None else [asked] if asked in fitting or not pair else asked.split(",")
    for each in given:
        if each not in fitting:
            raise ValueError(f"{name}: feature {each!r}: expected one of {', '.join(fitting)}")
    if absent := [each for each in fitting if each not in rows]:
        raise ValueError(f"{name}: the rows have no column {absent[0]!r}")
    chosen = ""
    if not given:
        ranking = informative(rows, fitting)
        given = [next(iter(ranking or fitting))]
        chosen = f" (largest |Gini|: {ranking[given[0]]:.2f})" if ranking else " (the first: no outcomes to rank by)"
    if pair and len(given) == 1:
        others = [each for each in fitting if each != given[0]]
        coupling = {each: abs(spearman(rows[given[0]], rows[each])) for each in others}
        given.append(max(others, key=lambda each: coupling[each]))
    if pair and (len(given) != 2 or given[0] == given[1]):
        raise ValueError(f"{name}: feature {asked!r}: expected two different ones, as in a,b")
    return tuple(given), chosen
