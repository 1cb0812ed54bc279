"""Two desks, one with a year behind it and one with ten cycles, whose pages are asked for in turn."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from desk_life import Life, environment
from desk_pages import chromium, reader, visit
from desk_servers import Served, served
from desk_wire import render
from desk_year import one_more_cycle

LONG, SHORT = "a year", "ten cycles"
PAGES = {
    "Overview": "",
    "Drift": "drift",
    "Performance": "performance",
    "Review": "review",
    "Policy": "policy",
    "Runs": "runs",
    "Ledger": "ledger",
}
HEADINGS = (
    *("page", "server, first (s)", "again (s)", "processor (s)", "after a new cycle (s)"),
    *(f"again, {SHORT} (s)", "ratio"),
    *("first chart (s)", f"first chart, {SHORT} (s)", "ratio"),
)
MEMORY_HEADINGS = ("memory of the server", "a year (MB)", f"{SHORT} (MB)", "ratio")
RENDER_S, CHART_S, MEMORY_MB, MOST = 1.0, 3.5, 600.0, 1.30  # what was asked for


@dataclass(kw_only=True)
class Measured:
    """Seconds by desk and page, of each round; `cpu` of the server in `again`; `peak_mb` by desk, when all was done."""

    first: dict[tuple[str, str], float] = field(default_factory=dict)
    again: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    renewed: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    chart: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    peak_mb: dict[str, float] = field(default_factory=dict)


def measured(life: Life, configs: dict[str, Path], *, rounds: int, say: Callable[[str], None]) -> Measured:
    """Start both desks, and ask for every page: by a client that draws nothing, then in Chromium.

    Args:
        life: Of which another cycle is made.
        configs: Settings file by desk.
        rounds: How often; in each round the desks take turns at every page.
        say: Told what is being done.
    """
    found = Measured()
    with ExitStack() as running:
        desks = {name: running.enter_context(_desk(config)) for name, config in configs.items()}
        say("each page for the first time")
        for page, path in PAGES.items():
            for name, desk in desks.items():
                found.first[name, page] = render(desk, path).wall_s
        _settle(desks)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            _one_round(found, desks)
            for name, config in configs.items():
                one_more_cycle(life, config)
                for page, path in PAGES.items():
                    found.renewed[name, page].append(render(desks[name], path).wall_s)
        found.peak_mb = {name: desk.peak_mb() for name, desk in desks.items()}
    return found


def _desk(config: Path):  # type: ignore[no-untyped-def]
    return served(
        [sys.executable, "-m", "pipeline", "dashboard", "--port", "{port}"], environment(config), config.parent
    )


def _settle(desks: dict[str, Served]) -> None:
    """Wait until the ledger's verification, which begins with the first look at its page, is through."""
    end, before = time.monotonic() + 600, -1.0
    while time.monotonic() < end:
        used = sum(desk.cpu_s() for desk in desks.values())
        if used - before < 0.2:
            return
        before = used
        time.sleep(3)


def _one_round(found: Measured, desks: dict[str, Served]) -> None:
    for page, path in PAGES.items():
        for name, desk in desks.items():
            made = render(desk, path)
            found.again[name, page].append(made.wall_s)
            found.cpu[name, page].append(made.cpu_s)
    with chromium() as browser:
        for page, path in PAGES.items():
            for name, desk in desks.items():
                with reader(browser) as context:
                    seen = visit(context, f"{desk.address}/{path}")
                if seen.chart_s is not None:
                    found.chart[name, page].append(seen.chart_s)


def rows_of(found: Measured) -> list[tuple[str, ...]]:
    """One row a page."""
    return [
        (
            page,
            f"{found.first[LONG, page]:.2f}",
            spread(found.again[LONG, page]),
            spread(found.cpu[LONG, page]),
            spread(found.renewed[LONG, page]),
            spread(found.again[SHORT, page]),
            _ratio(found.again, page),
            spread(found.chart[LONG, page]),
            spread(found.chart[SHORT, page]),
            _ratio(found.chart, page),
        )
        for page in PAGES
    ]


def memory_of(found: Measured) -> list[tuple[str, ...]]:
    """One row: the most that the server held."""
    long, short = found.peak_mb[LONG], found.peak_mb[SHORT]
    return [("every page, each round", f"{long:,.0f}", f"{short:,.0f}", f"{long / short:.2f}")]


def targets_of(found: Measured) -> list[str]:
    """What was asked for, and whether it was met."""
    again = _worst(found.again)
    renewed = _worst(found.renewed)
    chart = _worst(found.chart)
    said = [
        (f"each page again within {RENDER_S:g} s: slowest {again:.2f} s", again <= RENDER_S),
        (f"each page after a new cycle within {RENDER_S:g} s: slowest {renewed:.2f} s", renewed <= RENDER_S),
        (f"first chart within {CHART_S:g} s: slowest {chart:.2f} s", chart <= CHART_S),
        (f"at most {MEMORY_MB:g} MB: {found.peak_mb[LONG]:,.0f} MB", found.peak_mb[LONG] <= MEMORY_MB),
    ]
    for told, seconds in (("page again", found.again), ("first chart", found.chart)):
        ratios = {page: _times(seconds, page) for page in PAGES if seconds[LONG, page]}
        page = max(ratios, key=lambda each: ratios[each])
        line = f"each {told} at most {MOST:g} times that of {SHORT}: most {ratios[page]:.2f} ({page})"
        said.append((line, ratios[page] <= MOST))
    return [f"{line}: {'met' if met else 'MISSED'}" for line, met in said]


def spread(seconds: Sequence[float]) -> str:
    """The median of the rounds with the smallest and the largest; a dash where there is nothing to time.

    >>> spread([3.0, 1.0, 2.0]), spread([])
    ('2.00 [1.00, 3.00]', '–')
    """
    return f"{median(seconds):.2f} [{min(seconds):.2f}, {max(seconds):.2f}]" if seconds else "–"


def _worst(seconds: dict[tuple[str, str], list[float]]) -> float:
    return max(median(each) for (name, _), each in seconds.items() if name == LONG and each)


def _times(seconds: dict[tuple[str, str], list[float]], page: str) -> float:
    """The median of the rounds' own ratios: what slows the machine for a while slows both."""
    return median(long / short for long, short in zip(seconds[LONG, page], seconds[SHORT, page], strict=True))


def _ratio(seconds: dict[tuple[str, str], list[float]], page: str) -> str:
    return f"{_times(seconds, page):.2f}" if seconds[LONG, page] else "–"
