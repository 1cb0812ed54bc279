"""The user's portfolio file, read strictly: every fault names the file, the row and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipeline.artefacts import sha256_file
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.settings import Settings
from pipeline.settings_data import DataSettings

_MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Applications with their outcomes, in order of event time.

    `rows` holds `application_id, event_time` (UTC), the features, `y` (1 bad, 0 good, missing when never known) and
    `known_at` (UTC). `set_aside` lists every row that cannot be used: `row` (1 = first below the header),
    `application_id`, `reason`.
    """

    rows: pd.DataFrame
    set_aside: pd.DataFrame
    horizon: timedelta
    sha256: str


def read_portfolio(settings: Settings) -> Portfolio:
    """Read and check the file that the settings name.

    Raises:
        InputError: No such file, a column is missing or mistyped, an id appears twice, a date or label makes no sense.
        NotEnoughDataError: No row is left.
    """
    data, path = settings.data, settings.data_path
    raw = _read_columns(path, data)
    rows = pd.DataFrame({"application_id": _ids(raw, path, data)})
    rows["event_time"] = _event_times(raw, path, data)
    for name, feature in data.features.items():
        convert = _numbers if feature.kind == "numeric" else _categories
        rows[name] = convert(raw[name], path, name)
    set_aside = _unusable(rows, data)
    keep = ~rows.index.isin(set_aside.index)
    if not keep.any():
        raise NotEnoughDataError(path, f"none of {len(rows)} rows can be used; the first: {_first_reason(set_aside)}")
    rows = _with_outcome(rows, raw, path, data)[keep]
    horizon = _horizon(rows, settings)
    ordered = rows.sort_values(["event_time", "application_id"], ignore_index=True)
    return Portfolio(rows=ordered, set_aside=set_aside, horizon=horizon, sha256=sha256_file(path))


def _read_columns(path: Path, data: DataSettings) -> pd.DataFrame:
    wanted = [data.id, data.event_time, *data.features, data.label.outcome_time, data.label.column, data.label.known_at]
    columns = list(dict.fromkeys(column for column in wanted if column))
    if not path.is_file():
        raise InputError(path, "no such file; data.path expects a CSV, CSV.gz or Parquet file")
    try:
        parquet = path.suffix == ".parquet"
        found = pq.read_schema(path).names if parquet else list(pd.read_csv(path, nrows=0).columns)
        if absent := [column for column in columns if column not in found]:
            raise InputError(path, f"no column {absent[0]!r}; the file has {', '.join(map(str, found))}")
        if parquet:
            return pd.read_parquet(path, columns=columns)
        return pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False, na_values=list(_MISSING))
    except (ValueError, OSError, EOFError) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError(path, f"not readable as {'Parquet' if parquet else 'CSV'}: {first_line}") from None


def _fault(path: Path, column: str, position: int, expected: str, got: object) -> InputError:
    return InputError(path, f"row {position + 1}", column, f"expected {expected}, got {got!r}")


def _first(mask: pd.Series) -> int:
    return int(np.flatnonzero(mask.to_numpy())[0])


def _ids(raw: pd.DataFrame, path: Path, data: DataSettings) -> pd.Series:
    ids = raw[data.id]
    if (missing := ids.isna()).any():
        raise _fault(path, data.id, _first(missing), "an id", "nothing")
    ids = ids.astype(str)
    if (twice := ids.duplicated()).any():
        position = _first(twice)
        earlier = _first(ids == ids.iloc[position]) + 1
        raise _fault(path, data.id, position, f"a new id (row {earlier} has it already)", ids.iloc[position])
    return ids


def _times(column: pd.Series, path: Path, name: str) -> pd.Series:
    times = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce").astype("datetime64[us, UTC]")
    if (wrong := times.isna() & column.notna()).any():
        raise _fault(path, name, _first(wrong), "a date as in 2004-01-31", column.iloc[_first(wrong)])
    return times


