"""A desk to break: real stores, real models, a real registry, made once and copied for every try."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from builders import AS_OF, HEAD, OFFICER, a_dossier, a_workspace, judged
from postgres import Server

from pipeline.promotion.person import Person
from pipeline.promotion.reconcile import reconcile
from pipeline.settings import load_settings
from pipeline.stores.verify import verify
from pipeline.wiring import Workspace, open_workspace

NOW = AS_OF + timedelta(days=1)
SIGNER = Person(actor=OFFICER, method="local", os_user="clerk")
SECOND = Person(actor=HEAD, method="local", os_user="clerk")


class Stage:
    """Copies of one desk on which versions 2 to `versions` wait for a signature; on SQLite, or with ledger and traffic on PostgreSQL.

    Args:
        folder: Where to work; copies are made and removed below it.
        server: An empty PostgreSQL; None for SQLite.
        versions: Highest version that was trained and judged.
        approvers: How many names are on the list of approvers; 0 for the two of the shipped settings.
    """

    def __init__(self, folder: Path, *, server: Server | None = None, versions: int = 3, approvers: int = 0) -> None:
        self.folder, self.server = folder, server
        self.name = "PostgreSQL" if server else "SQLite"
        self.digests: dict[str, str] = {}
        self._template, self._database = folder / "template", f"stage_{uuid.uuid4().hex[:12]}"
        self._make(versions, approvers)

    def _make(self, versions: int, approvers: int) -> None:
        self._template.mkdir(parents=True)
        changes = {}
        if approvers:
            changes["approvers"] = str([f"approver{i}" for i in range(approvers)]).replace("'", '"')
        if self.server:
            self.server.sql(f"CREATE DATABASE {self._database}")
        with self._on(self._database):
            workspace = a_workspace(self._template, **changes)
            for version in map(str, range(2, versions + 1)):
                self.digests[version] = judged(workspace, a_dossier(challenger=version))
            client = workspace.registry._client
            client.create_registered_model(workspace.settings.model.name)
            for version in range(1, versions + 1):
                client.create_model_version(workspace.settings.model.name, str(workspace.root / f"mlflow/{version}"))
            with patch("pipeline.promotion.reconcile.wall_clock", return_value=AS_OF):  # all of it was recorded by then
                reconcile(workspace, now=AS_OF)
            close(workspace)

    @contextmanager
    def _on(self, database: str) -> Iterator[None]:
        """Point a workspace's ledger and traffic at a database of the server."""
        if self.server is None:
            yield
            return
        before = dict(os.environ)
        os.environ.update(dict.fromkeys(("MEND_STORES__LEDGER", "MEND_STORES__TRAFFIC"), self.server.url(database)))
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """The settings file of a fresh copy, with its stores; gone afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        shutil.copytree(self._template, self.folder / name)
        if self.server:
            self.server.sql(f"CREATE DATABASE {name} TEMPLATE {self._database}")
        try:
            with self._on(name):
                yield self.folder / name / "mend.toml"
        finally:
            shutil.rmtree(self.folder / name)
            if self.server:
                self.server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def opened(config: Path) -> Workspace:
    """The workspace of a copy."""
    return open_workspace(load_settings(config))


def close(workspace: Workspace) -> None:
    """Let go of its stores."""
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def problems(workspace: Workspace, *, expected: set[str]) -> list[str]:
    """What does not hold after the next start: one champion, records that match, a chain and a registry that agree.

    Args:
        workspace: As a process finds it that starts after the fault.
        expected: Versions of which one has to be champion.
    """
    reconcile(workspace, now=NOW)
    ledger, found = workspace.ledger, []
    champions, decisions = ledger.acts("champion"), ledger.acts("decision")
    signed = {row["digest"] for row in decisions if row["verdict"] == "approved"}
    if champions[-1]["version"] not in expected:
        found.append(f"champion is version {champions[-1]['version']}, expected one of {sorted(expected)}")
    promoted = [row["digest"] for row in champions if row["how"] == "promotion"]
    if sorted(promoted) != sorted(signed):
        found.append(f"{len(signed)} approvals on record and {len(promoted)} promotions")
    if {entry.key for entry in ledger.entries(kind="signature")} != {row["digest"] for row in decisions}:
        found.append("decisions and signatures do not match")
    rolled = [row for row in champions if row["how"] == "rollback"]
    if len(rolled) != len(ledger.entries(kind="rollback")):
        found.append(f"{len(rolled)} rollbacks took place and {len(ledger.entries(kind='rollback'))} are on record")
    if [row["number"] for row in champions] != list(range(1, len(champions) + 1)):
        found.append("reigns are not numbered in order")
    found += verify(ledger, workspace=workspace.root).breaks
    if (alias := workspace.registry.champion()) != champions[-1]["version"]:
        found.append(f"the registry says version {alias}")
    files = {path.name for path in (workspace.root / "monitoring/retraining/decisions").glob("*_approved.json")}
    if len(files) != len(signed):
        found.append(f"{len(files)} files say approved, {len(signed)} approvals are on record")
    return found
