"""Look at the current window: what `drift.ipynb` computes and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring.drift import drift_summary
from monitoring.proxy import ProxyMetrics, proxy_metrics
from monitoring.values import DriftPolicy, DriftSummary
from pipeline.artefacts import canonical_json, sha256_file, stamp, write_atomically
from pipeline.desk import Desk
from pipeline.errors import IntegrityError
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

REPORTS = "monitoring/reports/drift_reports"
RESULTS = "monitoring/metrics/monitoring_results"


def drift_policy(desk: Desk) -> DriftPolicy:
    """When a feature and a window count as drifted, as the settings say it."""
    monitor = desk.settings.monitor
    return DriftPolicy(threshold=monitor.threshold, drift_share=monitor.drift_share, min_rows=monitor.min_rows)


def compare(desk: Desk, traffic: pd.DataFrame) -> DriftSummary:
    """The current window against the frozen reference."""
    return drift_summary(
        desk.reference(),
        traffic,
        desk.kinds,
        policy=drift_policy(desk),
        window=desk.window,
        as_of=desk.as_of,
        reference_sha256=desk.workspace.reference_sha256,
    )


def without_labels(desk: Desk, traffic: pd.DataFrame) -> ProxyMetrics:
    """What the window says before any label is known."""
    scored = traffic[["application_id", "event_time", "score", "threshold", "decision"]].assign(
        missing_share=traffic[list(desk.kinds)].isna().mean(axis=1).astype(float), label_known=traffic["y"].notna()
    )
    return proxy_metrics(scored, as_of=desk.as_of, lookback=desk.settings.monitor.lookback)


def report_is_due(desk: Desk, summary: DriftSummary, *, report: str) -> bool:
    """Whether Evidently's page is wanted: asked for, the verdict changed, or the last one is too old."""
    if summary.dataset_drift_detected is None:
        return False
    if report != "auto" or not desk.scheduled:
        return report == "always"
    cycles = [row for row in desk.workspace.ledger.acts("cycle") if row["as_of"] < desk.as_of]
    shown = [row["as_of"] for row in cycles if row["report_path"]]
    changed = not cycles or cycles[-1]["status"] != summary.state.value
    return changed or not shown or desk.as_of - shown[-1] >= desk.settings.monitor.report_every


def save_monitoring(
    desk: Desk, summary: DriftSummary, proxy: ProxyMetrics, *, report: str, traffic: pd.DataFrame
) -> Path:
    """Write the drift summary, Evidently's page where due, and the monitoring result that names both."""
    paths = {"summary": desk.path(f"{REPORTS}/drift_summary_{stamp(desk.as_of)}.json")}
    name = desk.workspace.relative
    files = {name(paths["summary"]): write_atomically(paths["summary"], canonical_json(summary.to_json()))}
    verdict = None
    if report_is_due(desk, summary, report=report):
        paths["report"] = desk.path(f"{REPORTS}/drift_report_{stamp(desk.as_of)}.html")
        verdict = _evidently(desk, traffic, paths["report"])
        files[name(paths["report"])] = sha256_file(paths["report"])
    result = {
        "schema_version": 1,
        "as_of": iso(desk.as_of),
        "state": summary.state.value,
        "drift_share": summary.drift_share,
        **{kind: name(path) for kind, path in paths.items()},
        "files": files,
        "proxy_metrics": proxy.to_json(),
        "evidently": verdict,
    }
    return desk.write(f"{RESULTS}/monitoring_{stamp(desk.as_of)}.json", result)


def read_summary(workspace: Workspace, path: str) -> DriftSummary:
    """A drift summary from its file, validated."""
    try:
        return DriftSummary.from_json(json.loads((workspace.root / path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise IntegrityError(path, f"not a drift summary: {error}") from None


def _evidently(desk: Desk, traffic: pd.DataFrame, path: Path) -> Mapping[str, Any]:
    from monitoring.report_evidently import write_report

    policy = drift_policy(desk)
    path.parent.mkdir(parents=True, exist_ok=True)
    limits = {"threshold": policy.threshold, "drift_share": policy.drift_share}
    return write_report(desk.reference(), traffic, desk.kinds, **limits, path=path)
