"""Values for inputs: what every type takes, from Python and from files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import poedsl
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array, InputSpec
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.types import Type, open_type
from poedsl.runtime.inputs import film_files
from poedsl.runtime.inputs.bind import bind, bind_defaults
from tests.compiler.programs import planned
from tests.diagnostics import quoted, refused

PLAN = planned("x ~ Normal(0, 1)")
LAYOUT = [{"box": [0, 0.5, 1, 1], "text": "a cat"}, {"box": [0.1, 0, 0.2, 0.3], "text": ""}]


def plan_of(type_: Type) -> PlanSpec:
    return replace(PLAN, inputs=(InputSpec("a", type_),))


def bound(type_: Type, value: Any, base: Path | None = None) -> Any:
    """What the plan keeps; arrays as NumPy's."""
    plan = bind(plan_of(type_), {"a": value}, base)
    assert parse_plan(print_plan(plan, whole=True)) == plan
    assert poedsl.load(plan.to_json()).spec == plan
    ((_, kept),) = plan.bindings
    if isinstance(kept, Array):
        return np.frombuffer(kept.data, dtype=kept.dtype).reshape(kept.shape)
    return kept


def problem(type_: Type, value: Any) -> Diagnostic:
    with pytest.raises(poedsl.PoeError) as caught:
        bind(plan_of(type_), {"a": value}, None)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("type_", "value", "kept"),
    [
        (Type("Real"), -0.5, -0.5),
        (Type("Real"), 3, 3),
        (Type("Real"), np.float32(0.5), 0.5),
        (Type("Real"), torch.tensor(0.5), 0.5),
        (Type("Real"), np.array([[0.5]]), 0.5),
        (Type("Int"), 7, 7),
        (Type("Bool"), True, True),
        (Type("Text"), "a cat", "a cat"),
        (Type("Region"), [0, 0.5, 1, 1], (0.0, 0.5, 1.0, 1.0)),
        (Type("Region"), torch.tensor([0, 0.5, 1, 1]), (0.0, 0.5, 1.0, 1.0)),
        (Type("Layout"), LAYOUT, (((0, 0.5, 1, 1), "a cat"), ((0.1, 0, 0.2, 0.3), ""))),
        (Type("Layout"), [], ()),
    ],
)
def test_constants(type_: Type, value: Any, kept: Any) -> None:
    assert bound(type_, value) == kept


@pytest.mark.parametrize(
    ("type_", "value", "kept"),
    [
        (Type("Real", (2,)), [1, -0.5], [1, -0.5]),
        (Type("Real", (2,)), np.array([[1], [2]]), [1, 2]),
        (Type("Real", (2,)), np.array([[1, 2]]), [1, 2]),
        (Type("Real", (None,)), [1, 2, 3], [1, 2, 3]),
        (Type("Int", (2,)), [3, 4], [3, 4]),
        (Type("Int", (2,)), np.array([3.0, 4.0]), [3, 4]),
        (Type("Bool", (2,)), [True, False], [1, 0]),
        (Type("Mask", (1, 2)), np.array([[0, 255]], dtype=np.uint8), [[0, 1]]),
        (Type("Mask", (1, 2)), np.array([[0, 1]], dtype=np.uint8), [[0, 1]]),
        (open_type("Depth"), [[0.25, 0.5]], [[0.25, 0.5]]),
        (Type("Depth", (1, 2)), np.array([[-0.0005, 1.0005]]), np.float32([[-0.0005, 1.0005]])),
        (Type("Depth", (2, 1, 1)), [[[0.25]], [[0.5]]], [[[0.25]], [[0.5]]]),
    ],
)
def test_arrays(type_: Type, value: Any, kept: list[Any]) -> None:
    np.testing.assert_array_equal(bound(type_, value), kept)


