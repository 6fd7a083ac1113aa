"""Classifier-free guidance in a plan: one field, or a product of two experts."""

from __future__ import annotations

import re

import pytest

import poedsl
from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.costs import costs
from poedsl.compiler.plan.option_values import form_name
from poedsl.grammar.source import Source
from tests.diagnostics import refused

INPUTS = {"image": "Image[3, 16, 16]", "d": "Depth[5, 16, 16]", "w": "Real"}
MODEL = "wan_i2v(image, {})"


def plan(product: str, options: str = "") -> poedsl.Plan:
    sampled = f"sample x by anneal({options})" if options else ""
    names = set(re.findall(r"\w+", re.sub('".*?"', "", product)))
    inputs = "".join(f"input {k} : {t}\n" for k, t in INPUTS.items() if k in names)
    return poedsl.compile(f"{inputs}x : Video[5, 3, 16, 16]\nx ~ {product}\n{sampled}\n")


def unguided(text: str) -> str:
    return MODEL.format(f'"{text}", guidance = 1')


def notes(product: str) -> list[str]:
    return [n for n in plan(product).spec.notes if "guid" in n]


@pytest.mark.parametrize(
    ("arguments", "exact"),
    [
        ('"a ball"', '^5 * wan_i2v(prompt = "", guidance = 1)^-4'),
        ('"a ball", guidance = 2.2', '^2.2 * wan_i2v(prompt = "", guidance = 1)^-1.2'),
        ('"a ball", guidance = w + 1', '^(w + 1) * wan_i2v(prompt = "", guidance = 1)^(1 - (w'),
    ],
)
def test_a_guided_field_is_said_with_its_exact_form(arguments: str, exact: str) -> None:
    (note,) = notes(MODEL.format(arguments))
    assert exact in note


@pytest.mark.parametrize(
    ("exponents", "scale"),
    [(("3", "-2"), "3"), (("2.2", "-1.2"), "2.2"), (("w", "(1 - w)"), "w"), (("-1", "2"), "2")],
)
def test_a_product_of_two_densities_is_said(exponents: tuple[str, str], scale: str) -> None:
    (note,) = notes(f"{unguided('a')}^{exponents[0]} * {unguided('')}^{exponents[1]}")
    assert f" {scale} " in re.sub(r"\S+ at \S+", "", note)


@pytest.mark.parametrize(
    "product",
    [
        unguided("a"),
        f"{unguided('a')}^0.5 * {unguided('b')}^0.5",
        f"{unguided('a')}^3 * {unguided('b')}^-1",
        f"{unguided('a')}^3 * wan_depth(d, 'b', guidance = 1)^-2".replace("'", '"'),
    ],
)
def test_other_products_are_not_guidance(product: str) -> None:
    assert notes(product) == []


def test_guided_fields_have_no_weights() -> None:
    guided = plan(MODEL.format('"a ball"')).spec
    assert form_name(guided.option("correct")) == "none"
    reason = next(o.reason for o in guided.options if o.name == "correct")
    assert "guided" in reason
    with refused("P0503") as errors:
        plan(MODEL.format('"a ball"'), "correct = fkc()")
    assert "^5" in errors[0].notes[0]
    plan(unguided("a ball"), "correct = fkc()")


def test_guidance_costs_two_evaluations_of_the_network() -> None:
    guided, plain = (
        next(iter(costs(plan(MODEL.format(f'"a", guidance = {g}')).spec))) for g in (5, 1)
    )
    assert guided.endswith("9 h") and plain.endswith("4.5 h")


@pytest.mark.parametrize(("exponents", "codes"), [((3, -2), set()), ((0.5, 0.5), {"P0805"})])
def test_prompts_of_guidance_do_not_conflict_on_a_part(
    exponents: tuple[float, float], codes: set[str]
) -> None:
    part = "x[box(0, 0, 0.5, 1)] ~"
    statements = "\n".join(
        f'{part} flux_schnell("{text}")^{w}' for text, w in zip("ab", exponents, strict=True)
    )
    text = f'x : Image[3, 64, 64]\nx ~ flux_schnell("c")\n{statements}\n'
    found = {d.code for d in compile_source(Source(text, "<string>")).diagnostics}
    assert found & {"P0805"} == codes
