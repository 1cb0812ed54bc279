"""A decision as a file beside its dossier. It follows the ledger like the registry does, so that no file says what the
ledger does not: written after the act is on record, and written again if a crash or a full disk came between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.artefacts import canonical_json, write_atomically
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

_COLUMNS = ("digest", "verdict", "actor", "reason")


def decision_document(decision: Mapping[str, Any], dossier: Mapping[str, Any], signature: Mapping[str, Any]) -> str:
    """What was decided on which dossier by whom, as text.

    Args:
        decision: `digest, verdict, actor, reason, at`, as in the ledger.
        dossier: Its ledger row.
        signature: Who signed and how they were known.
    """
    told = {name: decision[name] for name in _COLUMNS} | {"at": iso(decision["at"])}
    pair = {name: dossier[name] for name in ("challenger", "champion")}
    return canonical_json({**told, **pair, "signature": dict(signature)})


def write_missing_documents(workspace: Workspace) -> list[str]:
    """Write the decisions that are on record and have no file; returns a line for each.

    A disk that is full takes nothing from a decision that is on record, so that this raises nothing then.
    """
    ledger, written = workspace.ledger, []
    for decision in ledger.acts("decision"):
        if (workspace.root / decision["path"]).exists():
            continue
        dossier, signed = ledger.get("dossier", decision["digest"]), ledger.entry("signature", decision["digest"])
        if dossier is None or signed is None:
            continue  # of an older release, which wrote the file first: nothing to make it from
        try:
            write_atomically(workspace.root / decision["path"], decision_document(decision, dossier, signed.body))
        except OSError as error:
            why = f"{error.strerror}; it is on record, and the next cycle or `mend reconcile` writes the file"
            written.append(f"{decision['path']}: not written: {why}")
        else:
            written.append(f"{decision['path']}: was missing, written from the ledger")
    return written
