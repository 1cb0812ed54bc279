"""Small makers of things that tests need, with sensible defaults and one thing changed at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import small_bank
from small_bank import AS_OF, model_of

from pipeline.artefacts import canonical_json, write_atomically
from pipeline.code_version import provenance
from pipeline.fairness_policy import read_fairness_policy
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.values import GatePolicy
from pipeline.reference import freeze
from pipeline.segments import segment_values
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

REPOSITORY = Path(__file__).parent.parent
LOANS = REPOSITORY / "data" / "sba_loans.csv.gz"
TRAINED_BEFORE = timedelta(days=1461)  # a challenger's training rows end so long before it is judged
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


def a_dossier(
    *,
    challenger: str = "2",
    champion: str = "1",
    as_of: datetime = AS_OF,
    better: bool = True,
    promoted_at: datetime = GO_LIVE,
    policy: GatePolicy | None = None,
    signed_within: timedelta = timedelta(days=14),
) -> Dossier:
    """What the gates of `a_workspace` say of a real model: one that passes every gate (`better`), or fails G4."""
    rows = small_bank.applicants(as_of)
    rows = rows[rows["event_time"] < as_of]
    start = as_of - TRAINED_BEFORE
    settings, policy = small_bank.SETTINGS, policy or small_bank.SETTINGS.gate_policy
    first, held, new = model_of("1"), model_of(champion), model_of(challenger, better=better)
    applicants = Applicants(
        ids=rows["application_id"].to_numpy(dtype=np.str_),
        event_time=rows["event_time"].dt.tz_localize(None).to_numpy(),
        y=rows["y"].fillna(UNKNOWN).to_numpy(dtype=np.int8),
        champion_score=held.score(rows),
        challenger_score=new.score(rows),
        original_score=first.score(rows),
        champion_threshold=held.threshold,
        challenger_threshold=new.threshold,
        original_threshold=first.threshold,
        amount=rows["loan_amount"].to_numpy(),
        segments=segment_values(rows, settings.data.segments),
        as_of=as_of,
        horizon=small_bank.HORIZON,
    )
    judged_rows, alpha = applicants.judged(), spendable(policy=policy, as_of=as_of, last_try_at=None)
    normal = segment_values(small_bank.reference(), settings.data.segments)
    found = evidence(
        judged_rows,
        policy=policy,
        alpha=alpha,
        applicants=applicants,
        expected_segments={name: np.unique(values).tolist() for name, values in normal.items()},
        fairness=read_fairness_policy(settings.fairness_policy_path),
    )
    return Dossier(
        model_name=settings.model.name,
        challenger=challenger,
        champion=champion,
        original="1",
        as_of=as_of,
        expires_at=as_of + signed_within,
        window_start=start,
        window_end=as_of - small_bank.HORIZON,
        last_promotion_at=promoted_at,
        last_try_at=None,
        row_ids_sha256=judged_rows.row_ids_sha256,
        data_sha256=judged_rows.data_sha256,
        applicants_sha256=applicants.sha256,
        champion_model_sha256=held.sha256,
        challenger_model_sha256=new.sha256,
        original_model_sha256=first.sha256,
        reference_sha256=small_bank.reference_sha256(),
        signal_key="by hand",
        made_with=provenance(),
        policy=policy,
        evidence=found,
        checks=all_checks(found, policy=policy, as_of=as_of, last_promotion_at=promoted_at, last_try_at=None),
    )


def a_workspace(folder: Path, **changes: str) -> Workspace:
    """Real stores with the small bank's applicants and outcomes, a frozen reference, and version 1 as champion."""
    workspace = open_workspace(load_settings(a_settings_file(folder, **changes)))
    rows = small_bank.applicants()
    workspace.traffic.add_applications(rows, received_at=AS_OF - timedelta(days=12))
    workspace.traffic.add_labels(rows[rows["y"].notna()][["application_id", "y", "known_at"]], recorded_at=AS_OF)
    frozen = freeze(small_bank.reference(), workspace.settings, horizon=small_bank.HORIZON)
    model_of("1").write(workspace.root / "mlflow" / "1")
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        body = {"sha256": next(iter(frozen.values())), "rows": 300, "data_file_sha256": "e" * 64}
        writer.record("reference", "1", body, at=GO_LIVE, actor="mend", files=frozen)
        put_on_record(writer, version="1", as_of=GO_LIVE)
        writer.swap_champion(expected=None, new="1", at=GO_LIVE, how="init", actor="mend", digest=None)
    return workspace


def put_on_record(
    writer, *, version: str, as_of: datetime = AS_OF, requested_by: str = "mend", better: bool = True
) -> None:
    """A trained version in the ledger."""
    model = model_of(version, better=better)
    values = {
        "version": version,
        "signal": None,
        "as_of": as_of,
        "train_start": as_of - timedelta(days=2000),
        "train_end": as_of - TRAINED_BEFORE,
        "rows": 3000,
        "positives": 200,
        "recipe": "logistic_regression",
        "threshold": model.threshold,
        "data_sha256": "d" * 64,
        "model_sha256": model.sha256,
        "model_path": f"mlflow/{version}",
        "mlflow_run": "r",
        "requested_by": requested_by,
    }
    files = {f"mlflow/{version}/{name}": digest for name, digest in model.files.items()}
    writer.record("challenger", version, values, at=as_of, actor=requested_by, files=files)


def judged(workspace: Workspace, dossier: Dossier, *, requested_by: str = "mend") -> str:
    """Put a challenger, its model and its dossier on record, files included; returns the digest."""
    better = dossier.challenger_model_sha256 == model_of(dossier.challenger).sha256
    model_of(dossier.challenger, better=better).write(workspace.root / "mlflow" / dossier.challenger)
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
        put_on_record(writer, version=dossier.challenger, as_of=dossier.as_of, requested_by=requested_by, better=better)
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
