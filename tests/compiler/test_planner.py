"""What the compiler chooses, and what it refuses."""

from __future__ import annotations

import pytest

from poedsl.compiler.compile import compile_source
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.planner import rechoose
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.planner.tempering import OSCILLATING, STEADY, tempering_reason
from poedsl.compiler.typecheck.sample_options import check_option
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from tests.compiler.programs import codes, every_plan, planned
from tests.diagnostics import numbers, quoted


def option(name: str, text: str) -> dict[str, Term]:
    expr, _ = parse_expression(Source(text))
    assert expr is not None
    term, found = check_option(name, expr)
    assert term is not None, found
    return {name: term}


def sums(plan: PlanSpec) -> list[float]:
    """Those of exponents that the notes of a plan name."""
    return [number for note in plan.notes for number in numbers(note)]


def function(term: Term) -> str:
    assert isinstance(term, Apply)
    return term.function


@pytest.mark.parametrize("plan", every_plan().values(), ids=list(every_plan()))
def test_every_option_has_a_value_and_a_choice_a_reason(plan: object) -> None:
    chosen = plan.options  # type: ignore[attr-defined]
    assert [o.name for o in chosen] == list(OPTIONS)


def test_densities_and_flows_are_sampled_by_what_they_can_do() -> None:
    closed, learned = planned("x ~ Normal(0, 1)"), planned("x ~ digits() * Normal(0, 1)")
    assert function(closed.option("kernel")) == "mala"
    assert function(closed.option("correct")) == "ais"
    assert function(learned.option("kernel")) == "langevin"
    assert function(learned.option("correct")) == "fkc"
    assert all(o.reason for o in closed.options)


def test_pictures_with_a_reward_keep_the_best() -> None:
    assert function(planned("x ~ digits()").option("keep")) == "weighted"
    assert function(planned("x ~ digits() * exp(digit_score(3))").option("keep")) == "best"


def test_a_reward_of_another_variable_says_nothing_of_the_pictures() -> None:
    plan = planned("x ~ digits()\ny ~ Normal(0, 1) * exp(-y^2)\n")
    assert function(plan.option("keep")) == "weighted"


@pytest.mark.parametrize("path", ["flow()", "temper(ess = none)"])
@pytest.mark.parametrize(
    ("kernel", "steps"),
    [
        ("mala()", 96),
        ("mala(steps = 2)", 64),
        ("mala(steps = 3)", 48),
        ("mala(steps = 9)", 48),
        ("mala(line = 1)", 64),
        ("random_walk()", 96),
        ("hmc(leaps = 2)", 64),
        ("hmc()", 48),
    ],
)
def test_a_costly_kernel_has_fewer_stages(kernel: str, steps: int, path: str) -> None:
    plan = planned(f"x ~ Normal(0, 1)\nsample x by anneal(kernel = {kernel}, path = {path})\n")
    assert plan.option("steps") == Const(steps)
    assert plan.nfe == 192 or steps == 48


@pytest.mark.parametrize(("steps", "often"), [(5, 3), (48, 3), (50, 2), (96, 1), (1000, 1)])
def test_few_stages_have_more_kernel_steps(steps: int, often: int) -> None:
    for path, wanted in (("flow()", often), ("temper(ess = none)", 3)):
        text = f"x ~ Normal(0, 1)\nsample x by anneal(steps = {steps}, path = {path})\n"
        kernel = planned(text).option("kernel")
        assert isinstance(kernel, Apply)
        assert dict(kernel.kwargs)["steps"] == Const(wanted)


