"""Another policy over recorded evidence: exactly what measuring again would have said, or a refusal."""

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from builders import a_dossier
from gate import fail_closed as drawn
from gate.fail_closed import AS_OF, DAY, PRIMARIES, dossier_of, evidence_of, good_numbers
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.artefacts import canonical_json
from pipeline.errors import InputError, MendError
from pipeline.gate.checks import CODES, promotable
from pipeline.gate.values import GatePolicy, Outcome
from pipeline.gate.what_if import ANSWERABLE, NEEDS_ROWS, require_answerable, what_if

POLICY = GatePolicy()
COUNTS = st.integers(1, 600)
SHARES = st.floats(0, 1)
VALUES = {
    "min_samples": COUNTS,
    "min_positives": st.integers(1, 130),
    "min_coverage": SHARES,
    "max_brier_shift": st.floats(0, 0.01),
    "cooldown": st.integers(0, 1800).map(lambda days: days * DAY),
    "min_f1_gain": SHARES,
    "min_auc_gain": st.floats(0, 0.2),
    "min_brier_gain": st.floats(0, 0.15),
    "min_profit_gain": st.floats(0, 0.15),
    "patience": st.integers(0, 2000).map(lambda days: days * DAY),
    "max_brier_rise": st.floats(0, 0.02),
    "max_segment_f1_drop": st.floats(0, 0.2),
    "min_segment_samples": COUNTS,
}
HIGHER_IS_STRICTER = {name for name in VALUES if name.startswith("min_")} | {"cooldown"}
some_changes = st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: VALUES[name] for name in names})
)


@st.composite
def some_dossiers(draw):
    """Dossiers with numbers at random near their thresholds, judged by policies at random."""
    changes = draw(some_changes)
    policy = dataclasses.replace(POLICY, primary=draw(st.sampled_from(PRIMARIES)), **changes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    told = good_numbers(policy, rng)
    told |= drawn._at_random(told, rng) if draw(st.booleans()) else {}
    times = {"last_promotion_at": draw(st.sampled_from([None, AS_OF + DAY, AS_OF - 5 * DAY, AS_OF - 900 * DAY]))}
    times["last_try_at"] = draw(st.sampled_from([None, AS_OF - 30 * DAY, AS_OF]))
    try:
        return dossier_of(evidence_of(told, policy), policy, **times)
    except (MendError, ValueError):
        assume(False)  # numbers that contradict one another


def outcomes(checks):
    return {check.code: check.outcome for check in checks}


def under(policy, **changes):
    return dataclasses.replace(policy, **changes)


def test_every_threshold_is_either_answered_or_refused_with_a_reason():
    fields = [field.name for field in dataclasses.fields(GatePolicy)]
    assert sorted([*ANSWERABLE, *NEEDS_ROWS]) == sorted(fields)
    assert set(VALUES) == set(ANSWERABLE)


@given(some_dossiers())
def test_its_own_policy_gives_the_recorded_verdict(dossier):
    said = what_if(dossier, dossier.policy)
    assert (said.checks, said.status) == (dossier.checks, dossier.status)


@given(some_dossiers(), some_changes)
def test_a_stricter_threshold_never_turns_not_passed_into_passed(dossier, changes):
    stricter = {
        name: max(value, was) if name in HIGHER_IS_STRICTER else min(value, was)
        for name, value in changes.items()
        for was in [getattr(dossier.policy, name)]
    }
    try:
        said = what_if(dossier, under(dossier.policy, **stricter))
    except InputError:
        assume(False)
    before = outcomes(dossier.checks)
    opened = [code for code, now in outcomes(said.checks).items() if now is Outcome.PASSED and before[code] is not now]
    assert opened == []
    assert not (said.status == "promotable" and dossier.status != "promotable")


@given(some_dossiers(), some_changes)
def test_the_record_is_never_touched(dossier, changes):
    before = canonical_json(dossier.to_json())
    try:
        what_if(dossier, under(dossier.policy, **changes))
    except InputError as refusal:
        assert "min_segment_samples" in str(refusal)
    assert canonical_json(dossier.to_json()) == before


@given(some_dossiers(), some_changes)
def test_there_and_back_again_is_the_recorded_verdict(dossier, changes):
    """A dossier bound under the other policy and asked about its own says what was recorded."""
    try:
        said = what_if(dossier, under(dossier.policy, **changes))
    except InputError:
        assume(False)
    other = dataclasses.replace(dossier, policy=under(dossier.policy, **changes), checks=said.checks)
    assert other.status == said.status
    try:
        assert what_if(other, dossier.policy).checks == dossier.checks
    except InputError:  # no segment was left to judge there, and some are here
        assert "min_segment_samples" in changes


MEASURED = GatePolicy(resamples=200)


@pytest.fixture(scope="module")
def recorded():
    return a_dossier(policy=MEASURED)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=some_changes)
