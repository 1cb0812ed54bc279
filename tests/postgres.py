"""A PostgreSQL 15 of the tests' own: started in a temporary folder, reached by its socket alone, gone with the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import sqlalchemy as sa

BINARIES = Path("/usr/lib/postgresql/15/bin")
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server; its superuser is `mend`, and everybody who reaches the socket is let in."""

    folder: Path
    fsync: bool = False
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)  # the last one runs

    def start(self) -> None:
        """Start it on what is in its folder, and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "fsync": "on" if self.fsync else "off",
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            command = _as_user("postgres", "-D", f"{self.folder}/data", *options)
            self.processes.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log))
        _wait_for(self)

    def crash(self) -> None:
        """Stop it at once, as if it had been killed (immediate shutdown): it recovers at its next start."""
        self.processes[-1].send_signal(signal.SIGQUIT)
        self.processes[-1].wait(30)

    def url(self, database: str) -> str:
        """For SQLAlchemy and for the settings."""
        return f"postgresql+psycopg://mend@/{database}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside any transaction."""
        with psycopg.connect(host=str(self.folder), user="mend", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new, empty database's URL; dropped at the end, and whatever engine the test has left open is closed."""
        name = f"test_{next(_numbers)}"
        self.sql(f"CREATE DATABASE {name}")
        try:
            with _engines_closed():
                yield self.url(name)
        finally:
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _engines_closed() -> Iterator[None]:
    """A command run inside a test leaves its engine to the garbage, and psycopg complains of connections found there."""
    found: set[sa.Engine] = set()

    def remember(connection: sa.Connection) -> None:
        found.add(connection.engine)

    sa.event.listen(sa.Engine, "engine_connect", remember)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "engine_connect", remember)
        for engine in found:
            engine.dispose()


@contextmanager
def a_server(*, fsync: bool = False) -> Iterator[Server]:
    """Start a server and stop it.

    Its texts sort as English words do (ICU), not as bytes, so that whatever relies on SQLite's order is seen.

    Args:
        fsync: Wait for the disk at each commit. Off by default: killing a process, even the server, loses nothing
            that the kernel has taken; only pulling the plug does, and no test here pulls it.
    """
    folder = Path(tempfile.mkdtemp(prefix="mend-pg-", dir="/tmp"))  # short: a socket's path has 107 characters
    try:
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        locale = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        making = ("initdb", f"--pgdata={folder}/data", "--username=mend", "--auth=trust", "--no-sync", *locale)
        subprocess.run(_as_user(*making), cwd=folder, check=True, capture_output=True)
        server = Server(folder=folder, fsync=fsync)
        try:
            server.start()
            yield server
        finally:
            for process in server.processes:
                process.terminate()
                process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user(program: str, *arguments: str) -> list[str]:
    """A command that is not run as root, and ends (fast shutdown) when the tests die, however they do."""
    user = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig=INT", str(BINARIES / program), *arguments]


def _wait_for(server: Server) -> None:
    for _ in range(300):
        try:
            server.sql("SELECT 1")
        except psycopg.OperationalError:
            assert server.processes[-1].poll() is None, (server.folder / "log").read_text()
            time.sleep(0.1)
        else:
            return
    raise TimeoutError((server.folder / "log").read_text())
