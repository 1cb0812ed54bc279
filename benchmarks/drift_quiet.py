"""Part 1: windows in which truly nothing moved, and who flags a column of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from drift_data import Population
from drift_detectors import MEND, Flags, Judge
from drift_lines import Effort, Line, Say, at_most, hits, shares, with_names
from drift_nannyml import Nannyml

SIZES = (200, 1_000, 2_000, 10_000)
PART = "1 no drift"


def drawn(pool: pd.DataFrame, rows: int, windows: int, rng: np.random.Generator) -> list[pd.DataFrame]:
    """Windows of different rows each; two windows may share rows."""
    return [pool.iloc[rng.choice(len(pool), rows, replace=False)].reset_index(drop=True) for _ in range(windows)]


def quiet_windows(
    populations: list[Population], *, effort: Effort, seed: int, nannyml: Nannyml, say: Say
) -> Iterator[Line]:
    """One line a size, over every split of one portfolio."""
    judges = [Judge(population) for population in populations]
    name = populations[0].name
    for rows in SIZES:
        if rows > len(populations[0].pool):
            why = f"the pool has {len(populations[0].pool):,} rows"
            yield Line(part=PART, data=name, case="any column flagged", rows=f"{rows:,}", drawn=why)
            continue
        say(f"{name}: no drift, {rows:,} rows")
        flags: list[Flags] = []
        trials: tuple[int, ...] = ()
        for split, judge in enumerate(judges):
            rng = np.random.default_rng([seed, rows, split])
            windows = drawn(judge.population.pool, rows, effort.windows, rng)
            flags += [judge.flags(window) for window in windows]
            trials += nannyml.add(judge.population.reference, judge.population.columns, windows)
        found = hits(flags)
        ours = found[MEND]
        yield Line(
            part=PART,
            data=name,
            case="any column flagged",
            rows=f"{rows:,}",
            cells=shares(found) | {MEND: with_names(shares(found), flags)[MEND]},
            drawn=f"{len(ours)} windows, {len(judges)} splits",
            target=at_most(sum(ours), len(ours), 0.0, "none"),
            trials=trials,
        )
