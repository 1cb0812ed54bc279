"""Small makers of what alert tests need."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builders import a_settings_file

from pipeline.alerts.values import Condition, Severity

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def a_condition(
    code: str = "drift.population",
    subject: str = "loan_amount",
    severity: str = "page",
    text: str = "PSI 0.31 of 812 rows",
    since: datetime = NOON,
) -> Condition:
    """Something wrong at noon."""
    return Condition(code=code, subject=subject, severity=Severity(severity), text=text, since=since)


def alert_settings(folder: Path, *urls: str, **lines: Any) -> Path:
    """The shipped settings with these addresses in [alerts]; `lines` are more of its keys, as TOML values."""
    path = a_settings_file(folder)
    section = "\n".join([f"urls = {json.dumps(urls)}", *(f"{name} = {value}" for name, value in lines.items())])
    shipped = path.read_text()
    assert shipped.count("\nurls = []\n") == 1
    path.write_text(shipped.replace("\nurls = []\n", f"\n{section}\n"))
    return path
