"""The recipes of models in the package, which are no part of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RECIPES = Path(__file__).resolve().parent.parent.parent / "models" / "recipes"


@contextmanager
def recipes() -> Iterator[None]:
    """Recipes can be imported."""
    sys.path.insert(0, str(RECIPES))
    try:
        yield
    finally:
        sys.path.remove(str(RECIPES))
