"""Drift of a window against the reference: checks with limits for the window's size, other tools' scores beside."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.checks import SCORE, Check, Code
from monitoring.columns import Sample
from monitoring.distances import STAT_TEST, Numbers, jensen_shannon, sorted_wasserstein
from monitoring.prepared import PreparedFeature, PreparedReference
from monitoring.psi import psi
from monitoring.summary import DriftPolicy, DriftSummary, FeatureDrift, FeatureNote
from monitoring.thresholds import FEWEST_VALUES, material_psi, share_limits, surely_material
from monitoring.values import State, Window, utc

TOP_CATEGORIES = 5


def drift_summary(
    reference: PreparedReference,
    current: pd.DataFrame,
    *,
    policy: DriftPolicy,
    window: Window,
    as_of: datetime,
    newest_event: datetime | None = None,
    previous: DriftSummary | None = None,
) -> DriftSummary:
    """Judge a window against the reference, feature by feature and as a whole.

    Each feature, and the champion's score, is asked whether its bins have moved (PSI), whether more or less of it is
    missing, and whether values lie beyond any of the reference (numeric) or were never seen in it (categorical). A
    limit is where chance ends at this many rows, or where a change becomes material if that is farther out. Chance is
    held to `policy.look_level` over all questions together.

    A feature is excluded, with its reason, if on either side it is absent, not numbers, infinite somewhere, or has
    fewer than 150 values that are present. What cannot be judged never reads as "no drift": see `DriftPolicy.judge`.

    Args:
        reference: The frozen reference, prepared.
        current: The window's rows, a column per feature, and `score` where the reference has one; not changed.
        policy: Limits, and the fewest rows.
        window: Where `current` comes from.
        as_of: When it is judged, timezone-aware: becomes the summary's timestamp.
        newest_event: Event time of the newest row.
        previous: The last judged window before this one: what drifted there, and still does, keeps its "since".

    Returns:
        The summary; no value in it is NaN or infinite, whatever the frame holds.

    Raises:
        ValueError: `as_of` is naive. Never for what the frame holds.
    """
    as_of = utc(as_of, "as_of")
    enough = len(current) >= policy.min_rows
    need = FEWEST_VALUES if enough else policy.min_rows
    samples = {
        item.feature: Sample.of(current, item.feature, item.kind, side="window", need=need) for item in reference.every
    }
    judged = [_compared(item, samples[item.feature], policy) for item in reference.features.values()]
    features = tuple(drift for drift, _ in judged if drift is not None)
    score_note = None if reference.score is None else _score_note(reference.score, samples[SCORE])
    since = {} if previous is None else {(check.feature, check.code): check.since for check in previous.drifted}
    checks = _checks(reference, samples, policy, as_of, since) if enough else ()
    notes = tuple(note for _, note in judged)
    left = [note for note in (*notes, *([score_note] if score_note else [])) if not note.evaluated]
    state = policy.judge(
        rows=len(current),
        stale=_stale(as_of, newest_event, policy),
        drifted=any(check.drifted for check in checks),
        failed=any(not note.too_few for note in left),
        too_few=any(note.too_few for note in left),
    )
    return DriftSummary(
        timestamp=as_of,
        state=state,
        reason=_reason(state, len(current), left, len(reference.every), policy, newest_event),
        window=window,
        rows=len(current),
        newest_event=newest_event,
        reference_sha256=reference.sha256,
        reference_rows=reference.rows,
        policy=policy,
        features=features,
        notes=notes,
        excluded_features=tuple(note.feature for note in notes if not note.evaluated),
        checks=checks,
        score_note=score_note,
    )


def _stale(as_of: datetime, newest_event: datetime | None, policy: DriftPolicy) -> bool:
    return policy.stale_after is not None and newest_event is not None and as_of - newest_event > policy.stale_after


def _reason(
    state: State, rows: int, left: list[FeatureNote], total: int, policy: DriftPolicy, newest_event: datetime | None
) -> str | None:
    if state is State.NO_DATA:
        return "no rows in the window"
    if rows < policy.min_rows:
        return f"{rows} rows in the window, need {policy.min_rows}"
    told = [f"the newest row is of {newest_event:%Y-%m-%d %H:%M}"] if state is State.STALE else []
    if left:
        names = "; ".join(f"{note.feature}: {note.reason}" for note in left)
        told.append(f"{len(left)} of {total} could not be judged ({names})")
    return "; ".join(told) or None


# --- checks ----------------------------------------------------------------------------------------------------------


def _checks(
    reference: PreparedReference,
    samples: dict[str, Sample],
    policy: DriftPolicy,
    as_of: datetime,
    since: dict[tuple[str, Code], datetime | None],
) -> tuple[Check, ...]:
    level = policy.look_level / max(reference.questions, 1)
    asked = [
        *_moved_bins(reference, samples, level, policy),
        *_moved_shares(reference, samples, level, policy),
    ]

    def made(feature: str, code: Code, values: dict[str, Any]) -> Check:
        limit, expected, observed = values["limit"], values["expected"], values["observed"]
        past = limit is not None and (observed >= limit if limit >= expected else observed <= limit)
        first = since.get((feature, code)) or as_of
        return Check(feature=feature, code=code, drifted=past, since=first if past else None, **values)

    return tuple(made(*each) for each in asked)


_Asked = list[tuple[str, Code, dict[str, Any]]]


def _moved_bins(reference: PreparedReference, samples: dict[str, Sample], level: float, policy: DriftPolicy) -> _Asked:
    asked: _Asked = []
    for item in reference.every:
        sample = samples[item.feature]
        if item.tail is None or item.bins is None or sample.reason is not None:
            continue
        critical = item.tail.critical(sample.values.size, level)
        values = {
            "rows": int(sample.values.size),
            "expected": 0.0,
            "observed": psi(item.counts, item.bins.count(sample.values)),
            "critical": critical,
            "limit": max(critical, _material(item, sample.values.size, policy)),
        }
        asked.append((item.feature, "psi", values))
    return asked


def _material(item: PreparedFeature, rows: int, policy: DriftPolicy) -> float:
    return material_psi(policy.material_psi, bins=len(item.counts), rows=rows, reference_rows=int(item.counts.sum()))


def _moved_shares(
    reference: PreparedReference, samples: dict[str, Sample], level: float, policy: DriftPolicy
) -> _Asked:
    """Missing, out of range, never seen. Counts of the reference and of the window, then all limits at once."""
    questions: list[tuple[str, Code, int, int, int, int]] = []
    for item in reference.every:
        sample = samples[item.feature]
        if item.sample.reason is None and sample.missing is not None and sample.rows:
            known = item.sample.missing or 0
            questions.append((item.feature, "missing", known, item.sample.rows, sample.missing, sample.rows))
        if item.sample.reason is None and sample.reason is None:
            code: Code = "range" if item.kind == "numeric" else "new_category"
            outside = _outside(item, sample.values)
            questions.append((item.feature, code, 0, item.sample.values.size, outside, int(sample.values.size)))
    limits = _share_limits(questions, level, policy)
    return [
        (
            feature,
            code,
            {"rows": rows, "expected": seen / of, "observed": now / rows, "critical": critical, "limit": limit},
        )
        for (feature, code, seen, of, now, rows), (critical, limit) in zip(questions, limits, strict=True)
    ]


def _outside(item: PreparedFeature, values: NDArray[Any]) -> int:
    if item.kind == "numeric":
        return int(((values < item.values[0]) | (values > item.values[-1])).sum())
    return int((~np.isin(values, item.values)).sum())


def _share_limits(
    questions: list[tuple[str, Code, int, int, int, int]], level: float, policy: DriftPolicy
) -> list[tuple[float | None, float | None]]:
    """Where chance ends, and where the limit is, on the side that the window is on; None where nothing can be told."""
    found: list[tuple[float | None, float | None]] = []
    sizes = {rows for *_, rows in questions}
    by_size = {}
    for rows in sizes:
        same = [question for question in questions if question[-1] == rows]
        low, high = share_limits([each[2] for each in same], [each[3] for each in same], rows, level=level)
        by_size.update({each[:2]: (float(low[i]), float(high[i])) for i, each in enumerate(same)})
    for feature, code, seen, of, now, rows in questions:
        chance, material = by_size[feature, code], surely_material(seen / of, rows=rows, psi=policy.material_psi)
        up = now / rows >= seen / of
        critical = chance[1] if up else chance[0]
        limit = max(critical, material[1]) if up else min(critical, material[0])
        found.append((critical if np.isfinite(critical) else None, limit if np.isfinite(limit) else None))
    return found


# --- other tools' scores, and what is known of a feature -----------------------------------------------------------


def _compared(before: PreparedFeature, now: Sample, policy: DriftPolicy) -> tuple[FeatureDrift | None, FeatureNote]:
    """One feature's score, or None where there can be none, and its note with the reason."""
    reason, score = before.sample.reason or now.reason, None
    broken = before.sample.reason is not None or now.broken
    summary: dict[str, Any] = {}
    if reason is None:
        try:
            score, summary = (_numbers if before.kind == "numeric" else _categories)(before, now.values)
        except ValueError as error:
            reason, broken = str(error), True
    note = _note(before, now, reason, broken, summary)
    if score is None:
        return None, note
    drift = FeatureDrift(
        feature=before.feature,
        drift_detected=score >= policy.threshold,
        stat_test=STAT_TEST[before.kind],
        drift_score=score,
        threshold=policy.threshold,
    )
    return drift, note


