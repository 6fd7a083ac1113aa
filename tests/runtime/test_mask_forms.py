"""Masks and transparency: one rule for files, PIL images, arrays, tensors and lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from poedsl.grammar.types import open_type
from tests.runtime.conftest import Save
from tests.runtime.image_values import HOLE, LEVELS, grey_with_alpha, kept, painted
from tests.runtime.test_inputs import bound, problem

MASK = open_type("Mask")

FORMS: dict[str, Callable[[Any], Any]] = {
    "list": lambda m: m.tolist(),
    "bool": lambda m: m.astype(bool),
    "uint8": lambda m: m.astype(np.uint8),
    "uint16": lambda m: m.astype(np.uint16),
    "int64": lambda m: m,
    "float": lambda m: m.astype(float),
    "tensor": lambda m: torch.tensor(m),
    "bfloat16": lambda m: torch.tensor(m, dtype=torch.bfloat16),
    "PIL 1": lambda m: Image.fromarray(m.astype(bool)),
    "PIL L": lambda m: Image.fromarray(m.astype(np.uint8)),
    "PIL I": lambda m: Image.fromarray(m.astype(np.int32)),
    "PIL I;16": lambda m: Image.fromarray(m.astype(np.uint16)),
    "PIL F": lambda m: Image.fromarray(m.astype(np.float32)),
    "PIL RGB": lambda m: Image.fromarray(np.stack([m.astype(np.uint8)] * 3, axis=-1)),
    "channel first": lambda m: m[None].astype(float),
    "channel last": lambda m: m[..., None].astype(np.uint8),
    "three channels": lambda m: np.stack([m.astype(np.uint8)] * 3, axis=-1),
}
#: What stands for one, by form.
LARGEST: dict[str, tuple[int, ...]] = {
    **{form: (1,) for form in FORMS},
    **dict.fromkeys(("uint8", "PIL L", "PIL RGB", "channel last", "three channels"), (1, 255)),
    **dict.fromkeys(("uint16", "PIL I;16"), (1, 65535)),
}


@pytest.mark.parametrize(("form", "largest"), [(f, k) for f, ks in LARGEST.items() for k in ks])
def test_a_mask_is_the_same_in_every_form(form: str, largest: int) -> None:
    np.testing.assert_array_equal(bound(MASK, FORMS[form](HOLE * largest)), HOLE)


@pytest.mark.parametrize("form", [f for f, ks in LARGEST.items() if ks == (1,)])
def test_levels_without_a_known_range_are_refused(form: str) -> None:
    if form not in ("bool", "PIL 1"):
        assert problem(MASK, FORMS[form](HOLE * 255)).code == "P0602"


@pytest.mark.parametrize("scale", [1, 255, 65535])
def test_a_mask_from_a_png(saved: Save, scale: int) -> None:
    kind = np.uint16 if scale > 255 else np.uint8
    np.testing.assert_array_equal(bound(MASK, saved((HOLE * scale).astype(kind))), HOLE)


@pytest.mark.parametrize("form", ["uint8", "uint16", "float", "PIL L", "PIL I;16", "PIL F", "file"])
def test_soft_masks(saved: Save, form: str) -> None:
    fractions = LEVELS / 255
    value: Any = {
        "uint16": (LEVELS * 257).astype(np.uint16),
        "float": fractions,
        "PIL L": Image.fromarray(LEVELS.astype(np.uint8)),
        "PIL I;16": Image.fromarray((LEVELS * 257).astype(np.uint16)),
        "PIL F": Image.fromarray(fractions.astype(np.float32)),
    }.get(form, LEVELS.astype(np.uint8))
    value = saved(value) if form == "file" else value
    np.testing.assert_allclose(bound(MASK, value), fractions, atol=1e-7)


@pytest.mark.parametrize(
    "value", [LEVELS, LEVELS.astype(np.int32), LEVELS / 100, -HOLE, HOLE * 2.0]
)
def test_masks_outside_of_their_range_are_refused(value: Any) -> None:
    found = problem(MASK, value)
    assert found.code == "P0602" and any("255" in note for note in found.notes)


def test_16_bit_files_in_32_bit_modes(tmp_path: Path) -> None:
    rows = b"\xff\xff\x00\x00\x80\x00\x00\x00"
    (tmp_path / "x.pgm").write_bytes(b"P5 2 2 65535\n" + rows)
    np.testing.assert_allclose(
        bound(MASK, tmp_path / "x.pgm"), [[1, 0], [32768 / 65535, 0]], atol=1e-6
    )


# Alpha.


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (painted(255, LEVELS), LEVELS / 255),
        (painted(255, 255 - LEVELS), 1 - LEVELS / 255),
        (painted(128, 255), np.full((2, 2), 128 / 255)),
        (painted(0, 255), np.zeros((2, 2))),
        (painted((200, 30, 30), 0), np.zeros((2, 2))),
        (grey_with_alpha(LEVELS, [[255, 128], [0, 255]]), LEVELS / 255 * [[1, 128 / 255], [0, 1]]),
    ],
)
def test_a_mask_is_its_luma_times_alpha(saved: Save, image: Image.Image, mask: Any) -> None:
    np.testing.assert_allclose(bound(MASK, image), mask, atol=1e-6)
    np.testing.assert_allclose(bound(MASK, saved(image)), mask, atol=1e-6)
    if image.mode == "RGBA":
        np.testing.assert_allclose(bound(MASK, np.array(image)), mask, atol=1e-6)


@pytest.mark.parametrize("image", [painted(0, LEVELS), painted((200, 30, 30), LEVELS)])
def test_masks_that_could_be_meant_in_two_ways_are_refused(saved: Save, image: Any) -> None:
    for value in (image, saved(image), np.array(image)):
        assert problem(MASK, value).code == "P0602"


def test_a_transparent_depth_map_is_refused() -> None:
    assert problem(open_type("Depth"), painted(128, LEVELS)).code == "P0602"
    opaque = kept(open_type("Depth"), painted(128, 255))
    assert opaque.remarks == ()
