"""However often somebody tries, a year of tries takes no more than the yearly budget."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.gate.budget import YEAR, spendable
from pipeline.gate.values import GatePolicy

AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = GatePolicy()  # 5 % a year, 91 days may be carried


def spent(times, policy=POLICY):
    """What each try takes when every one of them knows of the latest before it; none at all for the first."""
    return [
        spendable(policy=policy, as_of=time, last_try_at=max(times[:place], default=None))
        for place, time in enumerate(times)
    ]


def every(days, tries):
    return [AS_OF + place * days * DAY for place in range(tries)]


def most_in_a_year(times, taken):
    """The most that tries within any 365 days, both ends included, took together."""
    within = [
        [alpha for at, alpha in zip(times, taken, strict=True) if timedelta(0) <= at - start <= YEAR] for start in times
    ]
    return max(map(math.fsum, within))


gap = st.one_of(
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(seconds=1)),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=800)),
    st.sampled_from([DAY, 7 * DAY, 91 * DAY, 364 * DAY, YEAR]),
)
policies = st.builds(
    GatePolicy,
    yearly_false_promotions=st.floats(1e-6, 0.5),
    budget_carry=st.timedeltas(min_value=timedelta(microseconds=1), max_value=YEAR),
)


@given(policies, st.lists(gap, max_size=60))
@settings(max_examples=300, deadline=None)
def test_tries_within_any_365_days_never_spend_more_than_the_yearly_budget(policy, gaps):
    times = [AS_OF]
    for wait in gaps:
        times.append(times[-1] + wait)
    assert most_in_a_year(times, spent(times, policy)) <= policy.yearly_false_promotions * (1 + 1e-12)


@given(st.lists(st.integers(-400, 400), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_clock_that_jumps_about_buys_no_more_than_the_yearly_budget(jumps):
    times = [AS_OF]
    for days in jumps:
        times.append(times[-1] + days * DAY)
    assert most_in_a_year(times, spent(times)) <= POLICY.yearly_false_promotions * (1 + 1e-12)


@given(policies, gap, gap)
@settings(max_examples=100, deadline=None)
def test_waiting_longer_never_leaves_less_and_one_try_never_more_than_half_the_budget(policy, waited, longer):
    short, long = (
        spendable(policy=policy, as_of=AS_OF, last_try_at=AS_OF - time) for time in (waited, waited + longer)
    )
    assert 0 <= short <= long <= policy.yearly_false_promotions / 2


@pytest.mark.parametrize(
    ("days", "each", "year"),
    [
        pytest.param(1, 0.05 / 456, 0.05, id="daily"),
        pytest.param(7, 0.05 * 7 / 456, 0.05, id="weekly"),
        pytest.param(91, 0.05 * 91 / 456, 0.05, id="quarterly"),
        pytest.param(182.5, 0.05 * 91 / 456, 0.03, id="twice a year: what cannot be carried is lost"),
        pytest.param(365, 0.05 * 91 / 456, 0.02, id="yearly"),
    ],
)
def test_trying_more_often_makes_each_try_stricter_and_the_year_no_looser(days, each, year):
    times = every(days, int(800 / days))
    taken = spent(times)
    assert taken[1:] == pytest.approx([each] * (len(times) - 1))
    assert 0.9 * year < most_in_a_year(times, taken) <= year * (1 + 1e-12)


def test_the_first_try_ever_may_spend_what_could_be_carried():
    assert spendable(policy=POLICY, as_of=AS_OF, last_try_at=None) == 0.05 * (91 / 456)
    assert spendable(policy=POLICY, as_of=AS_OF, last_try_at=AS_OF - 5 * YEAR) == 0.05 * (91 / 456)


@pytest.mark.parametrize("back", [timedelta(0), timedelta(microseconds=1), 400 * DAY], ids=str)
def test_nothing_has_accrued_at_or_before_the_last_try(back):
    assert spendable(policy=POLICY, as_of=AS_OF - back, last_try_at=AS_OF) == 0


def test_time_is_counted_between_moments_not_between_wall_clocks():
    there = AS_OF.astimezone(timezone(timedelta(hours=-7)))
    assert spendable(policy=POLICY, as_of=AS_OF, last_try_at=there) == 0


@pytest.mark.parametrize(
    ("as_of", "last_try_at"),
    [(datetime(2006, 7, 1), None), (datetime(2006, 7, 1), AS_OF), (AS_OF, datetime(2006, 1, 1))],
    ids=["naive now", "naive now, aware past", "naive past"],
)
def test_a_time_without_a_timezone_is_refused(as_of, last_try_at):
    with pytest.raises(InputError, match="expected times with a timezone"):
        spendable(policy=POLICY, as_of=as_of, last_try_at=last_try_at)
