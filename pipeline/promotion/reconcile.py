"""Make the registry follow the ledger: heals a crash between the two, and reports an alias that was moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.clock import wall_clock
from pipeline.errors import RegistryError
from pipeline.promotion.documents import write_missing_documents
from pipeline.promotion.review import reviewed
from pipeline.promotion.state import Standing
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

RECONCILE = "reconcile"
_OPEN = {Standing.PENDING, Standing.WAITING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What the registry should say: the champion (and the how many-eth), and a stage per version."""

    number: int
    champion: str
    stages: dict[str, str]


def projection(workspace: Workspace, *, now: datetime) -> Projection:
    """What the registry should say, from the ledger alone."""
    reign = workspace.require_champion()
    champion = reign["version"]
    latest = {item.row["challenger"]: item.standing for item in reviewed(workspace, now=now)}
    stages = {}
    for row in workspace.ledger.acts("challenger"):
        undecided = latest.get(row["version"], Standing.WAITING) in _OPEN
        stages[row["version"]] = "Staging" if undecided else "Archived"
    stages.update({row["version"]: "Archived" for row in workspace.ledger.acts("champion")})
    return Projection(number=reign["number"], champion=champion, stages=stages | {champion: "Production"})


def reconcile(workspace: Workspace, *, now: datetime) -> list[str]:
    """Make files, aliases and stages say what the ledger says; returns what was changed, one line each.

    Safe to run at any time and by several at once. A champion's alias that was moved by hand is put back, and that is
    recorded.

    Raises:
        RegistryError: The registry does not answer. The ledger holds, and the next run tells it.
    """
    wanted, written = projection(workspace, now=now), write_missing_documents(workspace)
    followed = _last_followed(workspace)
    changes = workspace.registry.project(champion=wanted.champion, stages=wanted.stages)
    moved = [line for line in changes if line.startswith("alias champion")]
    if moved and followed == wanted.number:
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            body = {"found": moved[0], "champion": wanted.champion, "at": iso(now)}
            writer.record("registry_moved_by_hand", f"{writer.next_seq()}", body, at=now, actor=RECONCILE)
        return [*written, f"{moved[0]} (moved by hand, put back)", *changes[1:]]
    if followed != wanted.number:  # also when a crash came between moving the alias and saying so
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            change = moved[0] if moved else f"alias champion: {wanted.champion} already"
            followed_now: dict[str, Any] = {
                "number": wanted.number,
                "change": change,
                "champion": wanted.champion,
                "at": iso(now),
            }
            writer.record("registry_followed", f"champion {wanted.number}", followed_now, at=now, actor=RECONCILE)
    return [*written, *changes]


def follow(workspace: Workspace, *, now: datetime) -> list[str]:
    """`reconcile` after an act that stands already: a registry that is down is said in a line and stops nothing."""
    try:
        return reconcile(workspace, now=now)
    except RegistryError as failure:
        return [str(failure)]


def has_followed(workspace: Workspace) -> bool:
    """Whether the registry was told of today's champion, by the ledger alone: nobody asks MLflow."""
    return bool(_last_followed(workspace) == workspace.require_champion()["number"])


def _last_followed(workspace: Workspace) -> int | None:
    """The number of the champion that the registry was last brought to."""
    followed = workspace.ledger.entries(kind="registry_followed", limit=1)
    return int(followed[-1].body.get("number", 0)) if followed else None
