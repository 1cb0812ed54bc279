"""Part "growth": what the newest window costs to read when the log is long."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from serving_fill import END, KINDS, fill, start_of_newest

from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.traffic import TrafficStore

SHORT, WINDOW, REPEATS = 10_000, 5_000, 21
HEADINGS = ("what is read", "rows in the log", "median ms [min, max]", "ratio", "target: at most 1.2")


def a_cycles_window(store: TrafficStore, start: datetime) -> object:
    """What `mend monitor` reads each cycle."""
    return store.scored(start, END, as_of=END)


def stats_of_a_window(store: TrafficStore, start: datetime) -> object:
    """What `/monitoring/stats` reads of the traffic store."""
    return store.volumes(start, END)


READS: Mapping[str, Callable[[TrafficStore, datetime], object]] = {
    f"a cycle's window of {WINDOW:,} rows (`scored`)": a_cycles_window,
    f"`/monitoring/stats` over {WINDOW:,} rows (`volumes`)": stats_of_a_window,
}


def growth(rows: int, *, console: Console) -> list[tuple[str, ...]]:
    """Fill a short and a long log, read both in turn; the table's rows."""
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="mend-growth-")))
        stores = {many: open_.enter_context(_a_store(folder, many, console)) for many in (SHORT, rows)}
        return [line for what, read in READS.items() for line in _compared(what, read, stores)]


@contextmanager
def _a_store(folder: Path, rows: int, console: Console) -> Iterator[TrafficStore]:
    path = folder / f"{rows}.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine, "traffic", lock=folder / "migrate.lock")
    engine.dispose()
    fill(path, rows, console=console)
    try:
        yield TrafficStore(engine, KINDS)
    finally:
        engine.dispose()


def _compared(
    what: str, read: Callable[[TrafficStore, datetime], object], stores: Mapping[int, TrafficStore]
) -> Iterator[tuple[str, ...]]:
    times: dict[int, list[float]] = {rows: [] for rows in stores}
    for _ in range(REPEATS + 1):
        for rows, store in stores.items():
            begin = time.perf_counter()
            read(store, start_of_newest(WINDOW))
            times[rows].append((time.perf_counter() - begin) * 1000)
    first = median(next(iter(times.values()))[1:])
    for rows, took in times.items():
        warm = took[1:]  # the first fills the caches
        ratio = median(warm) / first
        told = f"{median(warm):.1f} [{min(warm):.1f}, {max(warm):.1f}]"
        verdict = "" if rows == SHORT else ("met" if ratio <= 1.2 else "MISSED")
        yield (what, f"{rows:,}", told, f"{ratio:.2f}", verdict)
