"""One notebook each: look at a window, train a model, judge a challenger. What came of it is recorded, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pipeline.artefacts import sha256_file, stamp
from pipeline.baseline import record_baseline
from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError, NotebookFailedError
from pipeline.running.notebooks import NotebookRun
from pipeline.stores.engine import iso
from pipeline.training.model_digests import RecordedModel, folder_digest, folder_files
from pipeline.training.signing import require_keys, sign
from pipeline.wiring import Workspace

SERVICE = "mend"  # who acts when no person does
Parameter = str | int | float | bool


class Runner(Protocol):
    """Runs a notebook by name."""

    def run(self, name: str, parameters: Mapping[str, Parameter], *, run_id: str) -> NotebookRun:
        """Run it in a process of its own."""

    def prewarm(self, name: str, *, ready: int = 1) -> None:
        """Get kernels ready for its next runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The three notebook steps over one workspace.

    `say` gets a line per event. `ahead` is how many kernels are got ready for the looks that follow this one: a kernel
    takes longer to import than to look, and there are as many looks as the clock allows in a replay.
    """

    workspace: Workspace
    runner: Runner
    say: Callable[[str], None]
    ahead: int = 0

    def look(self, as_of: datetime) -> dict[str, Any]:
        """Judge the current window; returns the monitoring result, with its path and SHA-256."""
        self.runner.prewarm("drift", ready=1 + self.ahead)
        record_baseline(self.workspace, at=as_of, actor=SERVICE, say=self.say)
        return self._artefact(self._run("drift", as_of, {}))

    def train(self, as_of: datetime, *, purpose: str, signal: str, requested_by: str) -> str:
        """Train and register a model; returns its version. Recorded with the digest of every model file."""
        self.runner.prewarm("gate")
        key = f"{purpose} {stamp(as_of)}"
        require_keys(self.workspace.settings)
        path = self._run("train", as_of, {"purpose": purpose, "signal": signal, "requested_by": requested_by})
        made = self._artefact(path)
        ledger = self.workspace.ledger
        if ledger.get("challenger", str(made["version"])) is not None:
            return str(made["version"])
        files = {**self._model_files(made), made["path"]: made["sha256"]}
        times = {name: datetime.fromisoformat(made[name]) for name in ("as_of", "train_start", "train_end")}
        columns = (
            "rows",
            "positives",
            "recipe",
            "threshold",
            "data_sha256",
            "model_sha256",
            "model_path",
            "mlflow_run",
        )
        values = {
            "version": made["version"],
            "signal": signal or None,
            **times,
            **{name: made[name] for name in columns},
            "requested_by": requested_by,
        }
        with ledger.transaction(recorded_at=wall_clock()) as writer:
            new = writer.record(
                "challenger",
                made["version"],
                values,
                at=as_of,
                actor=requested_by,
                files=files,
            )
        if new:
            self.say(f"trained version {made['version']} ({key}): {made['rows']} rows, {made['positives']} bad")
        return str(made["version"])

    def _model_files(self, made: Mapping[str, Any]) -> dict[str, str]:
        """SHA-256 of every file of the new model and, when this desk signs, of the signature beside them."""
        folder = self.workspace.root / made["model_path"]
        files = folder_files(folder)
        if folder_digest(files) != made["model_sha256"]:
            raise IntegrityError(folder, "the model's files were changed after training; nothing is recorded")
        model = RecordedModel(version=made["version"], folder=folder, files=files, threshold=made["threshold"])
        signed = sign(model, self.workspace.settings)
        return {
            **{f"{made['model_path']}/{name}": digest for name, digest in files.items()},
            **{self.workspace.relative(path): digest for path, digest in signed.items()},
        }

    def judge(self, as_of: datetime, version: str) -> dict[str, Any]:
        """Put a challenger through the gates; returns the dossier's ledger row."""
        path = self._run("gate", as_of, {"challenger": version})
        dossier = self._artefact(path)
        values = {
            "digest": dossier["sha256"],
            "challenger": dossier["challenger"],
            "champion": dossier["champion"],
            "as_of": as_of,
            "expires_at": datetime.fromisoformat(dossier["expires_at"]),
            "status": dossier["status"],
            "path": dossier["path"],
        }
        again = dossier["recheck_at"]
        trial = {
            "digest": dossier["sha256"],
            "challenger": dossier["challenger"],
            "as_of": as_of,
            "metric": dossier["policy"]["primary"],
            "error_spent": dossier["error_spent"],
            "recheck_at": None if again is None else datetime.fromisoformat(again),
        }
        with self.workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            files = {dossier["path"]: dossier["sha256"]}
            writer.record("trial", dossier["sha256"], trial, at=as_of, actor=SERVICE)
            if writer.record("dossier", dossier["sha256"], values, at=as_of, actor=SERVICE, files=files):
                self.say(f"judged version {version}: {_verdict(dossier)}")
        return values

    def _run(self, name: str, as_of: datetime, parameters: dict[str, Parameter]) -> Path:
        """Run a notebook unless this step is on record as done; a failed try is recorded and may be repeated."""
        suffix = "".join(f"_v{value}" for key, value in parameters.items() if key == "challenger")
        base, root = f"{stamp(as_of)}_{name}{suffix}", self.workspace.root
        tried = [row for row in self.workspace.ledger.runs_of(as_of) if row["run_id"].partition(".")[0] == base]
        for row in tried:
            if row["status"] == "succeeded":
                return Path(root / row["artefact"])
        run_id = f"{base}.{len(tried) + 1}" if tried else base
        given = {"config": str(self.workspace.settings.source), "as_of": iso(as_of), "scheduled": True, **parameters}
        run = self.runner.run(name, given, run_id=run_id)
        self._record(run, as_of)
        if run.artefact is None:
            raise NotebookFailedError(f"{name}.ipynb", run.error, f"executed copy: {run.path}")
        return run.artefact

    def _record(self, run: NotebookRun, as_of: datetime) -> None:
        path = self.workspace.relative(run.path)
        values = {
            "run_id": run.run_id,
            "notebook": run.notebook,
            "as_of": as_of,
            "status": run.status,
            "seconds": round(run.seconds, 3),
            "path": path,
            "artefact": self.workspace.relative(run.artefact) if run.artefact else None,
            "error": run.error,
        }
        with self.workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            writer.record("run", run.run_id, values, at=as_of, actor=SERVICE, files={path: run.sha256})

    def _artefact(self, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**content, "path": self.workspace.relative(path), "sha256": sha256_file(path)}


def _verdict(dossier: Mapping[str, Any]) -> str:
    failed = [f"{check['code']} {check['outcome']}" for check in dossier["checks"] if check["outcome"] != "passed"]
    return {"promotable": "every gate passed; waits for a signature", "waiting": "waits for more labels"}.get(
        dossier["status"], "refused"
    ) + (f" ({', '.join(failed)})" if failed else "")