@pytest.mark.parametrize(
    ("text", "given", "below"),
    [
        ("x ~ checkerboard(0)", "", 0.9),
        ("x ~ Normal(0, 1)", "correct = fkc()", 0.9),
        ("x ~ checkerboard(0)", "move = ode()", 0.5),
        ("x ~ digits()", "", 0.5),
        ("x ~ Normal(0, 1)", "", 0.5),
    ],
)
def test_points_whose_weights_nothing_evens_out_are_resampled_soon(
    text: str, given: str, below: float
) -> None:
    plan = planned(f"{text}\nsample x by anneal({given})\n" if given else text)
    resample = plan.option("resample")
    assert isinstance(resample, Apply)
    when = dict(resample.kwargs)["when"]
    assert isinstance(when, Apply) and when.args[1] == Const(below)


def test_given_options_have_no_reason_and_others_follow_them() -> None:
    plan = planned("x ~ Normal(0, 1)\nsample x by anneal(kernel = none())\n")
    reasons = {o.name: o.reason for o in plan.options}
    assert reasons["kernel"] == ""
    assert plan.option("steps") == Const(1000)
    assert "kernel" in reasons["steps"]


def test_overriding_chooses_the_rest_anew() -> None:
    plan = planned("x ~ Normal(0, 1)\nsample x by anneal(particles = 7)\n")
    changed = rechoose(plan, option("move", "ode()"))
    assert changed.option("particles") == Const(7)
    assert function(changed.option("correct")) == "fkc"
    assert rechoose(changed, {}) == changed


def test_options_from_outside_override_the_program() -> None:
    source = Source("x ~ Normal(0, 1)\nsample x by anneal(steps = 5)\n")
    made = compile_source(source, options=option("steps", "9")).plan
    assert made is not None
    assert made.option("steps") == Const(9)


def test_normalising_is_left_to_the_run_and_noted() -> None:
    text = "x ~ Normal(0, 1)^3 * Normal(0, 2)"
    inside = planned(f"{text}\nsample x by anneal(normalize_exponents = true)\n")
    outside = rechoose(planned(text), option("normalize_exponents", "true"))
    for plan in (inside, outside):
        assert [f.exponent for f in plan.factors] == [Const(3), Const(1)]
        assert sums(plan) == [4]


def test_sums_of_all_densities_are_noted_where_they_are_normalised() -> None:
    made = rechoose(
        planned("x ~ Gamma(4, 1)^3 * Normal(0, 2)"), option("normalize_exponents", "true")
    )
    assert made is not None
    assert sums(made) == [4]


def test_exponents_are_taken_as_written() -> None:
    plan = planned("x ~ Normal(0, 1)^3 * Normal(0, 2)")
    assert [f.exponent for f in plan.factors] == [Const(3), Const(1)]
    assert sums(plan) == [4]


@pytest.mark.parametrize(
    "options",
    [
        "correct = ais(), move = ode()",
        "correct = fkc(), move = none()",
        "particles = 10, islands = 4",
        "steps = 4, resample = systematic(when = at(5))",
    ],
)
def test_options_that_exclude_each_other(options: str) -> None:
    assert codes(f"x ~ Normal(0, 1)\nsample x by anneal({options})\n") == ["P0503"]


def test_scores_do_not_give_ratios() -> None:
    plan = planned("x ~ digits()")
    assert refuse(plan, {}) == []
    for name, value in (("correct", "ais()"), ("kernel", "mala()")):
        (found,) = refuse(rechoose(plan, option(name, value)), {})
        assert found.code == "P0503"


