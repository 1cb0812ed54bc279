"""`mend labels`: outcomes from files, what waits in quarantine, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli_terminal import Json, err, out, print_json, table
from pipeline.errors import NotEnoughDataError
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

labels_app = typer.Typer(help="What came of applications.", no_args_is_help=True)
_SHOWN = 20


@labels_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet: prediction_id, label, known_at[, corrects].")],
    report: Annotated[
        str, typer.Option(help="List of rows that do not count. Default: FILE with .refused.csv.", metavar="FILE")
    ] = "",
    as_json: Json = False,
) -> None:
    """Take outcomes from a file; every row that does not count is listed with its reason. A repeat changes nothing."""
    from pipeline.clock import wall_clock
    from pipeline.labels.files import read_outcomes
    from pipeline.labels.importing import import_outcomes

    workspace = _workspace()
    listed = Path(report) if report else file.with_name(f"{file.name}.refused.csv")
    with _counting() as tick:
        done = import_outcomes(workspace, read_outcomes(file), report=listed, now=wall_clock(), tick=tick)
    if not done.counts:
        raise NotEnoughDataError(file, "no row in it")
    if as_json:
        print_json({"counts": done.counts, "report": str(done.report) if done.report else None})
        return
    out.print(f"{file}: " + ", ".join(f"{count:,} {status}" for status, count in sorted(done.counts.items())))
    if done.report:
        out.print(f"rows that do not count, each with its reason: {done.report}")


@labels_app.command()
def quarantine(as_json: Json = False) -> None:
    """Show outcomes that cannot be of the application they name, yet: `retry` takes them when they can."""
    from pipeline.labels.rules import WHAT, Reason
    from pipeline.stores.engine import iso
    from pipeline.stores.label_log import LabelLog

    with _workspace().traffic.engine.connect() as connection:
        waiting = LabelLog(connection).in_quarantine()
    rows = [
        {
            "prediction_id": each.report.prediction_id,
            "label": each.report.y,
            "known_at": iso(each.report.known_at),
            "why": WHAT[Reason(each.reason)],
            "since": iso(each.recorded_at),
        }
        for each in waiting
    ]
    if as_json:
        print_json(rows)
        return
    out.print(f"{len(rows):,} in quarantine" + (f"; the first {_SHOWN}:" if len(rows) > _SHOWN else ""))
    table(rows[:_SHOWN])


@labels_app.command()
def retry(as_json: Json = False) -> None:
    """Take from quarantine what fits by now: its application is on record, or its time has come."""
    from pipeline.clock import wall_clock
    from pipeline.labels.taking import retry as run
    from pipeline.stores.engine import writing
    from pipeline.stores.label_log import LabelLog

    with writing(_workspace().traffic.engine) as connection:
        freed, left = run(LabelLog(connection), now=wall_clock())
    if as_json:
        print_json({"freed": freed, "left": left})
    else:
        out.print(f"{freed:,} came out of quarantine, {left:,} stay")


@labels_app.command()
def conflicts(as_json: Json = False) -> None:
    """Show applications whose outcomes contradict each other: none of them counts until one says that it corrects."""
    from pipeline.stores.label_log import LabelLog

    with _workspace().traffic.engine.connect() as connection:
        found = LabelLog(connection).conflicting()
    if as_json:
        print_json(found)
        return
    out.print(f"{len(found):,} with contradicting outcomes" + (f"; the first {_SHOWN}:" if len(found) > _SHOWN else ""))
    for key in found[:_SHOWN]:
        out.print(key, markup=False)


def _workspace() -> Workspace:
    workspace = open_workspace(load_settings())
    workspace.require_champion()
    return workspace


@contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """How many rows are taken, on a terminal; nobody knows how many there are."""
    columns = (TextColumn("{task.completed:,.0f} rows"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("rows", total=None)
        yield lambda done: bar.update(task, advance=done)
