"""Part "load": every server in turn, round after round, at each number of connections."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from serving_bank import REPOSITORY, Bank, a_bank, applications_of, save_for_peers
from serving_servers import CONSTANT, MEND, MLFLOW, Server, running, servers

CONNECTIONS = (1, 16)
HEADINGS = ("server", "connections", "answers a second", "× mlflow", "share of constant answer", "p50 ms", "p99 ms")
_SAME = 1e-9  # between servers, of one application's probability
Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long is measured."""

    rounds: int
    seconds: float
    warm_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one client saw: answers a second, latencies, and all answers, those of the warm-up too."""

    rate: float
    p50_ms: float
    p99_ms: float
    counted: int
    answered: int


def measured(effort: Effort, *, say: Callable[[str], None]) -> dict[Key, list[Run]]:
    """Runs by server and connections.

    Raises:
        RuntimeError: A server does not start, an answer is not 200, the servers disagree, or the log has not as many
            rows as were answered.
    """
    with tempfile.TemporaryDirectory(prefix="mend-serving-") as name, ExitStack() as open_:
        folder = Path(name)
        say("making the bank, training the champion")
        bank = a_bank(folder / "sqlite")
        other = open_.enter_context(_on_postgresql(folder, say))
        workspace = bank.workspace()
        applications = applications_of(workspace)
        save_for_peers(workspace, folder)
        compared = servers(bank, folder, applications, postgresql=other)
        ports = {each.name: open_.enter_context(running(each, folder)) for each in compared}
        before = {each.name: each.bank.logged() for each in compared if each.bank}
        _require_one_model(compared, ports)
        runs = _rounds(compared, ports, effort, folder, say)
        _require_all_logged(compared, before, runs)
        return runs


@contextmanager
def _on_postgresql(folder: Path, say: Callable[[str], None]) -> Iterator[Bank | None]:
    """A bank on a server of its own that waits for the disk, if there is one to start."""
    sys.path.append(str(REPOSITORY / "tests"))
    from postgres import BINARIES, a_server

    if not BINARIES.exists():
        say(f"NOT MEASURED: PostgreSQL, {BINARIES} is missing")
        yield None
        return
    with a_server(fsync=True) as server, server.database() as url:
        yield a_bank(folder / "postgresql", stores={"MEND_STORES__TRAFFIC": url})


def _require_one_model(compared: Sequence[Server], ports: dict[str, int]) -> None:
    said = {each.name: each.probability(ports[each.name]) for each in compared if each.name != CONSTANT}
    if max(said.values()) - min(said.values()) > _SAME:
        raise RuntimeError(f"the servers do not score alike: {said}")


def _rounds(
    compared: Sequence[Server], ports: dict[str, int], effort: Effort, folder: Path, say: Callable[[str], None]
) -> dict[Key, list[Run]]:
    runs: dict[Key, list[Run]] = {(each.name, many): [] for many in CONNECTIONS for each in compared}
    for server in compared:
        (folder / f"{ports[server.name]}.json").write_text(server.requests(), encoding="utf-8")
    for number in range(effort.rounds):
        for (name, many), found in runs.items():
            server = next(each for each in compared if each.name == name)
            found.append(_ask(server, ports[name], many, effort, folder))
            say(f"round {number + 1} of {effort.rounds}: {name}, {many}: {found[-1].rate:,.0f} answers a second")
    return runs


def _ask(server: Server, port: int, connections: int, effort: Effort, folder: Path) -> Run:
    client = [sys.executable, str(Path(__file__).parent / "serving_client.py")]
    words = [port, connections, effort.warm_s, effort.seconds, folder / f"{port}.json"]
    done = subprocess.run([*client, *map(str, words)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{server.name}: {done.stderr[-2000:]}")
    return Run(**json.loads(done.stdout))


def _require_all_logged(compared: Sequence[Server], before: dict[str, int], runs: dict[Key, list[Run]]) -> None:
    """As many rows came to the log as were answered: those of the rounds, and one to see that all score alike."""
    for server in compared:
        if server.bank is None:
            continue
        answered = 1 + sum(run.answered for (name, _), found in runs.items() if name == server.name for run in found)
        logged = server.bank.logged() - before[server.name]
        if logged != answered:
            raise RuntimeError(f"{server.name}: {answered} answers, {logged} rows in the log")


def rows_of(runs: dict[Key, list[Run]]) -> list[tuple[str, ...]]:
    """The table's rows; a ratio is the median of the rounds' own ratios."""
    return [
        (
            name,
            f"{many}",
            _with_range([run.rate for run in found], ",.0f"),
            f"{_times(found, runs[MLFLOW, many]):.1f}",
            f"{_times(found, runs[CONSTANT, many]):.0%}",
            _with_range([run.p50_ms for run in found], ".2f"),
            _with_range([run.p99_ms for run in found], ".1f"),
        )
        for (name, many), found in sorted(runs.items(), key=lambda item: item[0][1])
    ]


def targets_of(runs: dict[Key, list[Run]]) -> list[str]:
    """What was promised of the service on SQLite, and whether it is kept."""
    one, many = (runs[MEND, connections] for connections in CONNECTIONS)
    times, share = (_times(many, runs[other, CONNECTIONS[-1]]) for other in (MLFLOW, CONSTANT))
    p99, p50 = median(run.p99_ms for run in many), median(run.p50_ms for run in one)
    judged = [
        ("at least 12 × mlflow at 16 connections", f"{times:.1f} ×", times >= 12),
        ("at least 40 % of the constant answer at 16 connections", f"{share:.0%}", share >= 0.4),
        ("p99 at most 15 ms at 16 connections", f"{p99:.1f} ms", p99 <= 15),
        ("p50 at most 1.5 ms at one connection", f"{p50:.2f} ms", p50 <= 1.5),
    ]
    return [f"{words}: {found}, {'met' if kept else 'MISSED'}" for words, found, kept in judged]


def _times(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    return median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))


def _with_range(numbers: Sequence[float], style: str) -> str:
    middle, low, high = (format(each, style) for each in (median(numbers), min(numbers), max(numbers)))
    return f"{middle} [{low}, {high}]"
