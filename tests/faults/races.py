"""Eight processes that decide at the same moment."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kills import on
from outcome import Outcome
from processes import finish, in_child, start
from stage import NOW, Stage, problems

from pipeline.errors import MendError
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.promotion.reconcile import reconcile
from pipeline.wiring import Workspace

PROCESSES, ROUNDS = 8, 20


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """The stage needs versions 2 to 9 and eight approvers called approver0 to approver7."""
    rounds = 2 if quick else ROUNDS
    yield _race(stage, "8 people sign the same dossier at once", ["2"] * PROCESSES, rounds)
    yield _race(stage, "8 people sign 8 rival dossiers at once", [str(2 + i) for i in range(PROCESSES)], rounds)


def _race(stage: Stage, fault: str, versions: list[str], rounds: int) -> Outcome:
    found: list[str] = []
    losers = named = 0
    for _ in range(rounds):
        with stage.copy() as config:
            answers = _at_once(config, [stage.digests[version] for version in versions])
            winners = [place for place, answer in enumerate(answers) if answer.get("value") == "approved"]
            refusals = [str(answer.get("value", answer)) for answer in answers if answer.get("value") != "approved"]
            losers += len(refusals)
            named += sum(f"approver{winners[0]}" in told for told in refusals) if winners else 0
            after = in_child(lambda: on(config, lambda ws: problems(ws, expected=set(versions))))
            wrong = list(after.get("value", [str(after)]))
            if len(winners) != 1:
                wrong.append(f"{len(winners)} won")
            found += wrong[:1]
    if named != losers:
        found.append(f"{losers - named} of those who lost were not told who won")
    return Outcome(
        fault=fault,
        stores=stage.name,
        tries=rounds,
        seen=f"one won in each round; {named} of {losers} others got a refusal that names the winner",
        problems=tuple(found),
    )


def _at_once(config: Path, digests: list[str]) -> list[dict[str, Any]]:
    shared = mmap.mmap(-1, len(digests) + 1)  # one byte each says "ready", the last one "go"

    def racer(place: int, digest: str) -> str:
        def act(workspace: Workspace) -> str:
            shared[place] = 1
            while not shared[len(digests)]:
                time.sleep(0)
            person = Person(actor=f"approver{place}", method="local")
            try:
                made = decide(workspace, digest, "approved", person=person, reason=f"mine is {place}", now=NOW)
            except MendError as refusal:
                return str(refusal)
            reconcile(workspace, now=NOW)
            return str(made["verdict"])

        return str(on(config, act))

    children = [start(lambda at=place, of=digest: racer(at, of)) for place, digest in enumerate(digests)]
    deadline = time.monotonic() + 60
    while not all(shared[place] for place in range(len(digests))) and time.monotonic() < deadline:
        time.sleep(0.01)
    shared[len(digests)] = 1
    return [finish(*child) for child in children]
