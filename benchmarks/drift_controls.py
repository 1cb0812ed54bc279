"""Parts 4 and 5: a population that hardly changes in three years, and one in which drift was planted on a known day.

One thing does change in the Census: the oldest all have one age, and it is 94 in 2015 and 2016, 95 after. Those are
0.75 % of the rows, beyond every age of the reference, and just short of what Mend calls material.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from drift_data import PLANTED_IN, Population
from drift_days import PEERS
from drift_detectors import MEND, POLICY, Judge
from drift_lines import Effort, Line, Say, at_least, at_most, hits, names, shares, with_names
from drift_nannyml import Nannyml
from drift_quiet import drawn
from drift_scenarios import after, peer_delays
from drift_sliding import Sliding, looks

SIZES = (2_000, 10_000)
YEARS = (2016, 2017, 2018)
ROWS, LOOKS = 2_000, 48


def control(population: Population, *, effort: Effort, seed: int, nannyml: Nannyml, say: Say) -> Iterator[Line]:
    """Windows drawn within each later year, and each year whole."""
    judge, part = Judge(population), "4 control"
    for year in YEARS:
        say(f"{population.name}: {year}")
        pool = population.pool[population.pool["year"] == year]
        for rows in SIZES:
            rng = np.random.default_rng([seed, year, rows])
            windows = drawn(pool, rows, effort.repeats, rng)
            flags = [judge.flags(window) for window in windows]
            found = hits(flags)
            yield Line(
                part=part,
                data=population.name,
                case=f"windows of {year}, any column",
                rows=f"{rows:,}",
                cells=with_names(shares(found), flags),
                drawn=f"{len(windows)} windows",
                target=at_most(sum(found[MEND]), len(windows), 0.0, "quiet"),
                trials=nannyml.add(population.reference, population.columns, windows),
            )
        flags = [judge.flags(pool)]
        yield Line(
            part=part,
            data=population.name,
            case=f"{year} whole; {_largest(judge, pool)}",
            rows=f"{len(pool):,}",
            cells=names(flags),
            drawn="1 window",
            target="quiet: " + ("MISSED" if flags[0][MEND] else "kept"),
        )


def _largest(judge: Judge, window: pd.DataFrame) -> str:
    """How far the most changed features are from a limit: by their bins, and beyond every value of the reference."""
    checks = judge.summary(window).checks
    psi, beyond = (max((c for c in checks if c.code == code), key=lambda c: c.observed) for code in ("psi", "range"))
    return (
        f"largest PSI {psi.observed:.4f} ({psi.feature}; limit {psi.limit:.4f}), "
        f"beyond range {beyond.observed:.2%} ({beyond.feature}; limit {beyond.limit:.2%})".replace("%", " %")
    )


def planted_drift(population: Population, *, nannyml: Nannyml, say: Say) -> Iterator[Line]:
    """Consecutive windows that end and begin at the planted moment, and a stream of looks across it."""
    judge, part = Judge(population), "5 planted"
    say(f"{population.name}: before and after")
    began = int(np.argmax(population.pool["after"].to_numpy()))
    before = [population.pool.iloc[end - ROWS : end] for end in range(began, ROWS - 1, -ROWS)]
    behind = [population.pool.iloc[at : at + ROWS] for at in range(began, len(population.pool) - ROWS + 1, ROWS)]
    for case, windows in (("before, any column", before), ("after, one of the four planted", behind)):
        flags = [judge.flags(window) for window in windows]
        among = PLANTED_IN if windows is behind else None
        found = hits(flags, among=among)
        ours, of = sum(found[MEND]), len(windows)
        yield Line(
            part=part,
            data=population.name,
            case=case,
            rows=f"{ROWS:,}",
            cells=with_names(shares(found), flags),
            drawn=f"{of} windows in a row",
            target=at_most(ours, of, 0.0, "quiet") if windows is before else at_least(ours, of, 1.0, "all"),
            trials=nannyml.add(population.reference, population.columns, windows),
            among=among,
        )
    first = judge.flags(behind[0])
    named = first[MEND] >= PLANTED_IN
    yield Line(
        part=part,
        data=population.name,
        case=f"first window after; planted in {', '.join(sorted(PLANTED_IN))}",
        rows=f"{ROWS:,}",
        cells=names([first]),
        drawn="1 window",
        target="the four named: " + ("kept" if named else "MISSED"),
        trials=nannyml.add(population.reference, population.columns, behind[:1]),
        named=True,
    )
    yield _first_alarm(population, judge, began)


def _first_alarm(population: Population, judge: Judge, began: int) -> Line:
    stream = population.pool.iloc[began - ROWS : began + 2 * ROWS][sorted(PLANTED_IN)].reset_index(drop=True)
    ends = looks(len(stream), ROWS, a_window=LOOKS)[1:]
    sliding = Sliding(population.prepared, POLICY)
    ours = np.any(list(sliding.alarms(stream, ends, ROWS, only=PLANTED_IN).values()), axis=0)
    delays = {MEND: float(ends[np.argmax(ours)] - ROWS) if ours.any() else np.inf}
    delays |= peer_delays(judge, stream, ends, ROWS)
    return Line(
        part="5 planted",
        data=population.name,
        case="rows since the change until one of the four is flagged",
        rows=f"{ROWS:,}",
        cells={name: after(delays[name]).removeprefix("; after ").removeprefix("; ") for name in (MEND, *PEERS)},
        drawn=f"1 stream, a look every {ROWS // LOOKS} rows",
    )
