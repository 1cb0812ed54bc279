"""Every dossier on record under another policy, beside what happened. Reads; changes nothing."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from pydantic import ValidationError

from pipeline.errors import InputError, MendError
from pipeline.gate.checks import CODES, Status
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import GatePolicy, Outcome, Primary, as_json
from pipeline.gate.what_if import ANSWERABLE, NEEDS_ROWS, require_answerable, what_if
from pipeline.promotion.review import Reviewed, read_dossier, reviewed
from pipeline.promotion.state import Standing
from pipeline.settings import one_line
from pipeline.settings_deciding import GateSettings
from pipeline.wiring import Workspace

WHAT_IT_COVERS = (
    "Each dossier is judged for itself, on its own rows, against the champion of its day. What would have come after "
    "is not followed: a promotion that would not have happened, or one more, changes every comparison, every cooldown "
    "and every share of the error budget that comes later. And thresholds chosen for what they would have done have "
    "seen the answers: what they promise for the next challenger is what mend simulate-gate says."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate of one dossier: what was recorded, and what the other policy says."""

    code: str
    recorded: Outcome
    would_be: Outcome

    @property
    def changed(self) -> bool:
        """Another outcome."""
        return self.recorded is not self.would_be


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One dossier: what happened, what was recorded, and what would have been.

    `primary` is the metric that G4 judged, None where the dossier cannot be read. `would_be` is None, and `gates` is
    empty, where the record cannot tell: `unknown` says why. `kept` names what the dossier was measured with and the
    policy has otherwise; its intervals stay as they were measured.
    """

    digest: str
    challenger: str
    champion: str
    as_of: datetime
    standing: Standing
    primary: str | None
    recorded: Status
    would_be: Status | None
    gates: tuple[Gate, ...]
    unknown: str = ""
    kept: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Another verdict as a whole; where the record cannot tell, none."""
        return self.would_be is not None and self.would_be != self.recorded

    @property
    def changed_gates(self) -> tuple[Gate, ...]:
        """The gates that say something else, whether or not the whole verdict does."""
        return tuple(gate for gate in self.gates if gate.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """All dossiers: changed verdicts first, then changed gates, what cannot be told, the rest; each newest first."""

    policy: GatePolicy
    dossiers: tuple[Replayed, ...]

    @property
    def changed(self) -> int:
        """Dossiers with another verdict."""
        return sum(each.changed for each in self.dossiers)

    @property
    def unknown(self) -> int:
        """Dossiers of which the record cannot tell."""
        return sum(each.would_be is None for each in self.dossiers)

    @property
    def changed_by_gate(self) -> dict[str, int]:
        """How many dossiers each gate judges otherwise, all six in order."""
        found = Counter(gate.code for each in self.dossiers for gate in each.changed_gates)
        return {code: found[code] for code in CODES}

    def in_words(self) -> str:
        """What changes, in one sentence; an unknown verdict is said, never counted as unchanged."""
        of = f"{self.changed} of {len(self.dossiers)} verdicts would be another"
        gates = ", ".join(f"{code} in {many}" for code, many in self.changed_by_gate.items() if many)
        unknown = f"; of {self.unknown} the record cannot tell" if self.unknown else ""
        return f"{of}{unknown}. " + (
            f"Gates that say something else: {gates}." if gates else "No gate says anything else."
        )

    def why_unknown(self) -> tuple[str, ...]:
        """A line for each reason why the record cannot tell, the most frequent first."""
        found = Counter(each.unknown for each in self.dossiers if each.would_be is None)
        return tuple(f"{many} of {len(self.dossiers)}: {why}" for why, many in found.most_common())

    def let_off(self) -> tuple[str, ...]:
        """Why some would be refused no longer and still not pass: a line, or none where there are none."""
        many = sum(each.recorded == "refused" and each.would_be == "waiting" for each in self.dossiers)
        if not many:
            return ()
        why = "rows or labels are too few (G1, G2), or patience lets an undecided gate decide later"
        return (f"{many} refused would wait instead: nothing is refused while {why}",)

    def measured_otherwise(self) -> tuple[str, ...]:
        """A line for each thing that the policy has otherwise than some dossier was measured with."""
        found = Counter(name for each in self.dossiers for name in each.kept)
        return tuple(
            f"{name} was another when {many} of {len(self.dossiers)} were measured: their intervals stay as they were"
            for name, many in sorted(found.items())
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; of the policy, what was asked of every dossier."""
        policy = self.policy.to_json()
        return {
            "policy": {name: policy[name] for name in ANSWERABLE},
            "dossiers": [as_json(each) | {"changed": each.changed} for each in self.dossiers],
            "changed": self.changed,
            "unknown": self.unknown,
            "changed_by_gate": self.changed_by_gate,
            "covers": WHAT_IT_COVERS,
        }


def another_policy(today: GatePolicy, changes: Mapping[str, object]) -> GatePolicy:
    """Today's policy with some thresholds replaced, held to the sense that the settings are held to.

    Raises:
        InputError: A threshold that recorded evidence cannot answer for, or a value that makes no sense.
    """
    for name in changes:
        require_answerable(name)
    try:
        read = GateSettings.model_validate(dict(changes))
    except ValidationError as error:
        raise InputError(f"gate.{one_line(error)}") from None
    return dataclasses.replace(today, **{name: getattr(read, name) for name in changes})


def replay(records: Iterable[tuple[Reviewed, Dossier | str]], policy: GatePolicy) -> Replay:
    """Judge recorded dossiers by a policy's thresholds; what their evidence was measured with stays as it was.

    Args:
        records: Where each stands, and its dossier; a text instead says why it cannot be read.
        policy: The thresholds that recorded evidence can answer for are taken from it, nothing else.
    """
    found = [_replayed(item, dossier, policy) for item, dossier in records]
    newest_first = sorted(found, key=lambda each: each.as_of, reverse=True)
    ranked = sorted(newest_first, key=_place)
    return Replay(policy=policy, dossiers=tuple(ranked))


def _place(each: Replayed) -> int:
    told = (each.changed, bool(each.changed_gates), each.would_be is None, True)
    return told.index(True)


def without_effect(found: Replay, changes: Iterable[str]) -> tuple[str, ...]:
    """A line for each threshold of a metric that no dossier on record was judged by."""
    judged = {each.primary for each in found.dossiers}
    metrics = {f"min_{metric}_gain": metric for metric in get_args(Primary)}
    return tuple(
        f"{name} changes nothing: G4 judged no dossier on record by {metrics[name]}"
        for name in changes
        if name in metrics and metrics[name] not in judged
    )


def _replayed(item: Reviewed, dossier: Dossier | str, policy: GatePolicy) -> Replayed:
    row = item.row
    known: dict[str, Any] = {
        **{name: row[name] for name in ("digest", "challenger", "champion", "as_of")},
        "standing": item.standing,
        "recorded": row["status"],
    }
    if isinstance(dossier, str):
        return Replayed(**known, primary=None, would_be=None, gates=(), unknown=dossier)
    own = dossier.policy
    known["primary"] = own.primary
    kept = tuple(name for name in NEEDS_ROWS if getattr(own, name) != getattr(policy, name))
    asked = dataclasses.replace(own, **{name: getattr(policy, name) for name in ANSWERABLE})
    try:
        said = what_if(dossier, asked)
    except InputError as error:
        return Replayed(**known, would_be=None, gates=(), unknown=str(error), kept=kept)
    pairs = zip(dossier.checks, said.checks, strict=True)
    gates = tuple(Gate(code=was.code, recorded=was.outcome, would_be=now.outcome) for was, now in pairs)
    return Replayed(**known, would_be=said.status, gates=gates, kept=kept)


def read_dossiers(workspace: Workspace) -> dict[str, Dossier | str]:
    """Every dossier on record by its digest; for one that is not what was recorded, or of an older format, why."""
    return {row["digest"]: _read(workspace, row["digest"]) for row in workspace.ledger.acts("dossier")}


def _read(workspace: Workspace, digest: str) -> Dossier | str:
    try:
        return read_dossier(workspace, digest)
    except MendError as error:
        return str(error)


def replay_record(workspace: Workspace, policy: GatePolicy, *, now: datetime) -> Replay:
    """Everything on record, as it stands at `now`, under another policy."""
    dossiers = read_dossiers(workspace)
    return replay([(item, dossiers[item.digest]) for item in reviewed(workspace, now=now)], policy)
