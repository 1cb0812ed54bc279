"""A year on the wall clock, on record by the product's own writers: looks, runs, cycles, alerts, dossiers, decisions.

Files are shared by many cycles: so many different looks are written once and named again, the newest each by its own
cycle. Everything in the ledger is what the product writes, in its order, so that the chain verifies.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from desk_life import LOOKBACK, Document, Life, a_look, settings_file
from rich.console import Console
from rich.progress import track
from serving_fill import Log, fill

from monitoring.signals import SignalDecision, Trigger
from monitoring.summary import DriftSummary
from pipeline.alerts.journal import Event, read_state, write_state
from pipeline.alerts.values import Alert, Severity
from pipeline.artefacts import canonical_json, sha256_file, write_atomically
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.promotion.documents import decision_document
from pipeline.promotion.person import Person
from pipeline.running.cycle import _look_values
from pipeline.settings import load_settings
from pipeline.stores.ledger import LedgerWriter
from pipeline.stores.snapshot import snapshot
from pipeline.wiring import Workspace, open_workspace

EVERY = timedelta(minutes=5)
YEAR = 105_000
LOOKS = 300  # different ones; a third of them drifted
EPISODE, BETWEEN = 900, 9_000  # cycles: three days of drift in each month
FAILS_EVERY = 1_009  # a cycle whose notebook failed, now and then
ALERT_EVERY = 400
TOGETHER = 500  # cycles in one transaction: the year has not got 105,000 commits to wait for
OFFICER = Person(actor="credit.officer@bank.example", method="local", name="credit.officer@bank.example")
_NOTE = "0 of the last 3 windows called for a new model, the latest did not (a signal needs 2 of 3 and the latest)"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is put on record."""

    cycles: int
    dossiers: int
    predictions: int


@dataclass(frozen=True, kw_only=True)
class Written:
    """One look and its files: path and SHA-256."""

    summary: DriftSummary
    result: Document
    files: dict[str, str]

    @property
    def paths(self) -> list[str]:
        """Of the summary, and of the monitoring result."""
        return list(self.files)


def lived_year(life: Life, folder: Path, size: Size, *, until: datetime, console: Console) -> Path:
    """Make a workspace in which a year, or a part of it, ended at this moment; returns its settings file."""
    config = _beginning(life, folder)
    workspace = open_workspace(load_settings(config))
    try:
        rows_a_window = _traffic(life, workspace, size, until=until, console=console)
        _Year(life, workspace, size, until=until, rows=rows_a_window).record(console)
    finally:
        workspace.ledger.engine.dispose()
        workspace.traffic.engine.dispose()
    return config


def one_more_cycle(life: Life, config: Path) -> None:
    """What the next five minutes bring."""
    workspace = open_workspace(load_settings(config))
    try:
        last = workspace.ledger.last_cycle()
        assert last is not None
        size = Size(cycles=1, dossiers=0, predictions=0)
        year = _Year(life, workspace, size, until=last["as_of"] + EVERY, rows=last["rows"] or 0)
        year.record(Console(quiet=True))
    finally:
        workspace.ledger.engine.dispose()
        workspace.traffic.engine.dispose()


def _beginning(life: Life, folder: Path) -> Path:
    """The life's files, and its stores as they were before the first look."""
    folder.mkdir(parents=True)
    config = settings_file(folder, lookback=LOOKBACK)
    ours = {f"{name}{end}" for name in ("ledger.db", "traffic.db") for end in ("", "-wal", "-shm")}
    shutil.copytree(life.workspace, folder / "ws", ignore=lambda _, names: ours & set(names))
    for name in ("ledger.db", "traffic.db"):
        snapshot(life.start / name, folder / "ws" / name)
    return config


