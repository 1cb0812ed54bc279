"""`make faults`: every fault, on SQLite and on PostgreSQL, as the table in docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")
_TESTS = Path(__file__).parents[1]
_FOLDERS = ("faults", "serving", "", "dashboard", "monitoring", "training", "stores", "gate", "..")
sys.path[:0] = [str((_TESTS / name).resolve()) for name in _FOLDERS]

import browser  # noqa: E402
import clocks  # noqa: E402
import disk_full  # noqa: E402
import kills  # noqa: E402
import races  # noqa: E402
import registry_down  # noqa: E402
import service_dies  # noqa: E402
import tampered  # noqa: E402
from outcome import Outcome, markdown  # noqa: E402
from postgres import BINARIES, Server, a_server  # noqa: E402
from stage import Stage  # noqa: E402

Fault = Callable[..., Iterator[Outcome]]
ON_BOTH: dict[str, Fault] = {"kills": kills.outcomes, "service": service_dies.outcomes}
ON_SQLITE: dict[str, Fault] = {
    "disk": disk_full.outcomes,
    "registry": registry_down.outcomes,
    "clocks": clocks.outcomes,
    "tampering": tampered.outcomes,
    "browser": browser.outcomes,
}


def told(names: set[str], *, quick: bool, servers: list[Server | None], folder: Path) -> Iterator[Outcome]:
    """Every outcome, as it is known; on SQLite where the server is None."""
    kinds = [("postgres" if server else "sqlite", server) for server in servers]
    for kind, where in kinds:
        faults = ON_BOTH | ({} if where else ON_SQLITE)
        if names & faults.keys():
            stage = Stage(folder / kind, server=where)
            for name in faults.keys() & names:
                yield from faults[name](stage, quick=quick)
    for kind, where in kinds:
        if "races" in names:
            crowd = Stage(folder / f"{kind}_crowd", server=where, versions=9, approvers=races.PROCESSES)
            yield from races.outcomes(crowd, quick=quick)


def main() -> int:
    """Run what is asked for and print the table; exit 1 if anything did not hold."""
    every = sorted({*ON_BOTH, *ON_SQLITE, "races"})
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[*every, []], help=f"of {', '.join(every)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a sample of each, in two or three minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--stores", choices=["both", "sqlite", "postgres"], default="both")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for each in _run(given, set(given.faults or every), Path(folder)):
            found.append(each)
            print(f"{time.monotonic() - began:5.0f} s  {each.fault} ({each.stores}): ", end="", file=sys.stderr)
            held = "held" if not each.problems else f"{len(each.problems)} PROBLEMS: {'; '.join(each.problems[:3])}"
            print(f"{each.tries} tries, {held}; {each.seen}", file=sys.stderr, flush=True)
    print(json.dumps([each.to_json() for each in found], indent=2) if given.json else markdown(found))
    return int(any(each.problems for each in found) or not found)


def _run(given: argparse.Namespace, names: set[str], folder: Path) -> Iterator[Outcome]:
    embedded: list[Server | None] = [None] if given.stores in ("both", "sqlite") else []
    if given.stores == "sqlite":
        yield from told(names, quick=given.quick, servers=embedded, folder=folder)
        return
    if not (BINARIES / "postgres").exists():
        raise SystemExit(f"POSTGRESQL NOT TRIED: nothing in {BINARIES}; apt install postgresql-15, or --stores sqlite")
    with a_server() as server:
        yield from told(names, quick=given.quick, servers=[*embedded, server], folder=folder)


if __name__ == "__main__":
    raise SystemExit(main())
