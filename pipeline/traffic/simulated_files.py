"""Simulated traffic as files that Mend can live through: a portfolio, its settings, and what was done to it."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artefacts import canonical_json, write_atomically
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.traffic.portfolio import Portfolio
from pipeline.traffic.simulation import Simulated, told

PORTFOLIO, SETTINGS, MANIFEST, FAIRNESS = "portfolio.parquet", "mend.toml", "manifest.json", "fairness_policy.toml"


def require_free(folder: Path) -> None:
    """InputError unless the folder is new or empty: what is there may have a workspace living on it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("--out", folder, "expected a new or an empty folder")


def write(
    simulated: Simulated,
    portfolio: Portfolio,
    settings: Settings,
    *,
    folder: Path,
    every: timedelta,
    lookback: timedelta,
) -> dict[str, Any]:
    """Write the history before go-live and the simulated traffic as a portfolio, with settings and a manifest.

    Each file is written whole or not at all, the manifest last: a folder without one is not finished. The settings are
    the given file's, with the new portfolio, a workspace and stores of their own, `every` and `lookback`. Rows that
    could not be used stay out of the history.

    Returns:
        The manifest: what was done, and the SHA-256 of each file and of the portfolio it was made from.

    Raises:
        InputError: The folder holds something.
    """
    require_free(folder)
    history = portfolio.rows[portfolio.rows["event_time"] < settings.train.go_live]
    together = pd.concat([history, simulated.rows[list(history.columns)]], ignore_index=True)
    buffer = io.BytesIO()
    event_time = settings.data.event_time or "event_time"  # a file without dates gets them
    _as_file(together, settings, event_time).to_parquet(buffer, index=False)
    files = {PORTFOLIO: write_atomically(folder / PORTFOLIO, buffer.getvalue())}
    if settings.fairness_policy_path is not None:
        files[FAIRNESS] = write_atomically(folder / FAIRNESS, settings.fairness_policy_path.read_bytes())
    text = _settings_text(settings, event_time, every=every, lookback=lookback)
    files[SETTINGS] = write_atomically(folder / SETTINGS, text)
    manifest = {
        "schema_version": 1,
        **told(simulated),
        "history_rows": len(history),
        "files": files,
        "source": {"name": settings.data_path.name, "sha256": portfolio.sha256},
    }
    write_atomically(folder / MANIFEST, canonical_json(manifest))
    return manifest


def _as_file(rows: pd.DataFrame, settings: Settings, event_time: str) -> pd.DataFrame:
    """Rows under the names that the settings' file has, so that reading them gives the same rows."""
    data, label = settings.data, settings.data.label
    columns: dict[str, Any] = {data.id: rows["application_id"], event_time: rows["event_time"]}
    columns |= {name: rows[name] for name in data.features}
    if label.outcome_time is not None:
        columns[label.outcome_time] = rows["known_at"].where(rows["y"] == 1)
    if label.column is not None:
        columns[label.column] = rows["y"]
    if label.known_at is not None:
        columns[label.known_at] = rows["known_at"]
    return pd.DataFrame(columns)


def _settings_text(settings: Settings, event_time: str, *, every: timedelta, lookback: timedelta) -> str:
    content = tomllib.loads(settings.source.read_text(encoding="utf-8"))
    content.pop("stores", None)  # a life of its own: nothing of this may end up in somebody's database
    content.pop("alerts", None)  # and nobody is woken by it
    content["model"]["workspace"] = "workspace"
    content["data"] |= {"path": PORTFOLIO, "event_time": event_time}
    content["data"].pop("assumed_time", None)
    content["monitor"] = content.get("monitor", {}) | {"interval": in_units(every), "lookback": in_units(lookback)}
    if settings.fairness_policy_path is not None:
        content["gate"] = content.get("gate", {}) | {"fairness_policy": FAIRNESS}
    return f"# Simulated traffic: see {MANIFEST}.\n{as_toml(content).lstrip()}"


def in_units(length: timedelta) -> str:
    """A duration as settings spell it: 90000 s is 25h."""
    seconds = int(length.total_seconds())
    unit, size = next(each for each in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % each[1] == 0)
    return f"{seconds // size}{unit}"


def as_toml(tables: Mapping[str, Any], above: tuple[str, ...] = ()) -> str:
    """Two levels of tables under headings, the rest in line.

    >>> print(as_toml({"data": {"id": "loan", "features": {"age": {"min": 0}}}}).strip())
    [data]
    id = "loan"
    <BLANKLINE>
    [data.features]
    age = { min = 0 }
    """
    here = {key: value for key, value in tables.items() if not (isinstance(value, dict) and len(above) < 2)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in here.items()]
    heading = [f"\n[{'.'.join(map(_key, above))}]"] if above else []
    deeper = [as_toml(value, (*above, key)) for key, value in tables.items() if key not in here]
    return "\n".join([*(heading if here or not deeper else []), *lines]) + "\n" + "".join(deeper)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    match value:
        case dict():
            inside = ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case str() | bool():
            return json.dumps(value, ensure_ascii=False).replace(
                "\x7f", "\\u007f"
            )  # the one JSON leaves and TOML refuses
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
