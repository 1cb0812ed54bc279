"""A column as numbers or as categories, whatever a frame holds it as; and the values of it that are present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.values import Kind

Numbers = NDArray[np.float64]


def numbers(column: pd.Series[Any]) -> Numbers:
    """The column as float64, missing as NaN; ValueError for text that is no number, for times and for complex numbers.

    >>> numbers(pd.Series([1, None, True], dtype=object))
    array([ 1., nan,  1.])
    """
    try:
        numeric = column if column.dtype.kind in "mM" else pd.to_numeric(column)
        if numeric.dtype.kind in "mMc":
            raise TypeError(f"{numeric.dtype} would lose its meaning as a float")
        return numeric.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("holds values that are not numbers") from error


def categories(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as text, missing as None; a whole number reads the same with or without its `.0`.

    A 0/1 column is float where one value is missing and int where none is: that is no change of category.

    >>> categories(pd.Series([1.0, None, 2.5])).tolist()
    ['1', None, '2.5']
    """
    try:
        codes, values = pd.factorize(column)
    except TypeError:  # lists and other values without a hash
        codes, values = pd.factorize(column.map(str, na_action="ignore"))
    texts = np.array([*map(_category, values), None], dtype=object)
    return pd.Series(texts[codes], index=column.index)  # code -1 is missing


def _category(value: object) -> str:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate could not be written to a file


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one feature that are present on one side, or why they cannot be judged.

    `broken`: not for want of values. `missing` and `rows` are None where the column cannot be found.
    """

    values: NDArray[Any]
    rows: int
    missing: int | None
    reason: str | None = None
    broken: bool = False

    @property
    def missing_share(self) -> float | None:
        """Share of rows without a value, in [0, 1]; None without rows."""
        if self.missing is None:
            return 1.0 if self.rows else None
        return self.missing / self.rows if self.rows else None

    @classmethod
    def of(cls, frame: pd.DataFrame, feature: str, kind: Kind, *, side: str, need: int) -> Sample:
        """Read a column; `side` names the frame in a reason, `need` is the fewest values that can be judged."""
        nothing, rows = np.array([]), len(frame)
        if (named := list(frame.columns).count(feature)) != 1:
            return cls(nothing, rows, None, f"{side} has {named or 'no'} columns of this name", broken=True)
        column = frame[feature]
        try:
            values = numbers(column) if kind == "numeric" else categories(column).to_numpy()
        except ValueError as error:
            return cls(nothing, rows, int(column.isna().sum()), f"{side} {error}", broken=True)
        values = values[~pd.isna(values)]
        missing = rows - values.size
        if kind == "numeric" and np.isinf(values).any():
            return cls(values, rows, missing, f"{side} holds infinite values", broken=True)
        reason = f"{side} has {values.size} values, need {need}" if values.size < need else None
        return cls(values, rows, missing, reason)
