"""Part 3: changes of known kind and size. Who sees them in a window that is fully changed, and how soon in a stream.

The change is made to the whole pool and its rows are scored anew; windows are drawn from what results. Where a scenario
changes a feature, a hit is that feature flagged; where it changes none (or is not to be seen), any column flagged.
A delay counts the rows that came since the change when the changed feature is first flagged, at looks 48 times in one
window's length, until two such lengths have come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd
from drift_data import Population
from drift_days import PEERS, a_stream
from drift_detectors import MEND, POLICY, Judge
from drift_lines import Effort, Line, Say, at_least, at_most, hits, shares
from drift_nannyml import Nannyml
from drift_quiet import drawn
from drift_sliding import Counts, Sliding, looks

from monitoring.scenarios import SCENARIOS, apply

SIZES = (500, 2_000)
LARGE_REPEATS = 2
LOOKS, LENGTHS = 48, 2
A_DAY = 2_000  # rows, where a scenario goes by the clock

TWO = "credit_lines,home_loans"  # the pair whose ranks go together most


@dataclass(frozen=True, kw_only=True)
class Case:
    """A scenario of `monitoring.scenarios`, its feature and strength (None: its default), and what is hoped for."""

    scenario: str
    feature: str | None = None
    strength: float | None = None
    at_least: float | None = None  # of windows of 2,000 rows
    quiet: bool = False
    large: bool = False


CREDIT_CASES = (
    Case(scenario="none", quiet=True),
    Case(scenario="scale", feature="utilisation", strength=1.0, at_least=0.9),
    Case(scenario="scale", feature="age", strength=0.005, quiet=True, large=True),
    Case(scenario="scale", feature="age", strength=0.05),
    Case(scenario="scale", feature="income"),
    Case(scenario="location", feature="age"),
    Case(scenario="unit-error", feature="income"),
    Case(scenario="missing-feed", feature="income", at_least=1.0),
    Case(scenario="mix", feature="utilisation"),
    Case(scenario="base-rate"),
    Case(scenario="concept", feature="utilisation"),
    Case(scenario="correlation", feature=TWO),
    Case(scenario="seasonality", feature="utilisation"),
)
LOAN_CASES = (
    Case(scenario="none", quiet=True),
    Case(scenario="missing-feed", feature="borrower_state"),
    Case(scenario="new-category", feature="naics_sector"),
    Case(scenario="mix", feature="new_business"),
)


def scenarios(
    population: Population, cases: tuple[Case, ...], *, effort: Effort, seed: int, nannyml: Nannyml, say: Say
) -> Iterator[Line]:
    """Two lines a case, one a size."""
    judge, sliding = Judge(population), Sliding(population.prepared, POLICY)
    for number, case in enumerate(cases):
        say(f"{population.name}: {case.scenario} {case.feature or ''}")
        rng = np.random.default_rng([seed, number])
        pool = population.pool.assign(event_time=_times(len(population.pool)))
        done = apply(case.scenario, pool, population.kinds, feature=case.feature, strength=case.strength, rng=rng)
        changed = population.rescored(done.rows)
        what = done.log.rpartition("; ")[0] if case.scenario != "none" else "nothing changes"
        seen = frozenset(done.features) if done.features and not SCENARIOS[case.scenario].unseen else None
        for rows in (*SIZES, *([effort.large] if case.large else [])):
            windows = _windows(case, changed, rows, LARGE_REPEATS if rows == effort.large else effort.repeats, rng)
            flags = [judge.flags(window) for window in windows]
            found = hits(flags, among=None if case.quiet else seen)
            cells = shares(found)
            if seen and not case.quiet and case.scenario != "seasonality":
                told = _delays(judge, sliding, changed, rows, seen, effort.repeats, rng)
                cells = {name: f"{cell}{told.get(name, '')}" for name, cell in cells.items()}
            known = nannyml.add(population.reference, population.columns, windows) if rows != effort.large else ()
            yield Line(
                part="3 scenarios",
                data=population.name,
                case=what,
                rows=f"{rows:,}",
                cells=cells,
                drawn=f"{len(windows)} windows",
                target=_target(case, found[MEND], rows),
                trials=known,
                among=None if case.quiet else seen,
            )


def _times(rows: int) -> pd.DatetimeIndex:
    return pd.date_range("2026-01-01", periods=rows, freq=pd.Timedelta(days=1) / A_DAY, tz="UTC")


def _windows(
    case: Case, changed: pd.DataFrame, rows: int, repeats: int, rng: np.random.Generator
) -> list[pd.DataFrame]:
    """Rows at random, or in order of time where the change goes by the clock; a large window may repeat rows."""
    if case.scenario == "seasonality":
        starts = rng.integers(0, len(changed) - rows, repeats)
        return [changed.iloc[start : start + rows].reset_index(drop=True) for start in starts]
    if rows > len(changed):
        return [a_stream(changed, rows, rng) for _ in range(repeats)]
    return drawn(changed, rows, repeats, rng)


def _target(case: Case, ours: list[bool], rows: int) -> str:
    if case.quiet:
        return at_most(sum(ours), len(ours), 0.0, "quiet")
    if case.at_least is not None and rows == A_DAY:
        return at_least(sum(ours), len(ours), case.at_least, f">= {case.at_least:.0%}".replace("%", " %"))
    return ""


def _delays(
    judge: Judge,
    sliding: Sliding,
    changed: pd.DataFrame,
    rows: int,
    seen: frozenset[str],
    repeats: int,
    rng: np.random.Generator,
) -> dict[str, str]:
    """In words, the median over streams; where less than half of them are seen in time there is none."""
    found: dict[str, list[float]] = {name: [] for name in (MEND, *PEERS)}
    for _ in range(repeats):
        parts = (a_stream(judge.population.pool, rows, rng), a_stream(changed, LENGTHS * rows, rng))
        stream = pd.concat([part[list(seen)] for part in parts], ignore_index=True)
        ends = looks(len(stream), rows, a_window=LOOKS)[1:]
        alarms = np.any(list(sliding.alarms(stream, ends, rows, only=seen).values()), axis=0)
        found[MEND].append(float(ends[np.argmax(alarms)] - rows) if alarms.any() else np.inf)
        for name, delay in peer_delays(judge, stream, ends, rows).items():
            found[name].append(delay)
    return {name: after(median(delays)) for name, delays in found.items()}


def after(rows: float) -> str:
    """A delay in words, as it follows a share."""
    return f"; after {rows:,.0f}" if np.isfinite(rows) else "; not seen"


def peer_delays(judge: Judge, stream: pd.DataFrame, ends: Counts, rows: int) -> dict[str, float]:
    """Rows that came since the change (which is after the first window) when each peer first flags a column of it."""
    waiting = dict.fromkeys(PEERS, np.inf)
    arrays = {name: judge.columns[name].read(stream[name]) for name in stream}
    for look in ends:
        for name, array in arrays.items():
            values = judge.columns[name].present(array[look - rows : look])
            if not len(values):
                continue
            for peer, flagged in judge.peers(name, values).items():
                if flagged and not np.isfinite(waiting[peer]):
                    waiting[peer] = float(look - rows)
        if all(np.isfinite(list(waiting.values()))):
            break
    return waiting


def together(population: Population, *, effort: Effort, seed: int, say: Say) -> Iterator[Line]:
    """How features go together: a check of its own, beside the columns one by one. Only Mend has one here."""
    from monitoring.joint_coding import prepare_joint
    from monitoring.multivariate import joint_drift
    from monitoring.values import State

    prepared = prepare_joint(population.reference, population.kinds)
    for case, share in (("none", 0.0), ("correlation", 1.0)):
        say(f"{population.name}: how features go together, {case}")
        rng = np.random.default_rng([seed, 99])
        feature = TWO if share else None
        done = apply(case, population.pool, population.kinds, feature=feature, rng=rng)
        for rows in SIZES:
            windows = drawn(done.rows, rows, effort.joint, rng)
            states = [
                joint_drift(prepared, window, level=POLICY.look_level, seed=number, permutations=500).state
                for number, window in enumerate(windows)
            ]
            ours = [state is State.DRIFT for state in states]
            yield Line(
                part="3 scenarios",
                data=population.name,
                case=f"joint check, {'nothing changes' if not share else done.log.rpartition('; ')[0]}",
                rows=f"{rows:,}",
                cells=shares({MEND: ours}),
                drawn=f"{len(ours)} windows",
                target="" if share else at_most(sum(ours), len(ours), 0.0, "quiet"),
            )
