"""The champion's record as tables: vintages, and past estimates beside what came true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dashboard import findings, words

MORE_NAMES = {"expected_minus_observed": "Expected less observed default rate"}


def name(metric: str) -> str:
    """A metric as people call it.

    >>> name("auc"), name("default_rate"), name("expected_minus_observed")
    ('AUC', 'Default rate', 'Expected less observed default rate')
    """
    return (findings.NAMES | MORE_NAMES)[metric]


def vintages_table(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Counts, default rates, one metric and the score's stability per vintage. `outcome_frames.vintages`' columns."""
    rows = []
    for row in frame.to_dict("records"):
        final = row["status"] == "final"
        rows.append(
            {
                "Vintage": words.plain(row["vintage"]),
                "Final": "yes" if final else f"on {words.day(row['final_at'])}",
                "Rows (mature, labelled, bad)": f"{row['rows']:,} ({row['mature']:,}, {row['labelled']:,}, "
                f"{row['bad']:,})",
                name(metric): _with_ends(row, metric) if final else "–",
                "Expected bad": words.percent(row["expected"] if final else row["mean_score"], 1),
                "Observed bad": _with_ends(row, "default_rate") if final else "–",
                "PSI of the score (below it by chance, 95 %)": f"{row['psi']:.3f} ({row['psi_by_chance']:.3f})",
                "Scored by": words.plain(row["models"]),
            }
        )
    return pd.DataFrame(rows)


def record_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Past estimates of one metric, oldest first. `outcome_frames.back_tests`' columns."""
    rows = []
    for row in frame.to_dict("records"):
        estimate, true = (findings.metric_text(row["metric"], row[side]) for side in ("estimate", "realised"))
        ends = (findings.metric_text(row["metric"], row[side]) for side in ("low", "high"))
        rows.append(
            {
                "Window to": words.day(row["at"]),
                "Rows": f"{row['rows']:,}",
                "Estimate": f"{estimate} ({' to '.join(ends)})" if pd.notna(row["estimate"]) else "–",
                "Came true": true,
                "Missed": "✗ missed" if row["missed"] else "✓ held" if true != "–" and estimate != "–" else "–",
            }
        )
    return pd.DataFrame(rows)


def _with_ends(row: Mapping[Any, Any], metric: str) -> str:
    value, low, high = (row[f"{metric}{suffix}"] for suffix in ("", "_low", "_high"))
    if pd.isna(value):
        return "not measured"
    told = findings.metric_text(metric, value)
    if pd.isna(low):
        return f"{told}, no interval"
    return f"{told} ({findings.metric_text(metric, low)} to {findings.metric_text(metric, high)})"
