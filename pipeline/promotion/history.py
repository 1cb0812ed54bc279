"""Everything on record about one dossier up to a moment: what an auditor asks for, gathered from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.errors import InputError
from pipeline.gate.shadow import KIND as SHADOW
from pipeline.promotion.review import Reviewed, reviewed
from pipeline.promotion.rollback import KIND as ROLLBACK
from pipeline.promotion.rollback import REFUSED as REFUSED_ROLLBACK
from pipeline.promotion.watching_period import KIND as WATCH
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Entry, Ledger
from pipeline.wiring import Workspace

# Kinds of which there are few, and the keys of their bodies that name a version, a dossier or a model file.
_NAMED_BY: dict[str, tuple[str, ...]] = {
    "champion": ("version",),
    "model_signature": ("version",),
    "refused_clock": ("digest", "from_version", "to_version"),
    "refused_decision": ("digest",),
    "registry_followed": ("champion",),
    "registry_moved_by_hand": ("champion",),
    ROLLBACK: ("from_version", "to_version"),
    REFUSED_ROLLBACK: ("from_version", "to_version"),
    SHADOW: ("challenger",),
    WATCH: ("version",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger says of one dossier, as it stood at `as_of`.

    Args:
        as_of: The ledger is read up to its last act that is not later.
        head: That act's entry.
        item: The dossier's row, its standing and the decision on it, by then.
        champion: Who was champion by then.
        about: Entries that name the dossier, its challenger, or what they were made of, in order.
        dossiers: Every dossier by then, oldest first.
        reigns: Every champion by then, oldest first.
    """

    as_of: datetime
    head: Entry
    item: Reviewed
    champion: Mapping[str, Any]
    about: tuple[Entry, ...]
    dossiers: tuple[Reviewed, ...]
    reigns: tuple[Mapping[str, Any], ...]

    @property
    def version(self) -> str:
        """The challenger."""
        return str(self.item.row["challenger"])

    @property
    def earlier(self) -> tuple[Reviewed, ...]:
        """Dossiers that were judged before this one, oldest first."""
        return tuple(each for each in self.dossiers if each.row["entry"] < self.item.row["entry"])

    def of(self, *kinds: str) -> list[Entry]:
        """The entries about it of these kinds, in order."""
        return [entry for entry in self.about if entry.kind in kinds]


def history(workspace: Workspace, digest: str, *, as_of: datetime) -> History:
    """Gather what is on record about a dossier.

    Later entries change nothing: asked again with the same `as_of`, a ledger that has grown gives the same answer,
    as long as no act is recorded late, with a time before it.

    Raises:
        InputError: No such dossier, or not yet at that moment.
    """
    ledger = workspace.ledger
    row, seq = ledger.get("dossier", digest), ledger.last_seq(as_of)
    if row is None:
        raise InputError("digest", f"no dossier {digest[:12]}… in the ledger")
    head = ledger.at(seq)
    if head is None or row["entry"] > seq:
        raise InputError("as_of", f"expected a time from {iso(row['as_of'])} on, when it was judged; got {iso(as_of)}")
    items = reviewed(workspace, now=as_of, upto=seq)
    reigns = [reign for reign in ledger.acts("champion") if reign["entry"] <= seq]
    found = {entry.seq: entry for entry in _about(ledger, row, items) if entry.seq <= seq}
    return History(
        as_of=as_of,
        head=head,
        item=next(item for item in items if item.digest == digest),
        champion=reigns[-1],
        about=tuple(found[number] for number in sorted(found)),
        dossiers=tuple(items),
        reigns=tuple(reigns),
    )


def _about(ledger: Ledger, row: Mapping[str, Any], items: list[Reviewed]) -> Iterator[Entry]:
    """Each entry about it, in no order, some twice."""
    version = row["challenger"]
    own = [item.row for item in items if item.row["challenger"] == version]
    trained = ledger.entry("challenger", version)
    keys = [("challenger", version)]
    keys += [(kind, each["digest"]) for each in own for kind in ("dossier", "trial", "signature", "decision")]
    if trained is not None:
        signal = trained.body["signal"]
        keys += [("signal", signal), ("request", signal)] if signal else []
        keys += [(kind, trained.at.isoformat()) for kind in ("look", "cycle")]
    keys += [(kind, each["as_of"].isoformat()) for each in own for kind in ("look", "cycle")]
    yield from (entry for kind, key in keys if (entry := ledger.entry(kind, key)) is not None)
    yield from _runs(ledger, trained, own)
    names = {version, *(each["digest"] for each in own)}
    for kind, columns in _NAMED_BY.items():
        yield from (
            entry for entry in ledger.entries(kind=kind) if any(entry.body.get(name) in names for name in columns)
        )


def _runs(ledger: Ledger, trained: Entry | None, own: list[dict[str, Any]]) -> Iterator[Entry]:
    """Notebook runs that trained or judged it, failed ones included."""
    wanted = [(each["as_of"], f"_gate_v{each['challenger']}") for each in own]
    wanted += [(trained.at, "_train")] if trained is not None else []
    for moment, ending in wanted:
        for run in ledger.runs_of(moment):
            if run["run_id"].partition(".")[0].endswith(ending) and (entry := ledger.at(run["entry"])) is not None:
                yield entry
