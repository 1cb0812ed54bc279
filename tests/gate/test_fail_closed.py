"""Fail closed, proven: 100,000 broken judgements, none promotable by accident, none raising anything but our own errors."""

import dataclasses
import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from builders import a_dossier as a_whole_dossier
from builders import a_workspace, judged
from gate import fail_closed as broken
from gate.fail_closed import AS_OF, DAY, LONG_AGO, POLICIES, PRIMARIES, SMALL
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pipeline.artefacts import canonical_json
from pipeline.errors import InputError, IntegrityError, MendError
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks, promotable
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.measured import Evidence
from pipeline.gate.rows import Applicants, JudgedRows
from pipeline.gate.values import GatePolicy, Interval
from pipeline.judging import case_of
from pipeline.promotion.review import read_dossier
from pipeline.promotion.state import Standing, standing
from pipeline.stores.engine import migrate, open_engine
from pipeline.stores.traffic import TrafficStore

CHUNKS = 20
PLAN = {"rows": 1668, "windows": 112, "numbers": 800, "clocks": 800, "records": 1100, "forgeries": 120, "policies": 400}


def test_the_plan_is_a_hundred_thousand_of_every_kind():
    assert CHUNKS * sum(PLAN.values()) >= 100_000
    assert set(PLAN) == set(broken.KINDS) == set(broken.FORMS)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_broken_judgement_opens_the_gate(chunk):
    reached, wrong = Counter(), []
    for place, (kind, count) in enumerate(PLAN.items()):
        forms, ended = set(), Counter()
        for case in broken.KINDS[kind](np.random.default_rng([20_261_123, chunk, place]), count):
            ended[broken.outcome_of(case)] += 1
            wrong += [] if broken.holds(case) else [f"{kind}: {case.broken}: expected {case.follows}"]
            forms.add(case.broken)
            reached[kind] += 1
        assert forms == broken.FORMS[kind]
        assert ended[broken.CLOSED] + ended[broken.REFUSED]
        assert ended[broken.OPEN] or kind == "rows"  # a gate that never opens would pass everything above
    assert wrong == []
    assert reached == PLAN


# Records: believing nothing that can be checked

SHUT, GOOD = broken.refused_records(), broken.good_record()
PLACES = {gate: broken.nodes(record) for gate, record in SHUT.items()}
junk = st.one_of(
    st.sampled_from(broken.JUNK),
    st.sampled_from([broken.at(GOOD, path) for path in broken.nodes(GOOD)]),  # what a promotable dossier says somewhere
    st.floats(),
    st.integers(),
    st.text(max_size=5),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=2),
)


@given(st.data(), st.sampled_from(sorted(SHUT)), st.integers(1, 2))
@settings(max_examples=400, deadline=None)
def test_no_one_or_two_changes_of_a_refused_record_open_it(data, gate, changes):
    record, places = SHUT[gate], PLACES[gate]
    for _ in range(changes):
        path = data.draw(st.sampled_from(places))
        transplant = st.just(broken.at(GOOD, path)) if path in broken.nodes(GOOD) else st.nothing()
        record = broken.altered(record, path, data.draw(transplant | junk))
        places = broken.nodes(record)
    try:
        back = Dossier.from_json(record)
    except IntegrityError as refusal:
        assert "\n" not in str(refusal)
        return
    assert not back.promotable
    assert canonical_json(back.to_json()) == canonical_json(record)


@pytest.mark.parametrize("gate", sorted(SHUT))
def test_no_part_of_a_promotable_dossier_opens_a_refused_one(gate):
    """Every pair of parts, exhaustively: this is how somebody would try it by hand."""
    keys = sorted(SHUT[gate])
    for i, one in enumerate(keys):
        for other in keys[i:]:
            mixed = {**SHUT[gate], one: GOOD[one], other: GOOD[other]}
            try:
                assert not Dossier.from_json(mixed).promotable, (one, other)
            except IntegrityError:
                continue


def test_the_promotable_record_reads_back_and_is_promotable():
    assert Dossier.from_json(GOOD).promotable
    assert broken.objections_to_record(GOOD) == []


