"""`mend init`: load history, freeze the reference, train the first champion. Killed and run again, it goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pandas as pd

from pipeline.artefacts import write_atomically
from pipeline.clock import wall_clock
from pipeline.promotion.reconcile import reconcile
from pipeline.reference import choose_reference, freeze
from pipeline.running.steps import SERVICE, Steps
from pipeline.traffic.arrivals import load_history
from pipeline.traffic.portfolio import Portfolio, between
from pipeline.training.challenger import champion_plan
from pipeline.training.fit import require_teachable
from pipeline.wiring import Workspace

SET_ASIDE = "monitoring/set_aside.csv"


def initialise(steps: Steps, portfolio: Portfolio, *, say: Callable[[str], None]) -> None:
    """Set a workspace up as of go-live; does nothing when a champion is in place already."""
    workspace = steps.workspace
    go_live = workspace.settings.train.go_live
    _require_teachable(workspace, portfolio, go_live)
    _freeze_reference(workspace, portfolio, go_live, say)
    _list_set_aside(workspace, portfolio.set_aside, go_live, say)
    arrived = load_history(workspace, portfolio, go_live=go_live)
    say(f"history before {go_live:%Y-%m-%d}: {arrived.applications} new applications, {arrived.labels} new labels")
    version = steps.train(go_live, purpose="champion", signal="", requested_by=SERVICE)
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        if writer.champion() is None:
            writer.swap_champion(expected=None, new=version, at=go_live, how="init", actor=SERVICE, digest=None)
            say(f"version {version} is the first champion, put in place by init")
    for line in reconcile(workspace, now=go_live):
        say(f"registry: {line}")


def _require_teachable(workspace: Workspace, portfolio: Portfolio, go_live: datetime) -> None:
    """Find out before anything is written whether a champion can be trained at all."""
    plan = champion_plan(workspace.settings)
    rows = portfolio.rows[between(portfolio.rows, plan.start, min(plan.end, go_live - portfolio.horizon))]
    require_teachable(rows[rows["y"].notna() & (rows["known_at"] <= go_live)], plan)


def _freeze_reference(
    workspace: Workspace, portfolio: Portfolio, go_live: datetime, say: Callable[[str], None]
) -> None:
    if workspace.ledger.entries(kind="reference", limit=1):
        return
    rows = choose_reference(portfolio, workspace.settings)
    files = freeze(rows, workspace.settings, horizon=portfolio.horizon)
    digest = next(iter(files.values()))
    body = {"sha256": digest, "rows": len(rows), "data_file_sha256": portfolio.sha256}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("reference", "1", body, at=go_live, actor=SERVICE, files=files)
    say(f"reference frozen: {len(rows)} rows, SHA-256 {digest[:12]}…")


def _list_set_aside(workspace: Workspace, rows: pd.DataFrame, go_live: datetime, say: Callable[[str], None]) -> None:
    if rows.empty:
        return
    digest = write_atomically(workspace.root / SET_ASIDE, rows.to_csv(index=False))
    body = {"rows": len(rows), "first": str(rows["reason"].iloc[0])}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record("set_aside", digest, body, at=go_live, actor=SERVICE, files={SET_ASIDE: digest})
    say(
        f"{len(rows)} rows cannot be used (first: row {rows['row'].iloc[0]}, {body['first']}); "
        f"all are listed in {workspace.root / SET_ASIDE}"
    )
