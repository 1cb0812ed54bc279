"""A workspace in which every text that a person or a file can give is meant to be more than a text."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import small_bank
from builders import AS_OF, GO_LIVE, a_settings_file, judged, put_on_record
from dashboard_builders import a_cycle, a_lifelike_dossier, a_summary, some_applicants
from look_builders import a_result

from dashboard.charts import NOTEBOOK_MIME
from monitoring.summary import DriftSummary
from monitoring.values import State
from pipeline.alerts.journal import write_state
from pipeline.alerts.values import Alert, Severity
from pipeline.alerts.values import State as Alerts
from pipeline.artefacts import write_atomically
from pipeline.errors import RefusedError
from pipeline.gate.dossier import Dossier
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.reference import freeze
from pipeline.settings import load_settings
from pipeline.wiring import Workspace, open_workspace

READS_AS_MORE = (  # in HTML, in Markdown, in Streamlit's Markdown, in a spreadsheet
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "![x](https://evil.example/x.png)",
    "[a](javascript:alert(3))",
    "=cmd()",
    "$x^2$",
    ":material/skull:",  # an icon that is nowhere ours
    ":red[x]",
    "www.evil.example",
    "ann@evil.example",
    "-> --",
)
TURNED, WITHOUT_WIDTH = "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{ZERO WIDTH SPACE}"
LINE = " ".join(READS_AS_MORE)  # one printable line
HOSTILE = "\n".join([f"a{TURNED}b{WITHOUT_WIDTH}c", *READS_AS_MORE, "# d", "- e"])
LONG = HOSTILE + "x" * 1_000_000
SHORT = f"<b>ann</b>![x](//evil.example)$x$:red[x]{TURNED}{WITHOUT_WIDTH}"  # where a column of the ledger ends it
UNIT = f'"+alert(6)+"\\{HOSTILE}'  # as the title of an axis it would be part of an expression
NAME = "www.evil.example"  # of the model: letters, digits, dots
CATEGORY, NUMBER = f"c {LINE}"[:200], f"n {HOSTILE}"[:200]  # features: the ledger takes no longer name; the gate takes
# none that cannot be printed for a segment.
LATER = AS_OF + timedelta(days=1)
# Keys of a monitoring result whose values are sentences or names, not codes that a page looks up.
_FREE = {"reason", "why", "moved", "promise_source", "cannot_see", "booked_only", "leading_bin", "value", "segment",
         "first", "first_score", "second", "second_score", "models", "unit"}  # fmt: skip


def hostile_settings(folder: Path) -> Path:
    """The small bank's settings, with names and units of somebody's choosing."""
    path = a_settings_file(
        folder, name=json.dumps(NAME), unit=json.dumps(UNIT), approvers=json.dumps([SHORT, HOSTILE, LONG])
    )
    text, category = path.read_text(encoding="utf-8"), json.dumps(CATEGORY)
    text = text.replace("low_doc = ", f"{category} = ").replace("new_business = {}", f"{category} = {{}}")
    unit = json.dumps(UNIT)
    text = text.replace('employees = { kind = "numeric", min = 0, unit = "people" }',
                        f'{json.dumps(NUMBER)} = {{ kind = "numeric", min = 0, unit = {unit} }}')  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path


def hostile_workspace(folder: Path) -> Workspace:
    """Version 2 is champion after version 1 and may be rolled back; version 3 was rejected, version 4 waits."""
    workspace = open_workspace(load_settings(hostile_settings(folder)))
    _traffic(workspace)
    _history(workspace)
    _runs(workspace)
    _alerts(workspace)
    _look(workspace)
    _watch(workspace)
    _desk(workspace)
    return workspace


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.rename(columns={"low_doc": CATEGORY, "employees": NUMBER})
    values = [LONG, HOSTILE, *LINE.split(" "), "a", "b"]
    rows[CATEGORY] = np.append(np.array(values, dtype=object), np.resize(["a", "b"], len(rows) - len(values)))
    return rows


def _traffic(workspace: Workspace) -> None:
    rows = _rows(small_bank.applicants())
    ids, score = rows["application_id"].to_numpy(), np.linspace(0.01, 0.6, len(rows))
    workspace.traffic.add_applications(rows, received_at=AS_OF - timedelta(days=12))
    workspace.traffic.add_predictions(
        pd.DataFrame(
            {"prediction_id": ids, "application_id": ids, "model_version": "1", "model_sha256": "a" * 64,
             "score": score, "threshold": 0.3, "decision": (score >= 0.3).astype(int),
             "event_time": rows["event_time"].array, "scored_at": rows["event_time"].array}
        )
    )  # fmt: skip


def _history(workspace: Workspace) -> None:
    frozen = freeze(_rows(small_bank.reference()), workspace.settings, horizon=small_bank.HORIZON)
    sha256 = next(iter(frozen.values()))
    promoted = GO_LIVE + timedelta(days=310)
    for version in ("1", "2"):
        small_bank.model_of(version).write(workspace.root / "mlflow" / version)
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("reference", "1", {"sha256": sha256, "rows": 300}, at=GO_LIVE, actor=SHORT, files=frozen)
        put_on_record(writer, version="1", as_of=GO_LIVE, requested_by=SHORT)
        writer.swap_champion(expected=None, new="1", at=GO_LIVE, how="init", actor=SHORT, digest=None)
        put_on_record(writer, version="2", as_of=GO_LIVE + timedelta(days=300), requested_by=SHORT)
        writer.swap_champion(expected="1", new="2", at=promoted, how="promotion", actor=SHORT, digest="f" * 64)
        signal = {"key": "f" * 64, "as_of": AS_OF, "reason": "<b>$x$ :red[x]", "note": LONG, "windows": "[]"}
        writer.record("signal", "f" * 64, signal, at=AS_OF, actor=SHORT)
        writer.record("request", SHORT, {"reason": LONG, "name": HOSTILE}, at=AS_OF, actor=SHORT)
        writer.record("refused_request", HOSTILE[:200], {"why": HOSTILE}, at=AS_OF, actor=SHORT)


def _runs(workspace: Workspace) -> None:
    said = {"output_type": "stream", "name": "stdout", "text": [HOSTILE, LONG]}
    shown = {"output_type": "display_data", "data": {"text/html": LONG, "text/plain": HOSTILE}}
    broke = {"output_type": "error", "ename": HOSTILE, "evalue": LONG, "traceback": [LONG]}
    outside = "https://evil.example/x.png"
    spec = {
        "title": LONG,
        "data": {"values": [{"x": HOSTILE, "y": 1}]},
        "layer": [
            {
                "mark": "bar",
                "encoding": {"x": {"field": "x"}, "y": {"field": "y"}, "href": {"value": "javascript:alert(5)"}},
            },
            {"mark": {"type": "image", "url": outside}},
            {"data": {"url": "https://evil.example/d.json"}, "mark": "point"},
        ],
    }
    drawn = {"output_type": "display_data", "data": {NOTEBOOK_MIME: spec, "text/plain": HOSTILE}}
    cells = [
        {"cell_type": "markdown", "source": HOSTILE},
        {"cell_type": "markdown", "source": [LONG]},
        {"cell_type": "code", "source": HOSTILE, "outputs": [said, shown, broke, drawn]},
        {"cell_type": "code", "source": "half a pair: \ud800", "outputs": []},
    ]
    path = f"monitoring/runs/{hashlib.sha256(SHORT.encode()).hexdigest()[:8]}/drift.ipynb"
    sha256 = write_atomically(workspace.root / path, json.dumps({"cells": cells}).encode())
    values = {"run_id": SHORT, "notebook": "drift", "as_of": LATER, "status": "failed", "seconds": 1.0, "path": path,
              "artefact": None, "error": LONG}  # fmt: skip
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        writer.record("run", SHORT, values, at=LATER, actor=SHORT, files={path: sha256})


def _alerts(workspace: Workspace) -> None:
    given: dict[str, Any] = {"code": "feed.missing", "since": AS_OF, "opened_at": LATER, "severity": Severity.PAGE}
    made = (
        Alert(number=1, subject=LINE[:200], text=HOSTILE, owner=HOSTILE, **given),
        Alert(number=2, subject="s", text=LONG, owner=LONG, **given),
    )
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        write_state(writer, Alerts(as_of=LATER, alerts=made, last_alert=2), at=LATER, opened=made)


def _look(workspace: Workspace) -> None:
    names = [CATEGORY, NUMBER, "loan_amount", f"l {LONG}"]
    found = a_summary(State.DRIFT, as_of=LATER, names=names, failed=[f"f {LONG}", f"f {HOSTILE}"])
    summary: DriftSummary = dataclasses.replace(found, reason=HOSTILE)
    result = a_result(summary, joint=State.DRIFT, segment=CATEGORY)
    a_cycle(workspace, LATER, status="drift", summary=summary, result=_poisoned(result), note=LONG)


def _poisoned(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _poisoned(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each, key) for each in value]
    if key == "unit":
        return UNIT
    return f"{value} {HOSTILE}" if isinstance(value, str) and key in _FREE else value


def _watch(workspace: Workspace) -> None:
    metric = {"metric": "f1", "gain": None, "reason": LONG, "promised": None}
    told = {"metric": "auc", "gain": -0.1, "low": -0.2, "high": -0.05, "level": 0.9, "promised_gain": 0.02,
            "value": 0.6, "replaced": 0.7, "promised": 0.7}  # fmt: skip
    body = {
        "number": 2, "version": "2", "replaced": "1", "state": "proposes", "proposed_at": LATER.isoformat(),
        "until": LATER.isoformat(), "look": 1, "looks": 3, "reason": LONG, "trouble": HOSTILE, "metrics": [metric, told],
        "rows": None, "own": None, "estimated": [{"metric": "auc", "value": None, "why": HOSTILE}],
        "canary": {"broken": True, "rows": 0, "differ": 0, "reason": HOSTILE},
    }  # fmt: skip
    with workspace.ledger.transaction(recorded_at=LATER) as writer:
        writer.record("watch", "2 watch", body, at=LATER, actor="mend")


def hostile_dossier(*, challenger: str) -> Dossier:
    """A judgement in which names of segments, of their values and of the policy are somebody's choice."""
    people = some_applicants()
    odd = np.array(["a", HOSTILE, *(f"{token}{place}" for place, token in enumerate(READS_AS_MORE))])
    values = odd[np.minimum(np.arange(len(people.ids)) % 40, len(odd) - 1)]
    people = dataclasses.replace(people, segments={CATEGORY: values, "new_business": people.segments["new_business"]})
    dossier = a_lifelike_dossier(challenger=challenger, people=people)
    fairness = dossier.evidence.fairness
    assert fairness is not None
    fairness = dataclasses.replace(fairness, title=HOSTILE, source=LONG, note=LONG)
    measured = dataclasses.replace(dossier.evidence, fairness=fairness, absent_segments=(f"{CATEGORY} = {LONG}",))
    checks = tuple(dataclasses.replace(check, note=f"{check.note} {HOSTILE}") for check in dossier.checks)
    return dataclasses.replace(dossier, evidence=measured, checks=checks, signal_key="f" * 64)


def _desk(workspace: Workspace) -> None:
    person = Person(actor=SHORT, method="local", name=HOSTILE, os_user=LONG)
    rejected = judged(workspace, hostile_dossier(challenger="3"), requested_by="mend")
    decide(workspace, rejected, "rejected", person=person, reason=LONG, now=LATER)
    waits = judged(workspace, hostile_dossier(challenger="4"), requested_by=HOSTILE[:200])
    nobody = dataclasses.replace(person, actor=HOSTILE[:150])
    try:
        decide(workspace, waits, "approved", person=nobody, reason=HOSTILE, now=LATER)
    except RefusedError:
        return
    raise AssertionError("whoever is on no list was let sign")
