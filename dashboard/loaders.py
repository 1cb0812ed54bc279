"""What pages read: the ledger, and files only if they are those that the ledger recorded. Nothing here writes."""

# ruff: noqa: ARG001  (arguments that nobody reads are keys of the cache)
from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from monitoring.summary import DriftSummary
from pipeline.alerts.journal import read_state
from pipeline.alerts.values import Alert, Severity
from pipeline.any_window import Seen, look_between
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Check
from pipeline.promotion.review import Reviewed, pending, read_dossier, reviewed
from pipeline.recorded import recorded as recorded
from pipeline.settings import load_settings
from pipeline.stores.ledger import Entry
from pipeline.stores.verify import Verification, verify
from pipeline.wiring import Workspace, open_workspace

NEWEST = 2000  # acts of one kind that a page loads; the ledger holds them all
FORMAT = 2  # schema_version of summaries and monitoring results that pages know how to show
LOOK = ("features_judged", "features_drifted", "weighted_share", "score_psi", "change_kind", "recommendation", "why")
TTL = 300  # seconds; what is cached is keyed by the ledger's head, so age only bounds memory


def workspace() -> Workspace:
    """The workspace of the settings file, opened once; anew when the file or the folder is another one."""
    settings = load_settings()
    folder = settings.workspace
    return _opened(
        str(settings.source), settings.source.stat().st_mtime_ns, folder.stat().st_ino if folder.exists() else 0
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(source: str, _changed: int, _folder: int) -> Workspace:
    return open_workspace(load_settings(source))


def head(workspace: Workspace) -> str:
    """What the ledger says now, in one word: the key under which its contents are cached."""
    return f"{workspace.root}@{workspace.ledger.head()[1]}"


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def cycles(_workspace: Workspace, head: str) -> pd.DataFrame:
    """The newest cycles, oldest first: the ledger's columns, `files` with each file's SHA-256, the look's columns.

    The columns of `LOOK` are empty where a cycle has no look: its notebook failed, or it is from before there were any.
    """
    frame = _acts(_workspace.ledger.entries(kind="cycle", limit=NEWEST), numbers=("rows",))
    looks = {look["as_of"]: look for look in _workspace.ledger.acts("look", limit=NEWEST)}
    if frame.empty:
        return frame
    seen: dict[str, Any] = {name: [looks.get(moment, {}).get(name) for moment in frame["as_of"]] for name in LOOK}
    numbers = dict.fromkeys(("features_judged", "features_drifted", "weighted_share", "score_psi"), "float64")
    return frame.assign(**seen).astype(numbers)


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def runs(_workspace: Workspace, head: str) -> pd.DataFrame:
    """The newest notebook runs, newest first."""
    return _acts(_workspace.ledger.entries(kind="run", limit=NEWEST), numbers=("seconds",))[::-1].reset_index(drop=True)


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def champions(_workspace: Workspace, head: str) -> pd.DataFrame:
    """Every reign, oldest first: `number, version, since, until, how, digest`; `until` is empty for the last."""
    frame = pd.DataFrame(_workspace.ledger.acts("champion")).drop(columns="entry")
    return frame.assign(until=frame["since"].shift(-1))


@st.cache_data(ttl=TTL, max_entries=4, show_spinner=False)
def acts(_workspace: Workspace, head: str) -> dict[str, list[dict[str, Any]]]:
    """The newest acts of each kind that a history tells, oldest first."""
    kinds = ("champion", "challenger", "dossier", "decision", "alert")
    return {kind: _workspace.ledger.acts(kind, limit=NEWEST) for kind in kinds}


def reign(workspace: Workspace) -> dict[str, Any]:
    """Who is champion, since when, and who put it there."""
    found = workspace.ledger.reign()
    assert found is not None
    return found


@st.cache_data(ttl=TTL, max_entries=16, show_spinner=False)
def entries(_workspace: Workspace, head: str, kind: str | None, limit: int | None) -> list[Entry]:
    """Ledger entries, newest first."""
    return _workspace.ledger.entries(kind=kind, limit=limit)[::-1]


@st.cache_data(ttl=60, max_entries=4, show_spinner="Checking the ledger")
def verified(_workspace: Workspace, head: str) -> Verification:
    """Chain and rows, checked within the last minute."""
    return verify(_workspace.ledger, workspace=None)


@st.cache_data(ttl=TTL, max_entries=64, show_spinner=False)
def summary(_workspace: Workspace, path: str, sha256: str) -> DriftSummary | int:
    """A drift summary, if it is the recorded one; of one in another format, that format's number."""
    content = json.loads(recorded(_workspace, path, sha256))
    return DriftSummary.from_json(content) if content.get("schema_version") == FORMAT else content["schema_version"]


@st.cache_data(ttl=TTL, max_entries=16, show_spinner=False)
def document(_workspace: Workspace, path: str, sha256: str) -> dict[str, Any]:
    """A JSON artefact or notebook, if it is the recorded one."""
    content: dict[str, Any] = json.loads(recorded(_workspace, path, sha256))
    return content


@st.cache_data(ttl=TTL, max_entries=2, show_spinner="Reading the reference")
def reference(_workspace: Workspace, sha256: str) -> pd.DataFrame:
    """The frozen reference."""
    return _workspace.reference()


@st.cache_data(ttl=TTL, max_entries=4, show_spinner="Reading the window's traffic")
def window(_workspace: Workspace, root: str, start: datetime, end: datetime, as_of: datetime) -> pd.DataFrame:
    """Scored traffic of one window, as it was known then."""
    return _workspace.traffic.scored(start, end, as_of=as_of)


@st.cache_data(ttl=TTL, max_entries=4, show_spinner="Looking at this window")
def any_window(_workspace: Workspace, head: str, start: datetime, end: datetime) -> Seen:
    """A stretch of traffic against the reference, by hand."""
    return look_between(_workspace, start, end)


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def open_alerts(_workspace: Workspace, head: str) -> list[Alert]:
    """What is wrong now, what wants somebody today first, then the newest."""
    found = read_state(_workspace.ledger).open[::-1]
    return sorted(found, key=lambda alert: alert.severity is not Severity.PAGE)


def desk(workspace: Workspace) -> list[Reviewed]:
    """Every dossier with where it stands now; what waits for a person first, then newest first."""
    items = reviewed(workspace, now=workspace.now())[::-1]
    return sorted(items, key=lambda item: item.standing.value != "pending")


def waiting(workspace: Workspace) -> list[Reviewed]:
    """Dossiers that wait for a person."""
    return pending(workspace, now=workspace.now())


def dossier(workspace: Workspace, digest: str) -> Dossier:
    """The evidence behind a digest, checked at every look: what is shown is what is signed."""
    return read_dossier(workspace, digest)


@st.cache_data(ttl=TTL, max_entries=512, show_spinner=False)
def gate_checks(_workspace: Workspace, digest: str) -> tuple[Check, ...]:
    """The gates of a dossier, which never change under its digest."""
    return read_dossier(_workspace, digest).checks


def cycle_at(workspace: Workspace, as_of: datetime) -> dict[Any, Any] | None:
    """The cycle of one moment, if it is among the newest."""
    frame = cycles(workspace, head(workspace))
    found = frame[frame["as_of"] == as_of] if len(frame) else frame
    return found.to_dict("records")[-1] if len(found) else None


def summary_of(workspace: Workspace, cycle: Mapping[Any, Any]) -> DriftSummary | None:
    """A cycle's drift summary; None where its notebook failed before there was one, or it is in another format."""
    found = _summary(workspace, cycle)
    return found if isinstance(found, DriftSummary) else None


def other_format(workspace: Workspace, cycle: Mapping[Any, Any]) -> int | None:
    """In which other format than ours a cycle's summary is; None where it is in ours, or there is none."""
    found = _summary(workspace, cycle)
    return None if isinstance(found, DriftSummary) else found


def result_of(workspace: Workspace, cycle: Mapping[Any, Any]) -> dict[str, Any] | None:
    """A cycle's monitoring result; None where there is none in our format."""
    path = cycle["metrics_path"]
    found = document(workspace, path, cycle["files"].get(path)) if path else None
    return found if found is not None and found.get("schema_version") == FORMAT else None


def outcomes(workspace: Workspace, cycles: pd.DataFrame) -> dict[str, Any] | None:
    """What the newest look knew of outcomes: `measured_at`, `champion`, `realised`, `estimated`."""
    written = cycles[cycles["metrics_path"].notna()] if len(cycles) else cycles
    result = result_of(workspace, written.iloc[-1].to_dict()) if len(written) else None
    return result["outcomes"] if result else None


def _summary(workspace: Workspace, cycle: Mapping[Any, Any]) -> DriftSummary | int | None:
    path = cycle["summary_path"]
    return summary(workspace, path, cycle["files"].get(path)) if path else None


def file_name(path: str) -> str:
    """The last part of a recorded path."""
    return Path(path).name


def _acts(found: list[Entry], *, numbers: tuple[str, ...]) -> pd.DataFrame:
    rows = [{**entry.body, "as_of": entry.at, "files": entry.files, "seq": entry.seq} for entry in found]
    frame = pd.DataFrame(rows)
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numbers}) if rows else frame
