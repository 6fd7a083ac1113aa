"""The Python interface: arguments of the wrong kind give a message of one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import poedsl

PLAN = poedsl.compile("input s : Real = 1\nx ~ Normal(0, 1) * Normal(s, 1)\n")
RESULT = PLAN.run(particles=8, steps=2)


@pytest.mark.parametrize(
    ("call", "error", "expected"),
    [
        (lambda: poedsl.compile(None), TypeError, "a program is its text or .*, and this is None"),  # type: ignore[arg-type]
        (lambda: poedsl.compile(b"x"), TypeError, "type bytes"),  # type: ignore[arg-type]
        (lambda: poedsl.load({}), TypeError, "its JSON as a text, and this is .* dict"),  # type: ignore[arg-type]
        (lambda: PLAN.run(seed=None), TypeError, "`seed` is a whole number, and this is None"),  # type: ignore[arg-type]
        (lambda: PLAN.run(seed=1.5), TypeError, "`seed` is a whole number, and this is 1.5"),  # type: ignore[arg-type]
        (lambda: list(PLAN.stream(seed="a")), TypeError, "`seed` is a whole number"),  # type: ignore[arg-type]
        (lambda: PLAN.run(microbatch=0), ValueError, "at least 1, and this is 0"),
        (lambda: PLAN.run(microbatch="x"), TypeError, "`microbatch` is a whole number"),  # type: ignore[arg-type]
        (lambda: PLAN.run(profile=3), TypeError, "`profile` is a text, and this is 3"),  # type: ignore[arg-type]
        (lambda: PLAN.run(particles="many"), poedsl.PoeError, "a whole number of at least 1"),
        (lambda: PLAN.run(particles=object()), TypeError, "`particles` is given as a number"),
        (lambda: PLAN.run(nope=1), poedsl.PoeError, "no option named `nope`"),
        (lambda: PLAN.run(device="x"), poedsl.PoeError, "no device `x`"),
        (lambda: PLAN.bind(nope=1), poedsl.PoeError, "no input `nope`"),
        (lambda: PLAN.bind(s=object()), poedsl.PoeError, "`s` is Real"),
        (lambda: RESULT.sample(-1), ValueError, "`n` is a whole number of at least 0"),
    ],
)
def test_wrong_arguments(call: Callable[[], Any], error: type[Exception], expected: str) -> None:
    with pytest.raises(error, match=expected) as caught:
        call()
    assert "\n" not in str(caught.value) or isinstance(caught.value, poedsl.PoeError)


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
    with pytest.raises(
        poedsl.PoeError, match=f"{program} cannot be read: (No such|Is a)"
    ) as caught:
        poedsl.compile(program)
    assert caught.value.diagnostics[0].code == "P0604"
