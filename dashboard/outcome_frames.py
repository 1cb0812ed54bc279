"""Outcomes as they stand in a monitoring result, as the frames that the charts of performance draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from monitoring.outcome_metrics import METRICS

Document = Mapping[str, Any]

_COUNTS = ("rows", "mature", "labelled", "bad", "coverage", "mean_score", "psi", "psi_by_chance")
_LIMITS = [name for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")]
_NUMBERS = ("coverage", "mean_score", "psi", "psi_by_chance", "expected", *_LIMITS)
_CELLS = ("vintage", "months", "age_days", "rows", "bad", "share", "low", "high")
_BANDS = ("band", "rows", "bad", "expected", "observed", "low", "high")
_TESTS = ("at", "metric", "estimate", "low", "high", "realised", "trusted", "missed", "rows")


def vintages(realised: Document) -> pd.DataFrame:
    """One row per vintage, oldest first: `pipeline.realising.vintages_frame`'s columns but for their order."""
    rows = []
    for item in realised["vintages"]:
        found = item["realised"]
        row = {name: item[name] for name in ("vintage", *_COUNTS)} | {"note": item["reason"] or ""}
        row |= {name: pd.Timestamp(item[name]) for name in ("start", "final_at")}
        row |= {"status": "final" if item["is_final"] else "not final"}
        row |= {"models": ", ".join(f"version {one['version']}: {one['rows']}" for one in item["models"])}
        row |= {"expected": found["mean_score"] if found else None}
        rows.append(row | _limits(found["estimates"] if found else []))
    columns = ["vintage", "start", "final_at", "status", *_COUNTS, "models", "expected", *_LIMITS, "note"]
    return _numeric(rows, columns, _NUMBERS)


def triangle(realised: Document) -> pd.DataFrame:
    """One row per vintage and age: the share gone bad by then, where the whole vintage is that old."""
    return _numeric(realised["triangle"], _CELLS, ("bad", "share", "low", "high"))


def bands(realised: Document) -> pd.DataFrame:
    """One row per score band, rising: what was expected and what was observed."""
    rows = [band | {"band": band["name"]} for band in realised["bands"]]
    return _numeric(rows, _BANDS, ("expected", "observed", "low", "high"))


def back_tests(estimated: Document) -> pd.DataFrame:
    """One row per past window and metric, oldest first: what would have been estimated, and what came true.

    `trusted` is today's verdict on the metric's whole record.
    """
    trusted = {each["metric"]: each["trusted"] for each in estimated["trust"]}
    rows = [
        {
            "at": pd.Timestamp(test["window"]["end"]),
            "metric": each["metric"],
            "estimate": each["value"],
            "low": each["low"],
            "high": each["high"],
            "realised": test["realised"].get(each["metric"]),
            "trusted": trusted[each["metric"]],
            "missed": each["metric"] in test["missed"],
            "rows": test["window"]["rows"],
        }
        for test in reversed(estimated["back_tests"])
        for each in test["estimates"]
    ]
    return _numeric(rows, _TESTS, ("estimate", "low", "high", "realised"))


def _limits(estimates: list[Document]) -> dict[str, float | None]:
    ends = (("value", ""), ("low", "_low"), ("high", "_high"))
    return {f"{each['metric']}{suffix}": each[name] for each in estimates for name, suffix in ends}


def _numeric(rows: list[Any], columns: Any, numbers: tuple[str, ...]) -> pd.DataFrame:
    """With numbers where there are any: a column of nothing but None would be drawn as text."""
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(numbers, "float64"))
