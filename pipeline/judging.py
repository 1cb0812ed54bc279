"""Gather what the gates look at: the same mature rows, that neither model trained on, scored by both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artefacts import stamp
from pipeline.desk import Desk
from pipeline.errors import NotEnoughDataError
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import Evidence, JudgedRows, evidence
from pipeline.gate.values import GatePolicy
from pipeline.segments import segment_values
from pipeline.training import model_files  # noqa: F401  scoring needs it, and here it is imported while a kernel warms
from pipeline.wiring import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A challenger against today's champion: their records and the rows both are judged on."""

    as_of: datetime
    champion: dict[str, Any]
    challenger: dict[str, Any]
    window_start: datetime
    window_end: datetime
    rows: JudgedRows
    expected_segments: dict[str, list[str]]


DECISIONS = "monitoring/retraining/decisions"


def gate_policy(workspace: Workspace) -> GatePolicy:
    """The gate's thresholds, as the settings say them."""
    gate = workspace.settings.gate
    return GatePolicy(**gate.model_dump(), seed=workspace.settings.train.seed)


def open_case(desk: Desk, challenger: str = "") -> Case:
    """A challenger against the champion at the desk's moment; empty means the newest challenger."""
    ledger = desk.workspace.ledger
    champions = {row["version"] for row in ledger.acts("champion")}
    trained = [row["version"] for row in ledger.acts("challenger") if row["version"] not in champions]
    if not challenger and not trained:
        raise NotEnoughDataError("gate", "no challenger has been trained yet; run `mend replay` or `mend train`")
    return case_of(desk.workspace, challenger or trained[-1], as_of=desk.as_of)


def case_of(workspace: Workspace, version: str, *, as_of: datetime) -> Case:
    """Fetch the rows that a challenger is judged on and score them with both models.

    The rows are those mature at `as_of` (event time ≤ as_of − horizon) and later than both training windows.
    """
    champion = workspace.challenger(workspace.require_champion()["version"])
    challenger = workspace.challenger(version)
    start = max(champion["train_end"], challenger["train_end"])
    end = max(as_of - workspace.horizon, start)
    mature = workspace.traffic.outcomes(start, end, as_of=as_of)
    labelled = mature[mature["y"].notna()].reset_index(drop=True)
    segments = workspace.settings.data.segments
    reference = segment_values(workspace.reference(), segments)
    rows = JudgedRows(
        ids=labelled["application_id"].to_numpy(dtype=np.str_),
        y=labelled["y"].to_numpy(dtype=np.int8),
        champion_score=workspace.model(champion["version"]).score(labelled),
        challenger_score=workspace.model(version).score(labelled),
        champion_threshold=champion["threshold"],
        challenger_threshold=challenger["threshold"],
        segments=segment_values(labelled, segments),
        mature_rows=len(mature),
    )
    return Case(
        as_of=as_of,
        champion=champion,
        challenger=challenger,
        window_start=start,
        window_end=end,
        rows=rows,
        expected_segments={name: np.unique(values).tolist() for name, values in reference.items()},
    )


def gather(desk: Desk, case: Case) -> Evidence:
    """Measure both models on the case's rows."""
    return evidence(case.rows, policy=gate_policy(desk.workspace), expected_segments=case.expected_segments)


def save_dossier(desk: Desk, dossier: Dossier) -> Path:
    """Write the dossier: the file's SHA-256 is the digest that an approver signs."""
    return desk.write(f"{DECISIONS}/decision_{stamp(desk.as_of)}_v{dossier.challenger}.json", dossier.to_json())


def draw_up(desk: Desk, case: Case, measured: Evidence) -> Dossier:
    """Judge the evidence by every gate and bind it all into a dossier."""
    workspace, policy = desk.workspace, gate_policy(desk.workspace)
    promoted_at = workspace.require_champion()["since"]
    return Dossier(
        model_name=workspace.settings.model.name,
        challenger=case.challenger["version"],
        champion=case.champion["version"],
        as_of=case.as_of,
        expires_at=case.as_of + workspace.settings.approval.expires_after,
        window_start=case.window_start,
        window_end=case.window_end,
        last_promotion_at=promoted_at,
        row_ids_sha256=case.rows.row_ids_sha256,
        data_sha256=case.rows.data_sha256,
        champion_model_sha256=case.champion["model_sha256"],
        challenger_model_sha256=case.challenger["model_sha256"],
        reference_sha256=workspace.reference_sha256,
        signal_key=case.challenger["signal"] or "by hand",
        policy=policy,
        evidence=measured,
        checks=all_checks(measured, policy=policy, as_of=case.as_of, last_promotion_at=promoted_at),
    )
