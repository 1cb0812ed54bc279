"""Small makers of what a look leaves behind: a monitoring result with outcomes, from the real rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from builders import AS_OF

from monitoring.bins import numeric_bins
from monitoring.contribution import contributions, prepare_contribution
from monitoring.diagnosis import Change, Diagnosis, Recommendation, diagnose
from monitoring.estimate_track import Checked, trust
from monitoring.estimated import METRICS, estimates, realised
from monitoring.joint_values import JointDrift, PairChange
from monitoring.outcome_metrics import realised as realised_metrics
from monitoring.performance_floor import FloorPolicy, performance_floor
from monitoring.profit_curve import LEVEL, profit_at, profit_curve
from monitoring.proxy import proxy_metrics
from monitoring.realised import performance_by_vintage, recent_final, score_bands
from monitoring.score_histogram import score_histogram
from monitoring.scored_rows import ScoredRows
from monitoring.summary import DriftSummary
from monitoring.values import State, Window, time_text
from monitoring.vintages import triangle
from monitoring.worst_segments import worst_segments
from pipeline.artefacts import canonical_json
from pipeline.drift_words import sentences
from pipeline.estimating import BackTest, Estimated
from pipeline.realising import RealisedPerformance

HORIZON = timedelta(days=365)


def a_result(
    summary: DriftSummary,
    *,
    diagnosis: tuple[Change, Recommendation, str] | None = None,
    joint: State | None = None,
    outcomes: Mapping[str, Any] | None = None,
    segment: str = "new_business",
) -> dict[str, Any]:
    """The monitoring result of a window, as it stands in its file; `diagnosis` in place of the rules'."""
    names = [note.feature for note in summary.notes]
    found = diagnose(summary, importance={name: 0.9 / len(names) for name in names}, joint_drift=joint is State.DRIFT)
    if diagnosis is not None:
        change, recommendation, reason = diagnosis
        found = Diagnosis(change=change, recommendation=recommendation, reason=reason, weighted_share=0.4)
    moved = _contributions(names) if summary.judged else ()
    window = pd.DataFrame({"event_time": pd.DatetimeIndex([]).tz_localize("UTC")}).assign(
        score=[], decision=[], missing_share=[], label_known=[]
    )
    result = {
        "schema_version": 2,
        "as_of": time_text(summary.timestamp),
        "state": summary.state.value,
        "drift_share": summary.drift_share,
        "evidently": None,
        "proxy_metrics": proxy_metrics(window, as_of=summary.timestamp, lookback=timedelta(days=180)).to_json(),
        "moved": list(sentences(summary, units={}, contributions=moved)),
        "diagnosis": found.to_json(),
        "scores": _score_histogram() if summary.rows else None,
        "contributions": [each.to_json() for each in moved],
        "segments": _segments(segment) if summary.judged else [],
        "joint": None if joint is None else _joint(joint, summary.timestamp),
        "outcomes": outcomes or some_outcomes(),
        "below_floor": None,
    }
    plain: dict[str, Any] = json.loads(canonical_json(result))
    return plain


def _score_histogram() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    found = score_histogram(rng.beta(1.5, 20, 300), rng.beta(2, 20, 500), threshold=0.2)
    assert found is not None
    return found.to_json()


def _contributions(names: list[str]) -> Any:
    rng = np.random.default_rng(1)
    reference = pd.DataFrame({name: rng.normal(0, 1, 300) for name in names})
    bins = {name: numeric_bins(reference[name].to_numpy()) for name in names}
    prepared = prepare_contribution(
        lambda rows: 1 / (1 + np.exp(-rows[names].fillna(0).sum(axis=1))),
        reference,
        dict.fromkeys(names, "numeric"),
        bins,
        rows=50,
        seed=1,
    )
    window = rng.normal(0.5, 1, 500)
    return contributions(prepared, {name: np.append(bins[name].count(window), 0) for name in names})


