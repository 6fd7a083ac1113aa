"""What the tests of experts share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the models of one file of tests."""
    return tmp_path_factory.mktemp("models")