@given(
    st.text()
    | st.recursive(st.sampled_from(broken.JUNK), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
@settings(max_examples=200, deadline=None)
def test_what_is_no_dossier_at_all_is_refused_by_one_error(record):
    with pytest.raises(IntegrityError):
        Dossier.from_json(record)


def test_a_file_that_was_cut_or_changed_after_it_was_judged_is_refused(tmp_path):
    workspace = a_workspace(tmp_path)
    digest = judged(workspace, a_whole_dossier())
    assert read_dossier(workspace, digest).promotable
    path = workspace.root / workspace.ledger.get("dossier", digest)["path"]
    whole = path.read_bytes()
    for content in (b"", whole[:-1], whole[:100], whole + b"\n", whole.replace(b"0.5", b"0.6"), b"\xff" + whole, b"{}"):
        path.write_bytes(content)
        with pytest.raises(IntegrityError):
            read_dossier(workspace, digest)
    path.unlink()
    with pytest.raises(IntegrityError):
        read_dossier(workspace, digest)


HOLDER = {"version": "1", "entry": 3}


@pytest.mark.parametrize(
    ("champion", "newest", "now", "stands"),
    [
        pytest.param(HOLDER, True, AS_OF, Standing.PENDING, id="fresh"),
        pytest.param(HOLDER, True, AS_OF + 14 * DAY, Standing.EXPIRED, id="expired to the second"),
        pytest.param(HOLDER, True, datetime.max.replace(tzinfo=UTC), Standing.EXPIRED, id="at the end of time"),
        pytest.param({"version": "3", "entry": 8}, True, AS_OF, Standing.STALE, id="another champion since"),
        pytest.param({"version": "1", "entry": 9}, True, AS_OF, Standing.STALE, id="the same one back by a rollback"),
        pytest.param(None, True, AS_OF, Standing.STALE, id="no champion"),
        pytest.param(HOLDER, False, AS_OF, Standing.SUPERSEDED, id="judged again since"),
    ],
)
def test_a_promotable_dossier_does_not_stay_so_for_ever(champion, newest, now, stands):
    row = {"status": "promotable", "champion": "1", "expires_at": AS_OF + 14 * DAY, "entry": 7}
    assert standing(row, decision=None, champion=champion, newest_of_challenger=newest, now=now) is stands


# Rows: a challenger that is not better is not promoted, whatever the policy leaves open

eighths = st.integers(0, 8).map(lambda k: k / 8)  # exact in binary, so that equal is equal


def the_loosest(primary):
    """Everything that a policy may leave open, left open."""
    return GatePolicy(
        primary=primary,
        resamples=200,
        min_samples=1,
        min_positives=1,
        min_coverage=0.0,
        max_brier_shift=1.0,
        cooldown=timedelta(0),
        min_f1_gain=0.0,
        min_auc_gain=0.0,
        min_brier_gain=0.0,
        min_profit_gain=0.0,
        yearly_false_promotions=0.5,
        budget_carry=365 * DAY,
        max_brier_rise=1.0,
        max_segment_f1_drop=1.0,
        min_segment_samples=1,
        segment_error=0.49,
        interval_level=0.51,
    )


@st.composite
def two_models(draw):
    n = draw(st.integers(4, 40))
    column = st.lists(eighths, min_size=n, max_size=n).map(np.array)
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), dtype=float)
    y[:4] = [1, 1, 0, 0]
    return y, [(draw(column | st.just(y)), draw(eighths)) for _ in range(2)]


@given(two_models(), st.sampled_from(PRIMARIES))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_challenger_that_is_no_better_is_never_promotable(both, primary):
    y, models = both
    policy, ones = the_loosest(primary), np.ones(len(y))
    levels = [broken._level(policy, y, *model, ones) for model in models]
    better_first = (levels[0] <= levels[1]) if primary == "brier" else (levels[0] >= levels[1])
    champion, challenger = models if better_first else models[::-1]
    assert not _promoted(y, champion, challenger, policy)


@given(two_models(), st.sampled_from(PRIMARIES))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_of_two_models_never_both_replace_each_other(both, primary):
    y, (one, other) = both
    policy = the_loosest(primary)
    assert not (_promoted(y, one, other, policy) and _promoted(y, other, one, policy))


def _promoted(y, champion, challenger, policy):
    rows = JudgedRows(
        ids=[f"row-{i:03d}" for i in range(len(y))],
        y=y,
        champion_score=champion[0],
        champion_threshold=champion[1],
        challenger_score=challenger[0],
        challenger_threshold=challenger[1],
        mature_rows=len(y),
    )
    found = evidence(rows, policy=policy, alpha=spendable(policy=policy, as_of=AS_OF, last_try_at=None))
    return promotable(all_checks(found, policy=policy, as_of=AS_OF, last_promotion_at=LONG_AGO, last_try_at=None))


@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_dead_champion_can_be_replaced_under_the_shipped_thresholds(primary):
    """The control: what must open does open, with 400 rows and the defaults."""
    policy = dataclasses.replace(POLICIES[primary], resamples=200)
    columns = broken.a_window(np.random.default_rng(3), 400) | {"champion_threshold": 1.0}
    judgement = broken.judged_window(columns, policy)
    assert judgement.promotable
    assert judgement.objections() == []