def _segments(segment: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(2)
    before, now = ({segment: rng.choice(["N", "Y"], n)} for n in (300, 500))
    shifts = worst_segments(before, now, reference_scores=rng.random(300) / 5, window_scores=rng.random(500) / 4)
    return [shift.to_json() for shift in shifts]


def _joint(state: State, as_of: datetime) -> dict[str, Any]:
    pair = PairChange(
        first="loan_amount", first_score="rank", second="low_doc", second_score="is N", reference=0.4,
        reference_interval=(0.3, 0.5), reference_rows=300, window=0.0, window_interval=(-0.1, 0.1), window_rows=500,
        z=-6.0,
    )  # fmt: skip
    drifted = state is State.DRIFT
    found = JointDrift(
        state=state, reason=None, level=0.001, floor_d=0.2, p_value=1e-9 if drifted else 0.5, from_tail=drifted,
        permutations=999, distance_d=0.9, distance_d_interval=(0.8, 1.0), auc=0.7, auc_interval=(0.6, 0.8),
        window_rows=500, reference_rows=300, features=("loan_amount", "low_doc"), left_out=(), pairs=(pair,),
    )  # fmt: skip
    return found.to_json() | {"as_of": time_text(as_of)}


def scored(years: float = 5.0, *, as_of: datetime = AS_OF, n: int = 3000, sharpness: float = 1.5) -> ScoredRows:
    """Applications of so many years, one in ten of the mature ones without a label."""
    rng = np.random.default_rng(5)
    y = (rng.random(n) < 0.2).astype(np.int8)
    score = 1 / (1 + np.exp(2.5 - sharpness * y - rng.normal(0, 1, n)))
    days = np.sort(rng.random(n) * years * 365)[::-1]
    event = np.datetime64(as_of.replace(tzinfo=None), "us") - (days * 24).astype("timedelta64[h]")
    known_at = event + np.where(y == 1, np.timedelta64(200, "D"), np.timedelta64(HORIZON))
    known = (days * 24 >= np.where(y == 1, 200, HORIZON.days) * 24) & (rng.random(n) > 0.1)
    return ScoredRows(
        event_time=event,
        score=score,
        decision=(score > 0.3).astype(np.int8),
        y=np.where(known, y, -1).astype(np.int8),
        known_at=np.where(known, known_at, np.datetime64("NaT")),
        model_version=np.full(n, "1"),
        as_of=as_of,
        horizon=HORIZON,
        unscored=3,
    )


def some_realised(rows: ScoredRows | None = None, *, promise: float | None = 0.8) -> RealisedPerformance:
    """What came of some rows."""
    rows = scored() if rows is None else rows
    bins = numeric_bins(rows.score)
    recent = recent_final(rows, model_version="1", last=4)
    final = recent.where(recent.labelled)
    return RealisedPerformance(
        as_of=rows.as_of,
        since=rows.as_of - timedelta(days=2000),
        horizon=rows.horizon,
        champion="1",
        unscored=rows.unscored,
        vintages=performance_by_vintage(rows, bins=bins, reference=bins.count(rows.score)),
        triangle=triangle(rows),
        bands=score_bands(rows, bins=bins, last=4),
        floor=performance_floor(recent, promise=promise, policy=FloorPolicy(metric="auc", tolerance=0.2)),
        promise_source="dossier 0123",
        recent=realised_metrics(final.y, final.score, final.decision) if len(final.y) else None,
        recent_until=rows.as_of - HORIZON if len(final.y) else None,
        profit=some_profit(final) if len(final.y) else None,
    )


def some_profit(final: ScoredRows) -> dict[str, Any]:
    """What the cut-off earned on these rows, as `pipeline.realised_profit` writes it."""
    worth = np.where(final.y == 1, -450.0, 50.0)
    return {
        "rows": len(final.y),
        "bad": int(final.y.sum()),
        "left_out": 0,
        "unit": "USD",
        "level": LEVEL,
        "at_cutoff": profit_at(final.score, worth, 0.3).to_json(),
        "curve": [point.to_json() for point in profit_curve(final.score, worth)],
    }


def some_estimates(*, bias: float = 0.0, tests: int = 5, as_of: datetime = AS_OF) -> Estimated:
    """Estimates of half a year, and of earlier windows; with `bias` these were too low by so much in every metric."""
    rng = np.random.default_rng(11)
    made = []
    for number in range(tests):
        p = rng.beta(1.5, 6, 800)
        y, decision = (rng.random(800) < p).astype(np.int8), (p > 0.3).astype(np.int8)
        end = as_of - HORIZON - number * timedelta(days=180)
        found, true = estimates(p, decision), realised(y, p, decision)
        checks = tuple(
            Checked(end=end, estimate=each, realised=min(1.0, (true[each.metric] or 0.0) + bias)) for each in found
        )
        window = Window(start=end - timedelta(days=180), end=end)
        made.append(BackTest(window=window, rows=800, estimates=found, checks=checks))
    p = rng.beta(1.5, 6, 700)
    return Estimated(
        as_of=as_of,
        champion="1",
        window=Window(start=as_of - timedelta(days=180), end=as_of),
        rows=700,
        before_training_end=0,
        other_models=0,
        estimates=estimates(p, (p > 0.3).astype(np.int8)),
        trust=tuple(
            trust(metric, [check for test in made for check in test.checks if check.estimate.metric == metric])
            for metric in METRICS
        ),
        back_tests=tuple(made),
    )


def some_outcomes(
    realised: RealisedPerformance | None = None, estimated: Estimated | None = None, *, champion: str = "1"
) -> dict[str, Any]:
    """The `outcomes` of a monitoring result."""
    return {
        "measured_at": time_text(AS_OF),
        "champion": champion,
        "realised": (realised or some_realised()).to_json(),
        "estimated": (estimated or some_estimates()).to_json(),
    }
