"""What all tests share: one thread for torch, the same random examples, and goldens that a flag
rewrites.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.factories import EveryTensorIsPlaced, forget

torch.set_num_threads(1)
#: The same examples in every run; `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of garbage collections."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write what goldens are compared with"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with a file, or writes the file under ``--update-goldens``."""
    update = request.config.getoption("--update-goldens")

    def compare(path: Path, text: str) -> None:
        if update:
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.exists(), f"{path} is not there: run pytest --update-goldens"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def every_tensor_names_its_device() -> Iterator[None]:
    """Fails where code of the package makes a tensor and leaves its device, or the type of its
    numbers, to torch's defaults: with a GPU, or another default type, that would be the wrong one.
    """
    forget()
    with EveryTensorIsPlaced() as mode:
        yield
    found = {"device": sorted(mode.without_device), "dtype": sorted(mode.without_dtype)}
    assert found == {"device": [], "dtype": []}
