"""Long and deep expressions: chains of thousands work, nesting is refused where it begins."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.compiler.functions.values_at import value_at
from poedsl.compiler.plan.terms import Apply, Ref, Term, walk
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.compiler.views.emit import emit, read_view
from poedsl.grammar.formatting.format import format_source
from poedsl.runtime.terms.evaluate import Environment, evaluate
from tests.compiler.programs import compiled, planned

#: More than the depth that Python recurses to.
LONG = 1200
X = "x : Real[2]\nx ~ Normal(0, 1) * "
CHAINS = {
    "sum": f"{X}exp(({' + '.join(['x[0]'] * LONG)}) / 10000)\n",
    "difference": f"{X}exp(0{' - x[1]' * LONG})\n",
    "sum_and_difference": f"{X}exp(0{' - x[1] + x[0]' * (LONG // 2)})\n",
    "product": f"{X}exp({' * '.join(['x[0]'] * LONG)})\n",
    "quotient": f"{X}exp(1{' / x[0]' * LONG})\n",
    "and": f"{X}where({' and '.join(['x[0] > -9'] * LONG)})\n",
    "or": f"{X}where({' or '.join(['x[0] > -9'] * LONG)})\n",
    "densities": f"{X}{' * '.join(['Normal(0, 1)'] * LONG)}\n",
    "exponent": f"input w : Real = 0\nx ~ Normal(0, 1)^(1{' + w' * LONG})\n",
    "constant": f"x ~ Normal(0{' + 1' * LONG}, 1)\n",
    "brackets": f"x ~ Normal({'(' * LONG}0{')' * LONG}, 1)\n",
    "brackets_on_the_left": f"{X}exp({'(' * LONG}x[0]{' + 1)' * LONG})\n",
}
DEEP = {
    "calls": f"{X}exp({'sin(' * LONG}x[0]{')' * LONG})\n",
    "minus": f"{X}exp({'-' * LONG}x[0])\n",
    "not": f"{X}where({'not ' * LONG}x[0] > 1)\n",
    "brackets_on_the_right": f"{X}exp({'(1 + ' * LONG}x[0]{')' * LONG})\n",
    "powers": f"{X}exp(x[0]{' ^ 1' * LONG})\n",
    "powers_of_powers": f"x ~ {'(' * LONG}Normal(0, 1){') ^ 1' * LONG}\n",
    "products": f"x ~ {'Normal(0, 1) * (' * LONG}Normal(0, 1){')' * LONG}\n",
    "mixtures": f"x ~ {'mixture(' * LONG}Normal(0, 1){')' * LONG}\n",
    "lists": f"let a = {'[' * LONG}1{']' * LONG}\nx ~ Normal(0, 1)\n",
    "indices": f"{X}exp(x{'[0:2]' * LONG}[0])\n",
    "attributes": f"input l : Layout\n{X}exp(l{'.box' * LONG})\n",
    "defaults": f"input a : Real = {'-' * LONG}1\nx ~ Normal(a, 1)\n",
    "multiplied_and_divided": f"{X}exp(1{' * x[0] / x[1]' * LONG})\n",
    "loops": "".join(f"{' ' * i}for a{i} in [1]:\n" for i in range(200)) + " " * 200 + "x ~ e()\n",
    "constants": "".join(f"let a{i + 1} = sin(a{i})\n" for i in range(200)),
    "experts": "".join(f"expert e{i + 1}(a) = e{i}(sin(a))\n" for i in range(200)),
    "experts_of_one_argument": "".join(f"expert e{i + 1}(a) = e{i}(a)\n" for i in range(200)),
}
DEEP["constants"] = f"x ~ Normal(0, 1)\nlet a0 = x\n{DEEP['constants']}x ~ exp(a200)\n"
for name in ("experts", "experts_of_one_argument"):
    DEEP[name] = f"expert e0(a) = exp(a)\n{DEEP[name]}x ~ Normal(0, 1) * e200(x)\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAINS)
def test_long_chains_compile_print_and_read_back(name: str) -> None:
    plan = planned(CHAINS[name])
    assert poedsl.load(plan.to_json()).spec == plan
    assert parse_plan(print_plan(plan)) == plan
    assert format_source(CHAINS[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("term", "value"),
    [
        (f"0{' + 3 * x - 2 * x' * (LONG // 2)}", 0.5 * (LONG // 2)),
        (f"x{' - x' * LONG}", 0.5 * (1 - LONG)),
        (f"x{' * 2 / 2' * 40}", 0.5),
        (f"2^20{' / (x + 0.5)' * LONG}", 2**20),
        (f"1{' * (x + 0.5)' * LONG}", 1),
        ("x - 2 - (3 - x) + -1 - -x - x^2", 0.5 - 2 - 2.5 - 1 + 0.5 - 0.25),
    ],
)
def test_long_chains_have_the_value_that_is_written(term: str, value: float) -> None:
    plan = planned(f"x ~ Normal(0, 1) * exp({term})\n")
    found = evaluate(
        plan.factors[1].term, Environment({"x": torch.tensor([0.5])}, {}, torch.device("cpu"))
    )
    assert found.tolist() == [value]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sum_and_difference", "and"])
def test_long_chains_run(name: str) -> None:
    result = poedsl.compile(CHAINS[name]).run(particles=2, steps=1, kernel="none")
    assert result.particles["x"].isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_refused_at_its_place(name: str) -> None:
    found = [d for d in compiled(DEEP[name]).diagnostics if d.is_error]
    assert [d.code for d in found] == ["P0506"]
    assert 0 < found[0].span.end - found[0].span.start < len(DEEP[name]) - 1
    assert format_source(DEEP[name])


@pytest.mark.parametrize("view", ["checked", "lowered.json", "resolved", "expanded", "tree.json"])
def test_what_is_just_not_too_deep_can_be_shown(view: str) -> None:
    text = f"{X}exp({'sin(' * 90}x[0]{')' * 90})\n"
    assert emit(compiled(text), read_view(view))


def test_values_have_few_sizes() -> None:
    text = f"let a = {'[' * 40}1{']' * 40}\nx : Real[{', '.join('1' * 40)}]\nx ~ Normal(0, 1)\n"
    assert [d.code for d in compiled(text).diagnostics if d.is_error] == ["P0309", "P0309"]


def test_what_is_shared_is_walked_and_evaluated_once() -> None:
    """Written out, forty doublings have 2^40 nodes."""
    term: Term = Ref("x")
    for _ in range(40):
        term = Apply("+", (term, term))
    assert len(list(walk(term))) == 41
    assert value_at(term, {"x": 1.0}) == 2.0**40
