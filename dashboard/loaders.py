"""What pages read: the ledger, and files only if they are those that the ledger recorded. Nothing here writes.

Nothing here grows with the ledger: a page asks for one cycle by its time, for a span thinned to what can be drawn, for
counts, or for one page of a list. What is cached is keyed by the ledger's head, so that it is never older than the
ledger.
"""

# ruff: noqa: ARG001  (arguments that nobody reads are keys of the cache)
from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.heat import gravest
from monitoring.summary import DriftSummary
from pipeline.alerts.journal import read_state
from pipeline.alerts.values import Alert, Severity
from pipeline.any_window import Seen, look_between
from pipeline.clock import wall_clock
from pipeline.gate.dossier import Dossier
from pipeline.gate.values import Check
from pipeline.promotion.review import Reviewed, pending, read_dossier, reviewed
from pipeline.recorded import recorded as recorded
from pipeline.settings import load_settings
from pipeline.stores import cycle_history
from pipeline.stores.ledger import Entry
from pipeline.stores.standing_verification import StandingVerification
from pipeline.wiring import Workspace, open_workspace

NEWEST = 2000  # acts of the few kinds that a history tells; the ledger holds them all
PAGE = 200  # rows of a list that a page shows at once; the next page begins where it ends
FORMAT = 2  # schema_version of summaries and monitoring results that pages know how to show
MOST_ROWS = 10_000  # of a window that are drawn: a share is known to a point then (95 %), and a chart shows no less
NUMBERS = ("features_judged", "features_drifted", "weighted_share", "score_psi", "worst_psi")
Cycle = dict[str, Any]
TTL = 300  # seconds; what is cached is keyed by the ledger's head, so age only bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much there is: cycles and how many of them failed, notebook runs and how many failed, entries by kind."""

    cycles: int
    cycles_failed: int
    runs: int
    runs_failed: int
    kinds: dict[str, int]

    @property
    def entries(self) -> int:
        """All entries of the ledger."""
        return sum(self.kinds.values())


def workspace() -> Workspace:
    """The workspace of the settings file, opened once; anew when the file or the folder is another one."""
    return _opened(*_which())


def _which() -> tuple[str, int, int]:
    settings = load_settings()
    source, folder = settings.source, settings.workspace
    return str(source), source.stat().st_mtime_ns, folder.stat().st_ino if folder.exists() else 0


@st.cache_resource(max_entries=4, show_spinner=False)
def _opened(source: str, changed: int, folder: int) -> Workspace:
    return open_workspace(load_settings(source))


@st.cache_resource(max_entries=4, show_spinner=False)
def _verification(source: str, changed: int, folder: int) -> StandingVerification:
    workspace = _opened(source, changed, folder)
    return StandingVerification(workspace.ledger, workspace=workspace.root, clock=wall_clock)


def head(workspace: Workspace) -> str:
    """What the ledger says now, in one word: the key under which its contents are cached."""
    return f"{workspace.root}@{workspace.ledger.head()[1]}"


@st.cache_data(ttl=TTL, max_entries=8, show_spinner=False)
def counts(_workspace: Workspace, head: str) -> Counts:
    """How much there is in all."""
    kinds, failed = _workspace.ledger.counts(), cycle_history.failures(_workspace.ledger)
    return Counts(
        cycles=kinds.get("cycle", 0),
        cycles_failed=failed["cycle"],
        runs=kinds.get("run", 0),
        runs_failed=failed["run"],
        kinds=kinds,
    )


def span(workspace: Workspace) -> tuple[datetime, datetime] | None:
    """Moments of the first cycle and of the newest; None where none has run."""
    return cycle_history.span(workspace.ledger)


@st.cache_data(ttl=TTL, max_entries=16, show_spinner="Reading the history")
def history(
    _workspace: Workspace, head: str, start: datetime | None = None, end: datetime | None = None
) -> pd.DataFrame:
    """Cycles from `start` to `end`, both included (None: from the first, to the newest), thinned to be drawn.

    At most about 400 rows, oldest first, whatever the span: see `cycle_history.thinned` for which cycle stands for
    which, and for the columns. Empty where no cycle lies in the span.
    """
    whole = cycle_history.span(_workspace.ledger)
    low, high = (start or whole[0], end or whole[1]) if whole else (None, None)
    rows = cycle_history.thinned(_workspace.ledger, low, high) if low and high and low <= high else []
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(NUMBERS, "float64")) if rows else frame


@st.cache_data(ttl=TTL, max_entries=16, show_spinner=False)
def cycles(_workspace: Workspace, head: str, limit: int = PAGE, skip: int = 0) -> pd.DataFrame:
    """One page of cycles, oldest first: the last `limit`, of what is left without the newest `skip`.

    The ledger's columns, `files` with each file's SHA-256, `seq`, and the look's columns, `cycle_history.LOOK`: empty
    where a cycle has no look.
    """
    rows = cycle_history.newest_cycles(_workspace.ledger, limit=limit, skip=skip)
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys((*NUMBERS, "rows"), "float64")) if rows else frame


def newest_cycle(workspace: Workspace) -> Cycle | None:
    """The newest cycle, with the columns of `cycles`; None where none has run."""
    found = cycle_history.newest_cycles(workspace.ledger, limit=1)
    return found[0] if found else None


