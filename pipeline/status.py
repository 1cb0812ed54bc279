"""`mend status`, `mend review`, `mend story`: what there is to know, as plain data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Interval
from pipeline.promotion.review import Reviewed, read_dossier, reviewed
from pipeline.promotion.state import Standing
from pipeline.reference import read_metadata
from pipeline.stores.engine import iso
from pipeline.stores.verify import verify
from pipeline.wiring import Workspace


def status(workspace: Workspace, *, now: datetime) -> dict[str, Any]:
    """Who is champion, what waits, when was the last look. `verified`: chain and rows; files take `ledger verify`."""
    champion, last = workspace.require_champion(), workspace.ledger.last_cycle()
    checked = verify(workspace.ledger, workspace=None)
    waiting = [item for item in reviewed(workspace, now=now) if item.standing is Standing.PENDING]
    reference = read_metadata(workspace.root)
    return {
        "model": workspace.settings.model.name,
        "now": iso(now),
        "champion": {"version": champion["version"], "since": iso(champion["since"])},
        "pending": [item.digest for item in waiting],
        "last_cycle": {"as_of": iso(last["as_of"]), "status": last["status"], "drift_share": last["drift_share"]}
        if last
        else None,
        "reference": {"sha256": reference["sha256"], "rows": reference["rows"]},
        "ledger": {"entries": checked.entries, "head": checked.head, "verified": checked.verified},
    }


def review(workspace: Workspace, *, now: datetime, every: bool) -> list[dict[str, Any]]:
    """Dossiers that wait for a person, or every dossier, oldest first."""
    items = [item for item in reviewed(workspace, now=now) if every or item.standing is Standing.PENDING]
    return [_reviewed(item, read_dossier(workspace, item.digest)) for item in items]


def story(workspace: Workspace, *, now: datetime) -> list[dict[str, Any]]:
    """Every challenger's last dossier: when, on how many rows, both F1 and Brier, the interval, and what came of it."""
    latest = {item.row["challenger"]: item for item in reviewed(workspace, now=now)}
    return [_told(item, read_dossier(workspace, item.digest)) for item in latest.values()]


def _reviewed(item: Reviewed, dossier: Dossier) -> dict[str, Any]:
    gates = [
        {"code": check.code, "outcome": check.outcome.value, "observed": check.observed, "threshold": check.threshold}
        for check in dossier.checks
    ]
    return {
        "digest": item.digest,
        "challenger": dossier.challenger,
        "champion": dossier.champion,
        "as_of": iso(dossier.as_of),
        "standing": item.standing.value,
        "promotable": dossier.promotable,
        "expires_at": iso(dossier.expires_at),
        "gates": gates,
    }


def _told(item: Reviewed, dossier: Dossier) -> dict[str, Any]:
    measured = dossier.evidence
    return {
        "as_of": f"{dossier.as_of:%Y-%m-%d}",
        "challenger": dossier.challenger,
        "champion": dossier.champion,
        "rows": measured.rows,
        "bad": measured.positives,
        "f1_champion": measured.f1.champion,
        "f1_challenger": measured.f1.challenger,
        "f1_difference_interval": _pair(measured.f1.interval),
        "brier_champion": measured.brier.champion,
        "brier_challenger": measured.brier.challenger,
        "auc_champion": measured.auc.champion,
        "auc_challenger": measured.auc.challenger,
        "outcome": item.standing.value,
        "gates_not_passed": [
            f"{check.code} {check.outcome.value}" for check in dossier.checks if check.outcome != "passed"
        ],
        "digest": item.digest,
    }


def _pair(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval else None


def story_markdown(rows: list[dict[str, Any]]) -> str:
    """The story as a Markdown table."""
    lines = [
        "| as of | version | against | rows (bad) | F1 champion → challenger | F1 difference, 90 % interval "
        "| Brier champion → challenger | outcome |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        gates = f": {', '.join(row['gates_not_passed'])}" if row["gates_not_passed"] else ""
        interval = row["f1_difference_interval"]
        lines.append(
            f"| {row['as_of']} | {row['challenger']} | {row['champion']} | {row['rows']:,} ({row['bad']}) "
            f"| {_number(row['f1_champion'])} → {_number(row['f1_challenger'])} "
            f"| {f'{interval[0]:+.3f} to {interval[1]:+.3f}' if interval else 'not measurable'} "
            f"| {_number(row['brier_champion'], 4)} → {_number(row['brier_challenger'], 4)} "
            f"| {row['outcome']}{gates} |"
        )
    return "\n".join(lines)


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
