"""Simulated traffic: the portfolio's own applicants, a known change, a portfolio that reads back, and `mend simulate`."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from builders import REPOSITORY, a_settings_file, mend
from typer.testing import CliRunner

from monitoring.scenarios import SCENARIOS
from monitoring.values import State
from pipeline.artefacts import sha256_file
from pipeline.cli_scenarios import scenario_app
from pipeline.errors import InputError
from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.traffic.portfolio import between, read_portfolio
from pipeline.traffic.simulated_files import MANIFEST, PORTFOLIO, SETTINGS, write
from pipeline.traffic.simulation import Look, Plan, get_ready, look_times, looks, policy_for, simulate, verdict

DAY = timedelta(days=1)
SMALL = {"rows_per_day": 300, "days": 6, "change_at": 3}
GO_LIVE = datetime(2004, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings():
    return load_settings(REPOSITORY / "mend.toml")


@pytest.fixture(scope="module")
def portfolio(settings):
    return read_portfolio(settings)


def simulated(portfolio, settings, scenario="missing-feed", **changes):
    return simulate(portfolio, settings, Plan(scenario=scenario, **SMALL | changes))


def same(first, second):
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))


# --- the rows --------------------------------------------------------------------------------------------------------


def test_every_day_has_its_rows_and_every_row_an_id_of_its_own(portfolio, settings):
    made = simulated(portfolio, settings)
    assert made.rows["event_time"].dt.floor("D").value_counts().tolist() == [300] * 6
    assert made.rows["event_time"].is_monotonic_increasing
    assert (made.rows["event_time"].min(), made.start, made.end) == (GO_LIVE, GO_LIVE, GO_LIVE + 6 * DAY)
    assert made.rows["application_id"].is_unique
    assert made.rows["application_id"].is_monotonic_increasing
    assert not set(made.rows["application_id"]) & set(portfolio.rows["application_id"])


def test_an_id_that_the_portfolio_has_is_not_taken(portfolio, settings):
    rows = portfolio.rows.assign(application_id=[f"SIM{number:04d}" for number in range(len(portfolio.rows))])
    with_theirs = type(portfolio)(rows=rows, set_aside=portfolio.set_aside, horizon=portfolio.horizon, sha256="a" * 64)
    assert not set(simulated(with_theirs, settings).rows["application_id"]) & set(rows["application_id"])


def test_rows_are_those_of_the_reference_window(portfolio, settings):
    features = list(settings.data.features)
    window = portfolio.rows[between(portfolio.rows, settings.reference.start, settings.reference.end)]
    made = simulated(portfolio, settings, "none")
    known = set(pd.util.hash_pandas_object(window[[*features, "y"]], index=False))
    assert set(pd.util.hash_pandas_object(made.rows[[*features, "y"]], index=False)) <= known
    assert made.rows["y"].mean() == pytest.approx(window["y"].mean(), abs=0.02)
    assert made.applied.touched == 0


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_before_the_change_every_scenario_has_the_same_rows(portfolio, settings, scenario):
    plain, changed = (simulated(portfolio, settings, name).rows for name in ("none", scenario))
    same(*(rows[rows["event_time"] < GO_LIVE + 3 * DAY] for rows in (plain, changed)))
    after = [rows[rows["event_time"] >= GO_LIVE + 3 * DAY].reset_index(drop=True) for rows in (plain, changed)]
    assert after[0].equals(after[1]) is (scenario == "none")


def test_the_same_seed_gives_the_same_traffic(portfolio, settings):
    first, again = (simulated(portfolio, settings, "concept") for _ in range(2))
    same(first.rows, again.rows)
    assert not first.rows.equals(simulated(portfolio, settings, "concept", seed=8).rows)


@pytest.mark.parametrize("scenario", ["none", "base-rate", "concept", "mix"])
def test_labels_are_known_when_labels_of_their_outcome_are(portfolio, settings, scenario):
    rows = simulated(portfolio, settings, scenario).rows
    delay = rows["known_at"] - rows["event_time"]
    theirs = (portfolio.rows["known_at"] - portfolio.rows["event_time"])[portfolio.rows["y"] == 1]
    assert (delay[rows["y"] == 0] == timedelta(days=1096)).all()
    assert delay[rows["y"] == 1].isin(theirs).all()
    assert (delay[rows["y"] == 1] < timedelta(days=1096)).mean() > 0.95  # not a good row's, known at the horizon


def test_what_a_reader_would_set_aside_is_left_out_and_counted(portfolio, settings):
    made = simulated(portfolio, settings, "scale", feature="sba_guaranteed_share", strength=0.5)
    shares = made.rows["sba_guaranteed_share"]
    assert shares.max() <= 1
    assert made.outside > 0
    assert len(made.rows) + made.outside == 1800


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        pytest.param({"days": 0}, "rows a day", id="no day"),
        pytest.param({"rows_per_day": 0}, "rows a day", id="no row"),
        pytest.param({"rows_per_day": 10**7}, "expected 1 to 5,000,000 rows", id="more than fits"),
        pytest.param({"change_at": 6}, "--change-at: expected a day from 0 to 5", id="after the end"),
        pytest.param({"change_at": -1}, "--change-at", id="before the start"),
        pytest.param({"seed": -1}, "--seed", id="a seed below 0"),
        pytest.param({"scenario": "boom"}, "there are none, scale", id="no such scenario"),
        pytest.param({"feature": "wage"}, "expected one of borrower_state", id="no such feature"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(portfolio, settings, plan, says):
    with pytest.raises(InputError) as refused:
        simulated(portfolio, settings, **plan)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


# --- the looks -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(portfolio, settings):
    return get_ready(portfolio, settings, tick=lambda name: None)


def judged(portfolio, settings, reference, scenario, *, every=DAY, lookback=DAY, **changes):
    made = simulated(portfolio, settings, scenario, **changes)
    policy = policy_for(settings, every=every, lookback=lookback)
    return made, list(looks(made, reference, policy, every=every, lookback=lookback))


def test_every_look_sees_its_lookback_and_nothing_else(portfolio, settings, reference):
    made, found = judged(portfolio, settings, reference, "missing-feed", every=DAY / 2, lookback=2 * DAY)
    assert [look.summary.rows for look in found] == [600] * 9
    assert [look.summary.timestamp for look in found] == look_times(made, every=DAY / 2, lookback=2 * DAY)
    assert [look.after for look in found] == [False] * 3 + [True] * 6  # the look at the change has not seen it


def test_a_broken_feed_is_found_at_the_first_look_and_named(portfolio, settings, reference):
    made, found = judged(portfolio, settings, reference, "missing-feed", feature="employees")
    result = verdict(found)
    assert (result.before, result.false_alarms, result.after, result.alarms_after) == (3, 0, 3, 3)
    assert result.first_at == 1
    (check,) = result.first.summary.drifted
    assert (check.feature, check.code) == ("employees", "missing")
    assert check.since == made.change + DAY
    assert [look.summary.drifted[0].since for look in found[3:]] == [check.since] * 3  # each look knows the last


def test_without_a_change_every_look_is_one_before_it(portfolio, settings, reference):
    for asked in ({"scenario": "none"}, {"scenario": "scale", "strength": 0.0}):
        _, found = judged(portfolio, settings, reference, **asked)
        result = verdict(found)
        assert (result.before, result.after, result.first) == (6, 0, None)


def test_too_few_rows_are_no_verdict_and_counted_as_such(portfolio, settings, reference):
    _, found = judged(portfolio, settings, reference, "missing-feed", rows_per_day=20)
    assert {look.summary.state for look in found} == {State.TOO_FEW_ROWS}
    assert (verdict(found).unjudged, verdict(found).first) == (6, None)


class _Said:
    """A summary's state, and whether that is a verdict."""

    def __init__(self, state):
        self.state, self.judged = state, state in (State.OK, State.DRIFT)


