"""Gather what the gates look at: the same mature rows, that neither model trained on, scored by both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.artefacts import stamp
from pipeline.code_version import provenance
from pipeline.desk import Desk
from pipeline.error_budget import last_try
from pipeline.errors import NotEnoughDataError
from pipeline.fairness_policy import read_fairness_policy
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.measured import Evidence
from pipeline.gate.rows import UNKNOWN, Applicants, JudgedRows
from pipeline.gate.values import GatePolicy
from pipeline.segments import segment_values
from pipeline.training import model_files  # noqa: F401  scoring needs it, and here it is imported while a kernel warms
from pipeline.wiring import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A challenger against today's champion: their records and the rows both are judged on."""

    as_of: datetime
    original: dict[str, Any]
    champion: dict[str, Any]
    challenger: dict[str, Any]
    last_try_at: datetime | None
    window_start: datetime
    window_end: datetime
    applicants: Applicants
    rows: JudgedRows
    expected_segments: dict[str, list[str]]


DECISIONS = "monitoring/retraining/decisions"


def open_case(desk: Desk, challenger: str = "") -> Case:
    """A challenger against the champion at the desk's moment; empty means the newest challenger."""
    ledger = desk.workspace.ledger
    champions = {row["version"] for row in ledger.acts("champion")}
    trained = [row["version"] for row in ledger.acts("challenger") if row["version"] not in champions]
    if not challenger and not trained:
        raise NotEnoughDataError("gate", "no challenger has been trained yet; run `mend replay` or `mend train`")
    return case_of(desk.workspace, challenger or trained[-1], as_of=desk.as_of)


def case_of(workspace: Workspace, version: str, *, as_of: datetime, champion: str | None = None) -> Case:
    """Fetch everybody who applied since both models were trained, and score them with both and the first champion.

    Without a `champion`, today's.

    Judged are those mature at `as_of` (event time ≤ as_of − horizon), labelled, and later than all training windows.
    """
    original = workspace.challenger(workspace.ledger.acts("champion")[0]["version"])
    holder = workspace.challenger(champion or workspace.require_champion()["version"])
    challenger = workspace.challenger(version)
    start = max(made["train_end"] for made in (original, holder, challenger))
    since = workspace.traffic.outcomes(start, max(as_of, start), as_of=as_of)
    segments, amount = workspace.settings.data.segments, workspace.settings.profit.amount
    at_stake = since[amount].fillna(0.0).clip(lower=0.0).to_numpy() if amount else np.ones(len(since))
    applicants = Applicants(
        ids=since["application_id"].to_numpy(dtype=np.str_),
        event_time=since["event_time"].dt.tz_localize(None).to_numpy(),
        y=since["y"].fillna(UNKNOWN).to_numpy(dtype=np.int8),
        champion_score=_scores(workspace, holder, since),
        challenger_score=_scores(workspace, challenger, since),
        original_score=_scores(workspace, original, since),
        champion_threshold=holder["threshold"],
        challenger_threshold=challenger["threshold"],
        original_threshold=original["threshold"],
        amount=at_stake,
        segments=segment_values(since, segments),
        as_of=as_of,
        horizon=workspace.horizon,
    )
    reference = segment_values(workspace.reference(), segments)
    return Case(
        as_of=as_of,
        original=original,
        champion=holder,
        challenger=challenger,
        last_try_at=last_try(workspace.ledger, version, as_of=as_of),
        window_start=start,
        window_end=max(as_of - workspace.horizon, start),
        applicants=applicants,
        rows=applicants.judged(),
        expected_segments={name: np.unique(values).tolist() for name, values in reference.items()},
    )


def _scores(workspace: Workspace, made: Mapping[str, Any], applications: pd.DataFrame) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = workspace.model(made["version"]).score(applications)
    return scores


def gather(desk: Desk, case: Case) -> Evidence:
    """Measure both models on the case's rows, by today's policies."""
    path = desk.settings.fairness_policy_path
    return measure(case, desk.settings.gate_policy, None if path is None else read_fairness_policy(path))


def measure(case: Case, policy: GatePolicy, fairness: FairnessPolicy | None) -> Evidence:
    """Measure both models on the case's rows."""
    return evidence(
        case.rows,
        policy=policy,
        alpha=spendable(policy=policy, as_of=case.as_of, last_try_at=case.last_try_at),
        applicants=case.applicants,
        expected_segments=case.expected_segments,
        fairness=fairness,
    )


def save_dossier(desk: Desk, dossier: Dossier) -> Path:
    """Write the dossier: the file's SHA-256 is the digest that an approver signs."""
    return desk.write(f"{DECISIONS}/decision_{stamp(desk.as_of)}_v{dossier.challenger}.json", dossier.to_json())


def draw_up(desk: Desk, case: Case, measured: Evidence) -> Dossier:
    """Judge the evidence by every gate and bind it all into a dossier."""
    settings = desk.settings
    return bind(
        desk.workspace,
        case,
        measured,
        policy=settings.gate_policy,
        promoted_at=desk.workspace.require_champion()["since"],
        expires_at=case.as_of + settings.approval.expires_after,
    )


def bind(
    workspace: Workspace,
    case: Case,
    measured: Evidence,
    *,
    policy: GatePolicy,
    promoted_at: datetime,
    expires_at: datetime,
) -> Dossier:
    """A dossier of a case and what was measured on it, by a policy."""
    return Dossier(
        model_name=workspace.settings.model.name,
        challenger=case.challenger["version"],
        champion=case.champion["version"],
        original=case.original["version"],
        as_of=case.as_of,
        expires_at=expires_at,
        window_start=case.window_start,
        window_end=case.window_end,
        last_promotion_at=promoted_at,
        last_try_at=case.last_try_at,
        row_ids_sha256=case.rows.row_ids_sha256,
        data_sha256=case.rows.data_sha256,
        applicants_sha256=case.applicants.sha256,
        champion_model_sha256=case.champion["model_sha256"],
        challenger_model_sha256=case.challenger["model_sha256"],
        original_model_sha256=case.original["model_sha256"],
        reference_sha256=workspace.reference_sha256,
        signal_key=case.challenger["signal"] or "by hand",
        made_with=provenance(),
        policy=policy,
        evidence=measured,
        checks=all_checks(
            measured, policy=policy, as_of=case.as_of, last_promotion_at=promoted_at, last_try_at=case.last_try_at
        ),
    )
