"""`mend status`, `mend review`, `mend story`: what there is to know, as plain data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline.error_budget import error_budget
from pipeline.gate.dossier import Dossier
from pipeline.promotion.review import Reviewed, read_dossier, reviewed
from pipeline.promotion.state import Standing
from pipeline.reference import read_metadata
from pipeline.stores.engine import iso
from pipeline.stores.verify import verify
from pipeline.watching import read_result
from pipeline.wiring import Workspace

PRIMARIES = {"f1": "F1", "auc": "AUC", "brier": "Brier score", "profit": "profit per application"}


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
        "last_look": _last_look(workspace),
        "reference": {"sha256": reference["sha256"], "rows": reference["rows"]},
        "error_budget": asdict(error_budget(workspace.ledger, workspace.settings.gate_policy, now=now)),
        "ledger": {"entries": checked.entries, "head": checked.head, "verified": checked.verified},
    }


def _last_look(workspace: Workspace) -> dict[str, Any] | None:
    """What the newest look came to, and the sentences that say so."""
    looks = workspace.ledger.acts("look", limit=1)
    if not looks:
        return None
    look = {name: value for name, value in looks[-1].items() if name not in ("entry", "fired")}
    cycle = workspace.ledger.get("cycle", look["as_of"].isoformat())
    result = read_result(workspace, cycle["metrics_path"]) if cycle and cycle["metrics_path"] else None
    said = {"reason": result["diagnosis"]["reason"], "moved": result["moved"]} if result else {}
    return look | {"as_of": iso(look["as_of"]), "signal_fired": bool(looks[-1]["fired"])} | said


def review(workspace: Workspace, *, now: datetime, every: bool) -> list[dict[str, Any]]:
    """Dossiers that wait for a person, or every dossier, oldest first."""
    items = [item for item in reviewed(workspace, now=now) if every or item.standing is Standing.PENDING]
    return [_reviewed(item, read_dossier(workspace, item.digest)) for item in items]


def story(workspace: Workspace, *, now: datetime) -> list[dict[str, Any]]:
    """Every challenger's last dossier: when, on how many rows, what it gained, how surely, and what came of it."""
    latest = {item.row["challenger"]: item for item in reviewed(workspace, now=now)}
    return [_told(item, read_dossier(workspace, item.digest)) for item in latest.values()]


def _reviewed(item: Reviewed, dossier: Dossier) -> dict[str, Any]:
    gates = [
        {
            "code": check.code,
            "outcome": check.outcome.value,
            "observed": check.observed,
            "threshold": check.threshold,
            "more_rows": check.more_rows,
            "decidable_at": iso(check.decidable_at) if check.decidable_at else None,
        }
        for check in dossier.checks
    ]
    return {
        "digest": item.digest,
        "challenger": dossier.challenger,
        "champion": dossier.champion,
        "as_of": iso(dossier.as_of),
        "standing": item.standing.value,
        "promotable": dossier.promotable,
        "recheck_at": iso(dossier.recheck_at) if dossier.recheck_at else None,
        "expires_at": iso(dossier.expires_at),
        "gates": gates,
    }


def _told(item: Reviewed, dossier: Dossier) -> dict[str, Any]:
    measured, trial = dossier.evidence, dossier.evidence.trial
    primary, brier = measured.pair(trial.metric), measured.pair("brier")
    dates = [check.decidable_at for check in dossier.checks if check.decidable_at]
    return {
        "as_of": f"{dossier.as_of:%Y-%m-%d}",
        "challenger": dossier.challenger,
        "champion": dossier.champion,
        "rows": measured.rows,
        "bad": measured.positives,
        "primary": trial.metric,
        "primary_champion": primary.champion,
        "primary_challenger": primary.challenger,
        "gain": trial.gain,
        "gain_interval": [trial.interval.low, trial.interval.high] if trial.interval else None,
        "gain_level": trial.interval.level if trial.interval else None,
        "error_spent": dossier.error_spent,
        "brier_champion": brier.champion,
        "brier_challenger": brier.challenger,
        "outcome": item.standing.value,
        "waiting_until": f"{max(dates):%Y-%m-%d}" if dates and item.standing is Standing.WAITING else None,
        "gates_not_passed": [
            f"{check.code} {check.outcome.value}" for check in dossier.checks if check.outcome != "passed"
        ],
        "digest": item.digest,
    }


def story_markdown(rows: list[dict[str, Any]]) -> str:
    """The story as a Markdown table; the primary metric is named once when it is the same throughout."""
    metrics = {PRIMARIES[row["primary"]] for row in rows}
    primary = metrics.pop() if len(metrics) == 1 else "primary metric"
    lines = [
        f"| as of | version | against | rows (bad) | {primary} champion → challenger | gain, interval it was judged by "
        "| error spent | Brier champion → challenger | outcome |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def _line(row: dict[str, Any]) -> str:
    cells = [
        row["as_of"],
        row["challenger"],
        row["champion"],
        f"{row['rows']:,} ({row['bad']:,})",
        f"{_number(row['primary_champion'])} → {_number(row['primary_challenger'])}",
        _gain(row),
        f"{row['error_spent']:.2%}".replace("%", " %"),
        f"{_number(row['brier_champion'], 4)} → {_number(row['brier_challenger'], 4)}",
        _outcome(row),
    ]
    return f"| {' | '.join(cells)} |"


def _gain(row: dict[str, Any]) -> str:
    if row["gain"] is None:
        return "not measurable"
    if row["gain_interval"] is None:
        return f"{row['gain']:+.3f}, no interval"
    low, high = row["gain_interval"]
    return f"{row['gain']:+.3f}, {low:+.3f} to {high:+.3f} at {row['gain_level'] * 100:.4g} %"


def _outcome(row: dict[str, Any]) -> str:
    until = f" until {row['waiting_until']}" if row["waiting_until"] else ""
    gates = f": {', '.join(row['gates_not_passed'])}" if row["gates_not_passed"] else ""
    return f"{row['outcome']}{until}{gates}"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