def test_a_segment_that_is_gone_is_named_and_an_expected_one_that_is_there_is_not():
    rng = np.random.default_rng(5)
    columns = broken.a_window(rng) | {"segments": {"state": np.where(np.arange(72) % 2 == 0, "CA", "NY")}}
    rows = JudgedRows(**columns, mature_rows=72)
    found = evidence(rows, policy=SMALL["f1"], alpha=0.01, expected_segments={"state": ["CA", "TX"], "lender": ["B"]})
    assert found.absent_segments == ("state=TX", "lender=B")
    note = all_checks(found, policy=SMALL["f1"], as_of=AS_OF, last_promotion_at=LONG_AGO, last_try_at=None)[5].note
    assert "expected and absent: state=TX, lender=B" in note


def test_no_row_that_a_model_trained_on_is_judged(tmp_path):
    """Real tables: the pure gate cannot know the training rows, the window that is fetched for it leaves them out."""
    engine = open_engine(f"sqlite:///{tmp_path}/traffic.db")
    migrate(engine, "traffic", lock=tmp_path / "lock")
    store = TrafficStore(engine, {"amount": "numeric"})
    days = pd.to_datetime([LONG_AGO + i * DAY for i in range(800)], utc=True)
    ids = [f"{i:03d}" for i in range(len(days))]
    store.add_applications(
        pd.DataFrame({"application_id": ids, "event_time": days, "amount": 1.0}), received_at=LONG_AGO
    )
    store.add_labels(pd.DataFrame({"application_id": ids, "y": 1, "known_at": days}), recorded_at=LONG_AGO)
    ends = {"1": LONG_AGO + 100 * DAY, "2": LONG_AGO + 300 * DAY, "3": LONG_AGO + 200 * DAY}
    records = {
        version: {"version": version, "train_end": end, "threshold": 0.5, "model_sha256": "a" * 64}
        for version, end in ends.items()
    }
    acts = {"champion": [records["1"], records["2"]], "trial": []}
    fake = SimpleNamespace(
        challenger=records.__getitem__,
        require_champion=lambda: records["2"],
        ledger=SimpleNamespace(acts=acts.__getitem__),
        traffic=store,
        settings=SimpleNamespace(data=SimpleNamespace(segments={}), profit=SimpleNamespace(amount=None)),
        horizon=30 * DAY,
        model=lambda version: SimpleNamespace(score=lambda rows: np.full(len(rows), 0.5)),
        reference=pd.DataFrame,
    )
    case = case_of(fake, "3", as_of=AS_OF)
    engine.dispose()
    assert case.window_start == max(ends.values())
    assert case.rows.ids.tolist() == ids[300:]
    assert case_of(fake, "3", as_of=LONG_AGO).rows.ids.tolist() == []


# Evidence: whatever can be written down can be judged

finite = st.floats(allow_nan=False, allow_infinity=False)
moments = st.sampled_from(
    [
        AS_OF,
        LONG_AGO,
        AS_OF + timedelta(microseconds=1),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        datetime(2006, 7, 1),
    ]
) | st.datetimes(timezones=st.just(UTC))


@st.composite
def some_evidence(draw, numbers, shares):
    """Good evidence, some of its numbers drawn; what does not hold together cannot be made and is not drawn."""
    policy = POLICIES[draw(st.sampled_from(PRIMARIES))]
    told = broken.good_numbers(policy, np.random.default_rng(draw(st.integers(0, 3))))
    levels = {
        "brier": st.tuples(shares, shares),
        "auc": st.tuples(shares, shares),
        "profit": st.tuples(numbers, numbers),
        "shift": st.none() | numbers.map(abs),
        "champion": st.sampled_from([(0, 0), (1, 0), (300, 70)]),
        "challenger": st.sampled_from([(0, 0), (1, 0), (300, 75)]),
        "alpha": st.floats(0, 0.49),
        "metric": st.sampled_from(PRIMARIES),
        "mature": st.sampled_from([told["mature"], told["mature"] * 2, 2**53]),
    }
    for name in draw(st.sets(st.sampled_from(sorted(levels)), max_size=4)):
        told[name] = draw(levels[name])
    try:
        found = broken.evidence_of(told, policy)
        ends = sorted([draw(numbers), draw(numbers)])
        brier = dataclasses.replace(found.pair("brier"), interval=Interval(*ends, policy.interval_level))
        trial = found.trial
        if trial.interval is not None:
            low, high = (draw(numbers) for _ in range(2))
            around = Interval(min(low, trial.gain), max(high, trial.gain), trial.interval.level)
            trial = dataclasses.replace(trial, interval=around)
        paired = tuple(brier if pair.metric == "brier" else pair for pair in found.paired)
        rate = draw(st.none() | numbers.map(abs))
        return policy, dataclasses.replace(found, paired=paired, trial=trial, labels_per_day=rate)
    except ValueError:
        assume(False)


