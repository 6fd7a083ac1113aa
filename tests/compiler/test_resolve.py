"""Names: what becomes an input, what is a mistake, and what follows from what."""

from __future__ import annotations

import pytest

from poedsl.compiler.compile import compile_source
from poedsl.compiler.names.expand_definitions import Expanded
from poedsl.compiler.names.resolve import resolve
from poedsl.grammar.formatting.printer import print_program
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.recovery.apply_fixes import apply_fix
from poedsl.grammar.source import Source
from tests.compiler.programs import ONE_LINER, codes, compiled, planned


def inputs(text: str) -> list[tuple[str, str, str]]:
    return [(i.name, str(i.type), i.origin) for i in planned(text).inputs]


def test_ambient_and_inferred_inputs() -> None:
    assert inputs("x ~ flux_fill(area)") == [
        ("area", "Mask", "inferred"),
        ("image", "Image[3, _, _]", "ambient"),
        ("prompt", "Text", "ambient"),
    ]


def test_inputs_say_where_they_came_from() -> None:
    assert {i.name: i.place for i in planned(ONE_LINER).inputs} == {
        "depth": "example.poe:1:16",
        "prompt": "example.poe:1:5",
        "mask": "example.poe:1:35",
        "image": "example.poe:1:25",
    }


def test_declared_inputs_are_taken() -> None:
    text = 'input image : Image\ninput prompt : Text = "a cat"\nx ~ flux_fill(mask)\n'
    assert codes(text) == []
    assert inputs(text)[1:] == [
        ("image", "Image[3, _, _]", "declared"),
        ("prompt", "Text", "declared"),
    ]


def test_a_constant_is_taken_as_well() -> None:
    plan = planned('let prompt = "a cat"\nx ~ flux()\n')
    assert plan.inputs == ()
    assert "a cat" in str(plan.factors[0].term)


def test_similar_free_names_are_two_inputs() -> None:
    names = [n for n, _, _ in inputs("x ~ flux_fill(mask1) * flux_fill(mask2)")]
    assert {"mask1", "mask2"} < set(names)


def test_a_near_miss_is_an_error_with_a_suggestion() -> None:
    found = compiled("input mask1 : Mask\nx ~ flux_fill(mask2)\n").diagnostics
    assert [d.code for d in found] == ["P0201"]
    assert found[0].fixes[0].edits[0].text == "mask1"


def test_parameters_of_densities_are_no_inputs() -> None:
    assert codes("x ~ Normal(mu, 1)") == ["P0201"]


def test_one_name_of_two_types() -> None:
    assert codes("x ~ flux_fill(thing) * flux_depth(thing)") == ["P0302"]


def test_strict_refuses_implicit_inputs() -> None:
    assert codes(ONE_LINER, strict=True) == ["P0205"] * 4
    assert codes("input s : Real\nx ~ Normal(s, 1)", strict=True) == []


@pytest.mark.parametrize(
    "use",
    [
        "x ~ Normal(s, 1)",
        "let t = s\nx ~ Normal(0, 1)",
        "x ~ Normal(0, 1) ^ s",
        "x ~ Normal(0, 1) * exp(s * x)",
        "x ~ Normal(0, 1, s)",
        "x[0] ~ Normal(s, 1)",
        "for a in s:\n    x ~ Normal(0, a)",
        "x ~ Normal(0, s",
    ],
)
def test_use_counts_as_use(use: str) -> None:
    assert "P0801" not in codes(f"input s : Real = 1\n{use}\n")


def test_a_domain_may_stand_below_its_factor() -> None:
    plan = planned("x ~ Normal(0, 1)\nx : Real[2]\n")
    assert str(plan.variables[0].type) == "Real[2]"


def test_sizes_may_be_constants() -> None:
    plan = planned("let n = 3\nx : Real[n]\nx ~ Normal(0, 1)\n")
    assert str(plan.variables[0].type) == "Real[3]"