@pytest.mark.parametrize(
    "text, code",
    [
        ("x : Real", "P0408"),
        ("x ~ Normal(0, 1)\ny : Real[2]", "P0408"),
        ("x : Real\nx ~ exp(-x^2)", "P0408"),
        ("x ~ Cauchy(0, 1)\ny : Image[1, 8, 8]\ny ~ digits()", "P0408"),
        ("x ~ digits() / Normal(0, 2)", "P0407"),
    ],
)
def test_variables_without_a_start(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize(
    "text",
    [
        "x ~ Cauchy(0, 1)",
        "x ~ Normal(0, 1) / Normal(0, 2)",
        "x ~ Normal(0, 1)\ny : Real\ny ~ Normal(x, 1)",
        "x ~ Normal(0, 1)\nsample x by anneal(path = temper())",
    ],
)
def test_densities_without_a_start_are_tempered(text: str) -> None:
    plan = planned(text)
    assert [function(plan.option(o)) for o in ("path", "move", "correct")] == [
        "temper",
        "none",
        "ais",
    ]


@pytest.mark.parametrize("part", ["1:", "1:3", "0"])
def test_densities_on_what_no_flow_sees_are_tempered(part: str) -> None:
    text = f"x : Real[3]\nx ~ Laplace(0, 1)\nx[{part}] ~ Normal(0, 1)\n"
    assert function(planned(text).option("path")) == "temper"


def test_a_factor_to_the_power_zero_is_left_out() -> None:
    assert codes("x ~ Normal(0, 1)^0") == ["P0408", "P0804"]
    plan = planned("x ~ Normal(0, 1) * Normal(4, 1)^0")
    assert len(plan.factors) == 1


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", ["foo", "foo()", "none", "[1]", "x > 1", '"a"', "-1", "1e999"])
def test_options_of_all_values_are_reported(name: str, value: str) -> None:
    found = codes(f"x ~ Normal(0, 1)\nsample x by anneal({name} = {value})\n")
    assert found in ([], ["P0502"], ["P0503"], ["P0306"])
    assert found or value == "none"


SYMBOLS = "y : Tokens[3]\ny ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])"


@pytest.mark.parametrize("path", ["flow()", "temper()", "temper(base = Normal(0, 1))"])
def test_symbols_grow_by_prefixes_alone(path: str) -> None:
    (found,) = refuse(rechoose(planned(SYMBOLS), option("path", path)), {})
    assert found.code == "P0503" and "path = prefix()" in quoted(found)
    for more in ("", "\nx : Real\nx ~ Normal(0, 1)"):
        names = "x, y" if more else "y"
        assert codes(f"{SYMBOLS}{more}\nsample {names} by anneal(path = {path})\n") == ["P0503"]


@pytest.mark.parametrize(
    "kernel", ["hmc()", "mala()", "langevin()", "random_walk()", "unadjusted_hmc()"]
)
def test_kernels_that_move_numbers_do_not_move_symbols(kernel: str) -> None:
    (found,) = refuse(rechoose(planned(SYMBOLS), option("kernel", kernel)), {})
    assert found.code == "P0503"
    text = f"{SYMBOLS}\nsample y by anneal(kernel = {kernel})\n"
    (written,) = compile_source(Source(text)).diagnostics
    assert written.code == "P0503" and not written.fixes
    for other in ("none()", "gibbs()"):
        assert refuse(rechoose(planned(SYMBOLS), option("kernel", other)), {}) == []


def test_one_sample_statement_for_all_variables() -> None:
    two = "x ~ Normal(0, 1)\ny ~ Normal(0, 1)\n"
    assert codes(f"{two}sample x, y by anneal(steps = 3)\n") == []
    assert codes(f"{two}sample y by anneal(steps = 3)\n") == ["P0504"]
    assert codes(f"{two}sample x by anneal()\nsample y by anneal()\n") == ["P0504"]


@pytest.mark.parametrize(
    "reward, unpredictable",
    [("mod(x, 1)", True), ("sin(x)", True), ("sign(x)", True), ("erfinv(x)", False)],
)
def test_a_factor_with_jumps_or_oscillations_is_tempered(reward: str, unpredictable: bool) -> None:
    reason = tempering_reason(planned(f"x ~ Normal(0, 1) * exp({reward})"))
    assert bool(reason) == unpredictable


def test_a_function_that_is_not_known_to_be_steady_counts_as_oscillating() -> None:
    assert {"sin", "cos", "tan", "floor", "round", "ceil", "mod"} == OSCILLATING
    assert FUNCTIONS.keys() >= STEADY
