"""Small makers of things that tests need, with sensible defaults and one thing changed at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from pipeline.artefacts import canonical_json, write_atomically
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.values import GatePolicy
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

REPOSITORY = Path(__file__).parent.parent
LOANS = REPOSITORY / "data" / "sba_loans.csv.gz"
AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
GO_LIVE = datetime(2004, 1, 1, tzinfo=UTC)
OFFICER, HEAD = "credit.officer@bank.example", "risk.head@bank.example"


def mend(*arguments: str, config: Path, exit_code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own, and expect an exit code."""
    command = [sys.executable, "-m", "pipeline", "--config", str(config), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | variables, cwd=config.parent, check=False
    )
    assert done.returncode == exit_code, f"mend {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def a_settings_file(folder: Path, **changes: str) -> Path:
    """The shipped mend.toml in another folder, with its own workspace; `changes` replace lines by their key."""
    text = (REPOSITORY / "mend.toml").read_text(encoding="utf-8")
    fairness = json.dumps(str(REPOSITORY / "configs" / "fairness_policy.toml"))
    here = {"path": json.dumps(str(LOANS)), "workspace": '"ws"', "fairness_policy": fairness}
    for key, value in (here | changes).items():
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines()]
        assert lines != text.splitlines(), key
        text = "\n".join(lines)
    path = folder / "mend.toml"
    path.write_text(text, encoding="utf-8")
    return path


def a_dossier(*, challenger: str = "2", champion: str = "1", as_of: datetime = AS_OF, better: bool = True) -> Dossier:
    """A dossier on 1,000 applicants that passes every gate (`better`), or fails G4; 200 more are not mature yet."""
    n = 1200
    y = (np.arange(n) % 5 == 0).astype(np.int8)
    blind, seeing = np.where(np.arange(n) % 3 == 0, 0.6, 0.4), np.where(y == 1, 0.8, 0.1 + np.arange(n) % 7 / 100)
    policy = GatePolicy()
    horizon = timedelta(days=30)
    applicants = Applicants(
        ids=np.array([f"row{i:04d}" for i in range(n)]),
        event_time=np.datetime64((as_of - horizon).replace(tzinfo=None), "us")
        + (np.arange(n) - 999) * np.timedelta64(2, "h"),
        y=np.where(np.arange(n) < 1000, y, UNKNOWN),
        champion_score=blind if better else seeing,
        challenger_score=seeing if better else blind,
        champion_threshold=0.5,
        challenger_threshold=0.5,
        segments={},
        as_of=as_of,
        horizon=horizon,
    )
    rows, alpha = applicants.judged(), spendable(policy=policy, as_of=as_of, last_try_at=None)
    found = evidence(rows, policy=policy, alpha=alpha, applicants=applicants)
    return Dossier(
        model_name="test",
        challenger=challenger,
        champion=champion,
        original="1",
        as_of=as_of,
        expires_at=as_of + timedelta(days=14),
        window_start=as_of - timedelta(days=400),
        window_end=as_of - timedelta(days=30),
        last_promotion_at=GO_LIVE,
        last_try_at=None,
        row_ids_sha256=rows.row_ids_sha256,
        data_sha256=rows.data_sha256,
        applicants_sha256=applicants.sha256,
        champion_model_sha256="a" * 64,
        challenger_model_sha256="b" * 64,
        original_model_sha256="a" * 64,
        reference_sha256="c" * 64,
        signal_key="s",
        policy=policy,
        evidence=found,
        checks=all_checks(found, policy=policy, as_of=as_of, last_promotion_at=GO_LIVE, last_try_at=None),
    )


def a_workspace(folder: Path, **changes: str) -> Workspace:
    """Real, empty stores in a folder, and version 1 as champion on record (without model files)."""
    workspace = open_workspace(load_settings(a_settings_file(folder, **changes)))
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        put_on_record(writer, version="1", as_of=GO_LIVE)
        writer.swap_champion(expected=None, new="1", at=GO_LIVE, how="init", actor="mend", digest=None)
    return workspace


def put_on_record(writer, *, version: str, as_of: datetime = AS_OF, requested_by: str = "mend") -> None:
    """A trained version in the ledger."""
    values = {
        "version": version,
        "signal": None,
        "as_of": as_of,
        "train_start": as_of - timedelta(days=2000),
        "train_end": as_of - timedelta(days=1461),
        "rows": 3000,
        "positives": 200,
        "recipe": "hist_gradient_boosting",
        "threshold": 0.5,
        "data_sha256": "d" * 64,
        "model_sha256": "b" * 64,
        "model_path": f"mlflow/{version}",
        "mlflow_run": "r",
        "requested_by": requested_by,
    }
    writer.record("challenger", version, values, at=as_of, actor=requested_by)


def judged(workspace: Workspace, dossier: Dossier, *, requested_by: str = "mend") -> str:
    """Put a challenger and its dossier on record, file included; returns the digest."""
    path = f"monitoring/retraining/decisions/decision_{dossier.as_of:%Y%m%d_%H%M%S}_v{dossier.challenger}.json"
    digest = write_atomically(workspace.root / path, canonical_json(dossier.to_json()))
    assert digest == dossier.digest
    values = {
        "digest": digest,
        "challenger": dossier.challenger,
        "champion": dossier.champion,
        "as_of": dossier.as_of,
        "expires_at": dossier.expires_at,
        "status": dossier.status,
        "path": path,
    }
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        put_on_record(writer, version=dossier.challenger, as_of=dossier.as_of, requested_by=requested_by)
        writer.record("dossier", digest, values, at=dossier.as_of, actor="mend", files={path: digest})
        trial = {
            "digest": digest,
            "challenger": dossier.challenger,
            "as_of": dossier.as_of,
            "metric": dossier.policy.primary,
            "error_spent": dossier.error_spent,
            "recheck_at": dossier.recheck_at,
        }
        writer.record("trial", digest, trial, at=dossier.as_of, actor="mend")
    return digest