def test_an_alarm_before_the_change_is_false_and_the_first_one_after_it_counts():
    states = [State.DRIFT, State.OK, State.TOO_FEW_ROWS, State.OK, State.DRIFT, State.OK, State.DRIFT]
    found = [Look(summary=_Said(state), after=place >= 3) for place, state in enumerate(states)]
    result = verdict(found)
    assert (result.before, result.false_alarms, result.unjudged) == (3, 1, 1)
    assert (result.after, result.alarms_after, result.first_at) == (4, 2, 2)
    assert result.first is found[4]


def test_a_lookback_longer_than_the_traffic_is_refused(portfolio, settings):
    made = simulated(portfolio, settings)
    with pytest.raises(InputError, match="at most the 6 days"):
        look_times(made, every=DAY, lookback=7 * DAY)
    with pytest.raises(InputError, match="longer than nothing"):
        look_times(made, every=timedelta(0), lookback=DAY)


# --- the files -------------------------------------------------------------------------------------------------------


def written(made, portfolio, settings, folder):
    return write(made, portfolio, settings, folder=folder, every=DAY, lookback=timedelta(hours=36))


def test_what_is_written_reads_back_as_the_history_and_the_simulated_rows(tmp_path, portfolio, settings):
    made = simulated(portfolio, settings, "concept")
    manifest = written(made, portfolio, settings, tmp_path / "new" / "folder")
    back = load_settings(tmp_path / "new" / "folder" / SETTINGS)
    found = read_portfolio(back)
    assert found.set_aside.empty
    assert found.horizon == portfolio.horizon
    before = found.rows["event_time"] < GO_LIVE
    same(found.rows[before], portfolio.rows[portfolio.rows["event_time"] < GO_LIVE])
    same(found.rows[~before], made.rows[list(found.rows.columns)])
    assert manifest["history_rows"] == before.sum()
    assert manifest["rows"] == 1800


