"""A sample of what disks, registries, clocks and tamperers do; `make faults` does all of it."""

import pytest
from reported_faults import reported

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("fault", "rows"), [("disk", 7), ("registry", 5), ("clocks", 5), ("tampering", 12)], ids=lambda given: str(given)
)
def test_after_the_fault_there_is_one_champion_and_a_true_record(fault, rows):
    assert len(reported(fault, "--stores", "sqlite")) == rows
