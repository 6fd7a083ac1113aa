"""Definitions stand for their products, wherever they are called."""

from __future__ import annotations

import pytest

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.names.expand_definitions import expand
from poedsl.compiler.plan.terms import Const
from poedsl.grammar.formatting.printer import print_program
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import Source
from tests.compiler.programs import codes, planned


def unfolded(text: str) -> list[str]:
    program, found = parse(Source(text))
    assert not found
    expanded, found = expand(program, SIGNATURES)
    assert not found, found
    return print_program(expanded.program).splitlines()


def test_a_call_becomes_the_product() -> None:
    text = (
        "expert pair(m, s = 2) = Normal(m, s) * Normal(-m, s)\nx ~ pair(1 + 1)^2 / pair(0, s = 1)\n"
    )
    assert unfolded(text) == [
        "x ~ (Normal(1 + 1, 2) * Normal(-(1 + 1), 2))^2 / (Normal(0, 1) * Normal(-0, 1))"
    ]


def test_definitions_call_each_other_in_any_order() -> None:
    text = "expert a(m) = b(m, 1)\nexpert b(m, s) = Normal(m, s)\nx ~ a(3)\n"
    assert unfolded(text) == ["x ~ Normal(3, 1)"]


def test_ambient_arguments_come_from_the_parameters() -> None:
    text = 'expert paste(mask, image, prompt) = flux_fill(mask)\nx ~ paste(m, photo, "a cat")\n'
    assert unfolded(text) == ['x ~ flux_fill(m, image = photo, prompt = "a cat")']


def test_what_a_call_leaves_out_is_the_programs_own() -> None:
    plan = planned("expert paste(mask, image, prompt) = flux_fill(mask)\nx ~ paste(cut)\n")
    assert {i.name: i.type.name for i in plan.inputs} == {
        "cut": "Mask",
        "image": "Image",
        "prompt": "Text",
    }


def test_typed_parameters_make_inputs_and_are_checked() -> None:
    text = "expert wide(s : Real) = Normal(0, s)\nx ~ wide()\n"
    assert [(i.name, str(i.type)) for i in planned(text).inputs] == [("s", "Real")]
    assert codes('expert wide(s : Real) = Normal(0, s)\nx ~ wide("a")\n') == ["P0302", "P0302"]


def test_a_name_of_the_caller_is_not_captured() -> None:
    text = (
        "let c = [1, 2]\nlet k = 5\n"
        "expert row(m) = mixture(Normal([m, k], 1) for k in c)\nx ~ row(k)\n"
    )
    assert unfolded(text)[-1] == "x ~ mixture(Normal([k, k_2], 1) for k_2 in c)"


def test_names_that_a_comprehension_binds_are_not_parameters() -> None:
    text = "expert row(k) = mixture(Normal(k, 1) for k in [1, 2])\nx ~ row(9)\n"
    assert unfolded(text) == ["x ~ mixture(Normal(k, 1) for k in [1, 2])"]


def test_components_of_a_mixture_may_be_defined() -> None:
    plan = planned("expert one(m) = Normal(m, 1)\nx ~ mixture(0.5: one(0), 0.5: one(1))\n")
    assert [f.kind for f in plan.factors] == ["gaussian"]


@pytest.mark.slow
def test_definitions_that_double_end() -> None:
    lines = [f"expert e{i + 1}(m) = e{i}(m) * e{i}(m)" for i in range(40)]
    text = "\n".join(("expert e0(m) = Normal(m, 1)", *lines, "x ~ e40(0)\n"))
    assert codes(text) == ["P0506"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("expert e(m) = e(m)\nx ~ e(0)\n", ["P0210"]),
        ("expert a(m) = b(m)\nexpert b(m) = a(m)\nx ~ a(0)\n", ["P0210"]),
        ("expert e(m) = Normal(m, 1)\nx ~ e()\n", ["P0301"]),
        ("expert e(m) = Normal(m, 1)\nx ~ e(1, 2)\n", ["P0301"]),
        ("expert e(m) = Normal(m, 1)\nx ~ Normal(0, 1) * exp(e(1))\n", ["P0403"]),
        ("expert e(m) = Normal(m, 1)\nx ~ Normal(0, 1)\n", ["P0801"]),
        ("expert e(m) = Normal(m, 1)\nexpert e(m) = Normal(m, 2)\nx ~ e(1)\n", ["P0203"]),
    ],
)
def test_wrong_definitions(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def doubling(levels: int, parameter: str = "m", base: str = "Normal(m, 1)") -> str:
    """Definitions of which each gives the next twice its argument."""
    lines = [f"expert e{i + 1}({parameter}) = e{i}(m + m)" for i in range(levels)]
    return "\n".join((f"expert e0({parameter}) = {base}", *lines, f"x : Real\nx ~ e{levels}(1)\n"))


@pytest.mark.parametrize("levels", [17, 60])
@pytest.mark.parametrize("parameter", ["m", "m : Real"])
@pytest.mark.parametrize("base", ["Normal(m, 1)", "mixture(Normal(m, k) for k in [1, 2])"])
def test_arguments_that_double_end(levels: int, parameter: str, base: str) -> None:
    assert codes(doubling(levels, parameter, base)) == ["P0506"]


def test_arguments_may_grow() -> None:
    (factor,) = planned(doubling(8)).factors
    assert dict(factor.term.kwargs)["loc"] == Const(256)  # type: ignore[union-attr]


def test_products_of_one_argument_count_it_each_time() -> None:
    wide = " * ".join(["Normal(m, 1)"] * 200)
    text = f"expert e(m) = {wide}\nx : Real\nx ~ e({' + '.join(['1'] * 300)})\n"
    assert codes(text) == ["P0506"]


def test_definitions_that_nothing_calls_may_call_others() -> None:
    text = "expert a(m) = Normal(m, 1)\nexpert b(m) = a(m) * Normal(m, 2)\nx ~ Normal(0, 1)\n"
    assert codes(text) == ["P0801", "P0801"]
    assert codes(text.replace("a(m) *", "a(m, 1) *")) == ["P0801", "P0301"]
