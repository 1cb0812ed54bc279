"""Everything a use case needs, built from the settings in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout

from pipeline.clock import wall_clock
from pipeline.errors import NotInitialisedError, RefusedError
from pipeline.reference import load_reference, read_metadata
from pipeline.settings import Settings
from pipeline.stores.anchors import anchor
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.ledger import Ledger
from pipeline.stores.traffic import TrafficStore
from pipeline.training.registry_mlflow import MlflowRegistry

if TYPE_CHECKING:
    from pipeline.training.model_files import ScoringModel

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@dataclass
class Workspace:
    """One model's stores, registry and files."""

    settings: Settings
    traffic: TrafficStore
    ledger: Ledger
    registry: MlflowRegistry
    _models: dict[str, ScoringModel] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The workspace folder."""
        return self.settings.workspace

    @property
    def initialised(self) -> bool:
        """There is a champion on record."""
        return self.ledger.champion() is not None

    def require_champion(self) -> dict[str, Any]:
        """The champion on record, or one line that says what to do."""
        champion = self.ledger.champion()
        if champion is None:
            raise NotInitialisedError(self.root, "no champion yet; run `mend init`")
        return champion

    @cached_property
    def reference_sha256(self) -> str:
        """What the ledger says the reference is."""
        frozen = self.ledger.entries(kind="reference", limit=1)
        if not frozen:
            raise NotInitialisedError(self.root, "no reference on record; run `mend init`")
        return str(frozen[-1].body["sha256"])

    def reference(self) -> pd.DataFrame:
        """The frozen reference, checked against the ledger."""
        return load_reference(self.root, sha256=self.reference_sha256)

    @cached_property
    def horizon(self) -> timedelta:
        """How long until an outcome is final."""
        return timedelta(seconds=read_metadata(self.root)["label_horizon_s"])

    def model(self, version: str) -> ScoringModel:
        """A recorded model, its files checked against the ledger, loaded once.

        The bytes that were verified stay in memory and go on scoring; a file changed later is seen at the next start.
        """
        from pipeline.training.model_digests import recorded_model
        from pipeline.training.model_files import load_model

        if version not in self._models:
            self._models[version] = load_model(recorded_model(self, version), self.settings)
        return self._models[version]

    def challenger(self, version: str) -> dict[str, Any]:
        """What the ledger recorded when this version was trained."""
        record = self.ledger.get("challenger", version)
        if record is None:
            raise NotInitialisedError(self.root, f"model version {version} is not in the ledger")
        return record

    def now(self) -> datetime:
        """What time it is here: the simulated clock's after a replay, else the wall clock's."""
        last = self.ledger.last_cycle()
        return last["as_of"] if last and last["clock"] == "replay" else wall_clock()

    def require_wall_clock(self) -> None:
        """What happens today does not belong into a workspace that lives through history.

        Raises:
            RefusedError: The last cycle was a replay's.
        """
        last = self.ledger.last_cycle()
        if last is not None and last["clock"] == "replay":
            raise RefusedError(
                f"this workspace lives on a simulated clock ({last['as_of']:%Y-%m-%d})",
                "use one of its own: MEND_MODEL__WORKSPACE=var/live mend init",
            )

    def anchor(self, *, now: datetime, say: Callable[[str], None] = lambda _: None) -> None:
        """Leave the ledger's head where the settings say; what fails is said and on record, and stops nothing."""
        anchor(self.ledger, self.settings.ledger, model=self.settings.model.name, folder=self.root, now=now, say=say)

    def relative(self, path: Path) -> str:
        """A file's path inside the workspace, as the ledger writes it."""
        return path.resolve().relative_to(self.root).as_posix()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process may run cycles here; a second one is refused, not queued."""
        lock = FileLock(self.root / "cycle.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RefusedError(
                self.root, "another `mend` process is running cycles here; wait for it or stop it"
            ) from None
        try:
            yield
        finally:
            lock.release()


def open_workspace(settings: Settings) -> Workspace:
    """Open the stores, migrated to today's schema; creates the folder on first use."""
    if settings.signing.private_key or settings.signing.public_key:
        from pipeline.training.signing import require_keys  # only then: cryptography costs 0.04 s

        require_keys(settings)
    settings.workspace.mkdir(parents=True, exist_ok=True)
    traffic, ledger = (open_engine(settings.store_url(store)) for store in ("traffic", "ledger"))
    migrate(traffic, "traffic", lock=settings.workspace / "migrate.lock")
    migrate(ledger, "ledger", lock=settings.workspace / "migrate.lock")
    return Workspace(
        settings=settings,
        traffic=TrafficStore(traffic, settings.data.kinds),
        ledger=Ledger(ledger),
        registry=MlflowRegistry(
            name=settings.model.name,
            url=settings.store_url("mlflow"),
            artifacts=settings.workspace / "mlflow" / "artifacts",
        ),
    )
