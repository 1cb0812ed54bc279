"""The scoring service under load: killed, told to stop, its disk full, its database gone for a moment."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from disk_full import mount_small_disk, why_no_small_disk
from load import Load
from outcome import Outcome
from processes import in_child
from service import Service, an_application, free_port, serving
from stage import Stage, close, opened

from pipeline.stores.traffic_tables import labels, predictions

KILLS, QUICK_KILLS = 50, 3
_MORE = 25  # answers before each blow
_PATIENCE_S = 120.0


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """Every way to lose it."""
    lives = QUICK_KILLS if quick else KILLS
    yield _stopped(stage, lives, signal.SIGKILL, "kill -9")
    yield _stopped(stage, max(lives // 5, 2), signal.SIGTERM, "SIGTERM")
    if stage.server is not None:
        yield _database_gone(stage, max(lives // 10, 1))
    elif why := why_no_small_disk():
        yield Outcome(fault="the service's disk is full", stores=stage.name, tries=0, seen=f"NOT RUN: {why}")
    else:
        yield _disk_full(stage)


def _stopped(stage: Stage, lives: int, how: int, name: str) -> Outcome:
    found: list[str] = []
    answers: dict[str, Any] = {}
    labelled: set[str] = set()
    broken = 0
    with stage.copy() as config:
        port = free_port()
        for life in range(lives):
            with serving(config, port=port) as service, Load(service, name=f"l{life}", outcomes=True) as load:
                load.wait_for(_MORE)
                service.stop(how)
            answers |= load.answers
            labelled |= load.labelled
            broken += len(load.failures)
            found += [f"life {life}: answered {status}" for status in load.failures if status is not None][:1]
            found += [f"life {life}: {line}" for line in _lost(config, answers, labelled)[:1]]
    if not broken:
        found.append("no fault: nobody asked when it stopped")
    seen = f"{len(answers):,} answers and {len(labelled):,} outcomes acknowledged, each on record once; {broken} without an answer"
    fault = f"scoring service, {name} under load of 8 clients"
    return Outcome(fault=fault, stores=stage.name, tries=lives, seen=seen, problems=tuple(found))


def _database_gone(stage: Stage, times: int) -> Outcome:
    assert stage.server is not None
    found: list[str] = []
    with stage.copy() as config:
        with serving(config) as service, Load(service, outcomes=True) as load:
            for _ in range(times):
                load.wait_for(len(load.answers) + _MORE)
                stage.server.crash()
                refused = load.failures.count(503)
                _until(lambda before=refused: load.failures.count(503) > before)
                stage.server.start()
                load.wait_for(len(load.answers) + _MORE)
        found += _lost(config, load.answers, load.labelled)
    if wrong := set(load.failures) - {503, None}:
        found.append(f"answered {sorted(map(str, wrong))}, expected 503")
    seen = f"{len(load.answers):,} answers, {load.failures.count(503):,} times 503, nothing lost"
    fault = "scoring service, its database crashes and comes back under load"
    return Outcome(fault=fault, stores=stage.name, tries=times, seen=seen, problems=tuple(found))


def _disk_full(stage: Stage) -> Outcome:
    with stage.copy() as config:
        told = in_child(lambda: _on_a_small_disk(config))
    found = told.get("value", {}).get("wrong", [f"died: {told}"])
    seen = told.get("value", {}).get("seen", "")
    fault = "scoring service, its disk (tmpfs) fills up and has room again"
    return Outcome(fault=fault, stores=stage.name, tries=1, seen=seen, problems=tuple(found))


def _on_a_small_disk(config: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as aside:
        shutil.copytree(config.parent, aside, dirs_exist_ok=True)
        mount_small_disk(config.parent)
        shutil.copytree(aside, config.parent, dirs_exist_ok=True)
    os.environ["HOME"] = str(config.parent)  # in a namespace of its own, root's home is nobody's
    filler, wrong = config.parent / "somebody else's", []
    with serving(config) as service:
        answered = _answered(service, "before", lambda status: status != 200, most=5)
        disk = os.statvfs(config.parent)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
        on_full = _answered(service, "full", lambda status: status != 200, most=20_000)
        refused, said, _ = service.ask("/predict", an_application(prediction_id="refused"))
        health = service.ask("/health")[0]
        filler.unlink()
        after = _answered(service, "after", lambda status: status != 200, most=5)
    if refused != 503:
        wrong.append(f"on a full disk it answered {refused}: {said}")
    if health != 200 or len(after) < 5:
        wrong.append(f"with room again: {len(after)} of 5 answers; health {health}")
    lost = _lost(config, answered | on_full | after, set())
    seen = f"{len(on_full)} answers until there was no room, then 503; with room again it answers; nothing lost"
    return {"wrong": [*wrong, *lost], "seen": seen}


def _answered(service: Service, name: str, until: Any, *, most: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place in range(most):
        key = f"{name}-{place}"
        status, answer, _ = service.ask("/predict", an_application(place % 500, prediction_id=key))
        if until(status):
            break
        found[key] = answer
    return found


def _lost(config: Path, answers: dict[str, Any], labelled: set[str]) -> list[str]:
    """What was acknowledged and is not on record, or more than once."""
    workspace = opened(config)
    try:
        with workspace.traffic.engine.connect() as connection:
            scores = dict(connection.execute(sa.select(predictions.c.prediction_id, predictions.c.score)).all())
            told = connection.execute(
                sa.select(labels.c.application_id, sa.func.count()).group_by(labels.c.application_id)
            ).all()
    finally:
        close(workspace)
    outcomes_of = dict(told)
    found = [f"{key} was answered and is not on record" for key in answers if key not in scores]
    found += [
        f"{key}: answered {answer['probability']}, on record {scores[key]}"
        for key, answer in answers.items()
        if key in scores and scores[key] != answer["probability"]
    ]
    return found + [f"{key}: {outcomes_of.get(key, 0)} outcomes" for key in labelled if outcomes_of.get(key, 0) != 1]


def _until(true: Any) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
