"""One workspace that has lived, and a copy of it for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from keeping.lived_in import a_copy, close, lived_in, opened


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lived_in(tmp_path_factory.mktemp("keeping"))


@pytest.fixture
def bank(original: Path, tmp_path: Path) -> Path:
    """Settings file of a copy, to be changed at will."""
    return a_copy(original, tmp_path / "bank")


@pytest.fixture
def workspace(bank: Path):
    found = opened(bank)
    yield found
    close(found)