def _score_note(before: PreparedFeature, now: Sample) -> FeatureNote:
    reason = before.sample.reason or now.reason
    broken = before.sample.reason is not None or now.broken
    summary = {} if reason else {"reference": _three(before.quartiles), "current": _quartiles(now.values)}
    return _note(before, now, reason, broken, summary)


def _note(
    before: PreparedFeature, now: Sample, reason: str | None, broken: bool, summary: dict[str, Any]
) -> FeatureNote:
    return FeatureNote(
        feature=before.feature,
        kind=before.kind,
        evaluated=reason is None,
        reason=reason,
        too_few=reason is not None and not broken,
        reference_missing_share=before.sample.missing_share,
        current_missing_share=now.missing_share,
        reference_rows=before.sample.values.size,
        current_rows=now.values.size,
        summary=summary,
    )


def _numbers(before: PreparedFeature, now: Numbers) -> tuple[float, dict[str, Any]]:
    with np.errstate(over="ignore", invalid="ignore"):
        spread = before.spread
    score = sorted_wasserstein(before.values, np.sort(now), spread=spread)
    return score, {"reference": _three(before.quartiles), "current": _quartiles(now)}


def _quartiles(values: Numbers) -> dict[str, float]:
    return _three(np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf"))  # observed values: cannot overflow


def _three(quartiles: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(("q25", "median", "q75"), quartiles.tolist(), strict=True))


def _categories(before: PreparedFeature, now: NDArray[Any]) -> tuple[float, dict[str, Any]]:
    names = pd.Index(before.values).union(pd.unique(now))  # sorted, so that the order of rows changes nothing
    counts = (
        pd.Series(before.category_rows, index=before.values).reindex(names, fill_value=0).to_numpy(),
        pd.Series(now).value_counts().reindex(names, fill_value=0).to_numpy(),
    )
    shares = counts[0] / counts[0].sum(), counts[1] / now.size
    largest = np.argsort(-np.maximum(*shares), kind="stable")[:TOP_CATEGORIES]
    new = counts[0] == 0
    return jensen_shannon(*counts), {
        "top": [
            {"category": names[i], "reference_share": float(shares[0][i]), "current_share": float(shares[1][i])}
            for i in largest
        ],
        "new_categories": int(new.sum()),
        "new_category_share": float(shares[1][new].sum()),
    }
