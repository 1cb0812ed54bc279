"""An act under a fault: what its caller was told, and whether that is true."""

from __future__ import annotations

import fcntl
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kills import Act, nothing
from kills import _after as after
from stage import NOW, SECOND, SIGNER, Stage

from pipeline.errors import MendError
from pipeline.promotion.decide import decide
from pipeline.promotion.reconcile import reconcile
from pipeline.promotion.rollback import rollback
from pipeline.wiring import Workspace

__all__ = ["DONE", "Told", "after", "claims", "counted", "decided", "single_acts", "tried"]
DONE = "done"
_NOTHING_WRITTEN = "nothing was written"  # what a StoreError claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How an act ended for its caller. `kind`: `done`, the name of a MendError, or what came through as a traceback."""

    kind: str
    line: str = ""
    crashed: bool = False
    noise: str = ""  # what standard error got, where a traceback was in it

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Told:
        """From the answer of a child that did `tried(…)`."""
        if "value" in answer:
            return cls(**answer["value"])
        if "error" in answer:
            kind, _, line = str(answer["error"]).partition(": ")
            return cls(kind=kind, line=f"{line} ({_last_frame(answer.get('trace', ''))})", crashed=True)
        return cls(kind="died", line=str(answer), crashed=True)


def tried(act: Callable[[], Any]) -> dict[str, str]:
    """Do it; a MendError is an answer, anything else goes through, as it would to a caller."""
    answer = {"kind": DONE, "line": ""}
    with _standard_error() as heard:
        try:
            act()
        except MendError as error:
            answer = {"kind": type(error).__name__, "line": str(error)}
    return answer | {"noise": heard[0][:200] if "Traceback" in heard[0] else ""}


@contextmanager
def _standard_error() -> Iterator[list[str]]:
    """What this process and its libraries write there meanwhile, told at the end. A pipe: a file might not grow."""
    heard, ours = [""], os.dup(2)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.set_blocking(reading, False)
    os.dup2(writing, 2)
    try:
        yield heard
    finally:
        sys.stderr.flush()
        os.dup2(ours, 2)
        os.close(writing)
        heard[0] = os.read(reading, 1 << 20).decode(errors="replace")


def single_acts(stage: Stage) -> tuple[Act, ...]:
    """An approval, a reconcile and a rollback, each by itself: so that what it tells can be held against the record."""

    def approve(workspace: Workspace) -> None:
        decide(workspace, stage.digests["2"], "approved", person=SIGNER, reason="better", now=NOW)

    def follow(workspace: Workspace) -> None:
        reconcile(workspace, now=NOW)

    def approve_and_follow(workspace: Workspace) -> None:
        approve(workspace)
        follow(workspace)

    def roll_back(workspace: Workspace) -> None:
        rollback(workspace, "1", person=SECOND, reason="worse than promised", now=NOW)

    return (
        Act(name="approve", do=approve, before=nothing, champions=frozenset({"1", "2"}), done="2"),
        Act(name="reconcile", do=follow, before=approve, champions=frozenset({"2"}), done="2"),
        Act(name="roll back", do=roll_back, before=approve_and_follow, champions=frozenset({"1", "2"}), done="1"),
    )


def decided(told: Told) -> bool:
    """It was done, as far as its caller knows."""
    return told.kind == DONE


def claims(told: Told, *, on_record: bool, act: str) -> list[str]:
    """What its caller was told that is not so."""
    if told.crashed:
        return [f"a traceback: {told.kind}: {told.line}"]
    wrong = []
    if "\n" in told.line:
        wrong.append(f"more than one line: {told.line!r}")
    if told.noise:
        wrong.append(f"a traceback on standard error: {told.noise.partition(chr(10))[0]}")
    if decided(told) and not on_record:
        wrong.append("told done, and it is not on record")
    if act != "reconcile" and _NOTHING_WRITTEN in told.line and on_record:
        wrong.append(f"told that nothing was written, and it is on record: {told.line}")
    return wrong


def counted(tolds: Iterable[Told]) -> str:
    """How often each answer was given."""
    return ", ".join(f"{kind} {count} times" for kind, count in Counter(each.kind for each in tolds).most_common())


def _last_frame(trace: str) -> str:
    """Where in the product a traceback last was."""
    lines = [line.strip() for line in trace.splitlines() if "/pipeline/" in line or "/dashboard/" in line]
    if not lines:
        return "nowhere in the product"
    path, _, rest = lines[-1].removeprefix('File "').partition('", line ')
    return f"{'/'.join(Path(path).parts[-3:])}:{rest.partition(',')[0]}"
