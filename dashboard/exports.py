"""The ledger as files that other programs read."""

from __future__ import annotations

import csv
import json
from typing import Any

import pandas as pd

from dashboard.words import spreadsheet_safe
from pipeline.stores.ledger import Entry, Ledger


def as_json(ledger: Ledger) -> bytes:
    """Every entry, oldest first."""
    return json.dumps([entry.to_json() for entry in ledger.entries()], ensure_ascii=False, indent=1).encode()


def as_csv(ledger: Ledger) -> bytes:
    """Every entry, oldest first, as a spreadsheet reads it; no cell runs as a formula."""
    return (
        pd.DataFrame([_cells(entry) for entry in ledger.entries()]).to_csv(index=False, quoting=csv.QUOTE_ALL).encode()
    )


def _cells(entry: Entry) -> dict[str, Any]:
    row = {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
        for name, value in entry.to_json().items()
    }
    return {name: spreadsheet_safe(value) for name, value in row.items()}
