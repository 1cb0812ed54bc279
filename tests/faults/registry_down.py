"""The registry does not answer after the ledger's commit: killed, hanging, locked, damaged or gone; and then it is back."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attempts import Told, tried
from builders import OFFICER
from desk_builders import a_free_port, wait_for
from kills import on
from outcome import Outcome
from processes import in_child
from stage import NOW, SIGNER, Stage, problems

from pipeline.promotion.decide import decide
from pipeline.promotion.reconcile import reconcile
from pipeline.wiring import Workspace

CYCLES = 4  # so many reconciles while it is down
LONGEST_S = (
    90.0  # of one reconcile: a registry that hangs is asked three times, 20 s each, as the settings of MLflow say
)
_URL = "MEND_STORES__MLFLOW"
_QUIET = subprocess.DEVNULL


@dataclass(kw_only=True)
class Seen:
    """What came of one kind of fault."""

    tries: int = 0
    longest_s: float = 0.0
    problems: list[str] = field(default_factory=list)


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """A server that is killed and one that hangs; then the file of the registry that we open ourselves."""
    tries = 1 if quick else 5
    yield _row(stage, "MLflow's server is killed (SIGKILL) after the ledger's commit", _killed, tries)
    if not quick:
        yield _row(stage, "MLflow's server hangs (SIGSTOP) after the ledger's commit", _hanging, 1)
    yield _row(stage, "the registry's database is locked by another process", _locked, 1 if quick else 3)
    yield _row(stage, "the registry's database is damaged", _damaged, tries)
    yield _row(stage, "the registry's database cannot be opened", _not_a_file, tries)
    yield _at_the_command_line(stage)


Fault = Callable[[Path], Any]  # a context manager: down inside the block, back afterwards


def _row(stage: Stage, fault: str, breaking: Fault, tries: int) -> Outcome:
    seen = Seen()
    for _ in range(tries):
        with stage.copy() as config:
            seen.tries += 1
            seen.problems += _one(stage, config, breaking, seen)[:1]
    return Outcome(
        fault=fault,
        stores=stage.name,
        tries=seen.tries,
        seen=f"{CYCLES} reconciles while it was down, each refused in one line within {seen.longest_s:.1f} s, nothing on "
        "record; it was told once when it was back",
        problems=tuple(seen.problems),
    )


def _one(stage: Stage, config: Path, breaking: Fault, seen: Seen) -> list[str]:
    """Decide, break, reconcile some times, mend, reconcile twice; what did not hold."""
    wrong: list[str] = []
    with breaking(config) as down_and_back:
        _did(config, lambda ws: reconcile(ws, now=NOW))  # in order so far
        made = _did(config, lambda ws: decide(ws, stage.digests["2"], "approved", person=SIGNER, reason="x", now=NOW))
        if not made:
            wrong.append("no decision")
        before = _entries(config)
        with down_and_back():
            for _ in range(CYCLES):
                began = time.monotonic()
                told = Told.of(in_child(lambda: tried(lambda: on(config, lambda ws: reconcile(ws, now=NOW)))))
                seen.longest_s = max(seen.longest_s, time.monotonic() - began)
                wrong += _unclear(told)
        if (after := _entries(config)) != before:
            wrong.append(f"{after - before} entries were written while it was down")
        if seen.longest_s > LONGEST_S:
            wrong.append(f"a reconcile took {seen.longest_s:.0f} s")
        return wrong + _drained(config)


def _unclear(told: Told) -> list[str]:
    if told.crashed:
        return [f"a traceback: {told.kind}: {told.line}"]
    if told.noise:
        return [f"a traceback on standard error: {told.noise.partition(chr(10))[0]}"]
    if told.kind != "RegistryError" or "\n" in told.line:
        return [f"expected a RegistryError in one line, got {told.kind}: {told.line}"]
    return []


def _drained(config: Path) -> list[str]:
    """Back up: the registry is told exactly once."""
    changes = _did(config, lambda ws: reconcile(ws, now=NOW))
    wrong = [] if any("1 → 2" in line for line in changes) else [f"the alias was not moved: {changes}"]
    before = _entries(config)
    if again := _did(config, lambda ws: reconcile(ws, now=NOW)):
        wrong.append(f"a second reconcile did something: {again}")
    if _entries(config) != before:
        wrong.append("a second reconcile wrote to the ledger")
    followed = _did(config, lambda ws: [each.body["number"] for each in ws.ledger.entries(kind="registry_followed")])
    if followed != [1, 2]:
        wrong.append(f"expected champions 1 and 2 to be followed once each, got {followed}")
    moved = _did(config, lambda ws: len(ws.ledger.entries(kind="registry_moved_by_hand")))
    if moved:
        wrong.append(f"{moved} times it says that somebody moved the alias by hand")
    return wrong + _did(config, lambda ws: problems(ws, expected={"2"}))


def _did(config: Path, act: Callable[[Workspace], Any]) -> Any:
    answer = in_child(lambda: on(config, act))
    assert "value" in answer, answer
    return answer["value"]


def _entries(config: Path) -> int:
    return int(_did(config, lambda ws: ws.ledger.head()[0]))


@contextmanager
def _pointed_at(url: str) -> Iterator[None]:
    """The settings name a server."""
    before = os.environ.get(_URL)
    os.environ[_URL] = url
    try:
        yield
    finally:
        os.environ.pop(_URL)
        if before is not None:
            os.environ[_URL] = before


def a_registry(config: Path, port: int) -> subprocess.Popen[bytes]:
    """MLflow's own server over the desk's registry: two processes, in a group of their own."""
    database = config.parent / "ws" / "mlflow" / "mlflow.db"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}"]
    command += ["--default-artifact-root", str(database.with_name("artifacts")), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    variables = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = subprocess.Popen(command, env=variables, stdout=_QUIET, stderr=_QUIET, start_new_session=True)
    try:
        wait_for(port)
    except TimeoutError:
        end(server)
        raise
    return server


def end(server: subprocess.Popen[bytes]) -> None:
    """SIGKILL to its whole group."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@contextmanager
