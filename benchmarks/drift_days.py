"""Part 2: days of looks every five minutes at a stream in which nothing moves, and on how many of them someone alarms.

The window is the last 24 hours. Mend looks 288 times a day. The peers look every half hour, 48 times a day, which is in
their favour: what they would flag in between is not counted. One look at which a column is flagged makes a false day.
Rows of a stream are drawn from the pool with replacement.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from drift_data import Population
from drift_detectors import BONFERRONI, EVIDENTLY, KS, MEND, POLICY, Judge
from drift_lines import Effort, Line, Say, at_most, shares
from drift_sliding import Sliding, looks

RATES = (200, 500, 2_000)  # rows a day
LOOKS, PEER_LOOKS = 288, 48
CHECKED = 20  # looks a split and rate at which `drift_summary` is asked as well

PEERS = (EVIDENTLY, KS, BONFERRONI)


def false_days(populations: list[Population], *, effort: Effort, seed: int, say: Say) -> Iterator[Line]:
    """One line a rate, over every split; and one on how the running sums agree with `drift_summary`."""
    judges = [Judge(population) for population in populations]
    slidings = [Sliding(population.prepared, POLICY) for population in populations]
    checked, differ = 0, 0
    for rate in RATES:
        say(f"{populations[0].name}: {effort.days * len(judges)} days of {rate:,} rows, {LOOKS} looks a day")
        found: dict[str, list[bool]] = {name: [] for name in (MEND, *PEERS)}
        for split, (judge, sliding) in enumerate(zip(judges, slidings, strict=True)):
            rng = np.random.default_rng([seed, rate, split])
            stream = a_stream(judge.population.pool, (effort.days + 1) * rate, rng)
            ends = looks(len(stream), rate, a_window=LOOKS)
            alarms = np.any(list(sliding.alarms(stream, ends, rate).values()), axis=0)
            day = (ends - 1) // rate  # the first day fills the window
            found[MEND] += [bool(alarms[day == number].any()) for number in range(1, effort.days + 1)]
            for name, days in peer_days(judge, stream, rate, effort.days).items():
                found[name] += days
            some = rng.choice(len(ends), min(CHECKED, len(ends)), replace=False)
            checked += len(some)
            for look in {*some.tolist(), *np.flatnonzero(alarms)[:CHECKED].tolist()}:
                summary = judge.summary(stream.iloc[ends[look] - rate : ends[look]])
                differ += bool(summary.drifted) is not bool(alarms[look])
        yield Line(
            part="2 false days",
            data=populations[0].name,
            case="a day with at least one alarm",
            rows=f"{rate:,} a day",
            cells=shares(found),
            drawn=f"{len(found[MEND])} days; Mend {LOOKS} looks a day, peers {PEER_LOOKS}",
            target=at_most(sum(found[MEND]), len(found[MEND]), 1 / 90, "<= 1 in 90"),
        )
    yield Line(
        part="2 false days",
        data=populations[0].name,
        case="looks at which running sums and drift_summary differ",
        rows="all",
        cells={MEND: f"{differ}"},
        drawn=f"{checked} looks",
        target="none: " + ("MISSED" if differ else "kept"),
    )


def a_stream(pool: pd.DataFrame, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of the pool in random order, with replacement."""
    return pool.iloc[rng.integers(0, len(pool), rows)].reset_index(drop=True)


def peer_days(judge: Judge, stream: pd.DataFrame, rate: int, days: int) -> dict[str, list[bool]]:
    """Whether each peer flags anything on each day; the rest of a day need not be looked at once something is."""
    arrays = {name: column.read(stream[name]) for name, column in judge.columns.items()}
    ends = looks(len(stream), rate, a_window=PEER_LOOKS)
    found: dict[str, list[bool]] = {name: [] for name in PEERS}
    for start, end in pairwise(range(rate, (days + 2) * rate, rate)):
        of_day = ends[(ends > start) & (ends <= end)]
        quiet = set(PEERS)
        for look in of_day:
            if not quiet:
                break
            for name in judge.columns:
                values = judge.columns[name].present(arrays[name][look - rate : look])
                quiet -= {peer for peer, flagged in judge.peers(name, values).items() if flagged}
        for peer in PEERS:
            found[peer].append(peer not in quiet)
    return found
