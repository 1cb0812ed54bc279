"""Make the registry follow the ledger: heals a crash between the two, and reports an alias that was moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.clock import wall_clock
from pipeline.promotion.review import reviewed
from pipeline.promotion.state import Standing
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

_OPEN = {Standing.PENDING, Standing.WAITING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What the registry should say: the champion, and a stage per version."""

    champion: str
    stages: dict[str, str]


def projection(workspace: Workspace, *, now: datetime) -> Projection:
    """What the registry should say, from the ledger alone."""
    champion = workspace.require_champion()["version"]
    latest = {item.row["challenger"]: item.standing for item in reviewed(workspace, now=now)}
    stages = {}
    for row in workspace.ledger.acts("challenger"):
        undecided = latest.get(row["version"], Standing.WAITING) in _OPEN
        stages[row["version"]] = "Staging" if undecided else "Archived"
    stages.update({row["version"]: "Archived" for row in workspace.ledger.acts("champion")})
    return Projection(champion=champion, stages=stages | {champion: "Production"})


def reconcile(workspace: Workspace, *, now: datetime) -> list[str]:
    """Point aliases and stages where the ledger says; returns what was changed and records a champion moved by hand."""
    wanted = projection(workspace, now=now)
    changes = workspace.registry.project(champion=wanted.champion, stages=wanted.stages)
    moved = [line for line in changes if line.startswith("alias champion")]
    expected_by = _last_projected(workspace)
    if moved and expected_by == wanted.champion:
        _record(workspace, "registry_moved_by_hand", {"found": moved[0], "champion": wanted.champion}, now)
        return [f"{moved[0]} (moved by hand, put back)", *changes[1:]]
    if moved:
        _record(workspace, "registry_followed", {"change": moved[0], "champion": wanted.champion}, now)
    return changes


def _last_projected(workspace: Workspace) -> str | None:
    followed = workspace.ledger.entries(kind="registry_followed", limit=1)
    return str(followed[-1].body["champion"]) if followed else None


def _record(workspace: Workspace, kind: str, body: dict[str, str], now: datetime) -> None:
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record(kind, f"{writer.next_seq()}", {**body, "at": iso(now)}, at=now, actor="reconcile")
