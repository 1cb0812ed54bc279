"""What every command shares: printing, waiting, and building what it works with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.wiring import NOTEBOOKS, Workspace

_PIPED_WIDTH = None if sys.stdout.isatty() else 160  # columns; rich takes 80 when nobody tells it
out = Console(highlight=False, soft_wrap=True, width=_PIPED_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AsOf = Annotated[str, typer.Option("--as-of", help="UTC time to judge, ISO 8601. Default: this workspace's now.")]
Digest = Annotated[str, typer.Argument(help="The dossier's digest, or its first 8 characters or more.")]
As = Annotated[
    str, typer.Option("--as", help="Who you say you are: local, unverified. Default: the operating system's user.")
]
TokenFile = Annotated[
    str,
    typer.Option("--token-file", help="File with the token that says who you are. Else MEND_TOKEN.", metavar="FILE"),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes on record.")]


def print_json(value: Any) -> None:
    """JSON on standard output, nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))  # noqa: T201


@contextmanager
def notebook_runner(settings: Settings, runs: Path) -> Iterator[Any]:
    """The notebooks' runner; its kernels end with the block."""
    from pipeline.running.notebooks import NotebookRunner

    deadline = settings.notebooks.deadline.total_seconds()
    with NotebookRunner(
        notebooks=NOTEBOOKS, runs=runs, deadline_s=deadline, kernel=settings.notebooks.kernel
    ) as runner:
        yield runner


@contextmanager
def steps_over(workspace: Workspace, *, ahead: int = 0) -> Iterator[Any]:
    """The notebook steps over a workspace, a printed line per event."""
    from pipeline.running.steps import Steps

    with notebook_runner(workspace.settings, workspace.root / "monitoring" / "runs") as runner:
        yield Steps(workspace=workspace, runner=runner, say=lambda line: out.print(escape(line)), ahead=ahead)


@contextmanager
def progress(total: int) -> Iterator[Any]:
    """A bar on a terminal; elsewhere only the events' lines."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task = bar.add_task("replay", total=total)

        def tick(as_of: datetime) -> None:
            bar.update(task, advance=1, description=f"{as_of:%Y-%m-%d}")

        yield tick


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on a terminal, nothing elsewhere."""
    with out.status(what) if out.is_terminal else _nothing():
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def argument(name: str, parse: Any, text: str) -> Any:
    """An option's value, or one line that names the option."""
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(name, error) from None


def table(rows: list[dict[Any, Any]]) -> None:
    """Rows as a plain table, columns named by their keys."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        shown.add_column(str(name).replace("_", " "), overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row.values()))
    out.print(shown)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


def tell_registry(workspace: Workspace) -> list[str]:
    """Let the registry follow the ledger; a line for each thing that changed, or why it could not be told."""
    from pipeline.promotion.reconcile import follow

    with waiting("telling the registry"):
        return follow(workspace, now=workspace.now())
