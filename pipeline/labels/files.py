"""Outcomes from a file: read in pieces, each row a report or refused with what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.labels.rules import Report

ROWS_AT_ONCE = 10_000  # in one transaction: half a second of work
ID, LABEL, KNOWN_AT, CORRECTS = "prediction_id", "label", "known_at", "corrects"
_AN_ID = re.compile(r"[!-~]{1,200}")
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_YES_NO = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_YEARS = range(1900, 9999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a file, counted from 1 below the header: a report, or why it is none."""

    number: int
    prediction_id: str
    report: Report | None
    why: str = ""


def read_outcomes(path: Path) -> Iterator[list[Row]]:
    """Read a CSV, CSV.gz or Parquet file with `prediction_id, label, known_at` and, if any corrects, `corrects`.

    Args:
        path: Times are ISO 8601, in UTC where they name no zone; labels 0 or 1.

    Raises:
        InputError: No such file, not readable, or a column is missing.
    """
    if not path.is_file():
        raise InputError(path, "no such file; expected CSV, CSV.gz or Parquet")
    first = 1
    try:
        for piece in _pieces(path):
            yield _rows(piece, first)
            first += len(piece)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(path, f"not readable: {str(error).partition(chr(10))[0]}") from None


def _pieces(path: Path) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        names = _columns(path, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=names):
            rows = batch.to_pandas()
            yield pd.DataFrame({name: _as_text(rows[name]) for name in names})
        return
    names = _columns(path, list(pd.read_csv(path, nrows=0, dtype=str).columns))
    yield from pd.read_csv(path, usecols=names, dtype=str, keep_default_na=False, chunksize=ROWS_AT_ONCE)


def _as_text(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(column):
        return column.map(lambda moment: "" if pd.isna(moment) else moment.isoformat())
    return column.map(lambda value: "" if pd.isna(value) else str(value))


def _columns(path: Path, found: Sequence[str]) -> list[str]:
    if absent := [name for name in (ID, LABEL, KNOWN_AT) if name not in found]:
        raise InputError(path, f"no column {absent[0]!r}; the file has {', '.join(found)[:200]}")
    return [ID, LABEL, KNOWN_AT, *([CORRECTS] if CORRECTS in found else [])]


def _rows(piece: pd.DataFrame, first: int) -> list[Row]:
    moments = pd.to_datetime(piece[KNOWN_AT], utc=True, errors="coerce", format="ISO8601")
    corrects = piece[CORRECTS] if CORRECTS in piece else [""] * len(piece)
    columns = zip(piece[ID], piece[LABEL], moments, corrects, strict=True)
    return [_row(first + place, *values) for place, values in enumerate(columns)]


def _row(number: int, key: str, label: str, known_at: pd.Timestamp, corrects: str) -> Row:
    why = _why_not(key, label, known_at, corrects)
    if why:
        return Row(number=number, prediction_id=key[:200], report=None, why=why)
    report = Report(
        prediction_id=key,
        y=_LABELS[label.strip()],
        known_at=known_at.to_pydatetime(),
        corrects=_YES_NO[corrects.strip().lower()],
    )
    return Row(number=number, prediction_id=key, report=report)


def _why_not(key: str, label: str, known_at: pd.Timestamp, corrects: str) -> str:
    if not _AN_ID.fullmatch(key):
        return f"{ID}: expected 1 to 200 visible ASCII characters"
    if label.strip() not in _LABELS:
        return f"{LABEL}: expected 0 or 1"
    if pd.isna(known_at) or known_at.year not in _YEARS:
        return f"{KNOWN_AT}: expected a time like 2026-11-24T12:00:00Z"
    if corrects.strip().lower() not in _YES_NO:
        return f"{CORRECTS}: expected true or false"
    return ""
