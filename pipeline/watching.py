"""Look at the current window: what `drift.ipynb` computes and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitoring.columns import Sample
from monitoring.contribution import Contribution, Explained, contributions, explained
from monitoring.diagnosis import CalledBad, Diagnosis, diagnose
from monitoring.drift import drift_summary
from monitoring.joint_coding import prepare_joint
from monitoring.multivariate import joint_drift
from monitoring.proxy import ProxyMetrics, proxy_metrics
from monitoring.score_histogram import ScoreHistogram, score_histogram
from monitoring.summary import DriftSummary
from monitoring.thresholds import look_level
from monitoring.values import State, time_text, utc
from monitoring.worst_segments import SegmentShift, worst_segments
from pipeline.artefacts import canonical_json, sha256_file, stamp, write_atomically
from pipeline.baseline import Baseline, load_baseline
from pipeline.desk import Desk
from pipeline.drift_words import sentences
from pipeline.errors import IntegrityError
from pipeline.outcomes import Outcomes, outcomes
from pipeline.segments import segment_values
from pipeline.settings import Settings
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

REPORTS = "monitoring/reports/drift_reports"
RESULTS = "monitoring/metrics/monitoring_results"
JOINT_PERMUTATIONS = 999  # its p-value ends at 0.001 by counting; below that it is read off a fitted tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that one look found. `joint` is plain JSON: it may be of an earlier look, see its `as_of`."""

    summary: DriftSummary
    contributions: tuple[Contribution, ...]
    explained: Explained | None
    segments: tuple[SegmentShift, ...]
    joint: Mapping[str, Any] | None
    outcomes: Outcomes
    diagnosis: Diagnosis
    scores: ScoreHistogram | None
    moved: tuple[str, ...]


def look(desk: Desk, traffic: pd.DataFrame) -> Look:
    """Judge the current window, say what moved and what it did to the score, and what kind of change that is."""
    champion = desk.workspace.ledger.champion(desk.as_of) or desk.workspace.require_champion()
    baseline = load_baseline(desk.workspace, champion["version"])
    window = scored_by(desk.workspace, traffic, champion["version"])
    before, last = _last_look(desk)
    summary = drift_summary(
        baseline.prepared,
        window,
        policy=desk.settings.drift_policy,
        window=desk.window,
        as_of=desk.as_of,
        newest_event=None if window.empty else window["event_time"].max().to_pydatetime(),
        previous=before,
    )
    found = contributions(baseline.contribution, _counts(baseline, window)) if summary.judged else ()
    joint = _joint(desk, baseline, window, summary, last)
    told = outcomes(desk, traffic, baseline, None if last is None else last["outcomes"])
    diagnosis = diagnose(
        summary,
        importance=baseline.importance,
        retrain_share=desk.settings.retrain.min_importance,
        joint_drift=joint is not None and joint["state"] == State.DRIFT,
        labels=told.labels,
        called_bad=_called_bad(desk.workspace.challenger(champion["version"])["threshold"], baseline, window),
        estimated_below_floor=told.estimated_below_floor,
    )
    return Look(
        summary=summary,
        contributions=found,
        explained=_explained(baseline, window, found),
        segments=_segments(desk, baseline, window) if summary.judged else (),
        joint=joint,
        outcomes=told,
        diagnosis=diagnosis,
        scores=_scores(desk, baseline, window),
        moved=sentences(summary, units=units(desk.settings), contributions=found),
    )


def units(settings: Settings) -> dict[str, str]:
    """What each feature's number counts."""
    return {name: feature.unit for name, feature in settings.data.features.items()}


def scored_by(workspace: Workspace, traffic: pd.DataFrame, version: str) -> pd.DataFrame:
    """The window with every row's score by one champion: a change of model is no change of the population."""
    others = (traffic["model_version"] != version).to_numpy()
    if not others.any():
        return traffic
    rescored = traffic.copy()
    rescored.loc[others, "score"] = workspace.model(version).score(traffic[others])
    return rescored


def without_labels(desk: Desk, traffic: pd.DataFrame) -> ProxyMetrics:
    """What the window says before any label is known."""
    scored = traffic[["application_id", "event_time", "score", "threshold", "decision"]].assign(
        missing_share=traffic[list(desk.kinds)].isna().mean(axis=1).astype(float), label_known=traffic["y"].notna()
    )
    return proxy_metrics(scored, as_of=desk.as_of, lookback=desk.settings.monitor.lookback)


def report_is_due(desk: Desk, summary: DriftSummary, *, report: str) -> bool:
    """Whether Evidently's page is wanted: asked for, the verdict changed, or the last one is too old."""
    if not summary.judged:
        return False
    if report != "auto" or not desk.scheduled:
        return report == "always"
    ledger = desk.workspace.ledger
    last, shown = ledger.acts_before("cycle", desk.as_of, limit=1), ledger.last_report(desk.as_of)
    changed = not last or last[-1]["status"] != summary.state.value
    return changed or shown is None or desk.as_of - shown >= desk.settings.monitor.report_every


