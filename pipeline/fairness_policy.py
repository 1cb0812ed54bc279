"""Reads the dated policy for approval rates side by side: information, not a finding and not legal advice."""

from __future__ import annotations

import tomllib
from datetime import date, time
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import SettingsError
from pipeline.gate.fairness import FairnessPolicy

EXPECTED = {
    "dated": "a date without quotes, as in 2026-11-23",
    "title": "a text that is not empty",
    "source": "a text that is not empty",
    "adverse_impact_floor": "a number above 0 and at most 1",
    "min_applicants": "a whole number >= 1",
    "columns": 'a list of segment columns, each once, as in ["state"]; [] for all',
    "note": "a text",
}
SHOWN = 60  # characters of a wrong value in the message


def read_fairness_policy(path: Path) -> FairnessPolicy:
    """Read and check a policy file.

    Args:
        path: A TOML file with exactly the keys of `FairnessPolicy`, like configs/fairness_policy.toml.

    Returns:
        The policy.

    Raises:
        SettingsError: One line with the file, the key and what was expected: no such file, not TOML, a key that is
            missing or unknown, or a value that cannot be.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(path, "no such file; expected a policy like configs/fairness_policy.toml") from None
    except (ValueError, OSError, RecursionError) as error:  # ValueError: not TOML, not UTF-8, or a number too long
        raise SettingsError(path, f"not readable as TOML: {' '.join(str(error).split())}") from None
    for key in sorted(content.keys() - EXPECTED.keys()):
        raise SettingsError(path, f"{_shown(key)}: unknown key; keys are {', '.join(EXPECTED)}")
    for key in sorted(EXPECTED.keys() - content.keys()):
        raise SettingsError(path, f"{key}: missing; expected {EXPECTED[key]}")
    if isinstance(content["columns"], list):
        content["columns"] = tuple(content["columns"])
    try:
        return FairnessPolicy(**content)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise SettingsError(path, f"{key}: expected {EXPECTED[key]}, got {_shown(content[key])}") from None


def _shown(value: object) -> str:
    """A value on one line, cut when it is long.

    >>> _shown("two" + chr(10) + "lines")
    "'two\\\\nlines'"
    """
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, (date, time)) else value
    try:
        written = repr(plain)
    except ValueError:  # Python writes no whole number of more than 4300 digits; TOML can hold one, as 0xfff...
        return "a number too long to show"
    return written if len(written) <= SHOWN else f"{written[:SHOWN]}..."