def test_what_is_answered_is_what_measuring_again_says(recorded, changes):
    """Real models and rows, scored and measured under the other policy, give the same six checks to the last digit."""
    policy = under(MEASURED, **changes)
    try:
        said = what_if(recorded, policy)
    except InputError:
        assert "min_segment_samples" in changes
        return
    again = a_dossier(policy=policy)
    assert (said.checks, said.status) == (again.checks, again.status)


CHANGED = {
    "primary": "auc",
    "yearly_false_promotions": 0.01,
    "budget_carry": 30 * DAY,
    "segment_error": 0.05,
    "interval_level": 0.95,
    "resamples": 300,
    "seed": 1,
    "cost_of_bad": 0.6,
    "gain_of_good": 0.1,
}


@pytest.mark.parametrize("name", NEEDS_ROWS)
def test_what_is_refused_would_have_been_measured_otherwise(name, recorded):
    policy = under(MEASURED, **{name: CHANGED[name]})
    assert a_dossier(policy=policy).evidence != recorded.evidence
    with pytest.raises(InputError, match=rf"gate\.{name}: not told by recorded evidence: .+\. `MEND_.+` ") as refusal:
        what_if(recorded, policy)
    assert "\n" not in str(refusal.value)


def test_other_segments_than_those_recorded_are_refused_and_none_at_all_is_undecided(recorded):
    sizes = sorted(each.rows for each in recorded.evidence.segments if each.interval)
    same = what_if(recorded, under(MEASURED, min_segment_samples=sizes[0]))
    assert same.checks == recorded.checks
    with pytest.raises(InputError, match="more or fewer segments would be judged"):
        what_if(recorded, under(MEASURED, min_segment_samples=sizes[0] + 1))
    none = what_if(recorded, under(MEASURED, min_segment_samples=sizes[-1] + 1))
    assert outcomes(none.checks)["G6"] is Outcome.UNDECIDED
    assert none.checks == a_dossier(policy=under(MEASURED, min_segment_samples=sizes[-1] + 1)).checks


def test_a_segment_that_was_too_small_then_is_not_judged_now(recorded):
    strict = a_dossier(policy=under(MEASURED, min_segment_samples=10_000))
    with pytest.raises(InputError, match="more or fewer segments would be judged"):
        what_if(strict, MEASURED)


@pytest.mark.parametrize(
    ("changes", "gate", "outcome", "status"),
    [
        pytest.param({"min_samples": 5000}, "G1", Outcome.UNDECIDED, "waiting", id="more rows than there were"),
        pytest.param({"min_positives": 5000}, "G1", Outcome.UNDECIDED, "waiting", id="more bad outcomes"),
        pytest.param({"cooldown": timedelta(days=3650)}, "G3", Outcome.FAILED, "refused", id="a longer cooldown"),
        pytest.param({"min_f1_gain": 100.0}, "G4", Outcome.FAILED, "refused", id="a larger gain"),
        pytest.param({"max_brier_rise": 0.0}, "G5", None, None, id="no rise at all"),
    ],
)
def test_a_threshold_moves_its_own_gate_and_no_other(recorded, changes, gate, outcome, status):
    said = what_if(recorded, under(MEASURED, **changes))
    before, now = outcomes(recorded.checks), outcomes(said.checks)
    assert promotable(recorded.checks)
    assert {code for code in CODES if before[code] is not now[code]} <= {gate}
    assert outcome is None or now[gate] is outcome
    assert status is None or said.status == status


def test_patience_decides_between_waiting_and_refused():
    waits = next(d for d in _undecided() if d.status == "waiting")
    assert what_if(waits, under(waits.policy, patience=timedelta(0))).status == "refused"


def _undecided():
    """Enough gain, perhaps luck, and a date in sight."""
    for seed in range(20):
        told = good_numbers(POLICY, np.random.default_rng(seed)) | {"reach": 1.05}
        yield dossier_of(evidence_of(told, POLICY), POLICY)


def test_a_name_that_is_no_threshold_is_refused():
    with pytest.raises(InputError, match="no such threshold; those that can be replayed are min_samples"):
        require_answerable("min_sampels")
