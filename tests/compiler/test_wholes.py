"""Parts, loops, masks, parents, sources and sizes: what a plan says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.compiler.plan.text import costs, parse_plan, print_plan, print_term
from poedsl.grammar.source import Source
from tests.compiler.programs import codes, compiled, planned


def parts(plan: PlanSpec) -> list[str | None]:
    return [None if f.part is None else print_term(f.part) for f in plan.factors]


def only(plan: PlanSpec, name: str) -> FactorSpec:
    return plan.factor(name)


def function(term: object) -> str:
    assert isinstance(term, Apply)
    return term.function


# Loops.


def test_a_loop_whose_elements_depend_on_each_other_is_unrolled() -> None:
    plan = planned("x : Real[4]\nfor i in range(3):\n    x[i + 1] ~ Normal(x[i], 1 + i)\n")
    assert parts(plan) == ["x[1]", "x[2]", "x[3]"]
    assert [dict(f.term.kwargs)["scale"] for f in plan.factors] == [Const(1), Const(2), Const(3)]


def test_loops_nest_and_hold_constants_of_their_own() -> None:
    text = (
        "x : Real[2, 2]\nfor i in range(2):\n    let a = 10 * i\n    for j in range(2):\n"
        "        let b = a + j\n        x[i, j] ~ Normal(b, 1)\n"
    )
    locs = [dict(f.term.kwargs)["loc"] for f in planned(text).factors]
    assert locs == [Const((0, 1)), Const((10, 11))]


def test_a_loop_over_a_list_of_texts() -> None:
    plan = planned('for p in ["a cat", "a dog"]:\n    x ~ flux(p)\n')
    assert [dict(f.term.kwargs)["prompt"] for f in plan.factors] == [Const("a cat"), Const("a dog")]


def test_a_loop_over_an_input_of_known_length() -> None:
    plan = planned("input c : Real[2]\nfor m in c:\n    x ~ Normal(m, 1)\n")
    assert [print_term(dict(f.term.kwargs)["loc"]) for f in plan.factors] == ["c[0]", "c[1]"]


def test_a_loop_over_a_layout_stays() -> None:
    text = (
        'input layout : Layout\nx : Image[3, 64, 64]\nx ~ flux("a park")\n'
        "for part in layout:\n"
        "    x[part.box] ~ flux(part.text) * exp(vqascore(part.text)) given x\n"
    )
    plan = planned(text)
    whole, part, reward = plan.factors
    assert whole.loops == ()
    assert [(n, print_term(t)) for n, t in part.loops] == [("part", "layout")]
    assert part.given == "x"
    assert print_term(part.part) == "x[part.box]"  # type: ignore[arg-type]
    shown = print_term(reward.term)
    assert shown.startswith("vqascore(prompt = part.text, ")
    assert shown.endswith(", subject = x[part.box])")
    assert reward.given == ""
    assert parse_plan(print_plan(plan)) == plan


def test_a_loop_variable_may_hide_a_name() -> None:
    text = "let m = 5\nx : Real\nfor m in [1, 2]:\n    x ~ Normal(m, 1)\nx ~ Normal(m, 1)\n"
    locs = [dict(f.term.kwargs)["loc"] for f in planned(text).factors]
    assert locs == [Const(1), Const(2), Const(5)]


def test_an_error_in_a_loop_is_reported_once() -> None:
    assert codes("x : Real[4]\nfor i in range(4):\n    x[i] ~ Normal(i, -1)\n") == ["P0307"]


@pytest.mark.slow
def test_loops_without_end_are_reported() -> None:
    loop = "for i in range(100000):\n    x ~ Normal(i, 1)\n"
    assert "P0506" in codes(f"x : Real\n{loop}")
    nested = "for i in range(1000):\n    for j in range(1000):\n        x ~ Normal(i, 1)\n"
    assert "P0506" in codes(f"x : Real\n{nested}")


# Parts.


@pytest.mark.parametrize(
    "domain, part, expert",
    [
        ("Real[4]", "x[1:3]", "Normal([1, 2], 1)"),
        ("Real[4]", "x[-1]", "Normal(1, 1)"),
        ("Real[2, 3]", "x[0]", "Normal([1, 2, 3], 1)"),
        ("Real[2, 3]", "x[:, 1]", "Normal([1, 2], 1)"),
        ("Image[1, 8, 16]", "x[box(0, 0, 0.5, 1)]", "digits()"),
        ("Video[8, 1, 8, 8]", "x[3]", "digits()"),
        ("Video[16, 3, 8, 8]", "x[frames(0, 8)]", "wan_i2v(photo)"),
    ],
)
def test_parts_have_a_shape(domain: str, part: str, expert: str) -> None:
    plan = (
        planned(f"x : {domain}\nx ~ Normal(0, 1)\n{part} ~ {expert}\n")
        if "wan" not in expert
        else planned(f"x : {domain}\nx ~ wan_i2v(photo)\n{part} ~ {expert}\n")
    )
    assert parts(plan)[0] is None
    assert parts(plan)[1] == part


def test_a_reward_scores_its_part() -> None:
    plan = planned('x ~ flux("a")\nx[box(0, 0, 0.5, 1)] ~ exp(vqascore("a cat"))\n')
    reward = only(plan, "vqascore")
    assert "subject = x[box(0, 0, 0.5, 1)]" in print_term(reward.term)
    assert reward.part is None


# Masks.


def test_a_mask_makes_a_field_that_is_not_weighed() -> None:
    plan = planned('input mask : Mask\nx ~ flux_fill(mask)^(1 - mask) * flux("a")^mask\n')
    assert all(f.mask for f in plan.factors)
    assert function(plan.option("correct")) == "none"
    assert function(plan.option("kernel")) == "langevin"


def test_a_constant_mask_is_a_number() -> None:
    plan = planned("x : Real[2]\nx ~ Normal(0, 1)^[2, 2]\n")
    assert plan.factors[0].exponent == Const(2)
    assert not plan.factors[0].mask


def test_masks_of_a_video_have_one_for_each_frame() -> None:
    assert codes("input m : Mask[8, 4, 4]\nx : Video[8, 3, 4, 4]\nx ~ wan_i2v(a)^m\n") == []
    assert codes("input m : Mask[7, 4, 4]\nx : Video[8, 3, 4, 4]\nx ~ wan_i2v(a)^m\n") == ["P0303"]


# Sizes.


def test_sizes_are_shared_between_variables_and_conditions() -> None:
    plan = planned("input mask : Mask[32, 48]\nx ~ flux_fill(mask) * flux_depth(depth)\n")
    types = {i.name: str(i.type) for i in plan.inputs}
    assert types == {
        "mask": "Mask[32, 48]",
        "image": "Image[3, 32, 48]",
        "prompt": "Text",
        "depth": "Depth[32, 48]",
    }
    assert str(plan.variables[0].type) == "Image[3, 32, 48]"


def test_sizes_that_clash_are_reported_with_both_places() -> None:
    text = "input mask : Mask[32, 32]\nx : Image[3, 64, 64]\nx ~ flux_fill(mask)\n"
    (found,) = [d for d in compiled(text).diagnostics if d.is_error]
    assert found.code == "P0303"
    assert len(found.labels) == 2


def test_latent_spaces_are_kept_apart() -> None:
    assert planned('x ~ flux("a") * flux_depth(depth)').variables[0].space == "FLUX.1"
    assert planned("x ~ Normal(0, 1)").variables[0].space == ""
    assert codes("x ~ wan_i2v(image) * framepack(image)") == ["P0313"]


def test_a_gaussian_beside_a_latent_model_scores_pixels() -> None:
    plan = planned('x ~ flux("a") * Normal(0.5, 0.1)')
    assert [f.kind for f in plan.factors] == ["flow", "density"]


# Sources, constants of inputs, paths.


def test_a_source_is_evaluated_once() -> None:
    text = (
        'let sim = mujoco("ball.xml", frames = 8, size = [16, 24])\nx : Video[8, 3, 16, 24]\n'
        "x ~ wan_depth(sim.depth) ^ sim.mask\n"
    )
    plan = planned(text)
    assert [c.name for c in plan.lets] == ["sim"]
    assert print_term(plan.factors[0].exponent) == "sim.mask"
    assert parse_plan(print_plan(plan)) == plan


def test_constants_of_inputs_do_not_multiply() -> None:
    lines = "".join(f"let a{i + 1} = a{i} + a{i}\n" for i in range(60))
    plan = planned(f"input a0 : Real\n{lines}x ~ Normal(a60, 1)\n")
    assert len(plan.lets) == 60
    doubled = "".join(f"let a{i + 1} = a{i} + a{i}\n" for i in range(60))
    text = f"x : Real\nlet a0 = x + 1\n{doubled}x ~ Normal(0, 1) * exp(-a60^2)\n"
    assert "P0506" in codes(text)


def test_tokens_take_the_prefix_path() -> None:
    plan = planned('y : Tokens[24]\ny ~ lm("a") * lm("b")^0.5\n')
    assert function(plan.option("path")) == "prefix"
    assert plan.option("steps") == Const(24)


def test_variables_of_two_paths_have_one_each() -> None:
    text = (
        'x ~ flux("a")\ny : Tokens[8]\ny ~ lm("a") * exp(vqascore(y, subject = x))\n'
        "sample x, y by anneal(particles = 4)\n"
    )
    plan = planned(text)
    assert print_term(plan.option("path")) == "each(x = flow(), y = prefix())"
    assert only(plan, "vqascore").variables == ("y", "x")


def test_open_sizes_are_those_of_the_densities() -> None:
    assert str(planned("x : Real[_]\nx ~ Normal([0, 1], 1)").variables[0].type) == "Real[2]"


def test_an_input_beside_a_picture_has_its_size() -> None:
    plan = planned("input p : Image\nx ~ digits() * exp(-sum((x - p)^2))")
    assert str(plan.inputs[0].type) == "Image[1, 8, 8]"


def test_exponents_may_differ_by_component() -> None:
    plan = planned("x : Real[2]\nx ~ Normal(0, 1)^[1, 2]")
    assert plan.factors[0].mask


def test_a_chain_of_densities_is_tempered() -> None:
    text = "x : Real[3]\nx[0] ~ Normal(0, 1)\nfor i in range(2):\n    x[i + 1] ~ Normal(x[i], 0.5)"
    plan = planned(text)
    assert [f.kind for f in plan.factors] == ["gaussian", "density", "density"]
    assert function(plan.option("path")) == "temper"


# Numbers and names.


def test_a_negative_zero_reads_back() -> None:
    plan = planned("x ~ Normal(-0.0, 1)\n")
    assert parse_plan(print_plan(plan)).hash == plan.hash


def test_sites_have_names_of_their_own(tmp_path: Path) -> None:
    lines = ("import poedsl", "@poedsl.expert", "def Normal_2(x: poedsl.Real, m: float):")
    (tmp_path / "own.py").write_text("\n".join((*lines, "    return -abs(x - m)\n")))
    text = 'use Normal_2 from "own.py:Normal_2"\nx ~ Normal(0, 1) * Normal(1, 1) * Normal_2(3)\n'
    plan = compile_source(Source(text), base=tmp_path).plan
    assert plan is not None
    assert [f.name for f in plan.factors] == ["Normal", "Normal_2", "Normal_2_2"]


# What rewards cost.


def test_the_cost_of_a_reward_counts_its_calls_and_the_steps_that_follow_it(tmp_path: Path) -> None:
    """50 particles, ten stages of (3 + 1) moves, and one at the end; of the other reward ten more
    to place the stages, and none for the steps of a kernel that does not accept by it.
    """
    lines = (
        "import poedsl",
        "@poedsl.reward(cost=1, gradient=True)",
        "def follow(x: poedsl.Real, m: float): ...",
        "@poedsl.reward(cost=1)",
        "def scorer(x: poedsl.Real, m: float): ...",
    )
    (tmp_path / "own.py").write_text("\n".join((*lines, "")))
    text = (
        'use follow from "own.py:follow"\nuse scorer from "own.py:scorer"\n'
        "x ~ Normal(0, 1) * exp(follow(1) + 3 * follow(2) + follow(1)) * exp(scorer(1))\n"
        "sample x by anneal(particles = 50, steps = 10, kernel = mala(steps = 3))\n"
    )
    plan = compile_source(Source(text), base=tmp_path).plan
    assert plan is not None
    assert list(costs(plan)) == [
        "follow: 41 evaluations of 50 particles, about 4.1 s",
        "scorer: 51 evaluations of 50 particles, about 2.5 s",
    ]
    unadjusted = {"kernel": Apply("langevin", (), (("steps", Const(3)),))}
    assert list(costs(plan.with_options(unadjusted)))[1].startswith("scorer: 21 evaluations")


# Constants that are cut.


@pytest.mark.parametrize(
    ("text", "term"),
    [
        (
            "let c = linspace(-1, 1, 5)\nx ~ mixture(Normal(m, 1) for m in c[3:])\n",
            "mixture(0.5: Normal(loc = 0.5, scale = 1), 0.5: Normal(loc = 1.0, scale = 1))",
        ),
        ("let m = [[1, 2], [3, 4]]\nx ~ Normal(m[1, 0], 1)\n", "Normal(loc = 3, scale = 1)"),
        (
            "let m = [[1, 2], [3, 4]]\nx ~ Normal(m[-1:, :], 1)\n",
            "Normal(loc = [[3, 4]], scale = 1)",
        ),
        ("let m = [[1, 2], [3, 4]]\nx ~ Normal(m[:, 1], 1)\n", "Normal(loc = [2, 4], scale = 1)"),
    ],
)
def test_parts_of_constants_fold(text: str, term: str) -> None:
    assert print_term(planned(text).factors[0].term) == term


def test_parts_of_constants_are_sizes() -> None:
    plan = planned("let n = [[2, 3], [4, 5]]\nx : Real[n[0, 1]]\nx ~ Normal(0, 1)\n")
    assert plan.variables[0].type.sizes == (3,)


def test_elements_of_conditions_are_conditions() -> None:
    text = "let f = [true, false]\nx ~ Normal(0, 1) * where(x > 0 and any(b for b in f))\n"
    assert codes(text) == []


@pytest.mark.parametrize(("sizes", "found"), [("_, _", []), ("2, _", []), ("2, 3", ["P0303"])])
def test_matrices_of_open_sizes_fit(sizes: str, found: list[str]) -> None:
    text = f"input S : Real[{sizes}]\nx ~ MultivariateNormal([0, 0], covariance_matrix = S)\n"
    assert codes(text) == found
