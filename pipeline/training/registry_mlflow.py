"""MLflow: where runs are tracked and versions registered. It follows the ledger; it is never asked who is champion."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.errors import RegistryError

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing phones home
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default a server that is down is waited for minutes
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

_KEY_TAG = "mend.key"  # one training plan, one version: a crash and a repeat find it again
_STAGES = ("Production", "Staging", "Archived")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version in the registry and where its files are."""

    version: str
    run_id: str
    folder: Path


class MlflowRegistry:
    """Experiment tracking and the registry of one model. MLflow is imported on first use: it costs 4-5 CPU seconds."""

    def __init__(self, *, name: str, url: str, artifacts: Path) -> None:
        self.name, self.url, self.artifacts = name, url, artifacts
        self._mlflow: Any = None

    @property
    def mlflow(self) -> Any:
        """The library, pointed at our store, with the store migrated by one process at a time."""
        if self._mlflow is None:
            import mlflow
            import mlflow.sklearn

            self.artifacts.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(self.url)
            mlflow.set_registry_uri(self.url)
            with FileLock(self.artifacts.parent / "migrate.lock"):
                self._make_store()
                if mlflow.get_experiment_by_name(self.name) is None:
                    mlflow.create_experiment(self.name, artifact_location=self.artifacts.as_uri())
            self._mlflow = mlflow
        return self._mlflow

    def _make_store(self) -> None:
        """Make an SQLite store under another name, and give it its own once it is complete.

        MLflow's first migrations take seconds and are not one transaction: killed between two of them, a store of that
        name would fail for ever ("duplicate column").
        """
        path = Path(self.url.removeprefix("sqlite:///"))
        if not self.url.startswith("sqlite:///"):
            return
        if path.exists():
            _require_openable(path)
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        unfinished = path.with_name(f"{path.name}.unfinished")
        for left in path.parent.glob(f"{unfinished.name}*"):
            left.unlink()
        made = SqlAlchemyStore(f"sqlite:///{unfinished}", self.artifacts.as_uri())
        made.engine.dispose()
        unfinished.replace(path)

    @property
    def _client(self) -> Any:
        return self.mlflow.MlflowClient()

    def find(self, key: str) -> Registered | None:
        """The version that this training plan made, if it was made."""
        found = self._client.search_model_versions(f"name = '{self.name}' and tags.`{_KEY_TAG}` = '{key}'")
        return self._registered(found[0]) if found else None

    def log_and_register(
        self,
        model: Any,
        *,
        key: str,
        run_name: str,
        example: Any,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        figures: Mapping[str, Any],
        tables: Mapping[str, Any],
        trusted_types: tuple[str, ...],
        register: bool,
    ) -> Registered | None:
        """Track one training run and register its model; an earlier half-finished try is marked killed."""
        mlflow, client = self.mlflow, self._client
        experiment = mlflow.get_experiment_by_name(self.name).experiment_id
        for run in client.search_runs([experiment], f"tags.`{_KEY_TAG}` = '{key}' and attributes.status = 'RUNNING'"):
            client.set_terminated(run.info.run_id, "KILLED")
        run_tags = {**tags, _KEY_TAG: key}
        with mlflow.start_run(experiment_id=experiment, run_name=run_name, tags=run_tags) as run:
            mlflow.log_params(dict(params))
            mlflow.log_metrics(dict(metrics))
            for name, figure in figures.items():
                mlflow.log_figure(figure, f"plots/{name}.png")
            for name, table in tables.items():
                mlflow.log_text(table.to_csv(index=False), f"tables/{name}.csv")
            info = mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="skops",
                skops_trusted_types=list(trusted_types),
                signature=mlflow.models.infer_signature(example, model.predict_proba(example)[:, 1]),
                pip_requirements=_requirements(),
            )
        if not register:
            return None
        self._ensure_model()
        version = client.create_model_version(
            self.name,
            info.model_uri,
            run_id=run.info.run_id,
            tags={_KEY_TAG: key, "stage": "Staging"},
            model_id=info.model_id,
        )
        client.set_registered_model_alias(self.name, "challenger", version.version)
        return self._registered(version)

    def project(self, *, champion: str, stages: Mapping[str, str]) -> list[str]:
        """Make aliases and stage tags say what the ledger says; returns what had to be changed, one line each.

        Raises:
            RegistryError: It does not answer, or not as a registry does.
        """
        with self._answering():
            return self._projected(champion, stages)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """MLflow raises whatever its store raises: a refused connection, a locked file, a full disk."""
        try:
            with _quiet():
                yield
        except Exception as error:
            told = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            where = self.url.rpartition("@")[2]  # never a password
            raise RegistryError(f"registry {where} does not answer; `mend reconcile` tells it later", told) from error

    def _projected(self, champion: str, stages: Mapping[str, str]) -> list[str]:
        client, changes = self._client, []
        if (held := self.champion()) != champion:
            client.set_registered_model_alias(self.name, "champion", champion)
            changes.append(f"alias champion: {held or 'none'} → {champion}")
        for version, stage in stages.items():
            assert stage in _STAGES
            if client.get_model_version(self.name, version).tags.get("stage") != stage:
                client.set_model_version_tag(self.name, version, "stage", stage)
                changes.append(f"version {version}: stage {stage}")
        return changes

    def champion(self) -> str | None:
        """Which version the alias points at."""
        aliases = self._client.get_registered_model(self.name).aliases
        return str(aliases["champion"]) if "champion" in aliases else None

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.get_registered_model(self.name)
        except MlflowException:
            self._client.create_registered_model(self.name)

    def _registered(self, version: Any) -> Registered:
        model_id = version.model_id or version.source.removeprefix("models:/")  # a fresh version knows only its source
        location = self.mlflow.get_logged_model(model_id).artifact_location
        folder = self.mlflow.artifacts.download_artifacts(location) if "://" in location else location
        return Registered(
            version=str(version.version), run_id=version.run_id, folder=Path(folder.removeprefix("file://"))
        )


def _require_openable(path: Path) -> None:
    """Raise at once where SQLite cannot open the file: MLflow would try ten times, 100 seconds in all."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA schema_version")


@contextmanager
def _quiet() -> Iterator[None]:
    """What MLflow raises is told by us, in one line; its store logs the traceback as well."""
    log = logging.getLogger("mlflow.store.db.utils")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _requirements() -> list[str]:
    """What the model needs to be loaded, pinned; inferring it takes MLflow 12-25 s."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("scikit-learn", "skops", "numpy", "pandas")]
