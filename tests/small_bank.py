"""A very small bank: 1,200 applicants, and real models that see more of the truth the higher their version."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io as sio

from pipeline.artefacts import canonical_json, sha256_text, write_atomically
from pipeline.settings import Settings, load_settings
from pipeline.training.recipes import build

SETTINGS: Settings = load_settings(Path(__file__).parent.parent / "mend.toml")
AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
HORIZON = timedelta(days=30)
APPLICANTS, LABELLED = 1200, 1000  # the last 200 are not mature at AS_OF
_TELLING = ("jobs_created", "jobs_retained", "employees")  # each says more than the one before
_HONEST = (0.55, 0.8, 0.97)  # how often it tells the outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallModel:
    """A fitted pipeline with its cut-off, and its one file."""

    pipeline: Any
    threshold: float
    content: bytes

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 by name, as the ledger records a model's folder."""
        import hashlib

        return {"model.skops": hashlib.sha256(self.content).hexdigest()}

    @property
    def sha256(self) -> str:
        """The folder's digest."""
        return sha256_text(canonical_json(self.files))

    def score(self, rows: pd.DataFrame) -> np.ndarray:
        """Probability of bad, as the product computes it."""
        return self.pipeline.predict_proba(rows[list(SETTINGS.data.features)])[:, 1]

    def write(self, folder: Path) -> None:
        """Put its file into a folder."""
        write_atomically(folder / "model.skops", self.content)


def applicants(as_of: datetime = AS_OF) -> pd.DataFrame:
    """Everybody who applied, an application every two hours; every fifth is bad. In the fortnight after AS_OF, the same."""
    anchor = AS_OF if AS_OF <= as_of < AS_OF + timedelta(days=14) else as_of
    rows = _people(APPLICANTS, seed=1)
    place = np.arange(APPLICANTS)
    times = _moments(anchor - HORIZON, (place - LABELLED + 1) * 2)
    return rows.assign(
        application_id=[f"row{i:04d}" for i in place],
        event_time=times,
        known_at=times + HORIZON,
        y=np.where(place < LABELLED, rows["bad"], np.nan),
    )


@cache
def reference() -> pd.DataFrame:
    """What is normal here: 300 applicants of an earlier day."""
    rows = _people(300, seed=2)
    ids = [f"ref{i:04d}" for i in range(len(rows))]
    times = _moments(AS_OF - timedelta(days=1000), np.arange(len(rows)))
    rows = rows.assign(application_id=ids, event_time=times)
    return rows[["application_id", "event_time", *SETTINGS.data.features]]


@cache
def reference_sha256() -> str:
    """SHA-256 of the reference as it is frozen."""
    import hashlib

    buffer = io.BytesIO()
    reference().to_parquet(buffer, index=False)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def model_of(version: str, *, better: bool = True) -> SmallModel:
    """Version 1 guesses; each later one up to 4 sees more of the truth. One that is not `better` guesses, too."""
    return _model(min(int(version) - 1, len(_TELLING)) if better else -1)


@cache
def _model(sees: int) -> SmallModel:
    rows, rng = _people(3000 if sees >= 0 else 2900, seed=3), np.random.default_rng(4 + max(sees, 0))
    guess = (rows["low_doc"] == "1").to_numpy(dtype=np.int64)  # says nothing about who is bad
    target = rows["bad"].to_numpy() if sees > 0 else guess
    for place, name in enumerate(_TELLING):
        if place != sees - 1:
            rows[name] = rng.permutation(rows[name].to_numpy())
    features = rows[list(SETTINGS.data.features)]
    pipeline, _ = build("logistic_regression", SETTINGS.data.kinds, seed=0)
    pipeline.fit(features, target)
    threshold = float(np.quantile(pipeline.predict_proba(features)[:, 1], 0.8))
    return SmallModel(pipeline=pipeline, threshold=threshold, content=sio.dumps(pipeline))


def _moments(start: datetime, hours: np.ndarray) -> pd.DatetimeIndex:
    return (pd.Timestamp(start) + pd.to_timedelta(hours, unit="h")).as_unit("us")


def _people(n: int, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    bad = (np.arange(n) % 5 == 0).astype(np.int64)
    rows: dict[str, Any] = {"bad": bad}
    for name, feature in SETTINGS.data.features.items():
        if feature.kind == "categorical":
            rows[name] = rng.choice(np.array(["0", "1"], dtype=object), n)
        elif name in _TELLING:
            honest = rng.random(n) < _HONEST[_TELLING.index(name)]
            rows[name] = np.where(honest, bad, rng.integers(0, 2, n)) * 5.0 + rng.random(n)
        else:
            rows[name] = rng.random(n) * (feature.max or 300_000.0)
    return pd.DataFrame(rows)
