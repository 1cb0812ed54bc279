"""Small makers of what pages show."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from builders import AS_OF, GO_LIVE, a_dossier, judged, put_on_record
from streamlit.testing.v1 import AppTest

from dashboard.words import SEAM
from monitoring.checks import SCORE, Check
from monitoring.signals import SignalDecision, Trigger
from monitoring.summary import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote
from monitoring.values import State, Window
from pipeline.artefacts import canonical_json, write_atomically
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.fairness import FairnessPolicy
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.values import GatePolicy, Primary
from pipeline.reference import freeze
from pipeline.running.cycle import _look_values
from pipeline.wiring import Workspace

Open = Callable[..., AppTest]
PAGES = ("overview", "drift", "performance", "review", "policy", "runs", "ledger")
FEATURES = ("loan_amount", "low_doc")


def config_of(workspace: Workspace) -> Path:
    """The settings file."""
    return workspace.settings.source


def texts(page: AppTest) -> str:
    """Everything the page says in words, Markdown's escapes taken out."""
    kinds = (
        page.title,
        page.header,
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
    return "\n".join(said).replace(SEAM, "").replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def a_summary(
    state: State,
    *,
    as_of: datetime = AS_OF,
    names: Sequence[str] = FEATURES,
    failed: Sequence[str] | None = None,
    calm: Sequence[str] = (),
) -> DriftSummary:
    """A window of some features and the score in this state; in FAILED, all of them are broken unless `failed` says.

    In DRIFT everything is beyond its limit but what is `calm`, and that is still beyond other tools' limits.
    """
    rows = {State.NO_DATA: 0, State.TOO_FEW_ROWS: 20}.get(state, 500)
    broken = list(names) if failed is None and (state is State.FAILED or rows < 200) else list(failed or ())
    judged = [name for name in names if name not in broken]
    asked = [*judged, SCORE] if rows >= 200 else []
    drifted = [name for name in asked if name not in calm] if state is State.DRIFT else []
    score = 0.4 if drifted else 0.01
    left = f"{len(broken)} of {len(names) + 1} could not be judged" if broken else None
    reasons = {State.NO_DATA: "no rows in the window", State.TOO_FEW_ROWS: f"{rows} rows in the window, need 200",
               State.STALE: "the newest row is of 2006-01-02 00:00"}  # fmt: skip
    return DriftSummary(
        timestamp=as_of,
        state=state,
        reason=reasons.get(state, left),
        window=Window(start=as_of - timedelta(days=180), end=as_of),
        rows=rows,
        newest_event=as_of - timedelta(days=120 if state is State.STALE else 1) if rows else None,
        reference_sha256="c" * 64,
        reference_rows=300,
        policy=DriftPolicy(stale_after=timedelta(days=90)),
        features=tuple(
            FeatureDrift(
                feature=name, drift_detected=score >= 0.1, stat_test="a test", drift_score=score, threshold=0.1
            )
            for name in judged
        ),
        notes=tuple(_note(name, rows, None if name in judged else "not numbers") for name in names),
        excluded_features=tuple(broken),
        checks=tuple(check for name in asked for check in _checks(name, 0.4 if name in drifted else 0.01, rows, as_of)),
        score_note=_note(SCORE, rows, None if asked else f"window has {rows} values, need 200"),
    )


def _note(name: str, rows: int, reason: str | None) -> FeatureNote:
    spread = {"q25": 1.0, "median": 2.0, "q75": 3.0}
    return FeatureNote(
        feature=name,
        kind="numeric",
        evaluated=reason is None,
        reason=reason,
        too_few=reason is not None and "need" in reason,
        reference_missing_share=0.0,
        current_missing_share=0.0 if rows else None,
        reference_rows=300,
        current_rows=rows,
        summary={} if reason else {"reference": spread, "current": spread | {"median": 2.5}},
    )


def _checks(name: str, psi: float, rows: int, as_of: datetime) -> tuple[Check, ...]:
    moved = psi >= 0.04
    given: dict[str, Any] = {"feature": name, "rows": rows, "critical": 0.03}
    since = as_of - timedelta(days=30) if moved else None
    asked = Check(**given, code="psi", expected=0.0, observed=psi, limit=0.04, drifted=moved, since=since)
    unasked = Check(**given | {"critical": None}, code="missing", expected=0.0, observed=0.0, limit=None, drifted=False)
    return asked, unasked


def a_cycle(
    workspace: Workspace,
    as_of: datetime,
    *,
    status: str,
    summary: DriftSummary | None = None,
    result: Mapping[str, Any] | None = None,
    note: str = "seen",
    summary_format: int = 2,
) -> None:
    """Put a cycle on record; where there is a summary, with its files and its look. `result`: see `a_result`."""
    paths: dict[str, str | None] = {"summary": None, "metrics": None}
    files, diagnosis = {}, None if result is None else result["diagnosis"]
    folder = workspace.root / "monitoring"
    for kind, content in (("summary", summary and summary.to_json()), ("metrics", result)):
        if content is None:
            continue
        path = folder / f"{kind}_{as_of:%Y%m%d_%H%M%S}.json"
        name = paths[kind] = path.relative_to(workspace.root).as_posix()
        files[name] = write_atomically(path, canonical_json({**content, "schema_version": summary_format}))
    values = {
        "as_of": as_of,
        "clock": "replay",
        "status": status,
        "drift_share": summary.drift_share if summary else None,
        "dataset_drift_detected": None,
        "rows": summary.rows if summary else None,
        "champion": "1",
        "summary_path": paths["summary"],
        "metrics_path": paths["metrics"],
        "report_path": None,
        "note": note,
    }
    with workspace.ledger.transaction(recorded_at=as_of) as writer:
        if summary is not None and diagnosis is not None:
            nothing = SignalDecision(triggers=(Trigger(reason="drift", holds=False, why="0 of 3"),), signal=None,
                                     obstacle=None)  # fmt: skip
            looked = _look_values(summary, diagnosis, nothing)
            writer.record("look", as_of.isoformat(), looked, at=as_of, actor="mend")
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor="mend", files=files)


def a_look(workspace: Workspace, as_of: datetime, summary: DriftSummary, **result: Any) -> None:
    """A cycle whose notebook did its job; `result` as `look_builders.a_result` takes it."""
    from look_builders import a_result

    a_cycle(workspace, as_of, status=summary.state.value, summary=summary, result=a_result(summary, **result))


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
        writer.record("reference", "2", {"sha256": sha256, "rows": 300}, at=AS_OF, actor="mend", files=files)


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
