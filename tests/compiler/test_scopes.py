"""Scopes: what a name stands for in blocks, comprehensions and definitions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poedsl.compiler import compile as passes
from poedsl.compiler.plan.text import print_term
from tests.compiler.programs import codes, planned


def factors(text: str) -> list[str]:
    """The terms of the plan's factors, as they print."""
    return [print_term(f.term) for f in planned(text).factors]


def normals(*locs: object, scale: object = 1) -> list[str]:
    return [f"Normal(loc = {loc}, scale = {scale})" for loc in locs]


@pytest.mark.parametrize(
    "block",
    [
        "for i in range(2):\n    let a = a + i\n",
        "for i in range(2):\n    let a = sum(a * m for m in [1, i])\n",
        "for a in [1]:\n    for i in range(2):\n        let a = a + i\n    ",
    ],
)
def test_a_constant_of_a_block_does_not_occur_in_its_own_value(block: str) -> None:
    """It would read the same one outside for each element, where a recursion is meant."""
    text = f"let a = 1\nx : Real[2]\n{block}    x[i] ~ Normal(a, 1)\n"
    assert codes(text)[0] == "P0204"


@pytest.mark.parametrize(
    "block, locs",
    [
        ("for a in [1, 2]:\n    let a = a + 1\n", (2, 3)),
        ("for i in range(2):\n    let a = sum(a for a in [i, i])\n", (0, 2)),
    ],
)
def test_a_constant_of_a_block_may_hide_its_element(block: str, locs: tuple[int, int]) -> None:
    assert factors(f"x : Real\n{block}    x ~ Normal(a, 1)\n") == normals(*locs)


def test_a_constant_of_a_block_stands_from_its_line_on() -> None:
    text = (
        "let b = 7\nx : Real[2]\nfor i in range(2):\n    x[i] ~ Normal(b, 1)\n    let b = i\n"
        "    x[i] ~ Normal(b, 1)\n    for b in [5]:\n        let b = b + i\n"
        "        x[i] ~ Normal(b, 1)\n    x[i] ~ Normal(b, 2)\nx ~ Normal(b, 1)\n"
    )
    inside = [*normals(7, [0, 1], [5, 6]), *normals([0, 1], scale=2)]
    assert factors(text) == [*inside, *normals(7)]


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


ABOVE = "let s = 2\nexpert a(m) = Normal(m, s)\nx : Real\n"


@pytest.mark.parametrize(
    "text, locs",
    [
        ("for s in [10, 20]:\n    x ~ a(s)\n", [10, 20]),
        ("for s in [10, 20]:\n    let s = s + 1\n    x ~ a(s)\n", [11, 21]),
        ("for i in [10, 20]:\n    let s = 1 + i\n    x ~ a(s)\n    x ~ a(i)\n", [11, 10, 21, 20]),
        ("for s in [10]:\n    for s in [s, s + 1]:\n        x ~ a(s)\nx ~ a(s)\n", [10, 11, 2]),
        ("expert b(k) = a(s + k)\nfor s in [10, 20]:\n    x ~ b(s)\n", [12, 22]),
    ],
)
def test_definitions_speak_of_the_program(text: str, locs: list[int]) -> None:
    assert factors(ABOVE + text) == normals(*locs, scale=2)


@pytest.mark.parametrize(
    "text, locs",
    [
        ("x ~ mixture(a(s) for s in [10, 20])\n", [10, 20]),
        ("expert b(k) = mixture(a(k + s) for s in [1, 2])\nfor s in [5]:\n    x ~ b(s)\n", [6, 7]),
        ("for k in [5]:\n    x ~ mixture(a(s + k) for s in [k, s])\n", [10, 7]),
    ],
)
def test_definitions_in_comprehensions_speak_of_the_program(text: str, locs: list[int]) -> None:
    assert factors(ABOVE + text) == [
        f"mixture({', '.join(f'0.5: {n}' for n in normals(*locs, scale=2))})"
    ]


def test_arguments_left_out_are_those_of_the_place() -> None:
    text = (
        "input m : Real\nexpert a(m) = Normal(m, 1)\nexpert b(k) = a() * Normal(k, 1)\n"
        "for m in [1, 2]:\n    x ~ a() * b(m)\n"
    )
    assert factors(text) == normals(1, "m", 1, 2, "m", 2)


@pytest.mark.parametrize(
    "text",
    [
        'let m = "t"\nexpert a(k : Real) = Normal(k, 1)\nfor m in [1, 2]:\n    x ~ a(m)\n',
        'let m = "t"\nexpert a(k : Real) = Normal(k, 1)\nx ~ mixture(a(m) for m in [1, 2])\n',
        "expert good(r : Real) = exp(r)\nx ~ flux(prompt) * good(vqascore(prompt))\n",
        "expert good(r : Real) = exp(r)\nx ~ flux(text) * good(2 * vqascore(text))^2\n",
    ],
)
def test_types_of_parameters_hold_where_the_call_is(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("let m = [1, 2]\nfor m in [3, 4]:\n    x ~ Normal(m, 1)\n", "Real"),
        ("let m = 1\nfor m in [[1, 2], [3, 4]]:\n    x ~ Normal(m, 1)\n", "Real[2]"),
        ("let v = 1\nfor m in [3, 4]:\n    let v = [m, m]\n    x ~ Normal(v, 1)\n", "Real[2]"),
        ("let m = [1, 2]\nx ~ mixture(Normal(m, 1) for m in [3, 4])\n", "Real"),
        (
            "let m = [1, 2]\nfor i in [3, 4]:\n    for m in [i]:\n        x ~ Normal(m, 1)\n",
            "Real",
        ),
    ],
)
def test_a_domain_is_inferred_from_what_names_stand_for_in_their_block(
    text: str, domain: str
) -> None:
    assert str(planned(text).variables[0].type) == domain


def test_an_input_takes_no_sizes_by_what_hides_it() -> None:
    text = (
        "input m : Image\ninput n : Image[1, 8, 8]\nx : Image[1, 8, 8]\nx ~ digits()\n"
        "for m in [n]:\n    x ~ exp(-sum((x - m)^2))\nx ~ exp(-sum(mean(m) * x))\n"
    )
    assert str(planned(text).inputs[0].type) == "Image"
