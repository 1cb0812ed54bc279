"""What happened, in order: every act once, turns and not every look, and performance only where it was measured."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from builders import AS_OF
from look_builders import scored, some_estimates, some_outcomes, some_realised

from dashboard import desk_charts, history

DAY = timedelta(days=1)
NOTHING: dict[str, list[dict[str, Any]]] = {
    kind: [] for kind in ("champion", "challenger", "dossier", "decision", "alert")
}


def looks(*states: str) -> pd.DataFrame:
    rows = [{"as_of": AS_OF + place * DAY, "status": state, "recommendation": None, "change_kind": None}
            for place, state in enumerate(states)]  # fmt: skip
    return pd.DataFrame(rows, columns=["as_of", "status", "recommendation", "change_kind"])


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (("ok", "ok"), []),
        (("ok", "drift", "drift", "ok"), ["drift, or a call for a new model", "calm again"]),
        (("drift", "failed", "drift"), ["drift, or a call for a new model"]),
        (("drift", "no_data", "ok"), ["drift, or a call for a new model", "calm again"]),
        ((), []),
    ],
)
def test_turns_are_told_and_not_every_look(states: tuple[str, ...], told: list[str]) -> None:
    assert history.events(NOTHING, looks(*states))["what"].tolist() == told


def test_every_act_is_in_its_lane_and_the_first_champion_is_no_challenger() -> None:
    acts = NOTHING | {
        "champion": [
            {"version": "1", "how": "init", "since": AS_OF, "digest": None},
            {"version": "2", "how": "promotion", "since": AS_OF + 5 * DAY, "digest": "d2"},
            {"version": "1", "how": "rollback", "since": AS_OF + 9 * DAY, "digest": None},
        ],
        "challenger": [{"version": version, "as_of": AS_OF + DAY, "rows": 3000} for version in ("1", "2")],
        "dossier": [
            {"digest": f"d{place}", "challenger": "2", "champion": "1", "as_of": AS_OF + place * DAY, "status": status}
            for place, status in ((2, "waiting"), (3, "waiting"), (4, "promotable"))
        ],
        "decision": [{"digest": "d4", "verdict": "approved", "actor": "ann", "at": AS_OF + 5 * DAY}],
        "alert": [
            {"opened_at": AS_OF, "severity": severity, "code": "feed.missing", "subject": "income"}
            for severity in ("page", "note")
        ],
    }
    found = history.events(acts, looks("drift"))
    assert found["what"].value_counts().to_dict() == {
        "drift, or a call for a new model": 1,
        "challenger trained": 1,
        "waits for labels": 1,
        "passed every gate": 1,
        "approved": 1,
        "rolled back": 1,
        "alert that wants somebody": 1,
    }
    assert found["at"].is_monotonic_increasing
    assert set(found["lane"]) < set(desk_charts.LANES)
    assert set(found["what"]) <= set(desk_charts.EVENTS)
    assert "version 2 by ann" in found["told"].tolist()


def test_performance_has_a_point_only_where_something_was_measured() -> None:
    frame = history.performance(some_outcomes(), metric="auc")
    assert set(frame["kind"]) == {"realised", "estimated"}
    assert frame["value"].notna().all()
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["rows"] > 0).all()
    lost = history.performance(some_outcomes(estimated=some_estimates(bias=0.2)), metric="auc")
    assert "estimated" not in set(lost["kind"])  # its record does not bear it out
    young = some_outcomes(some_realised(scored(0.5, n=400)), some_estimates(tests=0))
    assert "realised" not in set(history.performance(young, metric="auc")["kind"])
