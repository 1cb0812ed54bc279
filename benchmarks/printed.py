"""What the benchmarks of servers print: a table for the documentation, and the circumstances it was measured in."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version


def as_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the documentation.

    >>> print(as_markdown(["a", "b"], [["1", "2"]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows))


def circumstances(packages: Sequence[str]) -> str:
    """When, where and with what."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    machine = f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), shared with others"
    load = f"load {os.getloadavg()[2]:.1f} over the last 15 minutes"
    return f"{datetime.now(UTC):%Y-%m-%d}; {machine}, {load}; Python {platform.python_version()}, {versions}."
