"""A model as files: saved with skops, and loaded only when its folder's digest is the one on record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io as sio
from numpy.typing import NDArray

from pipeline.artefacts import canonical_json, sha256_text, sha256_tree
from pipeline.errors import IntegrityError

# What our recipes are made of, beyond what skops trusts by itself. A file that needs anything else is not ours.
TRUSTED_TYPES = (
    "functools.partial",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)


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


def folder_digest(files: dict[str, str]) -> str:
    """One SHA-256 for a folder, from its files' names and SHA-256s."""
    return sha256_text(canonical_json(files))


def load_model(folder: Path, *, version: str, sha256: str, threshold: float, features: tuple[str, ...]) -> ScoringModel:
    """Load a model whose files are exactly those the ledger recorded.

    Raises:
        IntegrityError: A file is missing, changed or extra, or holds a type that our recipes never use.
    """
    if not folder.is_dir():
        raise IntegrityError(folder, f"the files of model version {version} are gone")
    if folder_digest(sha256_tree(folder)) != sha256:
        raise IntegrityError(
            folder, f"the files of model version {version} are not those the ledger recorded; not loaded"
        )
    try:
        pipeline = sio.load(_skops_file(folder), trusted=list(TRUSTED_TYPES))
    except sio.exceptions.UntrustedTypesFoundException as error:
        raise IntegrityError(
            folder, f"model version {version}: {str(error).partition(chr(10))[0]}; not loaded"
        ) from None
    return ScoringModel(version=version, sha256=sha256, threshold=threshold, pipeline=pipeline, features=features)


def _skops_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.skops"))
    if len(found) != 1:
        raise IntegrityError(folder, f"expected one .skops file, found {len(found)}")
    return found[0]
