"""Realised performance over real stores: the loans that ship, scored by two champions as they arrived."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from builders import AS_OF, GO_LIVE, a_dossier, a_workspace, judged, put_on_record
from dashboard_builders import a_reference
from sklearn.ensemble import HistGradientBoostingClassifier

from monitoring.bins import NumericBins, numeric_bins
from monitoring.outcome_metrics import METRICS
from monitoring.performance_floor import FloorPolicy, FloorState
from monitoring.realised import Counts, recent_final
from pipeline.desk import Desk
from pipeline.realising import (
    VINTAGES,
    RealisedPerformance,
    bands_frame,
    promise_of,
    realised_performance,
    scored_rows,
    triangle_frame,
    vintages_frame,
)
from pipeline.traffic.portfolio import read_portfolio
from pipeline.wiring import Workspace

PROMOTED = datetime(2005, 5, 1, tzinfo=UTC)  # from then on version 2 scores
NOW = datetime(2009, 7, 1, tzinfo=UTC)
POLICY = FloorPolicy(metric="auc", tolerance=0.10)

Binned = tuple[NumericBins, Counts]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Binned]]:
    """A workspace with the loans of 2004 to mid-2010 scored, their outcomes recorded when they were known."""
    workspace = a_workspace(tmp_path_factory.mktemp("lived"))
    a_reference(workspace)
    rows = read_portfolio(workspace.settings).rows
    score = fitted_scores(workspace, rows)
    before = score[((rows["event_time"] >= "2001-01-01") & (rows["event_time"] < "2004-01-01")).to_numpy()]
    bins = numeric_bins(before)
    live = ((rows["event_time"] >= "2004-01-01") & (rows["event_time"] < "2010-07-01")).to_numpy()
    traffic, of_traffic = rows[live], score[live]
    workspace.traffic.add_applications(traffic, received_at=GO_LIVE)
    workspace.traffic.add_predictions(predictions(traffic, of_traffic))
    known = traffic[traffic["known_at"] <= "2010-07-01"]
    for _, together in known.groupby(known["known_at"].dt.strftime("%Y-%m")):
        workspace.traffic.add_labels(together, recorded_at=together["known_at"].min().to_pydatetime())
    dossier = a_dossier(as_of=PROMOTED)
    judged(workspace, dossier)
    with workspace.ledger.transaction(recorded_at=PROMOTED) as writer:
        put_on_record(writer, version="2", as_of=PROMOTED)
        writer.swap_champion(expected="1", new="2", at=PROMOTED, how="promotion", actor="mend", digest=dossier.digest)
    yield workspace, (bins, bins.count(before))
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()


def fitted_scores(workspace: Workspace, rows: pd.DataFrame) -> np.ndarray:
    kinds = workspace.settings.data.kinds
    x = pd.DataFrame({n: rows[n] if k == "numeric" else pd.factorize(rows[n])[0] for n, k in kinds.items()})
    past = (rows["event_time"] < "2004-01-01").to_numpy()
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=7, random_state=1).fit(x[past], rows["y"][past])
    return model.predict_proba(x)[:, 1]


def predictions(rows: pd.DataFrame, score: np.ndarray) -> pd.DataFrame:
    ids = rows["application_id"].to_numpy()
    version = np.where(rows["event_time"] < PROMOTED, "1", "2")
    return pd.DataFrame(
        {"prediction_id": ids, "application_id": ids, "model_version": version, "model_sha256": "a" * 64,
         "score": score, "threshold": 0.12, "decision": (score >= 0.12).astype(int),
         "event_time": rows["event_time"].array, "scored_at": rows["event_time"].array}
    )  # fmt: skip


def at(lived: tuple[Workspace, Binned], as_of: datetime = NOW, policy: FloorPolicy = POLICY) -> RealisedPerformance:
    workspace, (bins, reference) = lived
    return realised_performance(
        Desk(workspace=workspace, as_of=as_of, scheduled=False), bins=bins, reference=reference, policy=policy
    )


@pytest.fixture(scope="module")
def now(lived: tuple[Workspace, Binned]) -> RealisedPerformance:
    return at(lived)


def test_the_latest_vintages_are_measured_and_those_since_are_listed(lived, now):
    performance = now
    final = [item for item in performance.vintages if item.vintage.is_final]
    waiting = [item for item in performance.vintages if not item.vintage.is_final]
    assert performance.since == datetime(2003, 10, 1, tzinfo=UTC)  # 12 quarters: one from 1 July 2006 is mature
    assert (final[0].vintage.name, final[-1].vintage.name, len(waiting)) == ("2004 Q1", "2006 Q2", 12)
    assert all(item.realised is not None and item.vintage.coverage == 1 for item in final)
    assert all(item.realised is None and "final on" in str(item.reason) for item in waiting)
    of_first = len(lived[0].traffic.scored(final[5].vintage.start, PROMOTED, as_of=NOW))
    assert final[5].models == (("1", of_first), ("2", final[5].vintage.rows - of_first))
    assert [item.models[0][0] for item in (final[0], final[-1])] == ["1", "2"]


def test_history_does_not_make_a_cycle_read_more(lived):
    desk = Desk(workspace=lived[0], as_of=datetime(2010, 7, 1, tzinfo=UTC), scheduled=False)
    rows, since = scored_rows(desk)
    assert since == datetime(2004, 10, 1, tzinfo=UTC)
    assert rows.event_time.min() >= np.datetime64("2004-10-01")
    mature = np.unique(rows.quarter[rows.mature])
    assert len(mature) <= VINTAGES
    assert len(mature) >= VINTAGES - 1


def test_what_was_measured_early_is_what_is_measured_late(lived, now):
    early = [item for item in at(lived, datetime(2007, 7, 2, tzinfo=UTC)).vintages if item.realised]
    late = {item.vintage.name: item.realised for item in now.vintages}
    assert [item.vintage.name for item in early] == ["2004 Q1", "2004 Q2"]
    assert all(item.realised == late[item.vintage.name] for item in early)


def test_the_model_falls_short_of_the_crisis(now):
    final = [item for item in now.vintages if item.realised]
    gaps = [item.realised.of("expected_minus_observed") for item in final]
    assert gaps[-1].value < gaps[0].value
    assert gaps[-1].high < -0.05
    assert sum(band.rows for band in now.bands) == sum(item.vintage.labelled for item in final[-4:])
    assert all(band.low > band.expected for band in now.bands[5:])


def test_the_floor_is_judged_on_what_todays_champion_scored(now):
    performance = now
    assert performance.champion == "2"
    assert performance.promise_source.startswith("dossier ")
    assert performance.floor.promise == a_dossier(as_of=PROMOTED).evidence.pair("auc").challenger
    assert performance.floor.state is FloorState.BELOW
    recent = [item for item in performance.vintages if item.vintage.is_final][-4:]
    assert performance.floor.mature == sum(item.vintage.rows for item in recent)


def test_profit_is_of_the_rows_that_the_floor_is_judged_on_with_their_amounts(lived, now):
    workspace, _ = lived
    desk = Desk(workspace=workspace, as_of=NOW, scheduled=False)
    found, profit = now.profit, workspace.settings.profit
    assert (found["rows"], found["bad"], found["left_out"], found["unit"]) == (
        now.floor.rows,
        now.floor.bad,
        0,
        profit.unit,
    )
    rows = recent_final(scored_rows(desk)[0], model_version="2", last=4)
    start, last = (pd.Timestamp(each, tz="UTC") for each in (rows.event_time.min(), rows.event_time.max()))
    traffic = workspace.traffic.scored(start, last + timedelta(microseconds=1), as_of=NOW)
    traffic = traffic[traffic["y"].notna() & traffic["model_version"].eq("2")]
    money = traffic["loan_amount"] * np.where(traffic["y"] == 1, -profit.cost_of_bad, profit.gain_of_good)
    threshold = workspace.challenger("2")["threshold"]
    assert found["at_cutoff"]["profit"] == pytest.approx(money.where(traffic["score"] < threshold, 0.0).mean())
    assert found["curve"][-1]["profit"] == pytest.approx(money.mean())
    assert at(lived, datetime(2008, 3, 1, tzinfo=UTC)).profit is None  # nothing that it scored is final


def test_a_young_champion_is_not_judged_by_its_predecessors_rows(lived):
    performance = at(lived, datetime(2008, 3, 1, tzinfo=UTC))  # mature up to February 2005: all scored by version 1
    assert performance.floor.state is FloorState.UNDECIDED
    assert performance.floor.reason == "no row is mature yet"
    assert any(item.realised for item in performance.vintages)


def test_the_first_champion_promises_what_its_first_vintage_showed(lived, now):
    workspace, _ = lived
    first = workspace.ledger.champion(GO_LIVE)
    for as_of in (NOW, datetime(2010, 7, 1, tzinfo=UTC)):
        promise = promise_of(Desk(workspace=workspace, as_of=as_of, scheduled=False), first, metric="auc")
        item = now.vintages[0]
        assert item.vintage.name == "2004 Q1"
        assert promise.value == item.realised.of("auc").value
        assert promise.source == f"its first vintage, 2004 Q1, {item.vintage.labelled} final outcomes"
    early = Desk(workspace=workspace, as_of=AS_OF, scheduled=False)
    assert promise_of(early, first, metric="auc") == (None, "its first vintage, 2004 Q1, is final on 2007-04-02")
    later = first | {"since": PROMOTED}  # its first whole vintage is the next one
    assert promise_of(early, later, metric="auc").source.startswith("its first vintage, 2005 Q3, is final on 2008-10")
    stranger = first | {"version": "7"}
    desk = Desk(workspace=workspace, as_of=NOW, scheduled=False)
    assert promise_of(desk, stranger, metric="auc") == (None, "its first vintage, 2004 Q1, has no final outcome")


@pytest.mark.parametrize("as_of", [GO_LIVE, datetime(2007, 7, 1, tzinfo=UTC), NOW], ids=["no traffic", "early", "late"])
def test_everything_is_written_and_tabled_without_nan(lived, as_of):
    performance = at(lived, as_of)
    document = json.loads(json.dumps(performance.to_json(), allow_nan=False))
    frames = vintages_frame(performance), triangle_frame(performance), bands_frame(performance)
    assert [len(frame) for frame in frames] == [len(document[name]) for name in ("vintages", "triangle", "bands")]
    assert document["floor"]["reason"]
    table = frames[0]
    for metric in METRICS:
        assert {table[name].dtype.kind for name in (metric, f"{metric}_low", f"{metric}_high")} == {"f"}
    waiting = table[table["status"] == "not final"]
    assert waiting[list(METRICS)].isna().all().all()
    assert waiting["note"].str.contains("final on").all()
    assert table.loc[table["status"] == "final", "note"].eq("").all()


def test_the_triangle_of_the_frame_rises_into_the_crisis(lived):
    frame = triangle_frame(at(lived, datetime(2010, 7, 1, tzinfo=UTC)))
    ends = frame[frame["months"] == 36].set_index("vintage")["share"].dropna()
    assert ends.index.tolist()[-1] == "2007 Q2"
    assert ends["2007 Q2"] > 0.30 > 0.20 > ends["2005 Q2"]
    assert frame.loc[frame["vintage"] == "2007 Q3", "share"].isna().tolist() == [False] * 11 + [True]


def test_a_workspace_without_traffic_is_undecided(tmp_path):
    workspace = a_workspace(tmp_path)
    a_reference(workspace)
    empty = at((workspace, (NumericBins(edges=(0.1,)), np.array([5, 5]))), AS_OF)
    assert (empty.vintages, empty.triangle, empty.floor.state) == ((), (), FloorState.UNDECIDED)
    assert [band.observed for band in empty.bands] == [None, None]
    assert empty.horizon == timedelta(days=1096)
    workspace.ledger.engine.dispose()
    workspace.traffic.engine.dispose()