def _traffic(life: Life, workspace: Workspace, size: Size, *, until: datetime, console: Console) -> int:
    """As dense as a year of so many, of which a short life has the last window and a day; returns rows in a window."""
    step = timedelta(days=365) / size.predictions
    rows = min(size.predictions, (LOOKBACK + size.cycles * EVERY + timedelta(days=1)) // step)
    lived = life.opened()
    features = lived.reference()[list(lived.settings.data.kinds)].head(500)
    lived.ledger.engine.dispose()
    lived.traffic.engine.dispose()
    texts = [json.dumps({k: None if v != v else v for k, v in row.items()}) for row in features.to_dict("records")]
    path = Path(str(workspace.traffic.engine.url.database))
    fill(path, rows, console=console, log=Log(end=until, step=step, features=texts))
    return min(rows, LOOKBACK // step)


class _Year:
    """One workspace while its year is put on record."""

    def __init__(self, life: Life, workspace: Workspace, size: Size, *, until: datetime, rows: int) -> None:
        self.life, self.workspace, self.size, self.rows = life, workspace, size, rows
        self.times = [until - EVERY * back for back in range(size.cycles - 1, -1, -1)]
        self.rng = np.random.default_rng(7)
        self.calm, self.moved = self._looks()
        self.notebooks = _notebooks(life)
        self.judged = _Desk(life, workspace)
        self.state = read_state(workspace.ledger)

    def _looks(self) -> tuple[list[Written], list[Written]]:
        """The newest cycles' own looks, calm until the last episode; older cycles name them again."""
        newest = self.times[-LOOKS:]
        first_moved = len(newest) * 2 // 3
        written = [self._write(at, moved=number >= first_moved) for number, at in enumerate(newest)]
        return written[:first_moved] or written, written[first_moved:]

    def _write(self, as_of: datetime, *, moved: bool) -> Written:
        summary, result = a_look(self.life, as_of=as_of, rows=self.rows, moved=moved, rng=self.rng)
        root, stamp = self.workspace.root, f"{as_of:%Y%m%d_%H%M%S}"
        path = f"monitoring/reports/drift_reports/drift_summary_{stamp}.json"
        files = {path: write_atomically(root / path, canonical_json(summary.to_json()))}
        result = {**result, "summary": path, "files": files}
        other = f"monitoring/metrics/monitoring_results/monitoring_{stamp}.json"
        return Written(
            summary=summary,
            result=result,
            files={**files, other: write_atomically(root / other, canonical_json(result))},
        )

    def record(self, console: Console) -> None:
        """Every cycle, and what came between."""
        ledger, every = self.workspace.ledger, self.size.cycles / max(self.size.dossiers, 1)
        due = {int(every * (number + 0.5)) for number in range(self.size.dossiers)}
        starts = range(0, self.size.cycles, TOGETHER)
        for start in track(starts, description=f"{self.size.cycles:,} cycles", console=console):
            times = self.times[start : start + TOGETHER]
            with ledger.transaction(recorded_at=times[-1] + timedelta(seconds=4)) as writer:
                for number, as_of in enumerate(times, start=start):
                    self._cycle(writer, number, as_of)
                    if number in due:
                        self.judged.judge(writer, as_of)
        self.judged.leave_one_waiting(self.times[-1])

    def _cycle(self, writer: LedgerWriter, number: int, as_of: datetime) -> None:
        writer.recorded_at = as_of + timedelta(seconds=4)
        failed = number % FAILS_EVERY == FAILS_EVERY - 1
        look = None if failed else self._look(number)
        self._run(writer, as_of, look, failed=failed)
        if look is not None:
            nothing = SignalDecision(triggers=(Trigger(reason="drift", holds=False, why=_NOTE),), signal=None,
                                     obstacle=None)  # fmt: skip
            values = {**_look_values(look.summary, look.result["diagnosis"], nothing), "as_of": as_of}
            writer.record("look", as_of.isoformat(), values, at=as_of, actor="mend")
        paths = look.paths if look else [None, None]
        values = {
            "as_of": as_of,
            "clock": "wall",
            "status": look.summary.state.value if look else "failed",
            "drift_share": look.summary.drift_share if look else None,
            "dataset_drift_detected": int(bool(look.summary.dataset_drift_detected)) if look else None,
            "rows": look.summary.rows if look else None,
            "champion": self.judged.champion,
            "summary_path": paths[0],
            "metrics_path": paths[1],
            "report_path": None,
            "note": _NOTE if look else "drift.ipynb: a cell ran into its time limit",
        }
        files = look.files if look else {}
        writer.record("cycle", as_of.isoformat(), values, at=as_of, actor="mend", files=files)
        if number % ALERT_EVERY == ALERT_EVERY - 1:
            self._alert(writer, as_of)

    def _look(self, number: int) -> Written:
        own = number - (self.size.cycles - min(LOOKS, self.size.cycles))
        if own >= 0:
            return [*self.calm, *self.moved][own]
        pool = self.moved if self.moved and number % BETWEEN >= BETWEEN - EPISODE else self.calm
        return pool[int(self.rng.integers(len(pool)))]

    def _run(self, writer: LedgerWriter, as_of: datetime, look: Written | None, *, failed: bool) -> None:
        path, sha256 = self.notebooks[int(self.rng.integers(len(self.notebooks)))]
        values = {
            "run_id": f"{as_of:%Y%m%d_%H%M%S}_drift",
            "notebook": "drift",
            "as_of": as_of,
            "status": "failed" if failed else "succeeded",
            "seconds": round(float(self.rng.gamma(20, 0.08)), 3),
            "path": path,
            "artefact": look.paths[1] if look else None,
            "error": "a cell ran into its time limit" if failed else None,
        }
        writer.record("run", values["run_id"], values, at=as_of, actor="mend", files={path: sha256})

    def _alert(self, writer: LedgerWriter, as_of: datetime) -> None:
        opened = Alert(
            number=self.state.last_alert + 1,
            code="drift.population",
            subject="window",
            severity=Severity.PAGE,
            text=f"4 of 13 features are past their limit in {self.rows:,} rows.",
            since=as_of,
            opened_at=as_of,
        )
        state = replace(self.state, as_of=as_of, alerts=(opened,), last_alert=opened.number)
        told = Event(event="counted", alert=opened.number)
        self.state = write_state(writer, state, at=as_of, opened=[opened], events=[told])


def _notebooks(life: Life) -> list[tuple[str, str]]:
    found = sorted((life.workspace / "monitoring" / "runs").glob("*_drift/*.ipynb"))
    return [(path.relative_to(life.workspace).as_posix(), sha256_file(path)) for path in found]


class _Desk:
    """Challengers, dossiers and decisions: the life's own, judged again at other moments under other versions."""

    def __init__(self, life: Life, workspace: Workspace) -> None:
        self.workspace = workspace
        champion = workspace.require_champion()
        self.champion, self.promoted_at = str(champion["version"]), champion["since"]
        lived = life.opened()
        self.trained = {row["version"]: row for row in lived.ledger.acts("challenger")}
        self.files = {entry.key: entry.files for entry in lived.ledger.entries(kind="challenger")}
        self.dossiers = [
            Dossier.from_json(json.loads((life.workspace / row["path"]).read_text("utf-8")))
            for row in lived.ledger.acts("dossier")
            if row["status"] != "waiting"
        ]
        lived.ledger.engine.dispose()
        lived.traffic.engine.dispose()
        self.number = max(int(version) for version in self.trained)
        self.done = 0

    def judge(self, writer: LedgerWriter, as_of: datetime) -> None:
        """One challenger trained and judged. One in ten passes; of these every second is signed, the rest rejected."""
        self.done += 1
        wanted = "promotable" if self.done % 10 == 0 else "refused"
        source = [each for each in self.dossiers if each.status == wanted][self.done % 2 - 1 :][0]
        row = self._put(writer, source, as_of)
        if wanted == "promotable":
            self._decide(writer, row, "approved" if self.done % 20 == 0 else "rejected", as_of + timedelta(minutes=2))

    def leave_one_waiting(self, as_of: datetime) -> None:
        """The newest dossier passed every gate, and nobody has decided."""
        source = next(each for each in self.dossiers if each.status == "promotable")
        if self.done:
            with self.workspace.ledger.transaction(recorded_at=as_of) as writer:
                self._put(writer, source, as_of)

    def _put(self, writer: LedgerWriter, source: Dossier, as_of: datetime) -> dict[str, Any]:
        self.number += 1
        version, shift = str(self.number), as_of - source.as_of
        model = self.trained[source.challenger]
        told = {**model, "version": version, "as_of": as_of, "signal": None}
        told.pop("entry")
        writer.record("challenger", version, told, at=as_of, actor="mend", files=self.files[source.challenger])
        dossier = self._again(source, version, shift)
        path = f"monitoring/retraining/decisions/decision_{as_of:%Y%m%d_%H%M%S}_v{version}.json"
        digest = write_atomically(self.workspace.root / path, canonical_json(dossier.to_json()))
        row = {
            "digest": digest,
            "challenger": version,
            "champion": self.champion,
            "as_of": as_of,
            "expires_at": dossier.expires_at,
            "status": dossier.status,
            "path": path,
        }
        trial = {
            "digest": digest,
            "challenger": version,
            "as_of": as_of,
            "metric": dossier.policy.primary,
            "error_spent": dossier.error_spent,
            "recheck_at": dossier.recheck_at,
        }
        writer.record("trial", digest, trial, at=as_of, actor="mend")
        writer.record("dossier", digest, row, at=as_of, actor="mend", files={path: digest})
        return row

    def _again(self, source: Dossier, version: str, shift: timedelta) -> Dossier:
        last_try = None if source.last_try_at is None else source.last_try_at + shift
        moved = {name: getattr(source, name) + shift for name in ("as_of", "window_start", "window_end", "expires_at")}
        checks = all_checks(
            source.evidence,
            policy=source.policy,
            as_of=moved["as_of"],
            last_promotion_at=self.promoted_at,
            last_try_at=last_try,
        )
        return replace(
            source,
            challenger=version,
            champion=self.champion,
            last_promotion_at=self.promoted_at,
            last_try_at=last_try,
            checks=checks,
            **moved,
        )

    def _decide(self, writer: LedgerWriter, row: dict[str, Any], verdict: str, at: datetime) -> None:
        signature = {"digest": row["digest"], **OFFICER.to_json(), "four_eyes": "asked for", "own_work": False}
        reason = f"{verdict.capitalize()} after a look at the swap set and the segments; see the minutes of {at:%d %B}."
        values = {"digest": row["digest"], "verdict": verdict, "actor": OFFICER.actor, "reason": reason, "at": at}
        path = row["path"].replace(".json", f"_{verdict}.json")
        digest = write_atomically(self.workspace.root / path, decision_document(values, row, signature))
        if verdict == "approved":
            swap = {"expected": self.champion, "new": row["challenger"], "how": "promotion", "digest": row["digest"]}
            writer.swap_champion(**swap, at=at, actor=OFFICER.actor)
            self.champion, self.promoted_at = row["challenger"], at
        writer.record("signature", row["digest"], signature, at=at, actor=OFFICER.actor)
        writer.record(
            "decision", row["digest"], {**values, "path": path}, at=at, actor=OFFICER.actor, files={path: digest}
        )
