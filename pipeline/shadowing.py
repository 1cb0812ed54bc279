"""The challenger in the shadow: live traffic, replayed from the log beside the champion, off the request path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

from pipeline.clock import wall_clock
from pipeline.errors import MendError, NotEnoughDataError
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.shadow import KIND, Shadow, beside
from pipeline.promotion.review import reviewed
from pipeline.promotion.state import Standing
from pipeline.running.steps import SERVICE
from pipeline.segments import segment_values
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace


def shadow(workspace: Workspace, version: str, *, as_of: datetime) -> Shadow:
    """What a challenger would have decided on the applications of the last lookback that today's champion decided.

    Scores of the champion are those on record; the challenger's are made now, by its verified files, so that the same
    log gives the same answer.

    Raises:
        NotInitialisedError: There is no champion, or no such version.
        IntegrityError: The challenger's files are not what was recorded.
        InputError: A score is no probability.
    """
    champion, challenger = workspace.require_champion(), workspace.challenger(version)
    start = as_of - workspace.settings.monitor.lookback
    scored = workspace.traffic.scored(start, as_of, as_of=as_of)
    rows = scored[scored["model_version"] == champion["version"]]
    amount = workspace.settings.profit.amount
    applicants = Applicants(
        ids=rows["prediction_id"].to_numpy(dtype=np.str_),
        event_time=rows["event_time"].dt.tz_localize(None).to_numpy(),
        y=np.full(len(rows), UNKNOWN, dtype=np.int8),
        champion_score=rows["score"].to_numpy(dtype=np.float64),
        challenger_score=workspace.model(version).score(rows) if len(rows) else np.empty(0),
        champion_threshold=workspace.challenger(champion["version"])["threshold"],
        challenger_threshold=challenger["threshold"],
        amount=rows[amount].fillna(0.0).clip(lower=0.0).to_numpy() if amount else np.ones(len(rows)),
        segments=segment_values(rows, workspace.settings.data.segments),
        as_of=as_of,
        horizon=timedelta(0),
    )
    versions = {"champion": champion["version"], "challenger": version}
    return beside(applicants, **versions, start=start, end=as_of, others=len(scored) - len(rows))


def open_challenger(workspace: Workspace, *, as_of: datetime) -> str | None:
    """The newest version that waits: for a signature, or for labels."""
    open_ = {Standing.PENDING, Standing.WAITING}
    waiting = [item.row["challenger"] for item in reviewed(workspace, now=as_of) if item.standing in open_]
    return waiting[-1] if waiting else None


def require_open_challenger(workspace: Workspace, *, as_of: datetime) -> str:
    """The newest version that waits.

    Raises:
        NotEnoughDataError: None does.
    """
    version = open_challenger(workspace, as_of=as_of)
    if version is None:
        raise NotEnoughDataError(KIND, "no challenger waits for a signature or for labels; name one with --version")
    return version


def last_shadow(workspace: Workspace, version: str) -> Shadow | None:
    """What was last put on record of a version."""
    newest = [entry for entry in workspace.ledger.entries(kind=KIND, limit=20) if entry.body["challenger"] == version]
    return Shadow.from_json(newest[-1].body) if newest else None


def keep_shadow(workspace: Workspace, as_of: datetime, *, say: Callable[[str], None]) -> None:
    """Put it on record while a challenger waits: at once, then every `monitor.outcomes_every`. Trouble is said.

    Nothing is decided by it, so that trouble stops no cycle.
    """
    version = open_challenger(workspace, as_of=as_of)
    if version is None:
        return
    last, champion = last_shadow(workspace, version), workspace.require_champion()["version"]
    if last is not None and last.champion == champion and as_of - last.end < workspace.settings.monitor.outcomes_every:
        return
    try:
        found = shadow(workspace, version, as_of=as_of)
    except MendError as trouble:
        say(f"shadow of version {version}: {trouble}")
        return
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record(KIND, f"{version} {iso(as_of)}", found.to_json(), at=as_of, actor=SERVICE)
    say(shadow_sentence(found))


def shadow_sentence(found: Shadow) -> str:
    """How much would change, in one line."""
    if found.share is None:
        return f"shadow of version {found.challenger}: version {found.champion} scored nobody in the window"
    share, low, high = (f"{100 * each:.1f}" for each in found.share)
    return (
        f"shadow of version {found.challenger}: of {found.rows:,} applications it decides {share} % [{low}, {high}] "
        f"otherwise than version {found.champion}: {found.swapped_in.applicants:,} approved instead of declined, "
        f"{found.swapped_out.applicants:,} declined instead of approved"
    )
