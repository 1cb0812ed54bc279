"""What an evidence pack is made from, read once: the ledger up to a moment, and files that are the recorded ones.

A file that is gone or changed is named in `missing`, with the reason; the sections say so in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring.summary import DriftSummary
from pipeline.alerts.values import Alert
from pipeline.alerts.values import State as AlertState
from pipeline.errors import IntegrityError, MendError
from pipeline.gate.dossier import Dossier
from pipeline.promotion.history import History, history
from pipeline.promotion.review import Reviewed, read_dossier
from pipeline.recorded import recorded
from pipeline.settings import Settings
from pipeline.stores.ledger import Entry
from pipeline.stores.verify import Verification, verify
from pipeline.wiring import Workspace

FORMAT = 2  # schema_version of summaries and monitoring results that can be shown
LOOKS = 36  # of the drift history: three years of monthly looks, and a table that a page of A4 holds
EARLIER = 20  # dossiers before this one that are told in full
_TRAINING = "monitoring/retraining/challengers/"  # where training records are


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A cycle's drift summary and monitoring result; None where there is none, or it could not be read."""

    at: datetime
    summary: DriftSummary | None
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that the sections of a pack are written from; nothing here reads a store any more.

    Args:
        settings: As they are when the pack is made; the policy that judged is in the dossier.
        dossier: The evidence.
        history: What the ledger says of it.
        made: What the ledger recorded when a version was trained, by version.
        training: The challenger's training record: parameters, scores on its tuning rows, importances.
        reference: The body of the entry that froze the reference.
        cause: The look that called for the training.
        judged: The look of the cycle that judged.
        looks: Looks up to the judgement, oldest first; columns of the ledger's `looks`.
        alerts: What was open when it was judged.
        earlier: Dossiers before this one that could be read, the newest `EARLIER`.
        checked: The whole ledger, chain and rows, when the pack was made.
        missing: What could not be read, and why.
    """

    settings: Settings
    dossier: Dossier
    history: History
    made: Mapping[str, Mapping[str, Any]]
    training: Mapping[str, Any] | None
    reference: Mapping[str, Any] | None
    cause: Look | None
    judged: Look | None
    looks: pd.DataFrame
    alerts: tuple[Alert, ...]
    earlier: tuple[tuple[Reviewed, Dossier], ...]
    checked: Verification
    missing: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Of money."""
        return self.settings.profit.unit

    @property
    def signal(self) -> Mapping[str, Any] | None:
        """What caused the training; None where a person asked by hand and left no signal."""
        found = self.history.of("signal")
        return found[-1].body if found else None

    @property
    def watch(self) -> Entry | None:
        """What the watch last said of the promotion."""
        found = self.history.of("watch")
        return found[-1] if found else None


def gather(workspace: Workspace, digest: str, *, as_of: datetime) -> Case:
    """Read everything about a dossier.

    Raises:
        InputError: No such dossier, or not yet at that moment.
        IntegrityError: The dossier is not what was judged.
    """
    dossier, found = read_dossier(workspace, digest), history(workspace, digest, as_of=as_of)
    reading = _Reading(workspace)
    trained = workspace.ledger.entry("challenger", dossier.challenger)
    looks = workspace.ledger.acts_before("look", dossier.as_of, limit=LOOKS - 1)
    looks += [look for moment in [dossier.as_of] if (look := workspace.ledger.get("look", moment.isoformat()))]
    versions = dict.fromkeys((dossier.champion, dossier.challenger, dossier.original))
    return Case(
        settings=workspace.settings,
        dossier=dossier,
        history=found,
        made={version: workspace.challenger(version) for version in versions},
        training=None if trained is None else reading.training(trained),
        reference=reading.reference(dossier.reference_sha256),
        cause=None if trained is None else reading.look(trained.at),
        judged=reading.look(dossier.as_of),
        looks=pd.DataFrame(looks),
        alerts=_alerts(workspace, dossier.as_of),
        earlier=tuple(reading.dossiers(found.earlier[-EARLIER:])),
        checked=verify(workspace.ledger, workspace=None),
        missing=tuple(dict.fromkeys(reading.missing)),
    )


@dataclass(slots=True)
class _Reading:
    """Reads recorded files, and keeps what could not be read."""

    workspace: Workspace
    missing: list[str] = field(default_factory=list)

    def document(self, entry: Entry, path: str | None, *, what: str) -> dict[str, Any] | None:
        """A JSON file that an entry recorded."""
        if path is None:
            self.missing.append(f"{what}: entry {entry.seq} of the ledger ({entry.kind} {entry.key}) names none")
            return None
        try:
            content: dict[str, Any] = json.loads(recorded(self.workspace, path, entry.files.get(path)))
        except (IntegrityError, ValueError) as error:
            self.missing.append(f"{what}: {error}")
            return None
        return content

    def look(self, moment: datetime) -> Look | None:
        """What the cycle of a moment left behind; None where there was no cycle."""
        cycle = self.workspace.ledger.entry("cycle", moment.isoformat())
        if cycle is None:
            return None
        told = self._of_format(cycle, cycle.body["summary_path"], what="drift summary")
        summary = None
        if told is not None:
            try:
                summary = DriftSummary.from_json(told)
            except ValueError as error:
                self.missing.append(f"{cycle.body['summary_path']}: not a drift summary: {error}")
        result = self._of_format(cycle, cycle.body["metrics_path"], what="monitoring result")
        return Look(at=moment, summary=summary, result=result)

    def _of_format(self, cycle: Entry, path: str | None, *, what: str) -> dict[str, Any] | None:
        content = self.document(cycle, path, what=what)
        if content is not None and content.get("schema_version") != FORMAT:
            self.missing.append(f"{path}: in format {content.get('schema_version')}, shown is {FORMAT}")
            return None
        return content

    def training(self, trained: Entry) -> dict[str, Any] | None:
        """The training record."""
        path = next((path for path in trained.files if path.startswith(_TRAINING)), None)
        return self.document(trained, path, what="training record")

    def reference(self, sha256: str) -> dict[str, Any] | None:
        """What the entry that froze this reference says, with what its metadata file says of it."""
        frozen = self.workspace.ledger.entries(kind="reference")
        entry = next((each for each in frozen if each.body["sha256"] == sha256), None)
        if entry is None:
            self.missing.append(f"reference {sha256[:12]}…: no entry of the ledger froze it")
            return None
        path = next((path for path in entry.files if path.endswith("reference_metadata.json")), None)
        told = self.document(entry, path, what="reference metadata") or {}
        return {**told, **entry.body, "entry": entry.seq, "frozen_at": entry.at}

    def dossiers(self, items: tuple[Reviewed, ...]) -> list[tuple[Reviewed, Dossier]]:
        """Those that can be read."""
        found = []
        for item in items:
            try:
                found.append((item, read_dossier(self.workspace, item.digest)))
            except MendError as error:
                self.missing.append(str(error))
        return found


def _alerts(workspace: Workspace, moment: datetime) -> tuple[Alert, ...]:
    """What was open at a moment, by the newest state on record then."""
    ledger = workspace.ledger
    newest = ledger.newest_of("alert_event", upto=ledger.last_seq(moment))
    return AlertState.from_json(newest.body["state"]).open if newest is not None and newest.body["state"] else ()
