"""The Python interface: arguments of the wrong kind give a message of one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import poedsl
from tests.diagnostics import quoted, refused

PLAN = poedsl.compile("input s : Real = 1\nx ~ Normal(0, 1) * Normal(s, 1)\n")
RESULT = PLAN.run(particles=8, steps=2)


@pytest.mark.parametrize(
    ("call", "error", "expected"),
    [
        (lambda: poedsl.compile(None), TypeError, "a program is its text or .*, and this is None"),  # type: ignore[arg-type]
        (lambda: poedsl.compile(b"x"), TypeError, "type bytes"),  # type: ignore[arg-type]
        (lambda: poedsl.load({}), TypeError, "its JSON as a text or .*, and this is .* dict"),  # type: ignore[arg-type]
        (lambda: PLAN.run(seed=None), TypeError, "`seed` is a whole number, and this is None"),  # type: ignore[arg-type]
        (lambda: PLAN.run(seed=1.5), TypeError, "`seed` is a whole number, and this is 1.5"),  # type: ignore[arg-type]
        (lambda: list(PLAN.stream(seed="a")), TypeError, "`seed` is a whole number"),  # type: ignore[arg-type]
        (lambda: PLAN.run(microbatch=0), ValueError, "at least 1, and this is 0"),
        (lambda: PLAN.run(microbatch="x"), TypeError, "`microbatch` is a whole number"),  # type: ignore[arg-type]
        (lambda: PLAN.run(profile=3), TypeError, "`profile` is a text, and this is 3"),  # type: ignore[arg-type]
        (lambda: PLAN.run(particles=object()), TypeError, "`particles` is given as a number"),
        (lambda: RESULT.sample(-1), ValueError, "`n` is a whole number of at least 0"),
    ],
)
def test_wrong_arguments(call: Callable[[], Any], error: type[Exception], expected: str) -> None:
    with pytest.raises(error, match=expected) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "code", "name"),
    [
        (lambda: PLAN.run(particles="many"), "P0502", "particles"),
        (lambda: PLAN.run(nope=1), "P0501", "nope"),
        (lambda: PLAN.run(device="x"), "P0702", "x"),
        (lambda: PLAN.bind(nope=1), "P0605", "nope"),
        (lambda: PLAN.bind(s=object()), "P0602", "s"),
    ],
)
def test_wrong_options_and_inputs(call: Callable[[], Any], code: str, name: str) -> None:
    with refused(code) as errors:
        call()
    assert name in quoted(errors[0])


def test_numbers_of_libraries_are_numbers() -> None:
    seed = np.int64(3)
    result = PLAN.run(seed=seed, particles=torch.tensor(4), steps=np.int32(2))  # type: ignore[arg-type]
    again = PLAN.run(seed=3, particles=4, steps=2)
    assert torch.equal(result.particles["x"], again.particles["x"])
    assert result.sample(0)["x"].shape == (0,)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.poe"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not a text in UTF-8"):
        poedsl.compile(file)


@pytest.mark.parametrize("program", ["nope.poe", Path("nope.poe"), Path()])
def test_programs_that_cannot_be_read(program: str | Path) -> None:
    with refused("P0604") as errors:
        poedsl.compile(program)
    assert str(program) in errors[0].message


def test_plans_are_loaded_from_files(tmp_path: Path) -> None:
    program, plan = tmp_path / "a.poe", tmp_path / "a.json"
    program.write_text("input s : Real = 1\nx ~ Normal(0, 1) * Normal(s, 1)\n", encoding="utf-8")
    compiled = poedsl.load(program)
    plan.write_text(compiled.to_json(), encoding="utf-8")
    for path in (plan, str(plan), program, str(program)):
        loaded = poedsl.load(path)
        assert loaded.base == tmp_path and loaded.spec == compiled.spec
    assert poedsl.load(compiled.to_json()).spec == compiled.spec


@pytest.mark.parametrize("path", ["nope.json", "nope.poe", Path("nope"), Path()])
def test_plans_that_cannot_be_read(path: str | Path) -> None:
    with refused("P0604") as errors:
        poedsl.load(path)
    assert str(path) in errors[0].message


@pytest.mark.parametrize("text", ["", "{", "nope", "{\n}.json"])
def test_texts_that_are_no_plans(text: str) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.load(text)
    assert caught.value.diagnostics[0].code == "P0606"


def test_the_last_view_of_a_stream_has_the_result() -> None:
    *views, last = PLAN.stream(seed=3, particles=8, steps=4)
    assert [v.record.t for v in (*views, last)] == [5, 4, 3, 2, 1]
    assert all(v.result is None for v in views)
    result = PLAN.run(seed=3, particles=8, steps=4)
    assert last.result is not None and repr(last.result.evidence) == repr(result.evidence)
    assert torch.equal(last.result.particles["x"], result.particles["x"])


def test_the_stream_of_a_failed_run_ends_with_the_result() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * where(x > 1 and x < 0)")
    *views, last = plan.stream(particles=8, steps=4)
    assert last.result is not None and not last.result.outcome.ok
    assert last.record == views[-1].record and all(v.result is None for v in views)