def _killed(config: Path) -> Iterator[Any]:
    port = a_free_port()
    running = [a_registry(config, port)]

    @contextmanager
    def down() -> Iterator[None]:
        end(running.pop())
        yield
        running.append(a_registry(config, port))

    try:
        with _pointed_at(f"http://127.0.0.1:{port}"):
            yield down
    finally:
        for server in running:
            end(server)


@contextmanager
def _hanging(config: Path) -> Iterator[Any]:
    port = a_free_port()
    server = a_registry(config, port)

    @contextmanager
    def down() -> Iterator[None]:
        os.killpg(server.pid, signal.SIGSTOP)
        yield
        os.killpg(server.pid, signal.SIGCONT)

    try:
        with _pointed_at(f"http://127.0.0.1:{port}"):
            yield down
    finally:
        end(server)


@contextmanager
def _locked(config: Path) -> Iterator[Any]:
    @contextmanager
    def down() -> Iterator[None]:
        holder = sqlite3.connect(_database(config), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.rollback()
        holder.close()

    yield down


@contextmanager
def _damaged(config: Path) -> Iterator[Any]:
    @contextmanager
    def down() -> Iterator[None]:
        path = _database(config)
        good = path.read_bytes()
        path.write_bytes(b"not a database at all" * 500)
        yield
        path.write_bytes(good)

    yield down


@contextmanager
def _not_a_file(config: Path) -> Iterator[Any]:
    """As if nobody here might read it: root may read every file, but nobody opens a folder as a database."""

    @contextmanager
    def down() -> Iterator[None]:
        path = _database(config)
        aside = path.rename(path.with_name("aside.db"))
        path.mkdir()
        yield
        path.rmdir()
        aside.rename(path)

    yield down


def _database(config: Path) -> Path:
    return config.parent / "ws" / "mlflow" / "mlflow.db"


def _at_the_command_line(stage: Stage) -> Outcome:
    """`mend approve` while only the registry is down: the decision is made, so it must not look as if it had failed."""
    found, told = [], ""
    with stage.copy() as config, _damaged(config) as down_and_back, down_and_back():
        _replayed(config)
        arguments = ("approve", stage.digests["2"], "--as", OFFICER, "--reason", "better")
        command = [sys.executable, "-m", "pipeline", "--config", str(config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=config.parent, check=False)
        told = (done.stdout + done.stderr).strip()
        decisions = _did(config, lambda ws: len(ws.ledger.acts("decision")))
        if decisions != 1:
            found.append(f"{decisions} decisions on record: {told[:300]}")
        if done.returncode != 0:
            found.append(f"exit {done.returncode}, and the decision is on record: {done.stderr.strip()[-200:]}")
        if "Traceback" in told:
            found.append("a traceback")
        if "reconcile" not in told:
            found.append("does not say what to do about the registry")
    return Outcome(
        fault="`mend approve` while only the registry is down",
        stores=stage.name,
        tries=1,
        seen="exit 0: the decision is on record, and a line says that the registry will follow",
        problems=tuple(found[:1]),
    )


def _replayed(config: Path) -> None:
    """The desk's clock stands where its dossiers can be signed."""
    from dashboard_builders import a_cycle

    _did(config, lambda ws: a_cycle(ws, NOW, status="stable"))
