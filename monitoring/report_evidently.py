"""Evidently's own report on a window, for people to read, with its verdict to stand beside ours.

The one owner of Evidently: importing it costs 9 CPU s and a page is 4.5 MB, so write one where it is wanted, not for
every window. Nothing leaves the machine: the page carries its scripts, telemetry is off.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring.columns import Sample, categories, numbers
from monitoring.summary import DriftPolicy
from monitoring.values import Kind

MOST_ROWS = 100_000  # of either side: a page drawn from a sample of this size looks the same
SEED = 20010911

_KNOWN_WARNINGS: tuple[tuple[type[Warning], str], ...] = (
    (DeprecationWarning, "numpy.core is deprecated"),
    (DeprecationWarning, "invalid escape sequence"),  # when its files are compiled, Python 3.11
    (SyntaxWarning, "invalid escape sequence"),  # the same from Python 3.12 on
    (DeprecationWarning, "(Call to|Use of) deprecated (function|class) 'Dependency"),  # its use of litestar
    (RuntimeWarning, "(invalid value|divide by zero|overflow) encountered"),  # its correlations: constants, huge values
    (RuntimeWarning, "Degrees of freedom <= 0"),  # its correlations of one row
)


def write_report(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    kinds: Mapping[str, Kind],
    *,
    threshold: float,
    drift_share: float,
    path: Path,
) -> dict[str, Any]:
    """Run Evidently's data drift preset and write its HTML, whole or not at all.

    Kinds and methods are given, never guessed: left alone, Evidently would read small whole numbers as categories and
    switch to p-values for a small reference.

    Args:
        reference: One row per application, a column per feature; above 100,000 rows a fixed random sample is taken.
        current: The window's rows, likewise.
        kinds: Which features to report on, and how each is to be read.
        threshold: Score from which a feature has drifted, unitless, > 0.
        drift_share: Share of drifted features from which the window has, in (0, 1].
        path: The HTML file; its folder is made if need be.

    Returns:
        Evidently's own reading: `scores` {feature: score}, `excluded` {feature: reason} for what it cannot take,
        `drift_share` (observed, among the scored), `dataset_drift_detected`.

    Raises:
        ValueError: No feature is left that Evidently can take, or a threshold is impossible. Nothing is written.
    """
    policy = DriftPolicy(threshold=threshold, drift_share=drift_share, min_rows=1)
    reference, current = _sample(reference), _sample(current)
    reasons = {feature: _unfit(reference, current, feature, kind) for feature, kind in kinds.items()}
    taken: dict[str, Kind] = {feature: kind for feature, kind in kinds.items() if reasons[feature] is None}
    if not taken:
        raise ValueError(f"no feature for Evidently to report on: {next(iter(reasons.values()), 'kinds is empty')}")
    html, document = _run(_clean(reference, taken), _clean(current, taken), taken, policy)
    reading = _reading(document)
    _write_atomically(path, html)
    return reading | {"excluded": {feature: reason for feature, reason in reasons.items() if reason is not None}}


def _unfit(reference: pd.DataFrame, current: pd.DataFrame, feature: str, kind: Kind) -> str | None:
    """Why Evidently cannot take a feature: one such column makes its whole report raise."""
    sides = {"reference": reference, "window": current}
    reasons = [Sample.of(frame, feature, kind, side=side, need=1).reason for side, frame in sides.items()]
    return next(filter(None, reasons), None)


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(n=MOST_ROWS, random_state=SEED) if len(frame) > MOST_ROWS else frame


def _clean(frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    columns = {
        feature: numbers(frame[feature]) if kind == "numeric" else categories(frame[feature]).to_numpy()
        for feature, kind in kinds.items()
    }
    return pd.DataFrame(columns)


def _run(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, Kind], policy: DriftPolicy
) -> tuple[str, dict[str, Any]]:
    """Evidently's page and its JSON."""
    os.environ["DO_NOT_TRACK"] = "1"  # read when Evidently is imported
    with known_warnings_ignored():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=[feature for feature, kind in kinds.items() if kind == "numeric"],
            categorical_columns=[feature for feature, kind in kinds.items() if kind == "categorical"],
        )
        preset = DataDriftPreset(
            num_method="wasserstein",
            cat_method="jensenshannon",
            num_threshold=policy.threshold,
            cat_threshold=policy.threshold,
            drift_share=policy.drift_share,
        )
        snapshot = Report([preset], include_tests=True).run(
            Dataset.from_pandas(current, data_definition=definition),
            Dataset.from_pandas(reference, data_definition=definition),
        )
        return snapshot.get_html_str(as_iframe=False), snapshot.dict()


@contextmanager
def known_warnings_ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        for category, message in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, category)
        yield


def _reading(document: Mapping[str, Any]) -> dict[str, Any]:
    """Scores and verdict from a snapshot's JSON: the scores are in its metrics, the verdict only in its tests."""
    scores, share, drifted = {}, None, None
    for metric in document["metrics"]:
        if metric["config"]["type"].endswith(":ValueDrift"):
            scores[metric["config"]["column"]] = float(metric["value"])
        elif metric["config"]["type"].endswith(":DriftedColumnsCount"):
            share = float(metric["value"]["share"])
    for test in document["tests"]:
        if test["metric_config"]["params"]["type"].endswith(":DriftedColumnsCount"):
            drifted = test["status"] == "FAIL"
    if drifted is None or share is None:
        raise ValueError("Evidently's report holds no verdict: is this another version?")
    return {"scores": scores, "drift_share": share, "dataset_drift_detected": drifted}


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
