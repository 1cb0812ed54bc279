"""A workspace that has lived: the small bank, a judged challenger, twelve looks with their files, and a list set aside."""

from __future__ import annotations

import io
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
from builders import AS_OF, OFFICER, a_dossier, a_workspace, judged
from small_bank import applicants

from pipeline.artefacts import stamp, write_atomically
from pipeline.initialise import SET_ASIDE
from pipeline.promotion.person import Person
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

LOOKS = [AS_OF - timedelta(days=7 * n) for n in range(12)][::-1]
ASIDE = pd.DataFrame(
    {"row": [3, 9], "application_id": ["aside-0003", "row0007"], "reason": ["employees -1 is outside 0 to inf"] * 2}
)


def looked(workspace: Workspace, as_of: datetime) -> None:
    """A look on record: a notebook, a summary, a result, and Evidently's page."""
    moment = stamp(as_of)
    notebook = f"monitoring/runs/{moment}_drift/drift.ipynb"
    result = f"monitoring/metrics/monitoring_results/monitoring_{moment}.json"
    folder = "monitoring/reports/drift_reports"
    files = {
        path: write_atomically(workspace.root / path, f"{path} as of {moment}")
        for path in (
            f"{folder}/drift_summary_{moment}.json",
            result,
            f"{folder}/drift_report_{moment}.html",
        )
    }
    run = {"run_id": f"{moment}_drift", "notebook": "drift", "as_of": as_of, "status": "succeeded", "seconds": 1.0}
    cycle = {"as_of": as_of, "clock": "replay", "status": "ok", "drift_share": 0.0, "dataset_drift_detected": 0}
    summary, _, report = files
    paths = {"summary_path": summary, "metrics_path": result, "report_path": report}
    digest = write_atomically(workspace.root / notebook, f"notebook as of {moment}")
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        ran = {**run, "path": notebook, "artefact": result, "error": None}
        writer.record("run", f"{moment}_drift", ran, at=as_of, actor="mend", files={notebook: digest})
        values = {**cycle, "rows": 200, "champion": "1", **paths, "note": ""}
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor="mend", files=files)


def prepared(workspace: Workspace) -> None:
    """Limits on record, as files of the names they have."""
    folder = "monitoring/reference"
    names = (f"{folder}/reference_limits_v1.json", f"{folder}/reference_scores_v1.parquet")
    files = {name: write_atomically(workspace.root / name, name) for name in names}
    body = {"version": "1", "reference_sha256": workspace.reference_sha256, "rows": 300}
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("baseline", "1", body, at=AS_OF, actor="mend", files=files)


def scored(workspace: Workspace) -> None:
    """Every applicant has an answer, some of them long ago."""
    rows = applicants()
    old = rows.head(40).assign(
        application_id=[f"old{n:04d}" for n in range(40)], event_time=pd.Timestamp("1990-01-01", tz="UTC")
    )
    workspace.traffic.add_applications(old, received_at=AS_OF)
    workspace.traffic.add_labels(old.assign(y=1)[["application_id", "y", "known_at"]], recorded_at=AS_OF)
    everybody = pd.concat([rows, old])
    answers = {"model_version": "1", "model_sha256": "b" * 64, "score": 0.25, "threshold": 0.5, "decision": 0}
    answers |= {"prediction_id": everybody["application_id"], "scored_at": pd.Timestamp(AS_OF)}
    workspace.traffic.add_predictions(everybody[["application_id", "event_time"]].assign(**answers))


def lived_in(folder: Path) -> Path:
    """All of it."""
    workspace = a_workspace(folder)
    scored(workspace)
    judged(workspace, a_dossier())
    for moment in LOOKS:
        looked(workspace, moment)
    prepared(workspace)
    digest = write_atomically(workspace.root / SET_ASIDE, ASIDE.to_csv(index=False))
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("set_aside", digest, {"rows": 2}, at=AS_OF, actor="mend", files={SET_ASIDE: digest})
    close(workspace)
    return folder


def a_copy(original: Path, folder: Path) -> Path:
    shutil.copytree(original, folder)
    return folder / "mend.toml"


def keeping(settings: Path, **ages: str) -> Path:
    """Give retention ages."""
    lines = [f'keep_{name} = "{age}"' for name, age in ages.items()]
    settings.write_text("\n".join([settings.read_text(), "[keeping]", *lines, ""]))
    return settings


def opened(settings: Path) -> Workspace:
    return open_workspace(load_settings(settings))


def close(workspace: Workspace) -> None:
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def a_person() -> Person:
    return Person(actor=OFFICER, method="local", os_user="clerk")


def frame_of(path: Path) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(path.read_bytes()))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, but locks and what SQLite keeps beside a database."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.suffix not in (".lock",) and "-" not in name[-4:]
    }