def judged_without_a_crash(policy, found, as_of, last_promotion, last_try):
    assert isinstance(found, Evidence)
    try:
        checks = all_checks(found, policy=policy, as_of=as_of, last_promotion_at=last_promotion, last_try_at=last_try)
    except InputError:
        assert None in {moment.tzinfo for moment in (as_of, last_promotion, last_try) if moment is not None}
        return
    assert len(checks) == 6
    assert not promotable(checks) or last_promotion <= as_of


@given(
    some_evidence(st.floats(-1e6, 1e6).map(lambda x: round(x, 6)), st.floats(0, 1).map(lambda x: round(x, 6))),
    moments,
    st.none() | moments,
    st.none() | moments,
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_evidence_of_ordinary_size_is_judged_at_any_time(drawn, as_of, last_promotion, last_try):
    judged_without_a_crash(*drawn, as_of, last_promotion, last_try)


@given(some_evidence(finite, st.floats(0, 1)), moments, st.none() | moments, st.none() | moments)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_evidence_of_any_size_is_judged_at_any_time(drawn, as_of, last_promotion, last_try):
    judged_without_a_crash(*drawn, as_of, last_promotion, last_try)


@pytest.mark.parametrize(
    ("primary", "numbers", "low", "high"),
    [
        pytest.param("f1", {}, -1.7e308, 0.1, id="a lower limit that leaves the floats when it is made relative"),
        pytest.param("f1", {}, -1e200, 0.1, id="a lower limit whose square leaves the floats"),
        pytest.param("f1", {}, None, 1e200, id="a rise of the Brier score whose square leaves the floats"),
        pytest.param("brier", {"brier": (1e-320, 0.25)}, None, 0.1, id="a champion whose Brier score is next to 0"),
    ],
)
def test_a_number_at_the_end_of_the_floats_is_judged(primary, numbers, low, high):
    policy = POLICIES[primary]
    found = broken.evidence_of(broken.good_numbers(policy, np.random.default_rng(0)) | numbers, policy)
    trial = found.trial
    if low is not None:
        around = Interval(low, trial.interval.high, trial.interval.level)
        trial = dataclasses.replace(trial, interval=around)
    brier = dataclasses.replace(found.pair("brier"), interval=Interval(-1.0, high, 0.9))
    paired = tuple(brier if pair.metric == "brier" else pair for pair in found.paired)
    judged_without_a_crash(policy, dataclasses.replace(found, trial=trial, paired=paired), AS_OF, LONG_AGO, None)


@given(moments, st.none() | moments, st.floats(1e-12, 0.5), st.timedeltas(timedelta(microseconds=1), 365 * DAY))
@settings(max_examples=300, deadline=None)
@example(AS_OF, AS_OF, 0.5, 365 * DAY)
def test_a_budget_is_never_more_than_what_accrued(as_of, last_try, yearly, carry):
    policy = GatePolicy(yearly_false_promotions=yearly, budget_carry=carry)
    if None in {moment.tzinfo for moment in (as_of, last_try) if moment is not None}:
        with pytest.raises(InputError):
            spendable(policy=policy, as_of=as_of, last_try_at=last_try)
        return
    alpha = spendable(policy=policy, as_of=as_of, last_try_at=last_try)
    waited = carry if last_try is None else min(max(as_of - last_try, timedelta(0)), carry)
    assert 0 <= alpha <= yearly * (waited / (365 * DAY)) + 1e-18
    assert alpha == 0 or last_try is None or last_try < as_of


# Data at the door, where Python or numpy would speak before we do

N = 60
HUGE = 10**400
RAGGED = [["a"], ["b", "c"]]


def columns():
    return broken.some_columns(np.random.default_rng(1), N)


@pytest.mark.parametrize("door", ["rows", "applicants"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"y": [HUGE] * N}, id="a label too large for a float"),
        pytest.param({"champion_score": [HUGE] * N}, id="a score too large for a float"),
        pytest.param({"champion_threshold": HUGE}, id="a threshold too large for a float"),
        pytest.param({"amount": [HUGE] * N}, id="an amount too large for a float"),
        pytest.param({"champion_score": np.full(N, 0.5 + 1j)}, id="complex scores"),
        pytest.param({"y": np.full(N, np.timedelta64(1, "D"))}, id="durations for labels"),
        pytest.param({"y": np.full(N, np.datetime64(0, "D"))}, id="dates for labels"),
        pytest.param({"ids": RAGGED}, id="ragged ids"),
        pytest.param({"segments": {"state": RAGGED}}, id="a ragged segment column"),
        pytest.param({"segments": {"state": ["CA"] * (N - 1) + [math.nan]}}, id="NaN in a list of segment values"),
        pytest.param({"segments": {"": ["CA"] * N}}, id="a segment column without a name"),
        pytest.param({"ids": ["\ud800", *(f"{i}" for i in range(1, N))]}, id="half a character in an id"),
    ],
)
def test_what_numpy_would_refuse_or_bend_is_refused_by_us(door, change):
    with pytest.raises(InputError):
        if door == "rows":
            JudgedRows(**columns() | {"mature_rows": N} | change)
        else:
            Applicants(**broken.as_applicants(columns()) | change)