def test_settings_are_the_portfolios_own_in_a_life_of_their_own(tmp_path, portfolio, settings):
    written(simulated(portfolio, settings), portfolio, settings, tmp_path)
    back = load_settings(tmp_path / SETTINGS)
    assert back.workspace == tmp_path / "workspace"
    assert back.data_path == tmp_path / PORTFOLIO
    assert back.fairness_policy_path == tmp_path / "fairness_policy.toml"
    assert (back.monitor.interval, back.monitor.lookback) == (DAY, timedelta(hours=36))
    for section in ("reference", "train", "retrain", "profit", "approval"):
        assert getattr(back, section) == getattr(settings, section)
    assert back.data.features == settings.data.features
    assert back.gate_policy == settings.gate_policy


def test_stores_of_the_given_settings_are_not_written_to(tmp_path, portfolio):
    path = a_settings_file(tmp_path)
    path.write_text(path.read_text() + '\n[stores]\nledger = "postgresql://bank/ledger"\n')
    given = load_settings(path)
    assert "bank" in given.store_url("ledger")
    written(simulated(portfolio, given), portfolio, given, tmp_path / "out")
    assert load_settings(tmp_path / "out" / SETTINGS).store_url("ledger").startswith(f"sqlite:///{tmp_path / 'out'}")


def test_the_manifest_says_what_was_done_and_fingerprints_every_file(tmp_path, portfolio, settings):
    made = simulated(portfolio, settings, "unit-error", strength=0.3)
    manifest = written(made, portfolio, settings, tmp_path)
    assert json.loads((tmp_path / MANIFEST).read_text()) == manifest
    assert manifest["files"] == {
        path.name: sha256_file(path) for path in sorted(tmp_path.iterdir()) if path.name != MANIFEST
    }
    assert manifest["source"] == {"name": "sba_loans.csv.gz", "sha256": portfolio.sha256}
    told = ("unit-error", "loan_amount", 0.3, 7, "2004-01-04T00:00:00Z")
    assert tuple(manifest[key] for key in ("scenario", "feature", "strength", "seed", "change")) == told
    assert manifest["done"] == made.applied.log
    assert manifest["touched"] == made.applied.touched


def test_the_same_seed_writes_the_same_files(tmp_path, portfolio, settings):
    first, again = (written(simulated(portfolio, settings), portfolio, settings, tmp_path / n) for n in ("a", "b"))
    assert first == again


def test_a_folder_that_holds_something_is_left_alone(tmp_path, portfolio, settings):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="a new or an empty folder"):
        written(simulated(portfolio, settings), portfolio, settings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


LABELS = {
    "a column and a delay": ('column = "bad"\ndelay = "90d"', {}),
    "a column and a date": ('column = "bad"\nknown_at = "known"', {"known"}),
    "a date of the bad outcome": ('outcome_time = "known"\nhorizon = "90d"', {"known"}),
}


@pytest.mark.parametrize("dated", [True, False], ids=["dates", "no dates"])
@pytest.mark.parametrize("label", list(LABELS))
def test_every_form_of_portfolio_reads_back(tmp_path, label, dated):
    rng, n = np.random.default_rng(5), 900
    time = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) // 10, unit="D")
    bad = rng.random(n) < 0.2
    frame = pd.DataFrame({"no": np.arange(n), "when": time, "amount": rng.normal(size=n), "a b": rng.integers(0, 3, n)})
    frame["bad"] = pd.Series(bad.astype(float)).mask(rng.random(n) < 0.1)
    frame["known"] = (time + pd.to_timedelta(rng.integers(1, 80, n), unit="D")).where(frame["bad"].notna())
    if label.endswith("bad outcome"):
        frame["known"] = frame["known"].where(bad)
    frame.to_csv(tmp_path / "loans.csv", index=False)
    when = 'event_time = "when"' if dated else 'assumed_time = { start = "2020-01-01", rows_per_day = 10 }'
    (tmp_path / "mend.toml").write_text(
        f'[model]\nname = "x"\n[data]\npath = "loans.csv"\nid = "no"\n{when}\n'
        '[data.features]\namount = { kind = "numeric" }\n"a b" = { kind = "categorical" }\n'
        f"[data.label]\n{LABELS[label][0]}\n"
        "[reference]\nstart = 2020-01-01\nend = 2020-03-01\n"
        '[train]\ngo_live = 2020-03-01\nchampion_start = 2020-01-01\nchampion_end = 2020-02-01\nwindow = "30d"\n'
    )
    given = load_settings(tmp_path / "mend.toml")
    portfolio = read_portfolio(given)
    made = simulated(portfolio, given, "base-rate")
    written(made, portfolio, given, tmp_path / "out")
    back = load_settings(tmp_path / "out" / SETTINGS)
    found = read_portfolio(back)
    before = found.rows["event_time"] < given.train.go_live
    same(found.rows[before], portfolio.rows[portfolio.rows["event_time"] < given.train.go_live])
    same(found.rows[~before], made.rows[list(found.rows.columns)])
    assert back.data.assumed_time is None


