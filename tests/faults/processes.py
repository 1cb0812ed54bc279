"""Processes to be killed: forked, so that a try costs no imports; and a count of the lines that an act passes."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from builders import REPOSITORY

# What an act runs through from the first thing it writes to the last: here every line is a place to die.
TRACED = (
    "pipeline/promotion/",
    "pipeline/stores/ledger.py",
    "pipeline/stores/engine.py",
    "pipeline/artefacts.py",
    "pipeline/training/registry_mlflow.py",
)
_PREFIXES = tuple(str(REPOSITORY / part) for part in TRACED)
Line = tuple[str, int]


def in_child(act: Callable[[], Any]) -> dict[str, Any]:
    """Do something in a process of its own; returns `{"value": …}`, `{"error": …}`, or `{"signal": …}` if it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, act)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else {"signal": os.waitstatus_to_exitcode(status)}


def start(act: Callable[[], Any]) -> tuple[int, int]:
    """Start it and come back at once: the process and the pipe that its answer will come through."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, act)
    os.close(writing)
    return child, reading


def finish(child: int, reading: int) -> dict[str, Any]:
    """Wait for what `start` started."""
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else {"signal": os.waitstatus_to_exitcode(status)}


def _answer(writing: int, act: Callable[[], Any]) -> None:
    try:
        answer = {"value": act()}
    except Exception as error:  # noqa: BLE001  whatever went wrong is what we want to know
        answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()[-1500:]}
    with os.fdopen(writing, "w") as pipe:
        json.dump(answer, pipe, default=str)
    os._exit(0)


@contextmanager
def lines(visit: Callable[[Line], None]) -> Iterator[None]:
    """Call `visit` before each line of the traced files."""

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            visit((frame.f_code.co_filename, frame.f_lineno))
        return local

    def enter(frame: FrameType, _event: str, _: object) -> Any:
        return local if frame.f_code.co_filename.startswith(_PREFIXES) else None

    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(None)


def passed(act: Callable[[], Any]) -> list[Line]:
    """Every traced line that an act passes, in order, repeats included."""
    seen: list[Line] = []

    def counted() -> list[Line]:
        with lines(seen.append):
            act()
        return seen

    found = in_child(counted)
    if "value" not in found:
        raise AssertionError(f"the act fails without any fault: {found}")
    return [(str(name), int(number)) for name, number in found["value"]]


def killed_before(act: Callable[[], Any], place: int) -> dict[str, Any]:
    """Do something in a process that kills itself (SIGKILL) before the `place`-th traced line, counted from 0."""
    left = [place]

    def visit(_: Line) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def mortal() -> None:
        with lines(visit):
            act()

    return in_child(mortal)


def where(line: Line) -> str:
    """A traced line as a person names it."""
    return f"{Path(line[0]).relative_to(REPOSITORY)}:{line[1]}"
