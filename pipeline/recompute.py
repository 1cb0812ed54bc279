"""Derive a dossier anew from what is stored, and say where it differs: what an auditor asks a year later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import IntegrityError
from pipeline.gate.dossier import Dossier
from pipeline.gate.fairness import FairnessPolicy
from pipeline.judging import bind, case_of, measure
from pipeline.promotion.review import read_dossier
from pipeline.wiring import Workspace

_MADE_WITH = "made_with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not what was recorded; `where` is its path in the dossier."""

    where: str
    recorded: Any
    recomputed: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A dossier on record beside the one that today's code makes of the same stored inputs.

    `made_with` says in which code, notebooks and libraries the two differ: no fault by itself, and the first place to
    look when there are `differences`.
    """

    digest: str
    differences: tuple[Difference, ...]
    made_with: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Every recorded value but those of `made_with` came out again."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"identical": self.identical}


def recompute(workspace: Workspace, digest: str) -> Recomputed:
    """Gather the rows again as they were known then, score, measure and judge them by the dossier's own policies.

    Taken from the dossier are its policies, its expiry and the times it was judged at. Everything else comes from the
    stores: rows and outcomes from the traffic, thresholds, windows and who was champion from the ledger, the models
    from their files, checked. Segments and the amount at stake come from today's settings.

    Raises:
        IntegrityError: The dossier or a model is not what was recorded, or the stored inputs make no dossier at all.
    """
    recorded = read_dossier(workspace, digest)
    case = case_of(workspace, recorded.challenger, as_of=recorded.as_of, champion=recorded.champion)
    fairness: FairnessPolicy | None = recorded.evidence.fairness
    try:
        made = bind(
            workspace,
            case,
            measure(case, recorded.policy, fairness),
            policy=recorded.policy,
            promoted_at=_promoted_at(workspace, recorded),
            expires_at=recorded.expires_at,
        )
    except ValueError as error:
        raise IntegrityError(f"dossier {digest[:12]}", f"the stored inputs make no dossier: {error}") from None
    before, now = recorded.to_json(), made.to_json()
    return Recomputed(
        digest=digest,
        differences=tuple(_differences(before | {_MADE_WITH: None}, now | {_MADE_WITH: None}, "")),
        made_with=recorded.made_with.differences(made.made_with),
    )


def _promoted_at(workspace: Workspace, dossier: Dossier) -> Any:
    """Since when the champion of that time had been champion, from the reign that was the latest on record then."""
    row = workspace.ledger.get("dossier", dossier.digest)
    reigns = [reign for reign in workspace.ledger.acts("champion") if row and reign["entry"] < row["entry"]]
    if not reigns or reigns[-1]["version"] != dossier.champion:
        raise IntegrityError(
            f"dossier {dossier.digest[:12]}", f"version {dossier.champion} was not champion when it was recorded"
        )
    return reigns[-1]["since"]


def _differences(recorded: Any, recomputed: Any, where: str) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        for name in sorted(recorded.keys() | recomputed.keys()):
            yield from _differences(recorded.get(name), recomputed.get(name), f"{where}.{name}".removeprefix("."))
    elif isinstance(recorded, list) and isinstance(recomputed, list) and len(recorded) == len(recomputed):
        for place, pair in enumerate(zip(recorded, recomputed, strict=True)):
            yield from _differences(*pair, f"{where}[{place}]")
    elif recorded != recomputed or type(recorded) is not type(recomputed):
        yield Difference(where=where, recorded=recorded, recomputed=recomputed)
