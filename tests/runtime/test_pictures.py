"""Pictures for inputs: one rule for files, PIL images, arrays and tensors."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, features

import poedsl
from poedsl.compiler.plan.plan_schema import plan_schema
from poedsl.grammar.limits import limit
from poedsl.grammar.types import Type, open_type
from poedsl.runtime.inputs.remarks import REMARKS
from poedsl.runtime.results.verdict import HARMLESS, Verdict
from tests.runtime.conftest import Save
from tests.runtime.image_values import HOLE, LEVELS, kept, painted
from tests.runtime.test_inputs import bound, problem

MASK, IMAGE, RGB = open_type("Mask"), open_type("Image"), Type("Image", (3, None, None))


def test_a_transparent_picture_is_put_over_white(saved: Save) -> None:
    image = painted((255, 0, 51), [[255, 0], [51, 0]])
    expected = [[[1, 1], [1, 1]], [[0, 1], [0.8, 1]], [[0.2, 1], [0.2 * 0.2 + 0.8, 1]]]
    for value in (image, saved(image), saved(image, "webp", lossless=True), saved(image, "tiff")):
        array = kept(IMAGE, value)
        assert array.remarks == ("P1030",)
        np.testing.assert_allclose(bound(IMAGE, value), expected, atol=1e-2)
    np.testing.assert_allclose(bound(IMAGE, np.array(image).transpose(2, 0, 1)), expected, 1e-6)


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_a_palette_with_transparency(saved: Save, transparency: Any) -> None:
    image = Image.fromarray(HOLE.astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    path = saved(image, transparency=transparency)
    assert kept(IMAGE, path).remarks == ("P1030",)
    assert bound(IMAGE, path).min() == 1
    np.testing.assert_array_equal(bound(MASK, path), 1 - HOLE)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("columns", [32, 48])
def test_pictures_are_upright(saved: Save, ending: str, orientation: int, columns: int) -> None:
    """The corner that is white after turning is where the EXIF orientation says."""
    levels = np.zeros((32, columns), dtype=np.uint8)
    levels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x112] = orientation
    path = saved(levels, ending, exif=exif)
    wide = orientation < 5
    right, low = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    with Image.open(path) as image:
        for value in (path, image):
            array = bound(RGB, value)
            assert array.shape == ((3, 32, columns) if wide else (3, columns, 32))
            corners = array[0, [0, 0, -1, -1], [0, -1, 0, -1]] > 0.5
            assert corners.tolist() == [k == right + 2 * low for k in range(4)]


def test_16_bit_grey_is_read_as_8_bit_grey(saved: Save) -> None:
    for type_ in (IMAGE, RGB, Type("Image", (1, 2, 2)), open_type("Depth")):
        low = bound(type_, saved(LEVELS.astype(np.uint8)))
        high = bound(type_, saved((LEVELS * 257).astype(np.uint16)))
        np.testing.assert_allclose(high, low, atol=1e-7)


@pytest.mark.parametrize("type_", [IMAGE, RGB, Type("Image", (3, 6, 5))])
@pytest.mark.parametrize("kind", [float, np.uint8])
def test_channels_last_are_recognised(type_: Type, kind: Any) -> None:
    rows = (np.random.default_rng(0).random((6, 5, 3)) * (255 if kind is np.uint8 else 1)).astype(
        kind
    )
    array, same = kept(type_, rows), kept(type_, rows.transpose(2, 0, 1))
    assert (array.shape, array.data) == ((3, 6, 5), same.data)
    assert array.remarks == ("P1031",) and same.remarks == ()
    assert kept(type_, torch.tensor(rows)) == array
    film = Type("Video", (None, *type_.sizes))
    assert kept(film, np.stack([rows, rows])).shape == (2, 3, 6, 5)


def test_channels_first_are_kept() -> None:
    for shape in ((3, 3, 3), (3, 4, 3), (1, 2, 3), (3, 480, 1)):
        array = kept(IMAGE, np.zeros(shape))
        assert (array.shape, array.remarks) == (shape, ())
    assert kept(Type("Image", (8, None, None)), np.zeros((8, 5, 3))).remarks == ()


def test_a_type_with_four_channels_keeps_alpha(saved: Save) -> None:
    image, four = painted(51, LEVELS), Type("Image", (4, 2, 2))
    for value in (image, saved(image), np.array(image)):
        np.testing.assert_allclose(bound(four, value)[3], LEVELS / 255, atol=1e-6)


def test_grey_and_colours(saved: Save) -> None:
    grey, red = LEVELS.astype(np.uint8), np.array(painted((255, 0, 0), 255).convert("RGB"))
    np.testing.assert_array_equal(bound(RGB, grey), bound(RGB, saved(grey)))
    one = Type("Image", (1, 2, 2))
    for value in (red, red.transpose(2, 0, 1), Image.fromarray(red), saved(red)):
        np.testing.assert_allclose(bound(one, value), 0.299, atol=1e-6)
        assert kept(MASK, value).remarks[-1:] == ("P1032",)
    assert kept(MASK, saved(grey, "jpg")).remarks == ()


def test_levels_0_and_1_of_a_picture_are_nearly_black() -> None:
    array = kept(IMAGE, Image.fromarray(HOLE.astype(np.uint8)))
    assert array.remarks == ("P1034",)
    assert kept(RGB, HOLE.astype(np.uint8)).data == array.data
    assert kept(RGB, HOLE.astype(bool)).remarks == ()


# Files.

ENDINGS = ["png", "tif", "bmp", "gif", "ppm", "jpg"]
ENDINGS += ["webp"] if features.check("webp") else []


@pytest.mark.parametrize("ending", ENDINGS)
def test_formats(saved: Save, ending: str) -> None:
    levels = np.full((2, 2, 3), 204, dtype=np.uint8)
    path = saved(levels, ending)
    np.testing.assert_allclose(bound(IMAGE, path), 0.8, atol=0.02)
    unnamed = path.rename(path.with_suffix(""))
    np.testing.assert_allclose(bound(IMAGE, unnamed), 0.8, atol=0.02)


@pytest.mark.parametrize("ending", ["gif", "tif", "png"])
def test_files_with_several_pictures(saved: Save, ending: str) -> None:
    frames = [Image.new("L", (2, 2), level) for level in (51, 102, 204)]
    path = saved(frames[0], ending, save_all=True, append_images=frames[1:])
    assert bound(open_type("Video"), path)[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.8])
    assert kept(RGB, path).remarks == ("P1033",)
    assert bound(open_type("Video"), frames)[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.8])


def png(rows: int, columns: int) -> bytes:
    """A PNG that states a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("side", [10_000, 50_000])
