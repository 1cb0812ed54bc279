"""A model as files: loaded only when its files are those on record, from the very bytes that were compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import IntegrityError
from pipeline.settings import Settings
from pipeline.training.model_digests import RecordedModel, verified_files
from pipeline.training.model_format import load_pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringModel:
    """A verified model with its cut-off."""

    version: str
    sha256: str
    threshold: float
    pipeline: Any
    features: tuple[str, ...]

    def score(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of default per row, shape (n_rows,), in [0, 1]."""
        if rows.empty:
            return np.empty(0)
        probabilities: NDArray[np.float64] = self.pipeline.predict_proba(rows[list(self.features)])[:, 1]
        return probabilities


def load_model(recorded: RecordedModel, settings: Settings) -> ScoringModel:
    """Load a model whose files are exactly those the ledger recorded, and signed if the settings name a public key.

    The files are read once. What was compared is what is loaded: a file changed a moment later changes nothing.

    Raises:
        IntegrityError: A file is missing, changed, extra or swapped, the signature is missing or not good, or the
            .skops file holds a part that our recipes never make. The message names the file.
    """
    files = verified_files(recorded, settings)
    name, content = _skops_file(recorded.folder, files)
    try:
        pipeline = load_pipeline(content)
    except ValueError as error:
        raise IntegrityError(
            recorded.folder, f"model version {recorded.version} is not used", f"{name}: {error}"
        ) from None
    return ScoringModel(
        version=recorded.version,
        sha256=recorded.sha256,
        threshold=recorded.threshold,
        pipeline=pipeline,
        features=tuple(settings.data.features),
    )


def _skops_file(folder: Path, files: dict[str, bytes]) -> tuple[str, bytes]:
    found = [name for name in files if name.endswith(".skops") and "/" not in name]
    if len(found) != 1:
        raise IntegrityError(folder, f"expected one .skops file, found {len(found)}")
    return found[0], files[found[0]]
