"""Fixtures of the tests of the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Save = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    """Saves an image or an array of levels to a file."""

    def save(image: Any, ending: str = "png", **extra: Any) -> Path:
        path = tmp_path / f"x.{ending}"
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(path, **extra)
        return path

    return save
