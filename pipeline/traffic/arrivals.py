"""What reaches the lender between two looks: applications, scored by the champion of the day, and labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.keeping.erased import without_erased
from pipeline.traffic.portfolio import Portfolio
from pipeline.wiring import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """How many rows were new."""

    applications: int
    labels: int


def arrive(workspace: Workspace, portfolio: Portfolio, *, since: datetime, until: datetime) -> Arrived:
    """Store what happened in [since, until), but nothing of whom was erased; doing it again changes nothing.

    Applications are scored once, by the champion at `until`. Labels are recorded as known at `until`.
    """
    rows = portfolio.rows
    new = without_erased(workspace, rows[(rows["event_time"] >= since) & (rows["event_time"] < until)])
    applications = workspace.traffic.add_applications(new, received_at=until)
    workspace.traffic.add_predictions(scored(workspace, new, scored_at=until))
    known = rows[
        rows["y"].notna() & (rows["known_at"] > since) & (rows["known_at"] <= until) & (rows["event_time"] < until)
    ]
    labels = workspace.traffic.add_labels(without_erased(workspace, known), recorded_at=until)
    return Arrived(applications=applications, labels=labels)


def load_history(workspace: Workspace, portfolio: Portfolio, *, go_live: datetime) -> Arrived:
    """Store everything before go-live, with the labels known by then. History was never scored by our champion."""
    rows = without_erased(workspace, portfolio.rows[portfolio.rows["event_time"] < go_live])
    applications = workspace.traffic.add_applications(rows, received_at=go_live)
    known = rows[rows["y"].notna() & (rows["known_at"] <= go_live)]
    return Arrived(applications=applications, labels=workspace.traffic.add_labels(known, recorded_at=go_live))


def scored(workspace: Workspace, rows: pd.DataFrame, *, scored_at: datetime) -> pd.DataFrame:
    """What the champion says of applications, as the store keeps it."""
    model = workspace.model(workspace.require_champion()["version"])
    score = model.score(rows)
    return pd.DataFrame(
        {
            "prediction_id": rows["application_id"].to_numpy(),  # in a replay an application is scored once
            "application_id": rows["application_id"].to_numpy(),
            "model_version": model.version,
            "model_sha256": model.sha256,
            "score": score,
            "threshold": model.threshold,
            "decision": (score >= model.threshold).astype(np.int64),
            "scored_at": pd.Timestamp(scored_at),
        }
    ).assign(event_time=rows["event_time"].array)
