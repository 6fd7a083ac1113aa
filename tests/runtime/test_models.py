"""What a run lacks, reported before it begins; and sizes that inputs determine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.terms import Apply
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.runtime.space.sizes import fits, shapes
from poedsl.runtime.terms.evaluate import Environment
from tests.compiler.programs import planned
from tests.diagnostics import quoted, refused

CPU = torch.device("cpu")


def no_native_size(call: Apply) -> None:
    """No model says what it was trained on."""


def refusals(program: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program).run()
    return caught.value.diagnostics


def test_every_missing_expert_is_named_at_once_with_its_model() -> None:
    program = 'x ~ flux("a cat")^0.5 * flux("a dog")^0.5 * exp(vqascore("a cat"))'
    found = refusals(program)
    named = {d.message.split("`")[1]: d for d in found}
    assert named.keys() == {"flux", "vqascore"}
    flux = named["flux"]
    assert flux.code == "P0701"
    assert "<string>:1:5" in flux.notes[0]
    assert any("hf download black-forest-labs/FLUX.1-dev" in n for n in flux.notes)
    assert any("--profile small" in n for n in flux.notes)


def test_a_missing_controlnet_is_named_beside_its_model(tmp_path: Path) -> None:
    program = (
        f'input c : Image\nx ~ flux_controlnet(c, "a", controlnet = "some/net", '
        f'model = "{tmp_path}")'
    )
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program).bind(c=torch.zeros(3, 16, 16)).run()
    (found,) = caught.value.diagnostics
    assert found.code == "P0701" and "some/net" in found.message
    assert any("hf download some/net" in n for n in found.notes)
    assert any("`controlnet = " in n for n in found.notes)


def test_options_that_are_planned_only_come_after_missing_experts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = OPTIONS["keep"]
    forms = tuple(replace(f, available=False) for f in keep.forms)
    monkeypatch.setitem(OPTIONS, "keep", replace(keep, forms=forms))
    (found,) = refusals("x ~ Normal(0, 1)")
    assert found.code == "P0709" and "keep = weighted()" in quoted(found)
    assert [d.code for d in refusals('x ~ flux("a cat")')] == ["P0701"]


# Open sizes.


def environment(**values: object) -> Environment:
    return Environment(values, {}, CPU)  # type: ignore[arg-type]


def test_open_sizes_are_those_of_conditions() -> None:
    plan = planned('x ~ flux_depth(depth, "a cat")')
    found = shapes(plan, plan.factors, environment(depth=torch.zeros(1, 5, 7)), no_native_size)
    assert found == {"x": (3, 5, 7)}


def test_frames_are_those_of_a_filmed_condition() -> None:
    plan = planned('input depth : Depth[_, _, _]\nx ~ wan_depth(depth, "a ball")')
    found = shapes(plan, plan.factors, environment(depth=torch.zeros(1, 9, 5, 7)), no_native_size)
    assert found == {"x": (9, 3, 5, 7)}


def test_conditions_that_clash_are_reported() -> None:
    plan = planned('x ~ flux_depth(depth, "a")^0.5 * flux_fill(mask, image, "a")^0.5')
    env = environment(
        depth=torch.zeros(1, 5, 7), mask=torch.zeros(1, 5, 8), image=torch.zeros(1, 3, 5, 7)
    )
    with refused("P0603") as errors:
        shapes(plan, plan.factors, env, no_native_size)
    assert {"mask", "flux_fill"} <= quoted(errors[0])
    assert all(size in errors[0].message for size in ("3 x 5 x 7", "5 x 8"))


def test_a_condition_of_a_part_has_the_part_s_size() -> None:
    plan = planned(
        'input d : Depth\nx : Image[3, 4, 8]\nx ~ flux("a")\n'
        'x[box(0, 0, 0.5, 1)] ~ flux_depth(d, "b")'
    )
    part = plan.factors[1]
    fits(plan, part, (3, 4, 4), environment(d=torch.zeros(1, 4, 4)))
    with refused("P0603"):
        fits(plan, part, (3, 4, 4), environment(d=torch.zeros(1, 4, 8)))


def test_sizes_that_nobody_says_are_asked_for() -> None:
    plan = planned('x ~ flux("a cat")')
    with refused("P0309") as errors:
        shapes(plan, plan.factors, environment(), no_native_size)
    assert "Image[3, 480, 480]" in errors[0].notes[0]