def save_monitoring(desk: Desk, seen: Look, proxy: ProxyMetrics, *, report: str, traffic: pd.DataFrame) -> Path:
    """Write the drift summary, Evidently's page where due, and the monitoring result that names both."""
    paths = {"summary": desk.path(f"{REPORTS}/drift_summary_{stamp(desk.as_of)}.json")}
    name, summary = desk.workspace.relative, seen.summary
    files = {name(paths["summary"]): write_atomically(paths["summary"], canonical_json(summary.to_json()))}
    verdict = None
    if report_is_due(desk, summary, report=report):
        paths["report"] = desk.path(f"{REPORTS}/drift_report_{stamp(desk.as_of)}.html")
        verdict = _evidently(desk, traffic, paths["report"])
        files[name(paths["report"])] = sha256_file(paths["report"])
    result = {
        "schema_version": 2,
        "as_of": iso(desk.as_of),
        "state": summary.state.value,
        "drift_share": summary.drift_share,
        **{kind: name(path) for kind, path in paths.items()},
        "files": files,
        "proxy_metrics": proxy.to_json(),
        "evidently": verdict,
        "moved": list(seen.moved),
        "diagnosis": seen.diagnosis.to_json(),
        "scores": None if seen.scores is None else seen.scores.to_json(),
        "contributions": [each.to_json() for each in seen.contributions],
        "explained": None if seen.explained is None else asdict(seen.explained) | {"rest": seen.explained.rest},
        "segments": [each.to_json() for each in seen.segments],
        "joint": seen.joint,
        "outcomes": seen.outcomes.document,
        "below_floor": None if seen.outcomes.below is None else asdict(seen.outcomes.below),
    }
    return desk.write(f"{RESULTS}/monitoring_{stamp(desk.as_of)}.json", result)


def read_summary(workspace: Workspace, path: str) -> DriftSummary:
    """A drift summary from its file, validated."""
    try:
        return DriftSummary.from_json(json.loads((workspace.root / path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise IntegrityError(path, f"not a drift summary: {error}") from None


def read_result(workspace: Workspace, path: str) -> dict[str, Any]:
    """A monitoring result from its file."""
    try:
        found: dict[str, Any] = json.loads((workspace.root / path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(path, f"not a monitoring result: {error}") from None
    return found


def _last_look(desk: Desk) -> tuple[DriftSummary | None, dict[str, Any] | None]:
    """The last judged window before now, and the last result: what is carried on from look to look."""
    recent = desk.workspace.ledger.acts_before("cycle", desk.as_of, limit=desk.settings.monitor.of_last)
    judged = [row for row in recent if row["status"] in (State.OK, State.DRIFT) and row["summary_path"]]
    written = [row for row in recent if row["metrics_path"]]
    last = read_result(desk.workspace, written[-1]["metrics_path"]) if written else None
    if last is None or last["schema_version"] != 2:  # of an earlier version of Mend: nothing to carry on
        return None, None
    return read_summary(desk.workspace, judged[-1]["summary_path"]) if judged else None, last


def _joint(
    desk: Desk, baseline: Baseline, window: pd.DataFrame, summary: DriftSummary, last: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Whether features hang together as they did: asked once a lookback, on rows that no earlier answer was about."""
    carried: Mapping[str, Any] | None = None if last is None else last["joint"]
    if carried is not None and desk.scheduled:
        tested_at = utc(datetime.fromisoformat(carried["as_of"]), "as_of")
        if desk.as_of - tested_at < desk.settings.monitor.lookback:
            return carried
    if not summary.judged:
        return None
    monitor = desk.settings.monitor
    level = look_level(false_alarms=monitor.false_alarms, per=monitor.false_alarm_period, interval=monitor.lookback) / (
        baseline.prepared.questions + 1
    )
    prepared = prepare_joint(baseline.rows, desk.kinds)
    seed = desk.settings.train.seed
    found = joint_drift(prepared, window, level=level, seed=seed, permutations=JOINT_PERMUTATIONS)
    return found.to_json() | {"as_of": time_text(desk.as_of)}


def _counts(baseline: Baseline, window: pd.DataFrame) -> dict[str, Any]:
    """Rows per bin of each feature, missing last; nothing for a feature that cannot be read."""
    counts = {}
    for one in baseline.contribution.features:
        item = baseline.prepared.features[one.feature]
        sample = Sample.of(window, item.feature, item.kind, side="window", need=0)
        readable = sample.reason is None and sample.missing is not None
        present = one.bins.count(sample.values) if readable else np.zeros(one.bins.size, dtype=np.int64)
        counts[one.feature] = np.append(present, sample.missing or 0 if readable else 0)
    return counts


def _explained(baseline: Baseline, window: pd.DataFrame, found: tuple[Contribution, ...]) -> Explained | None:
    if not found:
        return None
    before, now = float(baseline.unseen["score"].mean()), float(window["score"].mean())
    return explained(found, reference_mean=before, window_mean=now)


def _segments(desk: Desk, baseline: Baseline, window: pd.DataFrame) -> tuple[SegmentShift, ...]:
    cuts = desk.settings.data.segments
    return worst_segments(
        segment_values(baseline.unseen, cuts),
        segment_values(window, cuts),
        reference_scores=baseline.unseen["score"],
        window_scores=window["score"],
    )


def _scores(desk: Desk, baseline: Baseline, window: pd.DataFrame) -> ScoreHistogram | None:
    before, now = (rows["score"].to_numpy(dtype=np.float64) for rows in (baseline.unseen, window))
    return score_histogram(before, now, threshold=desk.workspace.challenger(baseline.version)["threshold"])


def _called_bad(threshold: float, baseline: Baseline, window: pd.DataFrame) -> CalledBad | None:
    if window.empty:
        return None
    shares = [float((rows["score"] >= threshold).mean()) for rows in (baseline.unseen, window)]
    return CalledBad(reference=shares[0], window=shares[1], rows=len(window))


def _evidently(desk: Desk, traffic: pd.DataFrame, path: Path) -> Mapping[str, Any]:
    from monitoring.report_evidently import write_report

    policy = desk.settings.drift_policy
    path.parent.mkdir(parents=True, exist_ok=True)
    limits = {"threshold": policy.threshold, "drift_share": policy.drift_share}
    return write_report(desk.reference(), traffic, desk.kinds, **limits, path=path)
