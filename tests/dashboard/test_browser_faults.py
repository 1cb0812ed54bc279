"""Whatever happens right after a click on Approve, there is one promotion and one record, and the page says so."""

import os

import pytest
from reported_faults import reported
from test_browser import CHROMIUM

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser_faults")]


def test_a_click_decides_once_or_not_at_all_whatever_comes_after_it():
    if CHROMIUM is None and os.environ.get("MEND_REQUIRE_BROWSER") == "1":
        pytest.fail("MEND_REQUIRE_BROWSER=1, and there is no Chromium on PATH: apt install chromium")
    assert len(reported("browser", "--stores", "sqlite")) == 5