@pytest.mark.parametrize(
    ("type_", "value", "code", "expected", "hint"),
    [
        (Type("Real"), "abc", "P0602", "abc", "`--set a=0.5`"),
        (Type("Real"), [1, 2], "P0603", "[2]", ""),
        (Type("Real", (2,)), [1, 2, 3], "P0603", "[3]", "2 numbers"),
        (Type("Real", (2,)), 1, "P0603", "", "2 numbers"),
        (Type("Real", (2,)), np.ones((3, 1)), "P0603", "[3]", "2 numbers"),
        (Type("Real", (2, 3)), [1, 2], "P0603", "[2]", "2 x 3 numbers"),
        (Type("Real"), float("nan"), "P0602", "", ""),
        (Type("Int"), 1.5, "P0602", "1.5", ""),
        (Type("Int", (2,)), np.array([1.5, 2]), "P0602", "", ""),
        (Type("Bool"), 1, "P0602", "1", "`--set a=true`"),
        (Type("Text"), 3, "P0602", "3", ""),
        (Type("Text"), ["a"], "P0602", "a", ""),
        (Type("Region"), [0, 0, 2, 1], "P0602", "0 <= left < right <= 1", "0.5"),
        (Type("Image", (3, 4, 5)), np.ones((5, 4, 3)), "P0603", "[5, 4, 3]", "4 rows and 5"),
        (Type("Video", (9, 3, 4, 5)), np.ones((4, 5)), "P0603", "[4, 5]", "9 frames"),
        (Type("Image", (1, 1, 1)), np.full((1, 1, 1), 255.0), "P0602", "to 255", "by 255"),
        (Type("Image", (1, 1, 1)), np.full((1, 1, 1), 255), "P0602", "to 255", "by 255"),
        (Type("Video", (1, 1, 1, 1)), torch.full((1, 1, 1, 1), -1.0), "P0602", "from -1", "[0, 1]"),
        (Type("Depth", (1, 2)), [[0.5, 3]], "P0602", "from 0.5 to 3", "[0, 1]"),
        (Type("Layout"), [{"box": [0, 0, 1, 1]}], "P0602", "`text`", ""),
        (Type("Layout"), [*LAYOUT, {"box": [0, 0, 0, 1], "text": ""}], "P0602", "part 2", ""),
        (Type("Layout"), [{"box": [0, 0, 1, True], "text": ""}], "P0602", "part 0", ""),
        (Type("Layout"), [{"box": [0, 0, 1, 1], "text": 3}], "P0602", "part 0", ""),
        (Type("Layout"), [{"box": [0, 0, 1, 1], "tex": ""}], "P0602", "`tex`", ""),
        (Type("Layout"), {"box": [0, 0, 1, 1]}, "P0602", "", ""),
        (Type("Layout"), [3], "P0602", "part 0", ""),
        (Type("File"), "no.xml", "P0604", "no.xml", "--set a=@FILE"),
        (Type("Image", (3, 4, 5)), "no.png", "P0604", "no.png", ".npy"),
    ],
)
def test_what_does_not_fit_is_reported_with_what_would(
    type_: Type, value: Any, code: str, expected: str, hint: str
) -> None:
    found = problem(type_, value)
    assert found.code == code
    assert expected in found.message
    assert any(hint in note for note in found.notes)


# Files.


def test_text_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "prompt.json").write_text('{"a": "cat"}\n', encoding="utf-8")
    assert bound(Type("Text"), tmp_path / "prompt.json") == '{"a": "cat"}'


@pytest.mark.parametrize("name", ["v.csv", "v.npy", "v.json"])
@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_vectors_from_files(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    v = np.array([-0.5, 1e-3, 2]).reshape(shape)
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, v)
    elif name.endswith("csv"):
        np.savetxt(path, v, delimiter=",")
    else:
        path.write_text(json.dumps(v.tolist()), encoding="utf-8")
    if name.endswith("json") and len(shape) > 1:
        assert problem(Type("Real", (3,)), path).code == "P0603"
    else:
        np.testing.assert_allclose(bound(Type("Real", (3,)), path), v.flatten())


