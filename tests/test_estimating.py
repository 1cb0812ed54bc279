"""The estimate of the current window, and its record, over real stores: what was known then, and no more."""

import json
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from builders import a_workspace
from scipy.special import expit, logit
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitoring.estimated import METRICS
from pipeline.desk import Desk
from pipeline.estimating import BACK_TESTS, LOOKBACKS_OF_LABELS, estimate_performance, estimates_frame
from pipeline.reference import freeze
from pipeline.training.model_files import ScoringModel

LOOKBACK, HORIZON, PER_LOOKBACK = timedelta(days=30), timedelta(days=60), 300


def a_model(features, *, version="1", threshold=0.35):
    """A logistic regression on the amount alone: right about `applicants` whose `odds` are 1."""
    rng = np.random.default_rng(1)
    amount = rng.normal(size=20_000)
    rows = pd.DataFrame(dict.fromkeys(features, 0.0), index=range(len(amount))).assign(loan_amount=amount)
    columns = make_column_transformer((StandardScaler(), ["loan_amount"]))
    pipeline = make_pipeline(columns, LogisticRegression()).fit(rows, rng.random(len(amount)) < truth(amount))
    return ScoringModel(version=version, sha256="b" * 64, threshold=threshold, pipeline=pipeline, features=features)


def truth(amount, odds=1.0):
    return expit(1.2 * amount - 1 + np.log(odds))


def applicants(trained_until, *, lookbacks, odds=lambda lookback: 1.0, seed=2):
    """300 applicants a lookback since the model was trained; an outcome is known two lookbacks later."""
    rng, n = np.random.default_rng(seed), lookbacks * PER_LOOKBACK
    amount = rng.normal(size=n)
    factor = np.repeat([odds(lookback) for lookback in range(lookbacks)], PER_LOOKBACK)
    times = pd.date_range(trained_until, periods=n, freq=LOOKBACK / PER_LOOKBACK).as_unit("us")
    return pd.DataFrame(
        {
            "application_id": [f"a{number:06d}" for number in range(n)],
            "event_time": times,
            "loan_amount": amount,
            "y": (rng.random(n) < truth(amount, factor)).astype(int),
            "known_at": times + HORIZON,
        }
    )


def a_desk(folder, *, lookbacks=14, late=None, **changes):
    """A desk over a life of so many lookbacks since training, at the end of it, and its applicants."""
    workspace = a_workspace(folder, lookback='"30d"')
    kinds = workspace.settings.data.kinds
    workspace._models["1"] = a_model(tuple(kinds))
    trained_until = workspace.challenger("1")["train_end"]
    rows = applicants(trained_until, lookbacks=lookbacks, **changes)
    rows = rows.assign(
        **{name: np.nan if kind == "numeric" else None for name, kind in kinds.items() if name not in rows}
    )
    freeze(rows.head(300)[["application_id", "event_time", *kinds]], workspace.settings, horizon=HORIZON)
    as_of = trained_until + lookbacks * LOOKBACK
    if late is not None:
        rows.loc[late(rows), "known_at"] = pd.Timestamp(as_of)
    for number in range(1, lookbacks + 1):
        arrive(workspace, rows, since=trained_until + (number - 1) * LOOKBACK, until=trained_until + number * LOOKBACK)
    return Desk(workspace=workspace, as_of=as_of, scheduled=False), rows


def arrive(workspace, rows, *, since, until):
    """What came in between two moments, recorded at the second one."""
    new = rows[(rows["event_time"] >= since) & (rows["event_time"] < until)]
    score = workspace.model("1").score(new)
    predictions = new[["application_id", "event_time"]].assign(
        prediction_id=new["application_id"],
        model_version="1",
        model_sha256="b" * 64,
        score=score,
        threshold=0.35,
        decision=(score >= 0.35).astype(int),
        scored_at=new["event_time"],
    )
    workspace.traffic.add_applications(new, received_at=until)
    workspace.traffic.add_predictions(predictions)
    known = (rows["known_at"] > since) & (rows["known_at"] <= until)
    workspace.traffic.add_labels(rows[known], recorded_at=until)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """A desk after 14 lookbacks in which nothing changed, to be read."""
    return a_desk(tmp_path_factory.mktemp("calm"))


