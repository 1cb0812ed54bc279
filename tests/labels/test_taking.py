"""Reports over the store: nothing is lost, nothing counts twice, and a year later one can ask what was known then."""

from datetime import timedelta

import pytest
from builders import AS_OF

from pipeline.labels.rules import Report, Status
from pipeline.labels.taking import retry, take
from pipeline.stores.engine import writing
from pipeline.stores.label_log import LabelLog

DAY = timedelta(days=1)
WINDOW = (AS_OF - 400 * DAY, AS_OF + 400 * DAY)


@pytest.fixture
def young(workspace):
    """An application of the day before AS_OF, of which nothing is known yet."""
    rows = workspace.traffic.outcomes(*WINDOW, as_of=AS_OF)
    return rows[rows["y"].isna() & (rows["event_time"] < AS_OF)]["application_id"].iloc[-1]


def report(key, y, days=1, **how):
    return Report(prediction_id=key, y=y, known_at=AS_OF + days * DAY, **how)


def say(workspace, *reports, days=50):
    with writing(workspace.traffic.engine) as connection:
        return [verdict.status for verdict in take(LabelLog(connection), reports, now=AS_OF + days * DAY)]


def known(workspace, key, days):
    rows = workspace.traffic.outcomes(*WINDOW, as_of=AS_OF + days * DAY).set_index("application_id")
    y = rows.loc[key, "y"]
    return None if y != y else int(y)


def test_a_contradiction_counts_for_nothing_until_somebody_corrects_it(workspace, young):
    assert say(workspace, report(young, 0), days=1) == [Status.RECORDED]
    assert say(workspace, report(young, 1, days=2), days=2) == [Status.CONFLICTING]
    assert say(workspace, report(young, 1, days=3), days=3) == [Status.CONFLICTING]
    with workspace.traffic.engine.connect() as connection:
        assert LabelLog(connection).conflicting() == [young]
    assert say(workspace, report(young, 1, days=4, corrects=True), days=4) == [Status.RECORDED]
    assert say(workspace, report(young, 1, days=4, corrects=True), days=5) == [Status.KNOWN]
    assert [known(workspace, young, day) for day in (0, 1, 2, 3, 4, 9)] == [None, 0, None, None, 1, 1]
    with workspace.traffic.engine.connect() as connection:
        assert LabelLog(connection).conflicting() == []


def test_within_one_request_the_order_counts_and_a_repeat_adds_nothing(workspace, young):
    before = workspace.traffic.counts()["labels"]
    told = say(workspace, report(young, 0), report(young, 0), report(young, 1), report(young, 0, corrects=True))
    assert told == [Status.RECORDED, Status.KNOWN, Status.CONFLICTING, Status.RECORDED]
    assert known(workspace, young, 60) == 0
    again = say(workspace, report(young, 0), report(young, 0), report(young, 0, corrects=True))
    assert again == [Status.KNOWN] * 3
    assert workspace.traffic.counts()["labels"] == before + 3


def test_quarantine_keeps_once_what_cannot_be_and_frees_it_when_it_can(workspace, young):
    wrong = [report("nobody", 1), report(young, 1, days=51), report(young, 0, days=-300), report("nobody", 1)]
    assert say(workspace, *wrong) == [Status.QUARANTINED] * 4
    assert say(workspace, *wrong) == [Status.QUARANTINED] * 4
    with workspace.traffic.engine.connect() as connection:
        waiting = LabelLog(connection).in_quarantine()
    assert sorted(each.reason for each in waiting) == ["before_application", "in_future", "unknown_id"]
    with writing(workspace.traffic.engine) as connection:
        assert retry(LabelLog(connection), now=AS_OF + 52 * DAY) == (1, 2)
    assert known(workspace, young, 52) == 1
    assert known(workspace, young, 51) is None
    with workspace.traffic.engine.connect() as connection:
        assert len(LabelLog(connection).in_quarantine()) == 2


def test_who_is_erased_leaves_the_quarantine_too(workspace):
    say(workspace, report("nobody", 1))
    assert workspace.traffic.count_of("nobody")["quarantine"] == 1
    assert workspace.traffic.delete_of("nobody")["quarantine"] == 1
