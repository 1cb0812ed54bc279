"""What a report is worth beside what was said before."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.labels.rules import Reason, Report, Said, Status, judge

MADE = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = MADE + 100 * DAY


def said(*outcomes):
    """Outcomes like 0, 1, or "1!" for a correction, a day apart."""
    return [
        Said(y=int(str(each)[0]), known_at=MADE + (10 + place) * DAY, corrects=str(each).endswith("!"))
        for place, each in enumerate(outcomes)
    ]


def told(y, before, *, days=20, corrects=False, made_at=MADE):
    report = Report(prediction_id="a", y=y, known_at=MADE + days * DAY, corrects=corrects)
    return judge(report, made_at=made_at, said=said(*before), now=NOW)


@pytest.mark.parametrize(
    ("y", "before", "corrects", "status"),
    [
        (1, [], False, Status.RECORDED),
        (1, [], True, Status.RECORDED),
        (1, [1], False, Status.KNOWN),
        (1, [1], True, Status.KNOWN),
        (1, [0], False, Status.CONFLICTING),
        (1, [0, 1], False, Status.CONFLICTING),
        (1, [0, 1], True, Status.RECORDED),
        (1, [0], True, Status.RECORDED),
        (1, [0, "1!"], False, Status.KNOWN),
        (0, [0, "1!"], False, Status.CONFLICTING),
        (0, [0, "1!"], True, Status.RECORDED),
    ],
)
def test_beside_what_was_said(y, before, corrects, status):
    assert told(y, before, corrects=corrects).status == status


def test_a_repeat_of_one_side_of_a_contradiction_adds_nothing():
    assert (told(1, [0, 1]).status, told(1, [0, 1]).adds) == (Status.CONFLICTING, False)
    assert told(1, [0]).adds


def test_an_earlier_report_of_the_same_is_kept_since_it_says_since_when_it_was_known():
    assert told(1, [1], days=9).status == Status.RECORDED
    assert told(1, [1], days=10).status == Status.KNOWN


@pytest.mark.parametrize(
    ("days", "made_at", "reason"),
    [
        (20, None, Reason.UNKNOWN_ID),
        (-1, MADE, Reason.BEFORE_APPLICATION),
        (101, MADE, Reason.IN_FUTURE),
        (0, MADE, None),
        (100, MADE, None),
    ],
)
def test_what_cannot_be_goes_into_quarantine(days, made_at, reason):
    assert told(1, [], days=days, made_at=made_at).reason == reason
