"""What outcomes say of the champion, and what is estimated where there are none yet.

Both read months of traffic, and labels come by the day: they are made anew every `monitor.outcomes_every`, and carried
along by the looks in between, with the time they are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from monitoring.diagnosis import LabelEvidence
from monitoring.outcome_metrics import Estimate, Realised
from monitoring.performance_floor import FloorPolicy, FloorState, FloorVerdict
from monitoring.signals import BelowFloor
from monitoring.values import time_text, utc
from monitoring.vintages import quarter_name, quarter_of
from pipeline.baseline import Baseline
from pipeline.desk import Desk
from pipeline.estimating import Estimated, estimate_performance
from pipeline.realising import RealisedPerformance, realised_performance


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Realised and estimated performance as of `measured_at`.

    `realised` and `estimated` are None where they were carried along; `document` has all of it as plain JSON values.
    """

    measured_at: datetime
    labels: LabelEvidence | None
    floor: FloorVerdict
    estimated_below_floor: bool
    realised: RealisedPerformance | None
    estimated: Estimated | None
    document: Mapping[str, Any]

    @property
    def below(self) -> BelowFloor | None:
        """Cause to train, if realised performance is below its floor."""
        if self.labels is None or self.floor.state is not FloorState.BELOW:
            return None
        vintage = quarter_name(quarter_of(self.labels.newest_event))
        return BelowFloor(champion=self.document["champion"], vintage=vintage, note=self.floor.reason)


def outcomes(desk: Desk, traffic: pd.DataFrame, baseline: Baseline, last: Mapping[str, Any] | None) -> Outcomes:
    """Measure and estimate, unless the last time was of this champion and not long ago.

    Args:
        desk: A workspace at one moment.
        traffic: `desk.traffic()`.
        baseline: The champion's.
        last: `document` of an earlier look, if there was one.
    """
    if last is not None and last["champion"] == baseline.version:
        measured_at = utc(datetime.fromisoformat(last["measured_at"]), "measured_at")
        if measured_at <= desk.as_of < measured_at + desk.settings.monitor.outcomes_every:
            return _outcomes(last, realised=None, estimated=None)
    realised = realised_performance(
        desk, bins=_score_bins(baseline), reference=_score_counts(baseline), policy=floor_policy(desk)
    )
    estimated = estimate_performance(desk, traffic)
    document = {
        "measured_at": time_text(desk.as_of),
        "champion": baseline.version,
        "realised": realised.to_json(),
        "estimated": estimated.to_json(),
    }
    return _outcomes(document, realised=realised, estimated=estimated)


def floor_policy(desk: Desk) -> FloorPolicy:
    """Which metric must keep how much of its promise; counts as the gates want them."""
    retrain, gate = desk.settings.retrain, desk.settings.gate
    return FloorPolicy(
        metric=retrain.metric,
        tolerance=retrain.max_loss,
        min_rows=gate.min_samples,
        min_bad=gate.min_positives,
        min_coverage=gate.min_coverage,
    )


def _outcomes(
    document: Mapping[str, Any], *, realised: RealisedPerformance | None, estimated: Estimated | None
) -> Outcomes:
    """From plain JSON values throughout, so that what was carried along and what was just measured are one."""
    floor, recent = _floor(document["realised"]["floor"]), document["realised"]["recent"]
    labels = None
    if recent is not None:
        until = utc(datetime.fromisoformat(recent["newest_event"]), "newest_event")
        found = {name: value for name, value in recent.items() if name not in ("newest_event", "estimates")}
        estimates = tuple(Estimate(**each) for each in recent["estimates"])
        labels = LabelEvidence(newest_event=until, ranking=floor, realised=Realised(**found, estimates=estimates))
    return Outcomes(
        measured_at=utc(datetime.fromisoformat(document["measured_at"]), "measured_at"),
        labels=labels,
        floor=floor,
        estimated_below_floor=_estimated_below(document["estimated"], floor),
        realised=realised,
        estimated=estimated,
        document=document,
    )


def _floor(content: Mapping[str, Any]) -> FloorVerdict:
    values = {name: value for name, value in content.items() if name != "promise_source"}
    observed = values["observed"]
    return FloorVerdict(
        **values
        | {"state": FloorState(values["state"]), "observed": None if observed is None else Estimate(**observed)}
    )


def _estimated_below(estimated: Mapping[str, Any], floor: FloorVerdict) -> bool:
    """A trusted estimate of the metric that has a floor lies below it with its whole interval."""
    trusted = {each["metric"] for each in estimated["trust"] if each["trusted"]}
    for each in estimated["estimates"]:
        if each["metric"] == floor.metric and floor.metric in trusted and floor.floor is not None:
            worse = each["low"] if floor.metric == "brier" else each["high"]
            return worse is not None and (worse > floor.floor if floor.metric == "brier" else worse < floor.floor)
    return False


def _score_bins(baseline: Baseline) -> Any:
    assert baseline.prepared.score is not None
    return baseline.prepared.score.bins


def _score_counts(baseline: Baseline) -> Any:
    assert baseline.prepared.score is not None
    return baseline.prepared.score.counts
