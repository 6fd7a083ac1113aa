"""Scopes: what a name stands for in blocks, comprehensions and definitions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poedsl.compiler import compile as passes
from poedsl.compiler.plantext import print_term
from tests.compiler.programs import codes, planned


def factors(text: str) -> list[str]:
    """The terms of the plan's factors, as they print."""
    return [print_term(f.term) for f in planned(text).factors]


def normals(*locs: object, scale: object = 1) -> list[str]:
    return [f"Normal(loc = {loc}, scale = {scale})" for loc in locs]


def test_a_block_reads_the_outer_constant_each_time() -> None:
    text = (
        "let a = 1\nx : Real[2]\nfor i in range(2):\n    let a = a + i\n    x[i] ~ Normal(a, 1)\n"
    )
    assert factors(text) == normals(1, 2)


def test_a_constant_of_a_block_stands_from_its_line_on() -> None:
    text = (
        "let b = 7\nx : Real[2]\nfor i in range(2):\n    x[i] ~ Normal(b, 1)\n    let b = i\n"
        "    x[i] ~ Normal(b, 1)\n    for b in [5]:\n        let b = b + i\n"
        "        x[i] ~ Normal(b, 1)\n    x[i] ~ Normal(b, 2)\nx ~ Normal(b, 1)\n"
    )
    first, second = [*normals(7, 0, 5), *normals(0, scale=2)], [*normals(7, 1, 6)]
    assert factors(text) == [*first, *second, *normals(1, scale=2), *normals(7)]


def test_what_a_block_binds_is_unknown_after_it() -> None:
    assert codes("for i in [1]:\n    let b = i\n    x ~ Normal(b, 1)\nx ~ Normal(b, 1)\n") == [
        "P0201"
    ]


def test_a_factor_is_not_dropped_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    def dropping(*args: object) -> object:
        checked, found = check(*args)  # type: ignore[arg-type]
        return replace(checked, incomplete=frozenset({"x"})), found

    check = passes.check
    monkeypatch.setattr(passes, "check", dropping)
    with pytest.raises(AssertionError, match="dropped"):
        codes("x ~ Normal(0, 1)\n")
