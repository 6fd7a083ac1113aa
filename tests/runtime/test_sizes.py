"""Sizes that inputs determine: inferred from data, compared, and used for variables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import poedsl
from poedsl.compiler.plan.plan_parts import SizeSpec
from poedsl.compiler.plan.terms import Const, Ref
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.compiler.verification.verify import verify
from tests.diagnostics import refused

PROGRAM = """
input N : Int
input K : Int
input y : Real[N]
input X : Real[N, K] = [[1, 2], [3, 4], [5, 6]]
let M = 2 * K - 1
theta : Real[N]
theta ~ Normal(0, 2) * exp(-0.5 * sum((theta - y)^2))
b : Real[M, length(X)]
b ~ Normal(sum(X), 1)
"""
PLAN = poedsl.compile(PROGRAM)


def sizes(plan: poedsl.Plan) -> dict[str, tuple[int | None, ...]]:
    return {v.name: v.type.sizes for v in plan.spec.variables}


def test_sizes_are_those_of_values() -> None:
    plan = PLAN.bind(y=[1, 2, 3])
    assert sizes(plan) == {"theta": (None,), "b": (None, None)}
    bound = plan.bound()
    assert sizes(bound) == {"theta": (3,), "b": (3, 3)}
    assert dict(bound.spec.bindings)["N"] == 3 and dict(bound.spec.bindings)["K"] == 2
    assert bound.bound() == bound
    assert sizes(plan.bind(y=[1, 2], X=[[1], [2]]).bound()) == {"theta": (2,), "b": (1, 2)}


@pytest.mark.statistical
def test_a_conjugate_posterior_of_as_many_components_as_data() -> None:
    program = "input N : Int\ninput y : Real[N]\ntheta : Real[N]\n"
    program += "theta ~ Normal(0, 2) * exp(-0.5 * sum((theta - y)^2))"
    result = poedsl.compile(program).run(y=[1.0, -2.0, 3.0], seed=0)
    summary = result.summary()
    assert len(summary) == 3
    for name, y in zip(summary, (1.0, -2.0, 3.0), strict=True):
        assert summary[name].mean == pytest.approx(0.8 * y, abs=0.12)
        assert summary[name].sd == pytest.approx(0.8**0.5, abs=0.1)


def test_options_are_chosen_for_the_bound_sizes() -> None:
    program = "input N : Int\ntheta : Real[N]\ntheta ~ Normal(0, 2) * exp(-sum(theta^4))"
    kernels = [
        poedsl.compile(program.replace("theta : Real[N]", f"theta : Real[{size}]"))
        for size in ("N", "3", "40")
    ]
    for other, n in ((kernels[1], 3), (kernels[2], 40)):
        chosen = kernels[0].bind(N=n).bound().spec.options
        assert chosen == other.bind(N=n).bound().spec.options


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"N": 4, "y": [1, 2, 3]}, {"N", "y"}),
        ({"y": [1, 2]}, {"N", "X", "y"}),
        ({"y": [1, 2, 3], "K": 0}, {"K", "2 * K - 1"}),
    ],
)
def test_sizes_that_disagree(values: dict[str, Any], names: set[str]) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        PLAN.bind(**values).bound()
    found = caught.value.diagnostics
    assert {d.code for d in found} == {"P0603"}
    text = "\n".join("\n".join((d.message, *d.notes)) for d in found)
    assert all(f"`{name}`" in text for name in names), text


def test_an_expert_of_another_size() -> None:
    program = "input N : Int\nx : Real[N]\nx ~ Normal([0, 1, 2], 1)"
    assert sizes(poedsl.compile(program).bind(N=3).bound()) == {"x": (3,)}
    with refused("P0603"):
        poedsl.compile(program).bind(N=2).bound()


def test_a_size_without_a_value_is_missing() -> None:
    plan = poedsl.compile("input N : Int\ninput y : Real[N]\nx ~ Normal(mean(y), 1)")
    with refused("P0601", "P0601"):
        plan.bound()
    with refused("P0601"):
        plan.bind(N=2).bound()


@pytest.mark.parametrize(
    "program",
    [
        "x : Real[n]\nn ~ Normal(0, 1)\nx ~ Normal(0, 1)",
        "input a : Real\nx : Real[a]\nx ~ Normal(0, 1)",
        "input a : Int[2]\nx : Real[a]\nx ~ Normal(0, 1)",
    ],
)
def test_what_is_no_size(program: str) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program)
    assert "P0309" in {d.code for d in caught.value.diagnostics}


def test_sizes_in_plans() -> None:
    plan = PLAN.bind(y=[1, 2, 3])
    assert poedsl.load(plan.to_json()).bound().spec == plan.bound().spec
    assert parse_plan(print_plan(plan.spec, whole=True)) == plan.spec
    assert not verify(plan.spec)


@pytest.mark.parametrize(
    "size",
    [
        SizeSpec("z", 0, Ref("N")),
        SizeSpec("y", 1, Ref("N")),
        SizeSpec("y", 0, Ref("theta")),
        SizeSpec("y", 0, Const(1.5)),
        SizeSpec("y", 0, Ref("y")),
    ],
)
def test_sizes_of_changed_plans(size: SizeSpec) -> None:
    assert "sizes[0]" in verify(replace(PLAN.spec, sizes=(size,)))
