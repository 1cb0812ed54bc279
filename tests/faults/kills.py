"""kill -9 at every line of an approval, a rejection and a rollback, and at random moments."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcome import Outcome
from processes import Line, finish, in_child, killed_before, passed, start, where
from stage import NOW, SECOND, SIGNER, Stage, close, opened, problems

from pipeline.promotion.decide import decide
from pipeline.promotion.reconcile import reconcile
from pipeline.promotion.rollback import rollback
from pipeline.wiring import Workspace

QUICK = 25  # lines tried in a quick run, spread evenly
RANDOM = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that must happen wholly or not at all."""

    name: str
    do: Callable[[Workspace], Any]
    before: Callable[[Workspace], Any]
    champions: frozenset[str]  # versions of which one is champion after a crash
    done: str  # the champion once the act was repeated


def acts(stage: Stage) -> tuple[Act, ...]:
    """What is killed."""

    def approve(workspace: Workspace) -> None:
        decide(workspace, stage.digests["2"], "approved", person=SIGNER, reason="better", now=NOW)
        reconcile(workspace, now=NOW)

    def reject(workspace: Workspace) -> None:
        decide(workspace, stage.digests["2"], "rejected", person=SIGNER, reason="no", now=NOW)
        reconcile(workspace, now=NOW)

    def roll_back(workspace: Workspace) -> None:
        rollback(workspace, "1", person=SECOND, reason="worse than promised", now=NOW)
        reconcile(workspace, now=NOW)

    return (
        Act(name="approve", do=approve, before=nothing, champions=frozenset({"1", "2"}), done="2"),
        Act(name="reject", do=reject, before=nothing, champions=frozenset({"1"}), done="1"),
        Act(name="roll back", do=roll_back, before=approve, champions=frozenset({"1", "2"}), done="1"),
    )


def nothing(_: Workspace) -> None:
    """What comes before an act that needs nothing before it."""


def on(config: Path, act: Callable[[Workspace], Any]) -> Any:
    """Open, act, close: what one process does."""
    workspace = opened(config)
    try:
        return act(workspace)
    finally:
        close(workspace)


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """Every line of every act, then random moments of an approval."""
    for act in acts(stage):
        yield _at_every_line(stage, act, quick=quick)
    yield _at_random(stage, acts(stage)[0], tries=5 if quick else RANDOM)


def _at_every_line(stage: Stage, act: Act, *, quick: bool) -> Outcome:
    with stage.copy() as config:
        in_child(lambda: on(config, act.before))
        walked = passed(lambda: on(config, act.do))
    places = list(_first_and_last(walked))
    if quick:
        places = places[:: max(1, len(places) // QUICK)]
    found, died, kept = [], 0, 0
    for place in places:
        with stage.copy() as config:
            in_child(lambda: on(config, act.before))
            died += killed_before(lambda: on(config, act.do), place) == {"signal": -signal.SIGKILL}
            wrong, survived = _after(config, act)
            kept += survived
            found += [f"{where(walked[place])}: {line}" for line in wrong[:1]]
    lines_of = len(set(walked))
    return Outcome(
        fault=f"kill -9 at {'a sample of lines' if quick else 'every line'} of: {act.name}",
        stores=stage.name,
        tries=len(places),
        seen=f"{lines_of} lines in {len({name for name, _ in walked})} files, each at its first and last time; "
        f"{died} processes died there; the act was on record after {kept}, and as if never begun after the others",
        problems=tuple(found) if died == len(places) else (*found, f"only {died} of {len(places)} died"),
    )


def _first_and_last(walked: list[Line]) -> Iterator[int]:
    first = {line: place for place, line in reversed(list(enumerate(walked)))}
    last = {line: place for place, line in enumerate(walked)}
    yield from sorted({*first.values(), *last.values()})


def _at_random(stage: Stage, act: Act, *, tries: int) -> Outcome:
    with stage.copy() as config:
        began = time.monotonic()
        in_child(lambda: on(config, act.do))
        usual_s = time.monotonic() - began
    chance, found, died, kept = random.Random(7), [], 0, 0
    for _ in range(tries):
        with stage.copy() as config:
            child, answer = start(lambda: on(config, act.do))
            time.sleep(chance.uniform(0, usual_s))
            os.kill(child, signal.SIGKILL)
            died += "signal" in finish(child, answer)
            wrong, survived = _after(config, act)
            kept += survived
            found += wrong[:1]
    return Outcome(
        fault=f"kill -9 at a random moment of: {act.name}",
        stores=stage.name,
        tries=tries,
        seen=f"{died} died before their end; the act was on record after {kept}",
        problems=tuple(found),
    )


def _after(config: Path, act: Act) -> tuple[list[str], bool]:
    """What does not hold after the next start, and whether the act is on record; then the same act once more."""

    def started(workspace: Workspace) -> dict[str, Any]:
        wrong = problems(workspace, expected=set(act.champions))
        return {"problems": wrong, "done": _acted(workspace) > 0}

    def repeated(workspace: Workspace) -> list[str]:
        act.do(workspace)
        act.do(workspace)
        wrong = problems(workspace, expected={act.done})
        return wrong + ([] if _acted(workspace) == 1 else [f"repeated, it is on record {_acted(workspace)} times"])

    def _acted(workspace: Workspace) -> int:
        kind = "rollback" if act.name == "roll back" else "decision"
        return len(workspace.ledger.entries(kind=kind))

    first, second = in_child(lambda: on(config, started)), in_child(lambda: on(config, repeated))
    if "value" not in first or "value" not in second:
        told = next(each for each in (first, second) if "value" not in each)
        return [str(told.get("error", told))], False
    return [*first["value"]["problems"], *second["value"]], first["value"]["done"]
