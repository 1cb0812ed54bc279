"""Small makers of what pages show."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from builders import AS_OF, GO_LIVE, a_dossier, judged, put_on_record
from streamlit.testing.v1 import AppTest

from monitoring.values import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote, State, Window
from pipeline.artefacts import canonical_json, write_atomically
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.values import GatePolicy, Primary
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
    return "\n".join(said).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


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


FAIRNESS = FairnessPolicy(
    dated=date(2006, 1, 2),
    title="Four-fifths screen <b>",
    source="29 CFR 1607.4(D)",
    adverse_impact_floor=0.8,
    min_applicants=100,
    columns=(),
    note="Business segments, not protected groups.",
)


def some_applicants(
    n: int = 4000, *, sharpness: float = 1.5, bad_share: float = 0.15, labelled: float = 0.9, seed: int = 3
) -> Applicants:
    """Applicants of four years with amounts and segments: some without a label, the youngest fifth not mature.

    `sharpness` is how well the challenger sees who goes bad, in standard deviations; the champion sees 1.
    """
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < bad_share).astype(np.int8)
    age = np.linspace(4 * 365, 0, n)
    horizon = timedelta(days=292)
    cut = {name: 1 / (1 + np.exp(2.0 - 1.2 * (sight * y + rng.normal(0, 1, n)))) for name, sight in
           (("champion", 1.0), ("challenger", sharpness))}  # fmt: skip
    return Applicants(
        ids=np.array([f"row{i:05d}" for i in range(n)]),
        event_time=np.datetime64(AS_OF.replace(tzinfo=None), "us") - (age * 24).astype("timedelta64[h]"),
        y=np.where((age < 292) | (rng.random(n) > labelled), UNKNOWN, y),
        champion_score=cut["champion"],
        challenger_score=cut["challenger"],
        original_score=np.full(n, 0.15),
        champion_threshold=0.2,
        challenger_threshold=0.2,
        original_threshold=0.2,
        amount=rng.lognormal(11, 1, n).round(),
        segments={
            "new_business": rng.choice(["Y", "N"], n, p=[0.3, 0.7]),
            "state": rng.choice(["CA", "TX", "<b>NY</b>"], n, p=[0.6, 0.35, 0.05]),
        },
        as_of=AS_OF,
        horizon=horizon,
    )


def a_lifelike_dossier(
    *,
    challenger: str = "3",
    champion: str = "2",
    primary: Primary = "f1",
    people: Applicants | None = None,
    **applicants: float,
) -> Dossier:
    """A dossier with everything in it: segments, swap set, approval rates, coverage; `applicants` as above."""
    people = people or some_applicants(**applicants)  # type: ignore[arg-type]
    policy = GatePolicy(primary=primary)
    rows, alpha = people.judged(), spendable(policy=policy, as_of=AS_OF, last_try_at=None)
    expected = {"state": ["CA", "TX", "<b>NY</b>", "WY"]}
    found = evidence(rows, policy=policy, alpha=alpha, applicants=people, expected_segments=expected, fairness=FAIRNESS)
    simple = a_dossier(challenger=challenger, champion=champion)
    checks = all_checks(found, policy=policy, as_of=AS_OF, last_promotion_at=simple.last_promotion_at, last_try_at=None)
    return dataclasses.replace(
        simple,
        policy=policy,
        evidence=found,
        checks=checks,
        window_start=AS_OF - timedelta(days=4 * 365),
        window_end=AS_OF - timedelta(days=292),
        row_ids_sha256=rows.row_ids_sha256,
        data_sha256=rows.data_sha256,
        applicants_sha256=people.sha256,
    )


def a_lifelike_desk(workspace: Workspace, **applicants: float) -> Dossier:
    """Version 2 has followed version 1, and version 3 is judged against it, trained because of drift."""
    dossier = a_lifelike_dossier(**applicants)
    if workspace.require_champion()["version"] == "1":
        with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
            put_on_record(writer, version="2", as_of=GO_LIVE + timedelta(days=300))
            writer.swap_champion(
                expected="1", new="2", at=GO_LIVE + timedelta(days=310), how="promotion", actor="mend", digest=None
            )
    judged(workspace, dossier)
    return dossier
