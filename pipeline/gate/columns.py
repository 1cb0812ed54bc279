"""Columns as they come in: arrays of one kind, or refused in one line. Nothing is bent, wrapped round or guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError

Numbers = NDArray[np.float64]
MOST_MONEY = 1e15  # per row, in any currency: beyond it a sum of squares is no number any more


def texts(subject: str, name: str, values: object, length: int | None) -> NDArray[np.str_]:
    """Strings of shape (length,), or of any length for None.

    Raises:
        InputError: Another shape, or a value that is not text.

    >>> texts("rows", "ids", ["a", "b"], 2).tolist()
    ['a', 'b']
    """
    array = values if isinstance(values, np.ndarray) else _as_objects(subject, name, values)
    if array.ndim != 1 or (length is not None and len(array) != length):
        expected = "n" if length is None else length
        raise InputError(subject, name, f"expected shape ({expected},), got {array.shape}")
    if array.dtype.kind != "U" and not all(isinstance(value, str) for value in array.tolist()):
        raise InputError(subject, name, 'expected strings (a missing value is spelled "missing")')
    text = array.astype(np.str_)
    try:
        "".join(np.unique(text).tolist()).encode()
    except UnicodeEncodeError:
        raise InputError(subject, name, "expected Unicode text, got half a character") from None
    return text


def numbers(subject: str, name: str, values: object, length: int) -> Numbers:
    """Numbers of shape (length,). A date, a complex number or a text is not one.

    Raises:
        InputError: Another shape, or a value that is not a number.
    """
    try:
        given = np.asarray(values)
        array = given.astype(np.float64) if given.dtype.kind in "biufO" else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None:
        raise InputError(subject, name, "expected numbers")
    if array.shape != (length,):
        raise InputError(subject, name, f"expected shape ({length},), got {array.shape}")
    return array


def shares(subject: str, name: str, values: object, length: int) -> Numbers:
    """Numbers in [0, 1] of shape (length,).

    Raises:
        InputError: As in `numbers`, or a value that is not finite or outside.
    """
    array = numbers(subject, name, values, length)
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise InputError(subject, name, "expected finite numbers in [0, 1]")
    return array


def share(subject: str, name: str, value: object) -> float:
    """One number in [0, 1]. Errors as in `shares`."""
    return float(shares(subject, name, [value], 1)[0])


def amounts(subject: str, values: object, length: int) -> Numbers:
    """Money per row, in [0, 1e15], of shape (length,); 1 each for None.

    Raises:
        InputError: As in `numbers`, or a value that is not finite or outside.
    """
    array = np.ones(length) if values is None else numbers(subject, "amount", values, length)
    if not ((array >= 0) & (array <= MOST_MONEY)).all():
        raise InputError(subject, "amount", f"expected finite amounts >= 0, at most {MOST_MONEY:g}")
    return array


def moments(subject: str, name: str, values: object, length: int, *, not_after: datetime) -> NDArray[np.datetime64]:
    """Times, UTC, as datetime64[us] of shape (length,).

    Raises:
        InputError: Not datetime64, another shape, a time that is missing, after `not_after`, or before the year 1.
    """
    array = values if isinstance(values, np.ndarray) else _as_objects(subject, name, values)
    if array.dtype.kind != "M" or array.shape != (length,):
        raise InputError(subject, name, f"expected datetime64 of shape ({length},), got {array.shape}")
    years = array.astype("datetime64[Y]").astype(np.int64) + 1970  # before microseconds can wrap round
    known = not np.isnat(array).any() and ((years >= 1) & (years <= 9999)).all()
    if not known or ((array := array.astype("datetime64[us]")) > utc64(not_after)).any():
        raise InputError(subject, name, "expected times that are known and not after as_of")
    return np.asarray(array)


def utc64(moment: datetime) -> np.datetime64:
    """An aware time as datetime64[us], UTC."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def frozen(array: Any) -> Any:
    """The array, made read-only."""
    array.setflags(write=False)
    return array


def _as_objects(subject: str, name: str, values: object) -> NDArray[Any]:
    """A list as it is: numpy would turn [\"CA\", nan] into two strings."""
    try:
        return np.asarray(values, dtype=object)
    except ValueError:
        raise InputError(subject, name, "expected one dimension") from None
