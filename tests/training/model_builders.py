"""Real models, small: fitted once, saved as MLflow saves them, put on record in a real ledger."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io as sio
from builders import AS_OF, REPOSITORY

from pipeline.settings import load_settings
from pipeline.training.model_digests import RecordedModel, folder_digest, folder_files
from pipeline.training.recipes import build
from pipeline.wiring import Workspace

KINDS = load_settings(REPOSITORY / "mend.toml").data.kinds
THRESHOLD = 0.25
BESIDE = {"MLmodel": b"flavors: {}\n", "requirements.txt": b"skops\n"}  # what MLflow puts beside a model, in short


def applicants(n: int = 300, *, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Raw features of the shipped settings, with gaps, and outcomes that depend on the first amount."""
    draw = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for name, kind in KINDS.items():
        if kind == "numeric":
            columns[name] = np.where(draw.random(n) < 0.05, np.nan, draw.lognormal(3, 1, n))
        else:
            columns[name] = pd.Series(draw.choice(["a", "b", "c", None], n), dtype=object)
    rows = pd.DataFrame(columns)
    risk = rows[[name for name, kind in KINDS.items() if kind == "numeric"]].rank(pct=True).mean(axis=1)
    return rows, (risk + draw.normal(0, 0.1, n) > 0.5).to_numpy().astype(np.int8)


@cache
def saved(recipe: str = "logistic_regression", seed: int = 1) -> bytes:
    """A fitted model of one of our recipes as the bytes of its .skops file."""
    rows, y = applicants(seed=seed)
    model, _ = build(recipe, KINDS, seed=seed)
    if recipe == "hist_gradient_boosting":
        model.set_params(model__max_iter=10)
    return sio.dumps(model.fit(rows, y))


def write_model(folder: Path, content: bytes) -> Path:
    """A model folder with its .skops file and what MLflow puts beside it."""
    folder.mkdir(parents=True)
    for name, data in {**BESIDE, "model.skops": content}.items():
        (folder / name).write_bytes(data)
    return folder


def recorded(folder: Path, *, version: str = "1", threshold: float = THRESHOLD) -> RecordedModel:
    """The folder as it is now, as if the ledger had recorded it so."""
    return RecordedModel(version=version, folder=folder, files=folder_files(folder), threshold=threshold)


def put_model_on_record(workspace: Workspace, version: str, content: bytes, **files: str) -> Path:
    """A version with real files in the workspace and in the ledger; `files` are recorded beside them."""
    path = f"mlflow/artifacts/models/m-{version}/artifacts"
    folder = write_model(workspace.root / path, content)
    digests = folder_files(folder)
    values = {
        "version": version,
        "signal": None,
        "as_of": AS_OF,
        "train_start": AS_OF,
        "train_end": AS_OF,
        "rows": 300,
        "positives": 100,
        "recipe": "logistic_regression",
        "threshold": THRESHOLD,
        "data_sha256": "d" * 64,
        "model_sha256": folder_digest(digests),
        "model_path": path,
        "mlflow_run": "r",
        "requested_by": "mend",
    }
    on_record = {f"{path}/{name}": digest for name, digest in digests.items()} | files
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        assert writer.record("challenger", version, values, at=AS_OF, actor="mend", files=on_record)
    return folder


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Schema and arrays of a .skops file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("schema.json")), files


def packed(schema: Any, arrays: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A .skops file with right checksums, whatever is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=compression) as archive:
        for name, data in arrays.items():
            archive.writestr(name, data)
        archive.writestr("schema.json", schema if isinstance(schema, bytes | str) else json.dumps(schema))
    return buffer.getvalue()


def parts(value: Any) -> list[dict[str, Any]]:
    """Every part of a schema, the whole first."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [part for each in inside for part in parts(each)]
    return [value, *found] if isinstance(value, dict) and "__loader__" in value else found
