"""What lies on the reviewer's desk: every dossier with where it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.artefacts import sha256_text
from pipeline.errors import InputError, IntegrityError
from pipeline.gate.dossier import Dossier
from pipeline.promotion.state import Standing, standing
from pipeline.wiring import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A dossier's ledger row, where it stands, and the decision on it."""

    row: dict[str, Any]
    standing: Standing
    decision: dict[str, Any] | None

    @property
    def digest(self) -> str:
        """What an approver signs."""
        return str(self.row["digest"])


def reviewed(workspace: Workspace, *, now: datetime, upto: int | None = None) -> list[Reviewed]:
    """Every dossier, oldest first, with where it stands at `now`, by the ledger's first `upto` entries or by all."""

    def acts(kind: str) -> list[dict[str, Any]]:
        return [row for row in workspace.ledger.acts(kind) if upto is None or row["entry"] <= upto]

    champion = workspace.ledger.champion() if upto is None else max(acts("champion"), key=_entry, default=None)
    decisions = {row["digest"]: row for row in acts("decision")}
    dossiers = acts("dossier")
    newest = {row["challenger"]: row["digest"] for row in dossiers}
    return [
        Reviewed(
            row=row,
            decision=decisions.get(row["digest"]),
            standing=standing(
                row,
                decision=decisions.get(row["digest"]),
                champion=champion,
                newest_of_challenger=newest[row["challenger"]] == row["digest"],
                now=now,
            ),
        )
        for row in dossiers
    ]


def _entry(row: dict[str, Any]) -> int:
    return int(row["entry"])


def pending(workspace: Workspace, *, now: datetime) -> list[Reviewed]:
    """Dossiers that wait for a person."""
    return [item for item in reviewed(workspace, now=now) if item.standing is Standing.PENDING]


def find_digest(workspace: Workspace, prefix: str) -> str:
    """The one dossier whose digest starts like this (8 characters or more)."""
    if len(prefix) < 8:
        raise InputError("digest", f"expected 8 characters or more, got {prefix!r}")
    found = [row["digest"] for row in workspace.ledger.acts("dossier") if row["digest"].startswith(prefix)]
    if len(found) != 1:
        raise InputError(
            "digest", f"expected one dossier that starts with {prefix!r}, found {len(found)}; see `mend review --all`"
        )
    return str(found[0])


def read_dossier(workspace: Workspace, digest: str) -> Dossier:
    """The evidence behind a digest, if the file still is what was judged."""
    row = workspace.ledger.get("dossier", digest)
    if row is None:
        raise InputError("digest", f"no dossier {digest[:12]}… in the ledger")
    path = workspace.root / row["path"]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IntegrityError(path, f"the dossier is not readable: {error}") from None
    if sha256_text(text) != digest:
        raise IntegrityError(path, f"changed after it was judged; expected SHA-256 {digest[:12]}…")
    return Dossier.from_json(json.loads(text))
