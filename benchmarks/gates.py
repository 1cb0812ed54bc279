"""What the gates do on real scores: false promotions, power, segments, late labels, and why not F1. One table.

    .venv/bin/python benchmarks/gates.py [--quick] [--markdown] [--as-of 2026-11-23]

Two real models per portfolio, windows drawn from a pool of held-out rows. "Equal", "better" and "worse" hold on the
whole pool, exactly: they are brought about by noise on one model's log-odds, or by its cut-off. Every try has fresh
rows, the least favourable case for false promotions; every year begins with no try on record, its worst. The plain
rule promotes at the point estimate: F1 + 2 % with 200 rows. In brackets: 95 % (Wilson for shares, Fisher for
correlations).

Give Me Some Credit may not be shipped. It is read from `MEND_SHARED`, by default `shared/data` beside the checkout.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the product trains; a second thread gains nothing here

import argparse
from collections.abc import Iterator

import label_delays
from gates_errors import FULL, QUICK, Effort, as_trained, false_promotions, other_primaries, power, worse_promoted
from gates_lines import Line
from gates_metrics import metrics
from gates_segments import segments
from pools import Portfolio, portfolios, real_pair
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.gate.values import GatePolicy

HEADINGS = ("portfolio", "part", "case", "rows", "Mend", "plain rule", "drawn", "promise")
PARTS = (as_trained, false_promotions, other_primaries, power, worse_promoted, segments)


def lines_of(data: Portfolio, *, policy: GatePolicy, effort: Effort, seed: int, bar: Progress) -> Iterator[Line]:
    """Every line of one portfolio, but those on late labels."""
    task = bar.add_task(data.name, total=None)
    say(bar, task, f"{data.name}: training two models")
    pair = real_pair(data)
    for part in PARTS:
        say(bar, task, f"{data.name}: {part.__name__.replace('_', ' ')}")
        yield from part(data.name, pair, policy=policy, effort=effort, seed=seed)
    say(bar, task, f"{data.name}: metrics of {effort.models} models")
    bar.update(task, total=effort.models)
    yield from metrics(data, policy=policy, effort=effort, seed=seed, tick=lambda: bar.advance(task))
    bar.update(task, description=f"{data.name}: done")


def say(bar: Progress, task: TaskID, what: str) -> None:
    """What is being done: beside the bar on a terminal, a line elsewhere."""
    bar.update(task, description=what)
    if not bar.console.is_terminal:
        bar.console.print(what)


def late_labels(console: Console, *, seed: int) -> Iterator[Line]:
    """What the plain rule and the gate read as Brier score while labels are late."""
    for data in label_delays.portfolios(console, seed=seed):
        for row in label_delays.label_delay_table(data, seed=seed):
            yield Line(
                portfolio=data.name,
                part="5 late labels",
                case=f"Brier score read, {row['pattern']}; truth {row['truth_brier']:.4f}",
                rows=f"{row['gate_rows']:,} of {row['truth_rows']:,}",
                mend=_off(row["gate_bias"], row["brier_shift"]),
                plain=_off(row["plain_bias"], None),
                drawn=f"{row['plain_rows']:,} rows",
            )


def _off(bias: float | None, shift: float | None) -> str:
    if bias is None:
        return "waits: no mature row"
    refused = shift is not None and shift > label_delays.MAX_BRIER_SHIFT
    return f"off by {bias:+.4f}" + ("; G2 refuses" if refused else "")


def as_markdown(lines: list[Line]) -> str:
    """A table for docs/gates.md."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_cells(line) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_table(lines: list[Line]) -> Table:
    """A table for a terminal."""
    table = Table(*HEADINGS, title="What the gates do")
    for place, line in enumerate(lines):
        last = place + 1 == len(lines) or (lines[place + 1].part, lines[place + 1].portfolio) != (
            line.part,
            line.portfolio,
        )
        table.add_row(*_cells(line), end_section=last)
    return table


def _cells(line: Line) -> tuple[str, ...]:
    return (line.portfolio, line.part, line.case, line.rows, line.mend, line.plain, line.drawn, line.promise)


def main() -> None:
    """Draw, and print the table."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="a smoke run: every line, too few tries to read")
    ask.add_argument("--markdown", action="store_true", help="as docs/gates.md shows it")
    ask.add_argument("--as-of", default="", help="date to print")
    ask.add_argument("--seed", type=int, default=7)
    given = ask.parse_args()
    effort, policy = QUICK if given.quick else FULL, GatePolicy()
    said = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    lines: list[Line] = []
    with Progress(*columns, console=said, disable=not said.is_terminal) as bar:
        for data in portfolios(said, seed=given.seed):
            lines += lines_of(data, policy=policy, effort=effort, seed=given.seed, bar=bar)
        lines += late_labels(said, seed=given.seed)
    lines.sort(key=lambda line: line.part)
    when = f" as of {given.as_of}" if given.as_of else ""
    note = f"seed {given.seed}{when}; benchmarks/gates.py{' --quick' if given.quick else ''}"
    out = Console(soft_wrap=given.markdown, width=None if given.markdown else max(200, said.width), highlight=False)
    out.print(as_markdown(lines) if given.markdown else as_table(lines), markup=False)
    out.print(note)


if __name__ == "__main__":
    main()
