"""Applications from a file, in pieces: what the service would take, and what it would refuse and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.settings_data import Feature

ROWS_AT_ONCE = 50_000  # some 30 MB while they are scored
_MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "None", "N/A", "n/a")
_AN_ID = r"[!-~]{1,200}"
_LONGEST_CATEGORY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of a file from number `first` on, 1 below the header. `why` is empty where a row can be scored."""

    first: int
    ids: pd.Series[str]
    rows: pd.DataFrame
    why: pd.Series[str]


def read_applications(
    path: Path, features: Mapping[str, Feature], *, id_column: str, may_be_missing: Collection[str]
) -> Iterator[Piece]:
    """Read CSV, CSV.gz or Parquet in pieces of 50,000 rows.

    Of ids that were read before, 8 bytes each are kept, so that in a file of ten million rows one row is refused in
    error, as a repeat, with a chance of three in a million.

    Args:
        path: With a column for each feature, and one of ids.
        features: As in the settings: kind and range.
        id_column: The settings' `data.id`; `prediction_id` does, too.
        may_be_missing: Features that may be missing, as in the frozen reference.

    Raises:
        InputError: No such file, not readable, or a column is missing.
    """
    if not path.is_file():
        raise InputError(path, "no such file; expected CSV, CSV.gz or Parquet")
    first, seen = 1, np.empty(0, dtype=np.uint64)
    try:
        for raw in _pieces(path, list(features), id_column):
            ids = raw.iloc[:, 0].astype("string").fillna("").astype(object)
            rows, why = _checked(raw[list(features)], features, may_be_missing)
            marks = pd.util.hash_array(ids.to_numpy())
            twice = ids.duplicated() | _among(marks, seen)
            why = _first_of(why, twice, "the id stands twice in the file")
            why = _first_of(why, ~ids.str.fullmatch(_AN_ID), "the id: expected 1 to 200 visible ASCII characters")
            seen = np.sort(np.concatenate([seen, np.sort(marks)]), kind="stable")  # two runs that are merged
            yield Piece(first=first, ids=ids, rows=rows, why=why)
            first += len(raw)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(path, f"not readable: {str(error).partition(chr(10))[0]}") from None


def _among(marks: NDArray[np.uint64], seen: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if not len(seen):
        return np.zeros(len(marks), dtype=np.bool_)
    place = np.searchsorted(seen, marks).clip(max=len(seen) - 1)
    return seen[place] == marks  # type: ignore[no-any-return]


def _pieces(path: Path, features: list[str], id_column: str) -> Iterator[pd.DataFrame]:
    if path.suffix == ".parquet":
        file = pq.ParquetFile(path)
        names = _columns(path, file.schema_arrow.names, features, id_column)
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=names):
            yield batch.to_pandas()[names]
        return
    names = _columns(path, list(pd.read_csv(path, nrows=0, dtype=str).columns), features, id_column)
    missing = {name: list(_MISSING) for name in features}
    for piece in pd.read_csv(
        path, usecols=names, chunksize=ROWS_AT_ONCE, dtype=str, keep_default_na=False, na_values=missing
    ):
        yield piece[names]


def _columns(path: Path, found: list[str], features: list[str], id_column: str) -> list[str]:
    key = next((name for name in ("prediction_id", id_column) if name in found), id_column)
    if absent := [name for name in (key, *features) if name not in found]:
        raise InputError(path, f"no column {absent[0]!r}; the file has {', '.join(found)[:200]}")
    return [key, *features]


def _checked(
    raw: pd.DataFrame, features: Mapping[str, Feature], may_be_missing: Collection[str]
) -> tuple[pd.DataFrame, pd.Series[str]]:
    """The rows typed as the model takes them, and the first thing wrong with each."""
    rows: dict[str, pd.Series] = {}
    why = pd.Series("", index=raw.index, dtype=object)
    for name, feature in features.items():
        given = raw[name]
        absent = given.isna()
        if feature.kind == "numeric":
            values = _numbers(given)
            low = -np.inf if feature.min is None else feature.min
            high = np.inf if feature.max is None else feature.max
            wrong = ~absent & ~(np.isfinite(values) & values.between(low, high))
            why = _first_of(why, wrong, f"{name}: expected a number{_range(feature)}")
            rows[name] = values
        else:
            rows[name], unfit = _texts(given)
            why = _first_of(why, unfit, f"{name}: expected 1 to {_LONGEST_CATEGORY} letters without NUL")
        if name not in may_be_missing:
            why = _first_of(why, absent, f"{name}: expected a value; it is never missing in the reference")
    return pd.DataFrame(rows), why


def _numbers(given: pd.Series) -> pd.Series[float]:
    """NaN where it is no number. Text is read as JSON's would be, to the last digit: the same row is the same row."""
    values = pd.to_numeric(given, errors="coerce").astype("float64")
    if pd.api.types.is_numeric_dtype(given):
        return values
    exact = [float(text) if known else np.nan for text, known in zip(given, values.notna(), strict=True)]
    return pd.Series(exact, index=given.index, dtype="float64")


def _texts(given: pd.Series) -> tuple[pd.Series, NDArray[np.bool_]]:
    """Categories as text, missing ones None, and which cannot be stored; each that occurs is looked at once."""
    place, found = pd.factorize(given)
    texts = [str(each) for each in found]
    wrong = [not 1 <= len(text) <= _LONGEST_CATEGORY or "\0" in text for text in texts]
    known = np.array([*texts, None], dtype=object)  # a missing value's place is -1
    return pd.Series(known[place], index=given.index, dtype=object), np.array([*wrong, False])[place]


def _range(feature: Feature) -> str:
    low = "" if feature.min is None else f" from {feature.min:g}"
    return low + ("" if feature.max is None else f" to {feature.max:g}")


def _first_of(why: pd.Series[str], wrong: pd.Series[bool] | NDArray[np.bool_], what: str) -> pd.Series[str]:
    return why.mask(why.eq("") & wrong, what) if wrong.any() else why