def cycle_before(workspace: Workspace, moment: datetime) -> Cycle | None:
    """The newest cycle at or before a moment, with the columns of `cycles`: what a link or a date asks for."""
    return cycle_history.cycle_at_or_before(workspace.ledger, moment)


def cycle_linked(workspace: Workspace, link: str) -> Cycle | None:
    """The newest cycle that the `as_of` of a link may mean: by the end of the day, or of the minute, that it names.

    None where no cycle had run by then, or the link names neither.
    """
    for form, length in (("%Y-%m-%d", timedelta(days=1)), ("%Y-%m-%dT%H:%M", timedelta(minutes=1))):
        with suppress(ValueError, OverflowError):
            start = datetime.strptime(link, form).replace(tzinfo=UTC)
            return cycle_before(workspace, start + length - timedelta(microseconds=1))
    return None


def cycle_at(workspace: Workspace, as_of: datetime) -> Cycle | None:
    """The cycle of this very moment, with the columns of `cycles`."""
    found = cycle_before(workspace, as_of)
    return found if found is not None and found["as_of"] == as_of else None


@st.cache_data(ttl=TTL, max_entries=4, show_spinner="Reading looks of the whole life")
def looks(_workspace: Workspace, head: str, most: int) -> list[tuple[datetime, DriftSummary | None]]:
    """At most so many cycles of the whole life with what their looks found, oldest first.

    All of them where there are no more; else those that a person must not miss: see `heat.gravest`.
    """
    found = cycle_history.newest_cycles(_workspace.ledger, limit=most + 1)
    if len(found) > most:
        kept = gravest(history(_workspace, head), most)
        found = [cycle for as_of in kept if (cycle := cycle_at(_workspace, as_of)) is not None]
    return [(cycle["as_of"], summary_of(_workspace, cycle)) for cycle in found]


def neighbours(workspace: Workspace, cycle: Mapping[Any, Any]) -> tuple[Cycle | None, Cycle | None]:
    """The cycle before this one, and the one after it; None at either end."""
    return cycle_history.neighbours(workspace.ledger, cycle["as_of"])


@st.cache_data(ttl=TTL, max_entries=16, show_spinner=False)
def runs(_workspace: Workspace, head: str, limit: int = PAGE, skip: int = 0) -> pd.DataFrame:
    """One page of notebook runs, newest first, without the newest `skip`."""
    found = _workspace.ledger.entries(kind="run", limit=limit, skip=skip)
    return _runs(found)[::-1].reset_index(drop=True)


def run(workspace: Workspace, run_id: str) -> dict[Any, Any] | None:
    """One notebook run by its name, with the columns of `runs`, however old it is."""
    found = workspace.ledger.entry("run", run_id)
    return None if found is None else _runs([found]).to_dict("records")[0]


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


@st.cache_data(ttl=TTL, max_entries=4, show_spinner=False)
def turns(_workspace: Workspace, head: str) -> pd.DataFrame:
    """Looks at which drift began or ended over the whole life, oldest first: see `cycle_history.turns`."""
    return pd.DataFrame(cycle_history.turns(_workspace.ledger, limit=NEWEST))


def reign(workspace: Workspace) -> dict[str, Any]:
    """Who is champion, since when, and who put it there."""
    found = workspace.ledger.reign()
    assert found is not None
    return found


@st.cache_data(ttl=TTL, max_entries=16, show_spinner=False)
def entries(_workspace: Workspace, head: str, kind: str | None, limit: int = PAGE, skip: int = 0) -> list[Entry]:
    """One page of ledger entries, newest first: of one kind or of all, without the newest `skip`."""
    return _workspace.ledger.entries(kind=kind, limit=limit, skip=skip)[::-1]


def entry(workspace: Workspace, seq: int) -> Entry | None:
    """The ledger entry with this number."""
    return workspace.ledger.at(seq)


def verification() -> StandingVerification:
    """The verification of this workspace's ledger, one for all who look: see `StandingVerification`."""
    return _verification(*_which())


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
    """Scored traffic of one window, as it was known then: all of it or, of a long one, rows evenly spaced in time.

    Who draws it says of how many rows: `len` of the frame, of the summary's `rows`.
    """
    return _workspace.traffic.sampled(start, end, as_of=as_of, at_most=MOST_ROWS)


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


def outcomes(workspace: Workspace) -> dict[str, Any] | None:
    """What the newest look knew of outcomes: `measured_at`, `champion`, `realised`, `estimated`."""
    found = cycle_history.newest_measured(workspace.ledger)
    result = result_of(workspace, found) if found else None
    return result["outcomes"] if result else None


def _summary(workspace: Workspace, cycle: Mapping[Any, Any]) -> DriftSummary | int | None:
    path = cycle["summary_path"]
    return summary(workspace, path, cycle["files"].get(path)) if path else None


def file_name(path: str) -> str:
    """The last part of a recorded path."""
    return Path(path).name


def _runs(found: list[Entry]) -> pd.DataFrame:
    rows = [{**entry.body, "as_of": entry.at, "files": entry.files, "seq": entry.seq} for entry in found]
    frame = pd.DataFrame(rows)
    return frame.assign(seconds=pd.to_numeric(frame["seconds"])) if rows else frame