@pytest.mark.parametrize("year", [300_000, 500_000, 900_000])
def test_an_application_from_so_far_in_the_future_that_time_wraps_round_is_refused(year):
    with pytest.raises(InputError):
        Applicants(**broken.as_applicants(columns()) | {"event_time": np.full(N, year - 1970).astype("datetime64[Y]")})


@pytest.mark.parametrize("zone", [-14, 14])
@pytest.mark.parametrize("as_of", [datetime.min, datetime.max])
def test_applicants_at_either_end_of_time_are_refused_or_taken(as_of, zone):
    moment = as_of.replace(tzinfo=timezone(timedelta(hours=zone)))
    try:
        Applicants(**broken.as_applicants(columns(), as_of=moment))
    except InputError:
        return


@pytest.mark.parametrize(
    ("primary", "change"),
    [
        pytest.param("f1", {"mature_rows": 2**60}, id="more mature rows than a float can count"),
        pytest.param("f1", {"amount": np.full(N, 1e308)}, id="amounts that cannot be added up"),
        pytest.param("profit", {"amount": np.full(N, 1e160)}, id="amounts whose squares leave the floats"),
        pytest.param("profit", {"amount": np.full(N, 1e-120)}, id="amounts whose squares vanish"),
        pytest.param(
            "brier", {"champion_score": np.full(N, 1e-60), "y": np.arange(N) % 30 == 99}, id="only good, tiny scores"
        ),
        pytest.param(
            "brier", {"champion_score": "tiny", "challenger_score": "tinier"}, id="errors whose squares vanish"
        ),
        pytest.param("f1", {"champion_score": "apart by little"}, id="outcomes that a cut-off separates, by little"),
    ],
)
def test_rows_that_are_let_in_are_measured_and_judged_or_refused_by_us(primary, change):
    y = np.repeat([0.0, 1.0], [40, 20])
    scores = {
        "tiny": np.where(y == 1, 1.0, 2e-80),
        "tinier": np.where(y == 1, 1.0, 1e-80),
        "apart by little": np.where(y == 1, 0.51, 0.49),
    }
    change = {name: scores[value] if isinstance(value, str) else value for name, value in change.items()}
    given_columns = columns() | {"mature_rows": N, "y": y} | change
    policy = SMALL[primary]
    try:
        found = evidence(JudgedRows(**given_columns), policy=policy, alpha=0.01)
        all_checks(found, policy=policy, as_of=AS_OF, last_promotion_at=LONG_AGO, last_try_at=None)
    except MendError:
        return


things = st.sampled_from(broken.JUNK) | st.floats() | st.integers() | st.text(max_size=3)


@given(
    st.sampled_from(["rows", "applicants"]),
    st.sampled_from([*sorted(columns()), "mature_rows", "event_time"]),
    things | st.lists(things, max_size=4) | st.lists(things, min_size=N, max_size=N),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
def test_whatever_stands_in_a_column_is_taken_or_refused_by_us(door, name, value):
    if (door, name) in {("rows", "event_time"), ("applicants", "mature_rows")}:
        return
    if name == "segments":
        value = {"state": value}
    try:
        if door == "rows":
            JudgedRows(**columns() | {"mature_rows": N} | {name: value})
        else:
            Applicants(**broken.as_applicants(columns()) | {name: value})
    except InputError as refusal:
        assert str(refusal)


def test_the_case_files_are_what_they_claim():
    """A list of broken things that holds a whole one would prove nothing."""
    assert json.loads(canonical_json(GOOD))["status"] == "promotable"
    assert {record["status"] for record in SHUT.values()} == {"refused", "waiting"}
    assert len(broken.FORMS["rows"]) > 100
