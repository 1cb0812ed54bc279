"""A line of the table, one cell a detector, and how a target is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from drift_detectors import DATASET, DETECTORS, NANNYML, Flags
from gates_lines import percent

from monitoring.performance import wilson_interval

FEWEST_CHUNKS = 6  # of the reference: with fewer, NannyML warns that there are too few
HEADINGS = ("part", "data", "case", "rows", *DETECTORS, "drawn", "target")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table; `cells` by detector, "–" where there is nothing to say.

    NannyML looks at everything at the end: `trials` are its numbers there, `among` the columns that count (None: any),
    `named`: the cell says which columns, not how many windows.
    """

    part: str
    data: str
    case: str
    rows: str
    cells: Mapping[str, str] = field(default_factory=dict)
    drawn: str
    target: str = ""
    trials: tuple[int, ...] = ()
    among: frozenset[str] | None = None
    named: bool = False

    @property
    def row(self) -> tuple[str, ...]:
        """As the table has it."""
        cells = (self.cells.get(name, "–") for name in DETECTORS)
        return (self.part, self.data, self.case, self.rows, *cells, self.drawn, self.target)

    def with_nannyml(self, found: Sequence[Sequence[frozenset[str]]], chunks: Sequence[int]) -> Line:
        """The line with NannyML's cell; it says so where its limits stand on fewer chunks than NannyML asks for."""
        flags = [{NANNYML: columns} for trial in self.trials for columns in found[trial]]
        if not flags:
            return self
        cell = names(flags)[NANNYML] if self.named else shares(hits(flags, among=self.among))[NANNYML]
        few = min(chunks[trial] for trial in self.trials)
        told = f"{cell} ({few} chunks)" if few < FEWEST_CHUNKS else cell
        return replace(self, cells={**self.cells, NANNYML: told})


def names(flags: Sequence[Flags]) -> dict[str, str]:
    """Which columns each detector flagged, in how many of the windows if they are several."""
    told = {}
    for detector in flags[0]:
        times = Counter(chain(*(each[detector] for each in flags)))
        ordered = sorted(times.items(), key=lambda item: (-item[1], item[0]))
        some = [name if len(flags) == 1 else f"{name} {count}" for name, count in ordered]
        told[detector] = ", ".join(some) or "nothing"
    return told


def with_names(cells: Mapping[str, str], flags: Sequence[Flags]) -> dict[str, str]:
    """The cells with the columns that were flagged, and in how many windows; a dataset has no name."""
    told = {name: text for name, text in names(flags).items() if text != "nothing" and name != DATASET}
    return {name: cell + (f": {told[name]}" if name in told else "") for name, cell in cells.items()}


def shares(found: Mapping[str, Sequence[bool]]) -> dict[str, str]:
    """Each detector's share of windows, with its Wilson interval."""
    return {name: percent(sum(hits), len(hits)) for name, hits in found.items() if len(hits)}


def hits(flags: Sequence[Flags], *, among: frozenset[str] | None = None) -> dict[str, list[bool]]:
    """Whether each detector flagged anything in each window; `among`: one of these columns ("dataset" counts)."""
    names = [name for name in DETECTORS if flags and name in flags[0]]
    wanted = None if among is None else among | {"dataset"}
    return {name: [bool(each[name] if wanted is None else each[name] & wanted) for each in flags] for name in names}


def at_most(happened: int, of: int, share: float, words: str) -> str:
    """Whether a share is as small as it should be; missed only where its whole interval says so.

    >>> [at_most(happened, 100, 0.01, "<= 1 %") for happened in (0, 2, 20)]
    ['<= 1 %: kept', '<= 1 %: within noise', '<= 1 %: MISSED']
    """
    if happened / of <= share:
        return f"{words}: kept"
    return f"{words}: " + ("MISSED" if wilson_interval(happened, of)[0] > share else "within noise")


def at_least(happened: int, of: int, share: float, words: str) -> str:
    """The same for a share that should be large.

    >>> [at_least(happened, 100, 0.9, ">= 90 %") for happened in (80, 88, 95)]
    ['>= 90 %: MISSED', '>= 90 %: within noise', '>= 90 %: kept']
    """
    if happened / of >= share:
        return f"{words}: kept"
    return f"{words}: " + ("MISSED" if wilson_interval(happened, of)[1] < share else "within noise")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is drawn."""

    draws: int  # windows per feature and size behind Mend's limits; 20,000 is the product's
    splits: int  # of reference and pool, each with limits of its own
    windows: int  # a split and size
    days: int  # a split and rate
    repeats: int  # a scenario and size
    large: int  # rows of a window, where a small change has to stay quiet at any size
    joint: int  # windows that the joint check looks at
    agreement: int  # windows that Evidently itself looks at
    runs: int  # of each side, for speed


FULL = Effort(draws=20_000, splits=6, windows=50, days=34, repeats=100, large=1_000_000, joint=30, agreement=5, runs=7)
QUICK = Effort(draws=2_000, splits=1, windows=6, days=2, repeats=4, large=200_000, joint=2, agreement=1, runs=2)
Say = Callable[[str], None]
