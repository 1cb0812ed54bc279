"""A small real life to multiply: the shipped loans replayed up to the first decision, and looks made of its looks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from monitoring.checks import Check
from monitoring.diagnosis import diagnose
from monitoring.summary import DriftSummary, FeatureDrift
from monitoring.values import State, Window, time_text
from pipeline.settings import load_settings
from pipeline.stores.snapshot import snapshot
from pipeline.wiring import Workspace, open_workspace

REPOSITORY = Path(__file__).resolve().parents[1]
STEP = "90d"  # between two looks of the life
LOOKBACK = timedelta(days=7)  # of the year: a bank that looks every five minutes looks at a week
_OFFLINE = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
_STORES = ("ledger.db", "traffic.db")
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a real life left: its folder, the stores as they were before the first look, and its looks, oldest first."""

    folder: Path
    start: Path
    looks: Sequence[tuple[Document, Document]]  # drift summary, monitoring result

    @property
    def workspace(self) -> Path:
        """The lived-in workspace."""
        return self.folder / "ws"

    def opened(self) -> Workspace:
        """The lived-in workspace, from this process."""
        return open_workspace(load_settings(self.folder / "mend.toml"))


def environment(config: Path) -> dict[str, str]:
    """For every process that works on a workspace: nothing phones home."""
    return {**os.environ, **_OFFLINE, "MEND_CONFIG": str(config)}


def live(folder: Path, *, say: Callable[[str], None]) -> Life:
    """Make the life, two minutes, or find the one that was made in this folder before.

    Raises:
        RuntimeError: A command of Mend's fails; the message is the end of what it said.
    """
    start = folder / "start"
    if not (folder / "lived").exists():
        shutil.rmtree(folder, ignore_errors=True)
        start.mkdir(parents=True)
        config = settings_file(folder, lookback=None)
        say("a small life: training the first champion")
        _mend(config, "init")
        for name in _STORES:
            snapshot(folder / "ws" / name, start / name)
        say("a small life: replaying the loans up to the first decision (two minutes)")
        _mend(config, "replay", "--step", STEP)
        (folder / "lived").touch()
    workspace = open_workspace(load_settings(folder / "mend.toml"))
    cycles = workspace.ledger.acts("cycle")
    _close(workspace)
    looks = [
        tuple(json.loads((folder / "ws" / cycle[name]).read_text("utf-8")) for name in ("summary_path", "metrics_path"))
        for cycle in cycles
        if cycle["metrics_path"]
    ]
    return Life(folder=folder, start=start, looks=looks)  # type: ignore[arg-type]


def settings_file(folder: Path, *, lookback: timedelta | None) -> Path:
    """The shipped settings with a workspace beside them, and another lookback if one is given."""
    lines = {
        "path": json.dumps(str(REPOSITORY / "data" / "sba_loans.csv.gz")),
        "workspace": '"ws"',
        "fairness_policy": json.dumps(str(REPOSITORY / "configs" / "fairness_policy.toml")),
        **({} if lookback is None else {"lookback": f'"{lookback / timedelta(hours=1):g}h"'}),
    }
    text = (REPOSITORY / "mend.toml").read_text(encoding="utf-8")
    for key, value in lines.items():
        text = "\n".join(f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines())
    path = folder / "mend.toml"
    path.write_text(text, encoding="utf-8")
    return path


def a_look(
    life: Life, *, as_of: datetime, rows: int, moved: bool, rng: np.random.Generator
) -> tuple[DriftSummary, Document]:
    """A look of the life at another moment: every number a little other, calm or not as asked, judged by the rules.

    Returns:
        The summary, and the monitoring result without the paths of its files.
    """
    document, result = life.looks[int(rng.integers(len(life.looks) // 2, len(life.looks)))]
    found = DriftSummary.from_json(document)
    bounds = Window(start=as_of - LOOKBACK, end=as_of)
    checks = tuple(_check(each, bounds, moved=moved, rng=rng) for each in found.checks)
    summary = replace(
        found,
        timestamp=as_of,
        window=bounds,
        rows=rows,
        newest_event=as_of - timedelta(seconds=30),
        checks=checks,
        features=tuple(_score(each, rng) for each in found.features),
        state=found.policy.judge(
            rows=rows, stale=False, drifted=any(each.drifted for each in checks), failed=False, too_few=False
        ),
        reason=None,
    )
    importance = {each["feature"]: each["importance_share"] for each in result["contributions"]}
    told = diagnose(summary, importance=importance)
    return summary, {
        **result,
        "as_of": time_text(as_of),
        "state": summary.state.value,
        "drift_share": summary.drift_share,
        "evidently": None,
        "diagnosis": told.to_json(),
        "moved": result["moved"] if summary.state is State.DRIFT else [],
        "below_floor": None,
    }


def _check(check: Check, bounds: Window, *, moved: bool, rng: np.random.Generator) -> Check:
    limit, expected = check.limit, check.expected
    observed = check.observed * float(rng.uniform(0.9, 1.1))
    if limit is not None and not moved:
        observed = expected + (limit - expected) * float(rng.uniform(0.05, 0.8))
    since = bounds.end - timedelta(hours=float(rng.uniform(1, 100)))
    return Check(
        feature=check.feature,
        code=check.code,
        rows=check.rows,
        expected=expected,
        observed=observed,
        critical=check.critical,
        limit=limit,
        drifted=(past := check.beyond(observed)),
        since=since if past else None,
    )


def _score(score: FeatureDrift, rng: np.random.Generator) -> FeatureDrift:
    value = score.drift_score * float(rng.uniform(0.8, 1.2))
    return replace(score, drift_score=value, drift_detected=value >= score.threshold)


def _mend(config: Path, *words: str) -> None:
    command = [sys.executable, "-m", "pipeline", *words]
    done = subprocess.run(  # noqa: S603  our own words
        command, env=environment(config), cwd=config.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"mend {words[0]}: {done.stderr[-2000:]}")


def _close(workspace: Workspace) -> None:
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()