def at(desk, moment):
    return Desk(workspace=desk.workspace, as_of=moment, scheduled=False)


def look(desk):
    return estimate_performance(desk, desk.traffic())


def test_a_model_that_is_right_is_estimated_well_and_trusted(calm):
    desk, rows = calm
    found, now = look(desk), rows.tail(PER_LOOKBACK)
    assert (found.champion, found.rows, found.before_training_end, found.other_models) == ("1", PER_LOOKBACK, 0, 0)
    assert [verdict.trusted for verdict in found.trust] == [True] * 4
    rate = found.estimates[METRICS.index("default_rate")]
    assert rate.low <= now["y"].mean() <= rate.high
    assert sum(len(test.checks) for test in found.back_tests) == 4 * BACK_TESTS
    table = estimates_frame(found)
    assert table["metric"].tolist() == list(METRICS)
    assert table["verdict"].tolist() == ["trusted"] * 4
    assert table["estimate"].notna().all()
    assert table["past_errors"].str.count(",").tolist() == [BACK_TESTS - 1] * 4


def test_back_tests_are_the_newest_whole_lookbacks_since_training_whose_outcomes_are_final(calm):
    desk, _ = calm
    trained_until = desk.workspace.challenger("1")["train_end"]
    for waited in (timedelta(0), timedelta(days=29)):  # between two lookbacks the record does not move
        windows = [test.window for test in look(at(desk, desk.as_of - LOOKBACK + waited)).back_tests]
        assert [(w.start - trained_until) // LOOKBACK for w in windows] == list(range(10, 2, -1))
        assert all(window.end - window.start == LOOKBACK for window in windows)
        assert windows[0].end <= desk.as_of - HORIZON
    windows = [test.window for test in look(desk).back_tests]
    assert [(window.start - trained_until) // LOOKBACK for window in windows] == list(range(11, 3, -1))


def test_a_back_test_uses_only_outcomes_that_were_known_at_its_time(calm):
    desk, _ = calm
    found = look(desk)
    for test in found.back_tests:
        whole = (test.window.end - HORIZON - desk.workspace.challenger("1")["train_end"]) // LOOKBACK
        assert {e.labels for e in test.estimates} == {min(whole, LOOKBACKS_OF_LABELS) * PER_LOOKBACK}
    assert {e.labels for e in found.estimates} == {LOOKBACKS_OF_LABELS * PER_LOOKBACK}
    then = at(desk, found.back_tests[3].window.end)
    asked_then = estimate_performance(then, then.traffic())
    assert [e.value for e in asked_then.estimates] == pytest.approx([e.value for e in found.back_tests[3].estimates])


def test_an_outcome_that_came_late_is_checked_but_was_not_there_to_calibrate_on(tmp_path):
    desk, _ = a_desk(tmp_path, late=lambda rows: rows["event_time"] < rows["event_time"].iloc[10 * PER_LOOKBACK])
    found = look(desk)
    assert all(e.labels == 0 for test in found.back_tests for e in test.estimates)
    assert {test.rows for test in found.back_tests} == {PER_LOOKBACK}
    assert {e.labels for e in found.estimates} == {LOOKBACKS_OF_LABELS * PER_LOOKBACK}


def test_labels_of_the_current_window_are_not_looked_at(calm):
    desk, _ = calm
    traffic = desk.traffic()
    assert estimate_performance(desk, traffic.assign(y=1.0)) == estimate_performance(desk, traffic)


def test_a_planted_concept_change_ends_trust_as_soon_as_its_outcomes_are_known_and_no_sooner(tmp_path):
    desk, _ = a_desk(tmp_path, lookbacks=16, odds=lambda lookback: 2.5 if lookback >= 11 else 1.0)
    rate = METRICS.index("default_rate")
    trained_until = desk.workspace.challenger("1")["train_end"]
    told = {k: look(at(desk, trained_until + k * LOOKBACK)).trust[rate] for k in range(11, 17)}
    assert [verdict.trusted for verdict in told.values()] == [True] * 3 + [False] * 3
    assert "too low" in told[14].reason
    table = estimates_frame(look(desk)).set_index("metric")
    assert table.loc["default_rate", "verdict"] == "abstains"
    assert pd.isna(table.loc["default_rate", "estimate"])
    assert table.loc["default_rate", "interval"] == ""


def test_without_a_closed_window_there_is_no_trust_and_the_first_possible_check_is_named(calm):
    desk, _ = calm
    trained_until = desk.workspace.challenger("1")["train_end"]
    found = look(at(desk, trained_until + 2 * LOOKBACK))
    assert found.back_tests == ()
    assert {e.labels for e in found.estimates} == {0}
    first = trained_until + LOOKBACK + HORIZON
    assert {verdict.reason for verdict in found.trust} == {
        f"no past estimate could be checked yet: first possible {first:%Y-%m-%d}"
    }


def test_rows_from_before_the_training_end_do_not_count(calm):
    desk, _ = calm
    halfway = at(desk, desk.workspace.challenger("1")["train_end"] + LOOKBACK / 2)
    traffic = halfway.traffic()
    early = traffic.assign(event_time=traffic["event_time"] - LOOKBACK)
    found = estimate_performance(halfway, pd.concat([early, traffic]))
    assert (found.rows, found.before_training_end) == (PER_LOOKBACK // 2, PER_LOOKBACK // 2)
    assert found.estimates == estimate_performance(halfway, traffic).estimates


def test_rows_scored_by_an_earlier_champion_keep_the_score_they_got(tmp_path):
    desk, _ = a_desk(tmp_path, odds=lambda lookback: 2.0)
    traffic = desk.traffic()
    mixed = traffic.assign(model_version=np.where(np.arange(len(traffic)) < 200, "0", "1"))
    all_old = estimate_performance(desk, traffic.assign(model_version="0"))
    rates = [e.estimates[3].value for e in (all_old, estimate_performance(desk, mixed), look(desk))]
    assert rates[0] == pytest.approx(traffic["score"].mean())
    assert rates[0] < rates[1] < rates[2]
    assert (all_old.other_models, estimate_performance(desk, mixed).other_models) == (PER_LOOKBACK, 200)


def test_a_cycle_costs_the_same_after_ten_years_as_after_one(tmp_path, monkeypatch):
    desk, _ = a_desk(tmp_path, lookbacks=36)
    fetched = []
    outcomes = desk.workspace.traffic.outcomes

    def counting(start, end, *, as_of):
        fetched.append((start, end))
        return outcomes(start, end, as_of=as_of)

    monkeypatch.setattr(desk.workspace.traffic, "outcomes", counting)
    look(desk)
    assert sum((end - start for start, end in fetched), timedelta(0)) <= 25 * LOOKBACK
    assert all(one[1] < two[0] for one, two in pairwise(fetched))


def test_an_empty_window_and_a_full_one_are_both_written_without_nan(calm):
    desk, _ = calm
    traffic = desk.traffic()
    for rows in (traffic, traffic.head(0), traffic.head(3)):
        found = estimate_performance(desk, rows)
        document = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert "concept change" in document["cannot_see"]
        assert "booked loans only" in document["booked_only"]
        assert len(document["estimates"]) == len(document["trust"]) == 4
        table = estimates_frame(found)
        assert table["why"].str.len().min() > 0
        assert (table["estimate"].isna() == (table["verdict"] == "abstains")).all()


def test_scores_that_are_off_are_read_right_once_outcomes_have_taught_it(tmp_path):
    desk, rows = a_desk(tmp_path, odds=lambda lookback: 1.8)
    rate, now = look(desk).estimates[3], rows.tail(PER_LOOKBACK)
    assert rate.low <= now["y"].mean() <= rate.high
    raw = desk.traffic()["score"].mean()
    assert abs(logit(raw) - logit(rate.value)) > 0.3
