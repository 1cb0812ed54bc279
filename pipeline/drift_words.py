"""What moved, in plain sentences: direction and size in the feature's unit, since when, on how many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring.checks import SCORE, Check
from monitoring.contribution import Contribution
from monitoring.summary import DriftSummary, FeatureNote


def sentences(
    summary: DriftSummary, *, units: Mapping[str, str], contributions: Sequence[Contribution]
) -> tuple[str, ...]:
    """One sentence per feature that has drifted, those that move the score most first; the score itself before them.

    Args:
        summary: A judged window.
        units: What each feature's number counts.
        contributions: What each feature's move does to the mean score.
    """
    moved = {each.feature: each for each in contributions}
    notes = {note.feature: note for note in summary.notes}
    if summary.score_note is not None:
        notes[SCORE] = summary.score_note
    by_feature: dict[str, list[Check]] = {}
    for check in summary.drifted:
        by_feature.setdefault(check.feature, []).append(check)

    def rank(feature: str) -> float:
        movement = moved[feature].movement if feature in moved else None
        return float("-inf") if feature == SCORE else -(movement or 0.0)

    return tuple(
        _sentence(checks, notes[feature], units.get(feature, ""), moved.get(feature))
        for feature in sorted(by_feature, key=rank)
        for checks in [by_feature[feature]]
    )


def _sentence(checks: Sequence[Check], note: FeatureNote, unit: str, moved: Contribution | None) -> str:
    first = min(check.since for check in checks if check.since is not None)
    said = "; ".join(movement_of(check, note, unit) for check in checks)
    weight = _weight(moved)
    return f"{note.feature}: {said}, since {first:%-d %B %Y}; {checks[0].rows:,} rows{weight}."


def movement_of(check: Check, note: FeatureNote, unit: str = "") -> str:
    """What one check saw, in words.

    >>> spread = {"q25": 1.0, "median": 72500.0, "q75": 1.0}
    >>> note = FeatureNote(feature="loan_amount", kind="numeric", evaluated=True, reference_missing_share=0.0,
    ...     current_missing_share=0.0, reference_rows=9, current_rows=9,
    ...     summary={"reference": spread, "current": spread | {"median": 95000.0}})
    >>> psi = Check(feature="loan_amount", code="psi", rows=9, expected=0, observed=0.01, critical=None, limit=None,
    ...     drifted=False)
    >>> movement_of(psi, note, "USD")
    'median up 31 % to 95,000 USD (PSI 0.010)'
    """
    shares = f"from {_percent(check.expected)} to {_percent(check.observed)}"
    if check.code == "missing":
        return f"missing {shares}"
    if check.code == "range":
        return f"{_percent(check.observed)} of values beyond any in the reference"
    if check.code == "new_category":
        return f"{_percent(check.observed)} in categories never seen in the reference"
    moved = _numeric(note.summary, unit) if note.kind == "numeric" else _categorical(note.summary)
    return f"{moved} (PSI {check.observed:.3f})"


def _numeric(summary: Mapping[str, Any], unit: str) -> str:
    if not summary:
        return "distribution changed"
    before, now = summary["reference"], summary["current"]
    named = f" {unit}" if unit and not unit.startswith("share") else ""
    if before["median"] != now["median"]:
        up = now["median"] > before["median"]
        by = f" {abs(now['median'] / before['median'] - 1):.0%}".replace("%", " %") if before["median"] else " from 0"
        return f"median {'up' if up else 'down'}{by} to {_number(now['median'])}{named}"
    halves = (f"{_number(side['q25'])} to {_number(side['q75'])}" for side in (before, now))
    was, is_now = halves
    if was == is_now:
        return f"shape changed, median still {_number(now['median'])}{named}"
    return f"median still {_number(now['median'])}{named}, middle half {was} now {is_now}"


def _categorical(summary: Mapping[str, Any]) -> str:
    if not summary.get("top"):
        return "shares changed"
    most = max(summary["top"], key=lambda each: abs(each["current_share"] - each["reference_share"]))
    return f"{most['category']} from {_percent(most['reference_share'])} to {_percent(most['current_share'])}"


def _weight(moved: Contribution | None) -> str:
    if moved is None or moved.importance_share is None or moved.change is None:
        return ""
    points = f"{round(moved.change * 100, 1) + 0.0:+.1f} points"  # adding a zero turns -0.0 into 0.0
    return f"; carries {_percent(moved.importance_share)} of the score, moves its mean by {points}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _percent(share: float) -> str:
    """A share as people read it; small ones keep a digit.

    >>> _percent(0.3125), _percent(0.0123), _percent(0.0)
    ('31 %', '1.2 %', '0 %')
    """
    return f"{share * 100:.1f} %" if 0 < share < 0.1 else f"{share * 100:.0f} %"
