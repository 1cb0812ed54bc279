"""Small makers of what pages show."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from builders import AS_OF
from streamlit.testing.v1 import AppTest

from monitoring.values import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote, State, Window
from pipeline.artefacts import canonical_json, write_atomically
from pipeline.reference import freeze
from pipeline.wiring import Workspace

Open = Callable[..., AppTest]
PAGES = ("overview", "drift", "review", "runs", "ledger")
FEATURES = ("loan_amount", "low_doc")


def config_of(workspace: Workspace) -> Path:
    """The settings file."""
    return workspace.settings.source


def texts(page: AppTest) -> str:
    """Everything the page says in words, Markdown's escapes taken out."""
    kinds = (
        page.title,
        page.subheader,
        page.markdown,
        page.caption,
        page.text,
        page.info,
        page.warning,
        page.error,
        page.success,
    )
    said = [str(element.value) for kind in kinds for element in kind]
    said += [f"{metric.label}: {metric.value}" for metric in page.metric]
    said += [table.value.to_string() for table in page.table]
    return "\n".join(said).replace("\\", "")


def a_summary(state: State, *, as_of: datetime = AS_OF) -> DriftSummary:
    """A window of two features in this state."""
    rows = {State.NO_DATA: 0, State.TOO_FEW_ROWS: 20}.get(state, 500)
    judged = state in (State.OK, State.DRIFT)
    score = 0.4 if state is State.DRIFT else 0.01
    spread = {"q25": 1.0, "median": 2.0, "q75": 3.0}
    return DriftSummary(
        timestamp=as_of,
        state=state,
        reason=None if judged else "for a reason",
        window=Window(start=as_of - timedelta(days=180), end=as_of),
        rows=rows,
        reference_sha256="c" * 64,
        reference_rows=300,
        policy=DriftPolicy(),
        features=tuple(
            FeatureDrift(
                feature=name, drift_detected=score >= 0.1, stat_test="a test", drift_score=score, threshold=0.1
            )
            for name in FEATURES
        )
        if judged
        else (),
        notes=tuple(
            FeatureNote(
                feature=name,
                kind="numeric",
                evaluated=judged,
                reason=None if judged else "too few values",
                reference_missing_share=0.0,
                current_missing_share=0.0 if rows else None,
                reference_rows=300,
                current_rows=rows,
                summary={"reference": spread, "current": spread} if judged else {},
            )
            for name in FEATURES
        ),
        excluded_features=() if judged else FEATURES,
    )


def a_cycle(
    workspace: Workspace, as_of: datetime, *, status: str, summary: DriftSummary | None = None, note: str = "seen"
) -> None:
    """Put a cycle on record, with its drift summary where there is one."""
    path, files = None, {}
    if summary is not None:
        path = f"monitoring/reports/drift_reports/drift_summary_{as_of:%Y%m%d_%H%M%S}.json"
        files = {path: write_atomically(workspace.root / path, canonical_json(summary.to_json()))}
    values = {
        "as_of": as_of,
        "clock": "replay",
        "status": status,
        "drift_share": summary.drift_share if summary else None,
        "dataset_drift_detected": None,
        "rows": summary.rows if summary else None,
        "champion": "1",
        "summary_path": path,
        "metrics_path": None,
        "report_path": None,
        "note": note,
    }
    with workspace.ledger.transaction(recorded_at=as_of) as writer:
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor="mend", files=files)


def a_reference(workspace: Workspace) -> None:
    """Freeze a small reference and put it on record."""
    rng, settings = np.random.default_rng(7), workspace.settings
    columns = {
        name: rng.normal(100, 10, 300) if kind == "numeric" else rng.choice(["a", "b"], 300)
        for name, kind in settings.data.kinds.items()
    }
    start = datetime(2003, 1, 1, tzinfo=UTC)
    frame = pd.DataFrame({"application_id": [f"r{i}" for i in range(300)], "event_time": start, **columns})
    files = freeze(frame, settings, horizon=timedelta(days=1096))
    sha256 = json.loads((workspace.root / "monitoring/reference/reference_metadata.json").read_text())["sha256"]
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("reference", "1", {"sha256": sha256, "rows": 300}, at=AS_OF, actor="mend", files=files)
