"""Whatever happens right after a click on Approve, there is one promotion and one record, and the page says so."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser_faults")]
