"""The budget that is left is read off the ledger, whoever asks and whenever."""

from datetime import timedelta

import pytest
from builders import AS_OF, a_dossier, a_workspace, judged

from pipeline.error_budget import error_budget, last_try
from pipeline.gate.values import GatePolicy

DAY = timedelta(days=1)


@pytest.fixture
def workspace(tmp_path):
    opened = a_workspace(tmp_path)
    yield opened
    opened.ledger.engine.dispose()
    opened.traffic.engine.dispose()


def test_without_a_try_nothing_is_spent_and_a_quarters_budget_is_there(workspace):
    found = error_budget(workspace.ledger, GatePolicy(), now=AS_OF)
    assert (found.spent_365_days, found.tries_365_days) == (0, 0)
    assert found.next_try == pytest.approx(0.05 * 91 / 456)


def test_a_try_is_counted_for_a_year_and_the_next_may_take_what_accrued_since(workspace):
    judged(workspace, a_dossier())
    after = error_budget(workspace.ledger, GatePolicy(), now=AS_OF + 7 * DAY)
    assert after.spent_365_days == pytest.approx(0.05 * 91 / 456)
    assert after.next_try == pytest.approx(0.05 * 7 / 456)
    assert error_budget(workspace.ledger, GatePolicy(), now=AS_OF + 365 * DAY).tries_365_days == 0


def test_the_last_try_of_a_comparison_on_record_is_the_one_before_it(workspace):
    judged(workspace, a_dossier())
    judged(workspace, a_dossier(challenger="3", as_of=AS_OF + 30 * DAY))
    assert last_try(workspace.ledger, "2", as_of=AS_OF) is None
    assert last_try(workspace.ledger, "3", as_of=AS_OF + 30 * DAY) == AS_OF
    assert last_try(workspace.ledger, "4", as_of=AS_OF + 30 * DAY) == AS_OF + 30 * DAY


def test_judging_at_an_earlier_date_does_not_find_a_fresh_budget(workspace):
    judged(workspace, a_dossier())
    assert last_try(workspace.ledger, "3", as_of=AS_OF - 30 * DAY) == AS_OF
    assert error_budget(workspace.ledger, GatePolicy(), now=AS_OF - 30 * DAY).next_try == 0
