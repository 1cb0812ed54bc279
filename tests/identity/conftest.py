"""Settings files with an `[identity]` of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import a_settings_file


@pytest.fixture
def a_config(tmp_path: Path) -> Callable[..., Path]:
    """The shipped settings with these lines in `[identity]`."""

    def written(*lines: str, **changes: str) -> Path:
        path = a_settings_file(tmp_path, **changes)
        path.write_text("\n".join([path.read_text(encoding="utf-8"), "[identity]", *lines, ""]), encoding="utf-8")
        return path

    return written
