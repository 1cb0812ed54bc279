"""Proof of life: a file written after every cycle, and an address that is asked for. Silence is what others notice."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.alerts.message import span
from pipeline.artefacts import write_atomically
from pipeline.errors import MendError
from pipeline.settings import Settings
from pipeline.wiring import Workspace

_PATIENCE_S = 5.0  # the next cycle must not wait for a server that hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The last cycle: its moment, the wall clock's time when it was done, and who ran it."""

    as_of: datetime
    at: datetime
    clock: str
    state: str
    pid: int
    ping: str | None = None


_HEARTBEAT = TypeAdapter(Heartbeat)


def heartbeat_path(settings: Settings) -> Path:
    """Where the heartbeat is written."""
    return settings.workspace / settings.alerts.heartbeat_file


def longest_silence(settings: Settings) -> timedelta:
    """How old the last cycle may be: three intervals, so that one cycle that is late or fails is not yet an alarm."""
    return settings.alerts.no_cycle_after or 3 * settings.monitor.interval


def beat(workspace: Workspace, cycle_row: Mapping[str, Any], *, now: datetime) -> str | None:
    """Write the heartbeat and ask for `heartbeat_url`; returns what went wrong, which also stands in the file.

    Args:
        workspace: Where the cycle ran.
        cycle_row: The cycle as it stands on the ledger: as_of, clock, status.
        now: The wall clock's time.
    """
    settings = workspace.settings
    content = {
        "as_of": cycle_row["as_of"],
        "at": now,
        "clock": cycle_row["clock"],
        "state": cycle_row["status"],
        "pid": os.getpid(),
    }
    alive = Heartbeat(**content)
    try:
        _write(settings, alive)  # first of all: a server that hangs must not look like a dead monitor
        if settings.alerts.heartbeat_url is None or alive.state == "failed":
            return None
        failure = _ping(settings.alerts.heartbeat_url.get_secret_value())
        _write(settings, Heartbeat(**content, ping=failure or "answered"))
    except OSError as error:
        return f"heartbeat not written: {error}"
    return failure and f"heartbeat address: {failure}"


def read_heartbeat(settings: Settings) -> Heartbeat | None:
    """The last heartbeat; None if there never was one.

    Raises:
        MendError: The file is there and is not a heartbeat.
    """
    path = heartbeat_path(settings)
    try:
        return _HEARTBEAT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise MendError(f"{path}: not readable as a heartbeat ({type(error).__name__})") from None


def is_alive(found: Heartbeat | None, *, settings: Settings, wall: datetime) -> str:
    """A sentence about the last cycle.

    Raises:
        MendError: It is too long ago.
    """
    if found is None:
        return f"no heartbeat yet ({heartbeat_path(settings)})"
    if found.clock == "replay":
        return f"last cycle {found.as_of:%Y-%m-%d} on a simulated clock: how old it may be does not apply"
    most, age = longest_silence(settings), wall - found.at
    if age < -most:
        raise MendError(f"the last cycle is from the future ({found.at:%Y-%m-%d %H:%M} UTC): is the clock right?")
    told = f"last cycle {found.at:%Y-%m-%d %H:%M} UTC, {span(max(age, timedelta(0)))} ago"
    if age >= most:
        raise MendError(f"{told}, expected one in {span(most)}; process {found.pid} {_process(found.pid)}")
    ping = "" if found.ping in (None, "answered") else f"; heartbeat address: {found.ping}"
    return f"{told}: {found.state}{ping}"


def _process(pid: int) -> str:
    """A process that is there and does nothing hangs; its number may also be another's by now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "is gone"
    except OSError:
        return "is there, another user's"
    return "is there: it hangs, or sleeps, or the number is another's by now"


def _write(settings: Settings, alive: Heartbeat) -> None:
    content = _HEARTBEAT.dump_python(alive, mode="json")
    write_atomically(heartbeat_path(settings), json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _ping(url: str) -> str | None:
    """Ask for an address; why not, if it did not answer well. Never quotes the address: its path is the secret."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S):  # noqa: S310  settings allow http and https only
            return None
    except urllib.error.HTTPError as error:
        return f"answered with status {error.code}"
    except Exception as error:  # noqa: BLE001  whatever a network does, the cycle is done
        return f"not reached ({type(error).__name__})"
