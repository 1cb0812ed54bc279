"""JSON as the standard has it, and no more: what a lenient reader lets through ends up in a record."""

from __future__ import annotations

import json
from typing import Any

_DEEPEST = "expected less deeply nested JSON"


class NotJsonError(ValueError):
    """A body that is not JSON, said without repeating any of it: it may hold somebody's data, or ten megabytes."""


def parse(body: bytes) -> Any:
    """Read JSON in UTF-8.

    Args:
        body: As it was sent.

    Returns:
        What it says; numbers too large for a double are `inf`, and are refused where a number is expected.

    Raises:
        NotJsonError: Not UTF-8, not JSON, NaN or Infinity, a key that stands twice, too deeply nested.

    Source:
        RFC 8259, "The JavaScript Object Notation (JSON) Data Interchange Format", sections 4, 6 and 8.1.

    >>> parse(b'{"age": 45}')
    {'age': 45}
    >>> parse(b'{"age": 45, "age": 54}')
    Traceback (most recent call last):
    ...
    pipeline.serving.strict_json.NotJsonError: a key stands twice in one object
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"expected UTF-8, byte {error.start} is none") from None
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except NotJsonError:
        raise
    except json.JSONDecodeError as error:
        raise NotJsonError(f"expected JSON, character {error.pos} does not fit") from None
    except RecursionError:
        raise NotJsonError(_DEEPEST) from None
    except ValueError:  # Python reads whole numbers of up to 4,300 digits
        raise NotJsonError("a number has too many digits") from None


def _refuse_constant(_name: str) -> Any:
    raise NotJsonError("NaN and Infinity are not JSON; a missing value is null")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotJsonError("a key stands twice in one object")
    return found