def test_the_resolved_program_prints_and_resolves_to_itself() -> None:
    program, _ = parse(Source("x ~ flux_depth(depth) * exp(vqascore(prompt))"))
    resolved, _ = resolve(Expanded(program))
    text = print_program(resolved.program)
    assert text.splitlines() == [
        "input depth : Depth",
        "input prompt : Text",
        "x ~ flux_depth(depth = depth, prompt = prompt)"
        " * exp(vqascore(prompt = prompt, subject = x))",
    ]
    again, diagnostics = resolve(Expanded(parse(Source(text))[0]))
    assert not diagnostics
    assert again.program == resolved.program


# Errors that follow from others are not reported.


@pytest.mark.parametrize(
    "text, expected",
    [
        ("let c = [1, 2\nx ~ Normal(c, 1)\n", ["P0104"]),
        ("input s : Rael\nx ~ Normal(s, 1)\n", ["P0308"]),
        ("x : Rael[2]\nx ~ Normal([1, 2, 3], 1)\n", ["P0308"]),
        ("let a = 1 / 0\nx ~ Normal(a, 1) / Normal(0, a)\n", ["P0306"]),
        ("x ~ Normal(0, 1, 2) / Normal(0, 1)\n", ["P0301"]),
        ("x ~ Normal(0, 1\ny ~ Normal(0, 1)\nsample x, y by anneal()\n", ["P0104"]),
        ("expert e(s) = Normal(0, s\nx ~ e(1)\n", ["P0104"]),
        ("x ~ nothing()\nsample x by anneal(correct = ais())\n", ["P0202"]),
        ("x ~ StudentT(3) * nothing()\n", ["P0202"]),
        ("let x = 3\nx ~ Normal(0, 1)\n", ["P0411"]),
        ("x ~ Normal(0, 1)\nlet a = many\nsample x by anneal(steps = a)\n", ["P0201"]),
    ],
)
def test_no_cascades(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_independent_errors_are_reported_together() -> None:
    text = (
        "x ~ Normal(0, 2)^2 / Normal(0, 1)\n"
        "y ~ Normal(0, -1)\n"
        "z ~ Normal(nothing, 1)\n"
        "w ~ Normal([1, 2], 1) * exp(w)\n"
        "sample x, y, z, w by anneal(steps = 0)\n"
    )
    assert codes(text) == ["P0404", "P0307", "P0201", "P0410", "P0502"]


def test_similar_names_are_searched_for_in_the_first_errors() -> None:
    lines = "".join(f"let name{i} = nane{i}\n" for i in range(80))
    found = compiled(f"{lines}x ~ Normal(0, 1)\n").diagnostics
    assert [d.code for d in found] == ["P0201"] * 80
    assert [bool(d.fixes) for d in found] == [True] * 50 + [False] * 30


@pytest.mark.parametrize(
    "text",
    [
        ONE_LINER,
        "    # indented\n\n    x : Image[3, 64, 64]\n    x ~ flux(prompt)\n",
        "\n# first a comment\n\nx ~ flux(prompt)\n",
        "\tx ~ flux(prompt)\n\tx ~ flux_depth(depth)",
        "expert e(p) = flux(p)\nx ~ e(prompt)\n",
        "\ufeffx ~ flux(prompt)\n",
        "  for c in [1, 2]:\n    x ~ exp(c * vqascore(prompt))\n  x ~ flux()\n",
    ],
)
def test_the_fixes_of_strict_declare_all_inputs(text: str) -> None:
    while found := [d for d in compiled(text, strict=True).diagnostics if d.is_error]:
        assert {d.code for d in found} == {"P0205"}, (text, found)
        text = apply_fix(text, found[0].fixes[0])
        assert text.count("input") < 9
    assert "input prompt : Text" in text


def test_numbers_of_a_model_are_not_taken_from_the_surroundings() -> None:
    assert set(codes("y : Tokens[3]\ny ~ Markov()\n")) == {"P0301"}
    assert set(codes("expert e() = Markov()\ny : Tokens[3]\ny ~ e()\n")) == {"P0301"}


def test_a_form_that_is_written_otherwise_is_not_its_own_correction() -> None:
    (found,) = compile_source(Source("x ~ Normal(scan(x + v for v in [1]), 1)")).diagnostics
    assert found.code == "P0202" and not found.fixes and "scan(v = start:" in found.notes[0]