def test_a_layout_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(json.dumps(LAYOUT), encoding="utf-8")
    assert bound(Type("Layout"), "l.json", tmp_path)[0] == ((0, 0.5, 1, 1), "a cat")
    (tmp_path / "l.json").write_text("[{", encoding="utf-8")
    assert problem(Type("Layout"), tmp_path / "l.json").code == "P0604"


def test_a_file_is_kept_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "ball.xml").write_text("<mujoco/>", encoding="utf-8")
    assert bound(Type("File"), tmp_path / "ball.xml") == str(tmp_path / "ball.xml")
    assert bound(Type("File"), "ball.xml", tmp_path) == "ball.xml"


def test_a_film_from_a_folder_of_frames(tmp_path: Path) -> None:
    for k in range(11):
        level = np.full((2, 4, 3), 20 * k, dtype=np.uint8)
        Image.fromarray(level).save(tmp_path / f"frame{k}.png")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    film = bound(Type("Video", (11, 3, 2, 4)), tmp_path)
    np.testing.assert_allclose(film[:, 0, 0, 0], 20 * np.arange(11) / 255, atol=1e-6)
    depth = bound(Type("Depth", (11, 2, 4)), tmp_path)
    assert depth.shape == (11, 2, 4)
    for type_ in (Type("Image", (3, 2, 4)), Type("Real"), Type("Text")):
        found = problem(type_, tmp_path)
        assert found.code == "P0604"
    assert problem(Type("Video", (9, 3, 2, 4)), tmp_path).code == "P0603"


def test_frames_of_one_size(tmp_path: Path) -> None:
    assert problem(open_type("Video"), tmp_path).code == "P0604"
    for k in (1, 2):
        Image.new("RGB", (k, 2)).save(tmp_path / f"{k}.webp")
    found = problem(open_type("Video"), tmp_path)
    assert found.code == "P0604" and found.notes


def test_a_film_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "film.mp4").write_bytes(b"")

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(film_files.importlib, "import_module", missing)
    found = problem(open_type("Video"), tmp_path / "film.mp4")
    assert found.code == "P0604"
    assert "av" in quoted(found)
    assert problem(open_type("Video"), tmp_path / "none.mp4").message.endswith("none.mp4")


def test_every_wrong_value_is_reported_at_once() -> None:
    plan = planned("input a : Real\ninput b : Int\nx ~ Normal(a, b)")
    with pytest.raises(poedsl.PoeError) as caught:
        bind(plan, {"a": "s", "b": 0.5, "c": 1}, None)
    assert [d.code for d in caught.value.diagnostics] == ["P0602", "P0602", "P0605"]


def test_defaults_are_bound_last() -> None:
    plan = planned("input a : Real[2] = [1, 2]\ninput b : Real\nx : Real[2]\nx ~ Normal(a, b)")
    with refused("P0601"):
        bind_defaults(plan)
    kept = dict(bind_defaults(bind(plan, {"b": 2})).bindings)
    assert isinstance(kept["a"], Array) and kept["b"] == 2


def test_numbers_keep_double_precision(tmp_path: Path) -> None:
    """From lists, arrays, tensors and files; in plans as text and JSON, and in a run."""
    days = [2459000.123, 2459000.125, 2459000.126]
    for name, text in (("days.csv", "\n".join(map(str, days))), ("days.json", json.dumps(days))):
        (tmp_path / name).write_text(text)
    np.save(tmp_path / "days.npy", np.array(days))
    values = [days, np.array(days), torch.tensor(days, dtype=torch.float64)]
    values += [tmp_path / name for name in ("days.csv", "days.json", "days.npy")]
    for value in values:
        assert bound(Type("Real", (3,)), value).tolist() == days
    program = "input days : Real[3]\nt ~ Normal(2459000, 1) * exp(-5e5 * sum((t - days)^2))"
    plan = poedsl.compile(program).bind(days=days)
    assert parse_plan(print_plan(plan.spec, whole=True)) == plan.spec
    found = poedsl.load(plan.to_json()).run(seed=0).summary()["t"]
    assert found.mean == pytest.approx(np.mean(days), abs=2e-4)
