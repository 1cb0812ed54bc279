"""How drift detection does on real data, beside Evidently, Kolmogorov-Smirnov and NannyML. One table.

    .venv/bin/python benchmarks/drift.py [--quick] [--markdown] [--seed 7] [--without-nannyml]

Everybody sees the same columns of the same windows: the features and a champion's score. A share is of windows (or
days) in which a column was flagged, with its 95 % Wilson interval; windows of one split share a reference, so they are
not quite independent. "after" is the median number of rows since the change at the first look that flags the changed
feature. Rules: Mend as shipped (`DriftPolicy()`: one false alarm in 91 days of looks every five minutes). Evidently
0.7.23 at its defaults: normed Wasserstein or Jensen-Shannon distance >= 0.1 flags a column, half of the columns flag
the dataset. KS: two-sided p < 0.05 (scipy's asymptotic), chi-square for categories; Bonferroni over the columns.
NannyML 0.13.1: univariate drift at its defaults, chunks as long as the windows; its check of missing values is another
calculator, not run here. A rule that flags a column as often when nothing changes has seen nothing: read the parts
together.

Data that may not be shipped are read from `MEND_SHARED`, by default `shared/data` beside the checkout.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # as the product runs; the speeds are of one thread
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from drift_controls import control, planted_drift
from drift_data import CENSUS, CREDIT, PLANTED, census, credit, loans, planted
from drift_days import false_days
from drift_evidently import agreement, speed
from drift_lines import FULL, HEADINGS, QUICK, Effort, Line, Say
from drift_nannyml import Nannyml
from drift_quiet import quiet_windows
from drift_scenarios import CREDIT_CASES, LOAN_CASES, scenarios, together
from rich.console import Console
from rich.table import Table


def lines_of(*, effort: Effort, seed: int, nannyml: Nannyml, say: Say) -> Iterator[Line]:
    """Every line, in no order; NannyML's cells are still to come."""
    if _there(CREDIT, say):
        splits = list(credit(splits=effort.splits, seed=seed, draws=effort.draws))
        yield from speed(splits[0], effort=effort, seed=seed, say=say)  # first, while little is in memory
        yield from agreement(splits[0], effort=effort, seed=seed, say=say)
        yield from quiet_windows(splits, effort=effort, seed=seed, nannyml=nannyml, say=say)
        yield from false_days(splits, effort=effort, seed=seed, say=say)
        yield from scenarios(splits[0], CREDIT_CASES, effort=effort, seed=seed, nannyml=nannyml, say=say)
        yield from together(splits[0], effort=effort, seed=seed, say=say)
    splits = list(loans(splits=effort.splits, seed=seed, draws=effort.draws))
    yield from agreement(splits[0], effort=effort, seed=seed, say=say)
    yield from quiet_windows(splits, effort=effort, seed=seed, nannyml=nannyml, say=say)
    yield from scenarios(splits[0], LOAN_CASES, effort=effort, seed=seed, nannyml=nannyml, say=say)
    if _there(CENSUS, say):
        people = census(seed=seed, draws=effort.draws)
        yield from control(people, effort=effort, seed=seed, nannyml=nannyml, say=say)
    if _there(PLANTED, say):
        yield from planted_drift(planted(draws=effort.draws), nannyml=nannyml, say=say)


def _there(path: Path, say: Say) -> bool:
    if not path.exists():
        say(f"MISSING: {path}. Going on without it.")
    return path.exists()


def measured(*, effort: Effort, seed: int, with_nannyml: bool, say: Say) -> list[Line]:
    """Every line, in the table's order."""
    with tempfile.TemporaryDirectory() as folder:
        nannyml = Nannyml(Path(folder), wanted=with_nannyml)
        lines = list(lines_of(effort=effort, seed=seed, nannyml=nannyml, say=say))
        if with_nannyml:
            say(f"NannyML: {len(nannyml.chunks)} trials (the first time, its environment is made: minutes)")
            found = nannyml.flagged()
            lines = [line.with_nannyml(found, nannyml.chunks) for line in lines]
    return sorted(lines, key=lambda line: line.part)


def as_markdown(lines: list[Line]) -> str:
    """A table for the documentation."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(line.row for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_table(lines: list[Line]) -> Table:
    """A table for a terminal."""
    table = Table(*HEADINGS, title="How drift detection does")
    for place, line in enumerate(lines):
        last = place + 1 == len(lines) or (lines[place + 1].part, lines[place + 1].data) != (line.part, line.data)
        table.add_row(*line.row, end_section=last)
    return table


def main() -> None:
    """Measure, and print the table."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="a smoke run: every line, too few windows to read")
    ask.add_argument("--markdown", action="store_true", help="for the documentation")
    ask.add_argument("--without-nannyml", action="store_true", help="leave its column out: it installs 1.8 GB, once")
    ask.add_argument("--seed", type=int, default=7)
    given = ask.parse_args()
    began, said = time.monotonic(), Console(stderr=True, highlight=False, soft_wrap=True)

    def say(what: str) -> None:
        said.print(f"{time.monotonic() - began:4.0f} s  {what}", markup=False)

    effort = QUICK if given.quick else FULL
    lines = measured(effort=effort, seed=given.seed, with_nannyml=not given.without_nannyml, say=say)
    out = Console(soft_wrap=given.markdown, width=None if given.markdown else max(260, said.width), highlight=False)
    out.print(as_markdown(lines) if given.markdown else as_table(lines), markup=False)
    options = (" --quick" if given.quick else "") + (" --without-nannyml" if given.without_nannyml else "")
    missed = sum("MISSED" in line.target for line in lines)
    out.print(f"{len(lines)} lines, {missed} targets missed; seed {given.seed}; benchmarks/drift.py{options}")


if __name__ == "__main__":
    main()
