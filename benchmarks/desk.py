"""How fast the review desk's pages are with a year of five-minute cycles behind them, beside ten, and beside its peers.

    .venv/bin/python benchmarks/desk.py [--cycles 105000] [--dossiers 200] [--rows 10000000] [--rounds 3]
        [--snapshots 3000] [--folder FOLDER]

A small real life (the shipped loans, replayed up to the first decision) is multiplied: looks made of its looks, each
number a little other, are put on record every five minutes by the product's own writers, with notebook runs, alerts,
dossiers and decisions, so that the ledger verifies; and so many scored applications are put into the log. Beside it a
workspace with ten cycles, two dossiers and traffic as dense. `--folder` keeps what was made, and uses it again.

"Server" is what the server takes to make a page: from the question to "finished", over the desk's own WebSocket, by a
client that draws nothing. "First": in a process that has just started. "After a new cycle": when one was put on record
since, so that what is cached is out of date. "First chart" is counted in Chromium from the start of the navigation,
with an empty browser cache, in a window of 1,440 by 900. Cells are the median of the rounds with the smallest and the
largest; both desks take turns, and a ratio is the median of the rounds' own. Memory is the most that the server's
processes ever held (VmHWM).

Peers: Evidently's UI (one plot over its snapshots, and the list of its reports), with more and more snapshots until a
page takes ten seconds; MLflow's on the registry of the small life: from the navigation until the page shows what it is
about, with an empty browser cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from desk_life import Life, live
from desk_peers import Opened, evidently, mlflow
from desk_rounds import (
    HEADINGS,
    LONG,
    MEMORY_HEADINGS,
    SHORT,
    measured,
    memory_of,
    rows_of,
    spread,
    targets_of,
)
from desk_year import YEAR, Size, lived_year
from printed import as_markdown, circumstances
from rich.console import Console

PACKAGES = ("streamlit", "sqlalchemy", "pysqlite3", "playwright", "evidently", "mlflow")
PEER_HEADINGS = ("page", "behind it", "until it shows (s)", "memory of the server (MB)")


def desk_with(life: Life, folder: Path, size: Size, *, until: datetime, console: Console) -> Path:
    """The settings of a workspace of this size; made unless it is there."""
    mark, wanted = folder / "filled.json", json.dumps(vars(size))
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        lived_year(life, folder, size, until=until, console=console)
        mark.write_text(wanted, encoding="utf-8")
    return folder / "mend.toml"


def peer_rows(tool: str, found: Sequence[Opened]) -> list[tuple[str, ...]]:
    """Rows of the peers' table."""
    return [
        (
            f"{tool}, {each.page}",
            each.behind,
            spread(each.seconds) if each.seconds else f"not in 30 s ({each.why})",
            f"{each.peak_mb:,.0f}",
        )
        for each in found
    ]


def main() -> None:
    """Make both workspaces, measure, and print the tables."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--cycles", type=int, default=YEAR)
    ask.add_argument("--dossiers", type=int, default=200)
    ask.add_argument("--rows", type=int, default=10_000_000, help="predictions of the year; ten cycles are as dense")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--snapshots", type=int, default=3_000, help="of Evidently's, at most; 0.5 MB each")
    ask.add_argument("--folder", type=Path, help="where workspaces are kept (otherwise in a temporary folder)")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        _run(given, folder)


def _run(given: argparse.Namespace, folder: Path) -> None:
    began, said = time.monotonic(), Console(stderr=True, highlight=False, soft_wrap=True)
    out = Console(soft_wrap=True, highlight=False)

    def say(what: str) -> None:
        said.print(f"{time.monotonic() - began:4.0f} s  {what}", markup=False)

    life = live(folder / "life", say=say)
    until = datetime.now(UTC).replace(second=0, microsecond=0)
    sizes = {
        LONG: Size(cycles=given.cycles, dossiers=given.dossiers, predictions=given.rows),
        SHORT: Size(cycles=10, dossiers=2, predictions=given.rows),
    }
    configs = {
        name: desk_with(life, folder / name.replace(" ", "_"), size, until=until, console=said)
        for name, size in sizes.items()
    }
    found = measured(life, configs, rounds=given.rounds, say=say)
    peers = _peers(life, folder, given, say)
    size = f"{given.cycles:,} cycles, {given.dossiers:,} dossiers, {given.rows:,} predictions; {given.rounds} rounds."
    out.print(f"{circumstances(PACKAGES)} {size}", markup=False)
    out.print("\n" + as_markdown(HEADINGS, rows_of(found)), markup=False)
    out.print("\n" + as_markdown(MEMORY_HEADINGS, memory_of(found)), markup=False)
    out.print("\n" + "\n".join(f"- {each}" for each in targets_of(found)), markup=False)
    out.print("\n" + as_markdown(PEER_HEADINGS, peers), markup=False)


def _peers(life: Life, folder: Path, given: argparse.Namespace, say: Callable[[str], None]) -> list[tuple[str, ...]]:
    looks = folder / "evidently"
    shutil.rmtree(looks, ignore_errors=True)
    return [
        *peer_rows("Evidently", evidently(life, looks, rounds=given.rounds, most=given.snapshots, say=say)),
        *peer_rows("MLflow", mlflow(life.workspace, rounds=given.rounds, say=say)),
    ]


if __name__ == "__main__":
    main()
