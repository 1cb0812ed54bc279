"""What looks are measured against, for one champion: the reference prepared, its scores, and what moves the score.

Made once a champion, in seconds, and kept beside the reference with its SHA-256 in the ledger. A look that finds none
(by hand, before the first cycle) makes one in memory.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from monitoring.contribution import PreparedContribution, prepare_contribution
from monitoring.prepared import PreparedReference, prepare
from monitoring.thresholds import NullTail
from pipeline.artefacts import canonical_json, sha256_file, write_atomically
from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError
from pipeline.reference import FOLDER
from pipeline.stores.ledger import Entry
from pipeline.traffic.portfolio import between
from pipeline.wiring import Workspace

KIND = "baseline"  # in the ledger, once for each champion and reference: an erasure freezes the reference anew
AVERAGED_ROWS = (
    1000  # of the reference, per answer asked of the champion: a mean score is then right to a percentage point
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The reference with the champion's `score` as a column, prepared; and how the score depends on features.

    `unseen`: the rows that the champion was not trained on. Over the others its scores are too sure of themselves,
    which would read as a change of the score; all rows, where too few are left.
    """

    version: str
    rows: pd.DataFrame
    unseen: pd.DataFrame
    prepared: PreparedReference
    contribution: PreparedContribution

    @property
    def importance(self) -> dict[str, float]:
        """Share of the champion's importance per feature; nothing where its score never moves."""
        return {name: share for name, share in self.contribution.importance_shares.items() if share is not None}


def load_baseline(workspace: Workspace, version: str) -> Baseline:
    """The baseline on record, checked against the ledger; made in memory where there is none.

    Raises:
        IntegrityError: A file is gone or is not the recorded one.
    """
    recorded = _recorded(workspace, version)
    if recorded is None:
        return _made(workspace, version, tails={}, tick=lambda _: None)
    about, scores = (_checked(workspace, name, recorded) for name in (_about(version), _scores(version)))
    content = json.loads(about)
    rows = workspace.reference()
    rows["score"] = pd.read_parquet(io.BytesIO(scores))["score"].to_numpy()
    tails = {name: NullTail.from_json(tail) for name, tail in content["tails"].items()}
    return Baseline(
        version=version,
        rows=rows,
        unseen=_unseen(workspace, version, rows),
        prepared=_prepared(workspace, version, rows, tails),
        contribution=PreparedContribution.from_json(content["contribution"]),
    )


def record_baseline(workspace: Workspace, *, at: datetime, actor: str, say: Callable[[str], None]) -> None:
    """Make the champion's baseline and put it on record; does nothing where it is already."""
    champion = workspace.require_champion()["version"]
    if _recorded(workspace, champion) is not None:
        return
    made = _made(workspace, champion, tails=_known_tails(workspace), tick=lambda _: None)
    content = {
        "schema_version": 1,
        "reference_sha256": workspace.reference_sha256,
        "model_version": champion,
        "seed": workspace.settings.train.seed,
        "tails": {name: tail.to_json() for name, tail in made.prepared.tails.items()},
        "contribution": made.contribution.to_json(),
    }
    buffer = io.BytesIO()
    made.rows[["score"]].to_parquet(buffer, index=False)
    files = {
        _about(champion): write_atomically(workspace.root / _about(champion), canonical_json(content)),
        _scores(champion): write_atomically(workspace.root / _scores(champion), buffer.getvalue()),
    }
    body = {"version": champion, "reference_sha256": workspace.reference_sha256, "rows": len(made.rows)}
    with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
        writer.record(KIND, baseline_key(champion, workspace.reference_sha256), body, at=at, actor=actor, files=files)
    say(f"limits for version {champion} got ready: {made.prepared.questions} questions a look")


def _made(
    workspace: Workspace, version: str, *, tails: Mapping[str, NullTail], tick: Callable[[str], None]
) -> Baseline:
    model, rows = workspace.model(version), workspace.reference()
    rows["score"] = model.score(rows)
    prepared = _prepared(workspace, version, rows, tails, tick)
    bins = {name: item.bins for name, item in prepared.features.items() if item.bins is not None}
    seed = workspace.settings.train.seed
    contribution = prepare_contribution(
        model.score, rows, workspace.settings.data.kinds, bins, rows=AVERAGED_ROWS, seed=seed
    )
    unseen = _unseen(workspace, version, rows)
    return Baseline(version=version, rows=rows, unseen=unseen, prepared=prepared, contribution=contribution)


def _unseen(workspace: Workspace, version: str, rows: pd.DataFrame) -> pd.DataFrame:
    record = workspace.challenger(version)
    left = rows[~between(rows, record["train_start"], record["train_end"])]
    return left if len(left) >= workspace.settings.monitor.min_rows else rows


def _prepared(
    workspace: Workspace,
    version: str,
    rows: pd.DataFrame,
    tails: Mapping[str, NullTail],
    tick: Callable[[str], None] = lambda _: None,
) -> PreparedReference:
    return prepare(
        rows,
        workspace.settings.data.kinds,
        sha256=workspace.reference_sha256,
        score=np.asarray(_unseen(workspace, version, rows)["score"], dtype=np.float64),
        tails=tails,
        seed=workspace.settings.train.seed,
        tick=tick,
    )


def _known_tails(workspace: Workspace) -> dict[str, NullTail]:
    """Those of an earlier champion's baseline: features do not depend on the champion, only the score does."""
    entries = _entries(workspace)
    if not entries:
        return {}
    content = json.loads(_checked(workspace, _about(entries[-1].body["version"]), entries[-1].files))
    return {name: NullTail.from_json(tail) for name, tail in content["tails"].items() if name != "score"}


def _recorded(workspace: Workspace, version: str) -> dict[str, str] | None:
    found = [entry.files for entry in _entries(workspace) if entry.body["version"] == version]
    return found[-1] if found else None


def _entries(workspace: Workspace) -> list[Entry]:
    """Baselines over today's reference, oldest first."""
    found = workspace.ledger.entries(kind=KIND)
    return [entry for entry in found if entry.body["reference_sha256"] == workspace.reference_sha256]


def _checked(workspace: Workspace, name: str, files: Mapping[str, Any]) -> bytes:
    path = workspace.root / name
    if not path.is_file():
        raise IntegrityError(path, "the prepared limits are gone")
    if sha256_file(path) != files.get(name):
        raise IntegrityError(path, "not the limits that were recorded; not used")
    return path.read_bytes()


def baseline_key(version: str, reference_sha256: str) -> str:
    """Under which the ledger knows what was prepared for a champion against a reference.

    >>> baseline_key("2", "7e1f129f31d1" + "0" * 52)
    '2 7e1f129f31d1'
    """
    return f"{version} {reference_sha256[:12]}"


def _about(version: str) -> str:
    return (FOLDER / f"reference_limits_v{version}.json").as_posix()


def _scores(version: str) -> str:
    return (FOLDER / f"reference_scores_v{version}.parquet").as_posix()