# --- the command -------------------------------------------------------------------------------------------------------

FEW = ["--rows-per-day", "300", "--days", "6", "--change-at", "3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv(CONFIG_VARIABLE, str(a_settings_file(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(*arguments):
    return CliRunner().invoke(scenario_app, [*FEW, *arguments])


def test_the_command_shows_each_look_and_when_the_change_was_found(tmp_path):
    done = mend("simulate", "--scenario", "missing-feed", *FEW, config=a_settings_file(tmp_path)).stdout
    lines = done.splitlines()
    assert [line.split()[0] for line in lines[:6]] == [f"2004-01-0{day}" for day in range(2, 8)]
    assert [("(changed)" in line, "drift" in line.split("rows")[1]) for line in lines[:6]] == [(False, False)] * 3 + [
        (True, True)
    ] * 3
    assert (
        "change at 2004-01-04, first alarm after 1 look (1 day), named: loan_amount (missing share 0 → 0." in lines[-1]
    )
    assert "3 of 3 looks alarm. False alarms before the change: 0 of 3 looks" in lines[-1]
    assert not (tmp_path / "ws").exists()  # no workspace was made or needed


def test_the_command_writes_a_portfolio_that_mend_reads(here):
    done = ask("--scenario", "new-category", "--feature", "borrower_state", "--out", "made", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["written"]["files"][PORTFOLIO] == sha256_file(here / "made" / PORTFOLIO)
    assert len(read_portfolio(load_settings(here / "made" / SETTINGS)).rows) > 1800
    assert ("borrower_state", "new_category") in {(said["feature"], said["code"]) for said in told["verdict"]["named"]}
    assert told["verdict"]["sentence"].startswith("change at 2004-01-04")
    assert (told["simulated"]["scenario"], len(told["looks"])) == ("new-category", 6)
    again = ask("--scenario", "new-category", "--out", "made")
    assert isinstance(again.exception, InputError)
    assert "a new or an empty folder" in str(again.exception)


def test_what_drift_cannot_show_is_said(here):
    done = ask("--scenario", "concept")
    assert "no alarm in 3 looks after it" in done.stdout
    assert "not to be seen here: no feature changes" in done.stdout


def test_without_a_change_the_sentence_is_about_false_alarms(here):
    assert "no change; false alarms: 0 of 6 looks" in ask("--scenario", "none").stdout


def test_the_list_needs_no_settings(tmp_path, monkeypatch):
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    shown = ask("--list").stdout
    assert all(f"\n{name} " in shown for name in SCENARIOS)
    assert set(json.loads(ask("--list", "--json").stdout)) == set(SCENARIOS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param([], "--scenario: expected one of none, scale", id="no scenario"),
        pytest.param(["--scenario", "boom"], "--scenario: no scenario 'boom'; there are none", id="no such scenario"),
        pytest.param(["--scenario", "scale", "--feature", "x"], "expected one of employees", id="no such feature"),
        pytest.param(["--scenario", "scale", "--strength", "-2"], "expected -0.99 to 1000", id="strength"),
        pytest.param(["--scenario", "none", "--every", "1"], "--every: a duration needs a unit", id="every"),
        pytest.param(["--scenario", "none", "--every", "0d"], "longer than nothing", id="every nothing"),
        pytest.param(["--scenario", "none", "--lookback", "9d"], "--lookback", id="lookback"),
        pytest.param(["--scenario", "none", "--change-at", "6"], "--change-at", id="change after the end"),
        pytest.param(["--scenario", "none", "--out", "."], "--out", id="a folder in use"),
    ],
)
def test_the_command_refuses_what_cannot_be_in_one_line(here, arguments, says):
    refusal = ask(*arguments).exception
    assert isinstance(refusal, InputError)
    assert says in str(refusal)
    assert refusal.exit_code == 2


def test_limits_are_those_of_a_cycle_with_this_cadence(settings):
    daily, hourly = (policy_for(settings, every=every, lookback=DAY) for every in (DAY, DAY / 24))
    assert daily.look_level > hourly.look_level == pytest.approx(1 / (91 * 24))
    assert (daily.min_rows, daily.stale_after) == (settings.monitor.min_rows, DAY / 2)
