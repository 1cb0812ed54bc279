"""The reference: what "normal" is measured against. Frozen once, read-only, its SHA-256 checked before every use."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artefacts import canonical_json, sha256_file, write_atomically
from pipeline.errors import IntegrityError, NotEnoughDataError
from pipeline.settings import Settings
from pipeline.traffic.portfolio import Portfolio, between

FOLDER = Path("monitoring/reference")
DATA, METADATA = FOLDER / "reference_data.parquet", FOLDER / "reference_metadata.json"


def choose_reference(portfolio: Portfolio, settings: Settings) -> pd.DataFrame:
    """The rows of the reference window, a seeded sample of them where there are more than `max_rows`.

    Raises:
        NotEnoughDataError: Too few rows, or a feature that is missing or the same in all of them: drift against it
            would be either invisible or certain.
    """
    window, rows = settings.reference, portfolio.rows
    chosen = rows[between(rows, window.start, window.end)]
    where = f"reference {window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
    if len(chosen) < settings.monitor.min_rows:
        raise NotEnoughDataError(
            settings.data_path, where, f"{len(chosen)} rows, need monitor.min_rows = {settings.monitor.min_rows}"
        )
    for name in settings.data.features:
        values = chosen[name].dropna()
        if values.empty:
            raise NotEnoughDataError(
                settings.data_path, where, f"{name}: missing in all {len(chosen)} rows; expected values"
            )
        if values.nunique() == 1:
            raise NotEnoughDataError(
                settings.data_path, where, f"{name}: {values.iloc[0]!r} in every row; expected values that vary"
            )
    if len(chosen) > window.max_rows:
        picked = np.random.default_rng(settings.train.seed).choice(len(chosen), window.max_rows, replace=False)
        chosen = chosen.iloc[np.sort(picked)]
    return chosen[["application_id", "event_time", *settings.data.features]].reset_index(drop=True)


def freeze(rows: pd.DataFrame, settings: Settings, *, horizon: timedelta) -> dict[str, str]:
    """Write the reference and what is known of it; returns both files' SHA-256 by path in the workspace."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    digest = write_atomically(settings.workspace / DATA, buffer.getvalue())
    about = {
        "schema_version": 1,
        "sha256": digest,
        "rows": len(rows),
        "start": settings.reference.start.isoformat(),
        "end": settings.reference.end.isoformat(),
        "features": settings.data.kinds,
        "label_horizon_s": int(horizon.total_seconds()),
    }
    about_digest = write_atomically(settings.workspace / METADATA, canonical_json(about))
    for path in (DATA, METADATA):
        (settings.workspace / path).chmod(0o444)
    return {DATA.as_posix(): digest, METADATA.as_posix(): about_digest}


def read_metadata(workspace: Path) -> dict[str, Any]:
    """What is known of the frozen reference: its SHA-256, rows, window and the label horizon."""
    try:
        about: dict[str, Any] = json.loads((workspace / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(workspace / METADATA, f"not readable: {error}") from None
    return about


def load_reference(workspace: Path, *, sha256: str) -> pd.DataFrame:
    """The frozen rows, if they are still those that were recorded.

    Raises:
        IntegrityError: The file is gone or is not the recorded one.
    """
    path = workspace / DATA
    if not path.is_file():
        raise IntegrityError(path, "the reference is gone")
    if (found := sha256_file(path)) != sha256:
        raise IntegrityError(path, f"expected SHA-256 {sha256[:12]}…, found {found[:12]}…; not used")
    return pd.read_parquet(path)