def _event_times(raw: pd.DataFrame, path: Path, data: DataSettings) -> pd.Series:
    if data.event_time is not None:
        return _times(raw[data.event_time], path, data.event_time)
    assert data.assumed_time is not None
    days = pd.to_timedelta(np.arange(len(raw)) // data.assumed_time.rows_per_day, unit="D")
    return pd.Series(pd.Timestamp(data.assumed_time.start) + days, index=raw.index).astype("datetime64[us, UTC]")


def _numbers(column: pd.Series, path: Path, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    if (wrong := numbers.isna() & column.notna()).any():
        raise _fault(path, name, _first(wrong), "a number", column.iloc[_first(wrong)])
    return numbers


def _categories(column: pd.Series, _path: Path, _name: str) -> pd.Series:
    return column.astype("string").astype(object).where(column.notna(), None)


def _unusable(rows: pd.DataFrame, data: DataSettings) -> pd.DataFrame:
    reason = pd.Series("", index=rows.index)
    reason[rows["event_time"].isna()] = "no event time"
    for name, feature in data.features.items():
        if feature.kind != "numeric":
            continue
        low = -np.inf if feature.min is None else feature.min
        high = np.inf if feature.max is None else feature.max
        outside = rows[name].notna() & (~np.isfinite(rows[name]) | (rows[name] < low) | (rows[name] > high))
        shown = rows.loc[outside, name].map(
            lambda value, n=name, a=low, b=high: f"{n} {value:g} is outside {a:g} to {b:g}"
        )
        reason[outside & (reason == "")] = shown
    bad = reason[reason != ""]
    return pd.DataFrame({"row": bad.index + 1, "application_id": rows["application_id"][bad.index], "reason": bad})


def _first_reason(set_aside: pd.DataFrame) -> str:
    return f"row {set_aside['row'].iloc[0]}, {set_aside['reason'].iloc[0]}"


def _with_outcome(rows: pd.DataFrame, raw: pd.DataFrame, path: Path, data: DataSettings) -> pd.DataFrame:
    label = data.label
    if label.outcome_time is not None and label.horizon is not None:
        outcome = _times(raw[label.outcome_time], path, label.outcome_time)
        if (early := outcome < rows["event_time"]).any():
            position = _first(early)
            raise _fault(
                path,
                label.outcome_time,
                position,
                "an outcome after the application",
                str(outcome.iloc[position].date()),
            )
        bad = (outcome - rows["event_time"]) <= label.horizon
        return rows.assign(y=bad.astype("float64"), known_at=outcome.where(bad, rows["event_time"] + label.horizon))
    assert label.column is not None
    y = _numbers(raw[label.column], path, label.column)
    if (wrong := y.notna() & ~y.isin([0, 1])).any():
        raise _fault(path, label.column, _first(wrong), "0 (good) or 1 (bad)", raw[label.column].iloc[_first(wrong)])
    if label.known_at is None:
        assert label.delay is not None
        return rows.assign(y=y, known_at=rows["event_time"] + label.delay)
    known_at = _times(raw[label.known_at], path, label.known_at)
    if (early := known_at < rows["event_time"]).any():
        raise _fault(
            path,
            label.known_at,
            _first(early),
            "a date after the application",
            str(known_at.iloc[_first(early)].date()),
        )
    if (dateless := y.notna() & known_at.isna()).any():
        raise _fault(path, label.known_at, _first(dateless), "the date when this label was known", "nothing")
    return rows.assign(y=y, known_at=known_at)


def _horizon(rows: pd.DataFrame, settings: Settings) -> timedelta:
    label = settings.data.label
    if label.horizon is not None:
        return label.horizon
    if label.delay is not None:
        return label.delay
    reference = rows[between(rows, settings.reference.start, settings.reference.end) & rows["y"].notna()]
    if reference.empty:
        raise NotEnoughDataError(
            settings.data_path,
            "no labelled row in the reference window to learn the label horizon from; give data.label.horizon",
        )
    longest: pd.Timedelta = (reference["known_at"] - reference["event_time"]).max()
    return longest.to_pytimedelta()


def between(rows: pd.DataFrame, start: datetime, end: datetime) -> pd.Series:
    """Which rows have an event time in [start, end)."""
    return (rows["event_time"] >= start) & (rows["event_time"] < end)
