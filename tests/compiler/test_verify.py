"""Plans from elsewhere: whatever their JSON holds, they load or one diagnostic names the place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import poedsl
from poedsl.compiler.plan import schema
from poedsl.compiler.plan.plan import canonical_hash
from poedsl.compiler.plan.plan_schema import plan_schema
from tests.compiler.programs import every_plan
from tests.diagnostics import refused

PLANS = {name: json.loads(plan.to_json()) for name, plan in every_plan().items()}
PLANS["one expert"] = json.loads(poedsl.compile("x ~ Normal(0, 1)").to_json())


def text(data: dict[str, Any]) -> str:
    """The JSON of a plan with the hash that its content has."""
    return json.dumps({**data, "hash": canonical_hash(data)})


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_of_the_compiler_loads(name: str) -> None:
    assert json.loads(poedsl.load(text(PLANS[name])).spec.to_json()) == PLANS[name]


def put(data: Any, path: str, value: Any) -> Any:
    """The data with another value at a place such as ``factors.0.term``."""
    data = copy.deepcopy(data)
    *way, last = [int(k) if k.isdigit() else k for k in path.split(".")]
    inner = data
    for key in way:
        inner = inner[key]
    inner[last] = value
    return data


WRONG: list[tuple[str, str, Any, str]] = [
    ("gaussians", "options", [], "`options`, this list has at least 13"),
    ("gaussians", "options.0", 3, "`options[0]`, this is an object, and not 3"),
    ("gaussians", "options.0.value", "many", "`options[0].value`"),
    ("gaussians", "options.0.value", -1, "`options[0].value`"),
    ("gaussians", "options.0.name", "steps", "`options[1].name`"),
    ("gaussians", "options.3.value", {"call": "sde"}, "`options[3].value`"),
    ("gaussians", "options.2.value", {"call": "each"}, "`options[2].value`"),
    ("gaussians", "factors.0.term", 5, "`factors[0].term`"),
    ("gaussians", "factors.0.term", {"ref": "x"}, "`factors[0].term`"),
    ("gaussians", "factors.0.term.call", "Nope", "`factors[0].term`"),
    ("gaussians", "factors.0.term.call", "Cauchy", "`factors[0].kind`"),
    ("gaussians", "factors.0.term.kwargs.loc", {"ref": "zz"}, "`factors[0].term`"),
    ("gaussians", "factors.0.term.kwargs.loc", [1, 2, 3], "`factors[0].term`"),
    ("gaussians", "factors.0.term.kwargs.loc", {"call": "+", "args": [1]}, "`factors[0].term`"),
    ("gaussians", "factors.0.term.kwargs.scale", -1, "`factors[0].term`"),
    ("gaussians", "factors.0.term.kwargs", {"loc": 0}, "`factors[0].term`"),
    ("gaussians", "factors.0.exponent", {"ref": "x"}, "`factors[0].exponent`"),
    ("gaussians", "factors.0.exponent", [1, 2], "`factors[0].mask`"),
    ("gaussians", "factors.0.variables", ["zz"], "`factors[0].variables[0]`"),
    ("gaussians", "factors.0.variables", ["x", "x"], "`factors[0].variables`"),
    ("gaussians", "factors.0.kind", "flow", "`factors[0].kind`"),
    ("gaussians", "factors.0.given", "y", "`factors[0].given`"),
    ("one expert", "factors.0.given", "x", "`factors[0].given`, no factor is a parent"),
    ("gaussians", "factors.0.part", {"ref": "x"}, "`factors[0].part`"),
    ("gaussians", "factors.0.name", "Normal_2", "`factors[1].name`"),
    ("gaussians", "factors.2.exponent", -9, "cannot be integrated"),
    ("gaussians", "variables.0.type.sizes", [None, "a"], "`variables[0].type.sizes[1]`"),
    ("gaussians", "variables.0.type.name", "Text", "`variables[0].type`"),
    ("gaussians", "bindings", {"s": 1}, "`bindings.s`"),
    ("inputs", "bindings", {"s": "one"}, "`s` is Real"),
    ("inputs", "bindings", {"s": {"dtype": "<f4", "shape": [7], "base64": ""}}, "`bindings.s`"),
    ("inputs", "inputs.0.default", {"value": "a"}, "`inputs[0].default.value`"),
    ("inputs", "lets.0.term", {"ref": "t"}, "`lets[0].term`"),
    ("inputs", "lets.0.type.sizes", [3], "`lets[0].term`"),
    ("layout", "factors.2.loops", [], "`factors[2].part`"),
    ("layout", "factors.2.loops.0.over", {"ref": "prompt"}, "`factors[2].loops[0].over`"),
    ("circle", "factors.2.term", 1, "`factors[2].term`"),
]


@pytest.mark.parametrize(("name", "path", "value", "expected"), WRONG)
def test_mistakes_are_reported_with_their_place(
    name: str, path: str, value: Any, expected: str
) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.load(text(put(PLANS[name], path, value)))
    (found,) = caught.value.diagnostics
    assert expected in found.message


def test_deep_plans_are_refused() -> None:
    term: Any = 1
    for _ in range(400):
        term = {"call": "neg", "args": [term]}
    with refused("P0606"):
        poedsl.load(text(put(PLANS["gaussians"], "factors.0.exponent", term)))


def test_a_plan_names_no_code_to_run_without_leave(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("import poedsl\n@poedsl.reward\ndef r(x: poedsl.Real) -> float:\n  return 0\n")
    program = f'use r from "{file}:r"\nx : Real\nx ~ Normal(0, 1) * exp(r())\n'
    data = json.loads(poedsl.compile(program).to_json())
    assert poedsl.load(text(data)).spec.uses
    data = put(data, "uses.0.signature.implementation", "os:system")
    with refused("P0606"):
        poedsl.load(text(data))


def test_whole_numbers_may_be_written_with_a_point() -> None:
    """As JSON Schema has it; they are read as whole ones."""
    plan = poedsl.compile("input m : Real[4, 6]\nx ~ Normal(sum(m), 1)")
    data = json.loads(plan.to_json())
    data["inputs"][0]["type"]["sizes"] = [4.0, 6.0]
    assert poedsl.load(json.dumps(data)).to_json() == plan.to_json()


# Random changes.

SMALL = st.sampled_from([None, True, -1, 0, 2, 0.5, "x", "", "\ud800", [], [1], {}, 10**400])
TERMS = [{"ref": "x"}, {"ref": "nope"}, {"call": "Normal"}, {"call": "neg", "args": ["a"]}]
VALUES = SMALL | st.sampled_from([*TERMS, {"call": "index", "args": [{"ref": "x"}, 0]}])


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [path, *(p for k in keys for p in places(data[k], (*path, k)))]


PLACES = {name: places(data)[1:] for name, data in PLANS.items()}


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A plan with a value put elsewhere, left out, or replaced."""
    name = draw(st.sampled_from(sorted(PLANS)))
    data = copy.deepcopy(PLANS[name])
    *way, last = draw(st.sampled_from(PLACES[name]))
    inner = data
    for key in way:
        inner = inner[key]
    other: Any = PLANS[name]
    for key in draw(st.sampled_from(PLACES[name])):
        other = other[key]
    action = draw(st.sampled_from(["remove", "replace", "move"]))
    if action == "remove":
        del inner[last]
    else:
        inner[last] = draw(VALUES) if action == "replace" else copy.deepcopy(other)
    return data


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed())
def test_changed_plans_load_or_are_refused(data: dict[str, Any]) -> None:
    try:
        plan = poedsl.load(text(data))
        plan.bind().bound()
        str(plan)
    except poedsl.PoeError as error:
        assert str(error)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed())
def test_the_schema_means_here_what_it_means_elsewhere(data: dict[str, Any]) -> None:
    data["hash"] = "sha256:" + "0" * 64
    read = json.loads(json.dumps(data))
    other = Draft202012Validator(plan_schema()).is_valid(read)
    found = schema.fault(read, plan_schema())
    assert (found is None) == other or "surrogate" in str(found)
