"""Files and objects for inputs: encodings, archives, folders, data frames, and what is odd."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import poedsl
from poedsl.grammar.types import Type, open_type
from tests.runtime.conftest import Save
from tests.runtime.image_values import LEVELS
from tests.runtime.test_inputs import LAYOUT, bound, problem

PAIR, TEXT, VIDEO = Type("Real", (2,)), Type("Text"), open_type("Video")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    def file(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    assert bound(TEXT, file("prompt.txt", "un café\n")) == "un café"
    assert bound(PAIR, file("v.csv", "1,2\n")).tolist() == [1, 2]
    assert bound(PAIR, file("v.json", "[1, 2]")).tolist() == [1, 2]
    assert bound(Type("Layout"), file("l.json", json.dumps(LAYOUT)))[0][1] == "a cat"


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("un café", encoding="latin-1")
    assert problem(TEXT, tmp_path / "prompt.txt").code == "P0604"


def test_hidden_files_in_a_folder_of_frames(tmp_path: Path, saved: Save) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 10):
        saved(np.full((2, 2), 20 * number, dtype=np.uint8)).rename(folder / f"x{number}.png")
    for name in ("._x1.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    film = bound(VIDEO, folder)
    np.testing.assert_allclose(film[:, 0, 0, 0], np.array([20, 40, 200]) / 255, atol=1e-6)
    (folder / "x3.png").write_bytes(b"\x00")
    found = problem(VIDEO, folder)
    assert found.code == "P0604" and any("x3.png" in note for note in found.notes)


def test_frames_of_a_mask_share_one_range(tmp_path: Path, saved: Save) -> None:
    """A frame of levels 0 and 1 is nearly black beside one of levels up to 255."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, high in enumerate((1, 255)):
        saved(np.array([[0, high]], dtype=np.uint8)).rename(folder / f"{number}.png")
    mask = bound(Type("Mask", (2, None, None)), folder)
    np.testing.assert_allclose(mask[:, 0, 1], [1 / 255, 1], atol=1e-7)


def test_npz(tmp_path: Path) -> None:
    path, pair = tmp_path / "x.npz", np.array([1.0, 2.0])
    for arrays in ({"p": pair}, {"a": pair, "q": pair + 1}):
        np.savez(path, **arrays)
        assert bound(PAIR, path).tolist() == [1, 2]
    for arrays in ({}, {"p": pair, "q": pair}):
        np.savez(path, **arrays)
        assert problem(PAIR, path).code == "P0604"


def test_a_npz_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", np.zeros(100_000))
    with poedsl.limits(numbers=50_000), pytest.raises(poedsl.PoeError) as caught:
        bound(Type("Real", (100_000,)), tmp_path / "x.npz")
    assert [d.code for d in caught.value.diagnostics] == ["P0507"]
    assert bound(Type("Real", (100_000,)), tmp_path / "x.npz").shape == (100_000,)


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", b"[" * 100_000),
        ("x.json", b"\xff\xfe"),
        ("x.json", b"9" * 5000),
        ("x.npy", b"\x93NUMPY\x01\x00"),
        ("x.npy", b"\x80\x04K\x01."),
        ("x.npy", b"\x93NUMPY\x01\x00\x0a\x00{'\\d': 0}\n"),
        ("x.npz", b"PK\x03\x04junk"),
        ("x.csv", b""),
        ("x.csv", b"1,2\n3\n"),
        ("x.csv", b"a;b"),
        ("x.mp4", b""),
        ("x.xlsx", b"PK"),
        ("x" * 300, None),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code = "P0611" if name == "x.csv" else "P0604"
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        assert problem(Type("Real", (None,)), tmp_path / name).code == code
    assert not printed


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (PAIR, DEEP),
        (Type("Region"), DEEP),
        (Type("Layout"), DEEP),
        (Type("Layout"), [{1: 2, "box": [0, 0, 1, 1]}]),
        (Type("Region"), [10**400, 0, 1, 1]),
        (TEXT, "\ud800"),
        (Type("Layout"), [{"box": [0, 0, 1, 1], "text": "\ud800"}]),
        (PAIR, np.ma.masked_array([1.0, 2.0], mask=[True, False])),
        (PAIR, np.array([1, None])),
        (PAIR, torch.zeros(2, device="meta")),
        (PAIR, torch.zeros(2, dtype=torch.complex64)),
        (PAIR, np.array([1e300, 0])),
        (Type("Int", (1,)), np.array([2**24 + 1])),
        (Type("Int", (1,)), [2**24 + 1]),
        (open_type("Depth"), [[0.5], [0.5, 0.5]]),
        (open_type("Depth"), np.full((3, 2, 2), np.inf)),
        (open_type("Mask"), np.full((2, 2, 4), -np.inf)),
        (open_type("Image"), np.full((3, 2, 2), np.nan)),
        (Type("File"), "x" * 5000),
        (open_type("Image"), b"x"),
    ],
)
def test_values_that_are_refused(type_: Type, value: Any) -> None:
    assert problem(type_, value).code in ("P0602", "P0603", "P0604")


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"p": [1, 2], "q": [0.5, 1.5]})
    assert bound(Type("Real", (2, 2)), table).tolist() == [[1, 0.5], [2, 1.5]]
    assert bound(PAIR, table["p"]).tolist() == [1, 2]
    assert problem(PAIR, pandas.Series([1.0, None])).code == "P0608"
    assert problem(PAIR, pandas.Series(["x", 1])).code == "P0602"
    np.testing.assert_array_equal(
        bound(open_type("Mask"), pandas.DataFrame(LEVELS.astype(np.uint8))),
        np.float32(LEVELS.astype(np.uint8)) / np.float32(255),
    )


@pytest.mark.slow
def test_mutated_values_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    mutated_inputs = importlib.import_module("mutated_inputs")
    counts, failures = mutated_inputs.run(250, seed=2)
    assert failures == []
    for kind in ("array", "frames", "object", "picture", "text"):
        assert counts[f"{kind:<8} read"], counts
        assert counts[f"{kind:<8} P0604"], counts
