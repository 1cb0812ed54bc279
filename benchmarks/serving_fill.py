"""A log of any length, filled fast: applications in the order of time, under ids like those that the service gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite
from rich.console import Console
from rich.progress import track

END = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(seconds=60)  # between two applications, whatever the length: the newest rows are as dense in both
LABELLED = 5  # every fifth has an outcome
FEATURES: dict[str, float | str] = {
    "borrower_state": "CA",
    "naics_sector": "44",
    "new_business": "0",
    "urban_rural": "1",
    "revolving_line": "0",
    "employees": 4.0,
    "jobs_created": 0.0,
    "jobs_retained": 4.0,
    "loan_amount": 12345.5,
    "sba_guaranteed_share": 0.5,
}
KINDS = {name: "categorical" if isinstance(value, str) else "numeric" for name, value in FEATURES.items()}
_BATCH = 250_000
_NUMBERS = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end)
INSERT INTO batch
SELECT
    n,
    printf('%012x', CAST((:newest - (:rows - 1 - n) * :step) * 1000 AS INTEGER)) || lower(hex(randomblob(10))),
    strftime('%Y-%m-%dT%H:%M:%f000Z', :newest - (:rows - 1 - n) * :step, 'unixepoch')
FROM numbers
"""
_APPLICATIONS = """
INSERT INTO applications (application_id, event_time, received_at, features)
SELECT id, moment, moment, replace(text, '12345.5', (n % 300000) || '.5')
FROM batch JOIN pool ON pool.place = n % :texts ORDER BY n
"""
_PREDICTIONS = """
INSERT INTO predictions
    (prediction_id, application_id, event_time, model_version, model_sha256, score, threshold, decision, scored_at)
SELECT id, id, moment, '1', :sha256, (n % 997) / 997.0, 0.2, (n % 997) / 997.0 >= 0.2, moment FROM batch ORDER BY n
"""
_LABELS = """
INSERT INTO labels (application_id, y, known_at, recorded_at, corrects)
SELECT id, n % 2, moment, moment, 0 FROM batch WHERE n % :labelled = 0 ORDER BY n
"""


@dataclass(frozen=True, kw_only=True)
class Log:
    """When the newest row is made, how far apart rows are, and the features that they have in turn, as JSON."""

    end: datetime = END
    step: timedelta = STEP
    features: Sequence[str] = (json.dumps(FEATURES),)


def start_of_newest(rows: int) -> datetime:
    """Where the window of so many newest rows begins; it ends at END."""
    return END - rows * STEP


def fill(path: Path, rows: int, *, console: Console, log: Log | None = None) -> None:
    """Put so many applications, predictions and a fifth of outcomes into a migrated, empty store."""
    connection, log = sqlite.connect(str(path), isolation_level=None), log or Log()
    try:
        for pragma in ("synchronous=OFF", "cache_size=-3000000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TEMP TABLE batch (n INTEGER PRIMARY KEY, id TEXT, moment TEXT)")
        connection.execute("CREATE TEMP TABLE pool (place INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO pool VALUES (?, ?)", enumerate(log.features))
        for first in track(range(0, rows, _BATCH), description=f"{rows:,} rows", console=console):
            _fill_batch(connection, first, min(first + _BATCH, rows), rows, log)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _fill_batch(connection: sqlite.Connection, first: int, end: int, rows: int, log: Log) -> None:
    connection.execute("BEGIN")
    connection.execute("DELETE FROM batch")
    newest, step = (log.end - log.step).timestamp(), log.step.total_seconds()
    connection.execute(_NUMBERS, {"first": first, "end": end, "rows": rows, "newest": newest, "step": step})
    connection.execute(_APPLICATIONS, {"texts": len(log.features)})
    connection.execute(_PREDICTIONS, {"sha256": "0" * 64})
    connection.execute(_LABELS, {"labelled": LABELLED})
    connection.execute("COMMIT")
