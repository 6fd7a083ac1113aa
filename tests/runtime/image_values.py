"""Images for tests, and what a plan keeps of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from poedsl.compiler.plan.plan_parts import Array
from poedsl.grammar.types import Type
from poedsl.runtime.inputs.bind import bind
from tests.runtime.test_inputs import plan_of

HOLE = np.array([[0, 1], [1, 0]])
LEVELS = np.array([[0, 204], [204, 51]])


def kept(type_: Type, value: Any) -> Array:
    """What a plan keeps of a value."""
    ((_, array),) = bind(plan_of(type_), {"a": value}).bindings
    assert isinstance(array, Array)
    return array


def painted(colour: Any, alpha: Any) -> Image.Image:
    colour = np.broadcast_to(np.array(colour, dtype=np.uint8), (2, 2, 3))
    alpha = np.broadcast_to(np.array(alpha, dtype=np.uint8), (2, 2))
    return Image.fromarray(np.concatenate([colour, alpha[..., None]], axis=-1))


def grey_with_alpha(grey: Any, alpha: Any) -> Image.Image:
    bands = (Image.fromarray(np.array(b, dtype=np.uint8)) for b in (grey, alpha))
    return Image.merge("LA", tuple(bands))