def test_a_bomb_is_refused_with_the_limit(tmp_path: Path, side: int) -> None:
    (tmp_path / "x.png").write_bytes(png(side, side))
    for value, type_ in ((tmp_path / "x.png", IMAGE), (tmp_path, open_type("Video"))):
        found = problem(type_, value)
        assert found.code == "P0604"
        assert any(f"{limit('pixels'):,} pixels" in note for note in found.notes)


def test_what_is_no_picture(tmp_path: Path) -> None:
    for name in ("x.heic", "x.png", "x"):
        (tmp_path / name).write_bytes(b"\x00\x01\xff")
        found = problem(IMAGE, tmp_path / name)
        assert found.code == "P0604" and any("TIFF" in note for note in found.notes)
    (tmp_path / "cut.png").write_bytes(png(200, 200))
    assert problem(IMAGE, tmp_path / "cut.png").code == "P0604"
    damaged = Image.open(tmp_path / "cut.png")
    assert problem(IMAGE, damaged).code == "P0602"


def test_a_damaged_picture_is_reported(saved: Save) -> None:
    path = saved(LEVELS.astype(np.uint8), "tif")
    data = bytearray(path.read_bytes())
    # The last tag of the directory, whose offset is in the header, points beyond the file.
    start = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[start : start + 2])[0]
    last = start + 2 + 12 * (count - 1)
    data[last : last + 12] = struct.pack("<HHII", 305, 2, 100, 10**6)
    path.write_bytes(data)
    assert "P1035" in kept(MASK, path).remarks


# What a run says.


def test_a_run_repeats_the_remarks() -> None:
    plan = poedsl.compile("input a : Image\nx ~ Normal(0, 1) * exp(-mean(a) * x^2)")
    plan = plan.bind(a=np.array(painted(255, LEVELS)))
    result = poedsl.load(plan.to_json()).run(particles=500, steps=20)
    codes = [w.code for w in result.warnings]
    assert codes == ["P1031", "P1030"]
    assert result.verdict is Verdict.RELIABLE


def test_remarks_of_the_schema() -> None:
    listed = plan_schema()["$defs"]["array"]["properties"]["remarks"]["items"]["enum"]
    assert listed == list(REMARKS)
    assert set(REMARKS) - HARMLESS == {"P1032", "P1034", "P1035"}
