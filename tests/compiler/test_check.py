"""Types, shapes and constants, and the factors that come of them."""

from __future__ import annotations

import cProfile

import pytest

from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.plan_parts import LetSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, names
from poedsl.grammar.source import Source
from poedsl.grammar.types import Type
from tests.compiler.programs import ROOT, codes, compiled, planned


@pytest.mark.parametrize(
    "text, domain",
    [
        ("x ~ Normal(0, 1)", "Real"),
        ("x ~ Normal([0, 0], 1)", "Real[2]"),
        ("x ~ Normal(0, [1, 1, 1])", "Real[3]"),
        ("x ~ Normal(0, 1) * Normal([0, 0], 1)", "Real[2]"),
        ("x ~ Normal([[0], [0]], [1, 2, 3])", "Real[2, 3]"),
        ("x ~ MultivariateNormal(0, [[1, 0], [0, 1]])", "Real[2]"),
        ("x ~ mixture(Normal([m, 0], 1) for m in [1, 2])", "Real[2]"),
        ("let c = [1, 2, 3]\nx ~ Normal(c, 1)", "Real[3]"),
        ("x ~ digits() * Normal(0, 1)", "Image[1, 8, 8]"),
        ("x : Image\nx ~ digits()", "Image[1, 8, 8]"),
        ("x : Image[3, 32, 32]\nx ~ flux(prompt)", "Image[3, 32, 32]"),
        ("input c : Real[4]\nx ~ Normal(c, 1)", "Real[4]"),
        ("let d = y - 1\ny ~ Normal([0, 0], 1) * exp(-sum(d^2))", "Real[2]"),
    ],
)
def test_domains(text: str, domain: str) -> None:
    assert str(planned(text).variables[0].type) == domain


@pytest.mark.parametrize("type_", ["Int", "Text", "Real[2]"])
def test_an_open_size_is_no_input_of_that_name(type_: str) -> None:
    plan = planned(f"input _ : {type_}\ninput y : Real[_]\nx ~ Normal(sum(y), 1)\n")
    assert plan.sizes == ()
    assert codes(f"input _ : {type_}\nx : Real[_]\nx ~ Normal(0, 1)\n") == ["P0801", "P0309"]


def test_expressions_over_inputs_stay_symbolic() -> None:
    plan = planned("input s : Real = 1\nlet t = 2 * s\nx ~ Normal(t, 1 + t)\n")
    given = dict(plan.factors[0].term.kwargs)  # type: ignore[union-attr]
    assert given == {"loc": Ref("t"), "scale": Apply("+", (Const(1), Ref("t")))}
    assert plan.lets == (LetSpec("t", Type("Real"), Apply("*", (Const(2), Ref("s")))),)


def test_mixtures_over_inputs() -> None:
    plan = planned("input s : Real\nx ~ mixture(0.25: Normal(s, 1), 0.75: Normal(-s, s^2))\n")
    (factor,) = plan.factors
    assert factor.kind == "gaussian"
    assert names(factor.term) == {"s"}


@pytest.mark.parametrize(
    "target", ["x", "x : Tokens[2]\nx", "x : Real[2]\nx", "x ~ Normal(0, 1)\nx"]
)
@pytest.mark.parametrize(
    "part",
    [
        "Categorical([0.5, 0.5])",
        "Markov([0, 1], [[1, 0], [0, 1]])",
        'Automaton("a*", "ab")',
        'lm("a")',
    ],
)
def test_sequences_are_no_components_of_a_mixture(target: str, part: str) -> None:
    for parts in (f"0.3: {part}, 0.7: {part}", f"0.3: {part}, 0.7: Normal(0, 1)"):
        assert "P0406" in codes(f"{target} ~ mixture({parts})\n")


def test_exponents_over_inputs() -> None:
    plan = planned("input w : Real\nx ~ (Normal(0, 1)^2 / Normal(1, 3))^w\n")
    first, second = plan.factors
    assert names(first.exponent) == names(second.exponent) == {"w"}


def test_powers_of_products_reach_every_factor() -> None:
    plan = planned("x ~ (Normal(0, 1) * Normal(0, 2)^3)^2 / Normal(0, 3)\n")
    assert [f.exponent for f in plan.factors] == [Const(2), Const(6), Const(-1)]


def test_factors_have_names_of_their_own() -> None:
    text = 'x ~ flux("a") * flux("b") * exp(vqascore("a")) * exp(clipscore("a") + vqascore("b"))\n'
    assert [f.name for f in planned(text).factors] == ["flux", "flux_2", "vqascore", "exp"]


def test_a_factor_that_speaks_of_two_variables() -> None:
    plan = planned("x ~ Normal(0, 1)\ny ~ Normal(0, 1) * exp(-(x - y)^2)\n")
    assert [f.variables for f in plan.factors] == [("x",), ("y",), ("y", "x")]


@pytest.mark.parametrize(
    "expression, value",
    [
        ("-2^2", -4),
        ("10^0.5", 10**0.5),
        ("[1, 2] + [[10], [20]]", ((11, 12), (21, 22))),
        ("sum([[1, 2], [3, 4]])", 10),
        ("max(1, [0, 2])", (1, 2)),
        ("linspace(0, 1, 3)", (0, 0.5, 1)),
        ("linspace(2, 5, 1)", (2.0,)),
        ("range(3)", (0, 1, 2)),
        ("range(5, 0, -2)", (5, 3, 1)),
        ("range(1, 4)", (1, 2, 3)),
        ("[1, 2, 3][-1]", 3),
        ("norm([3, 4])", 5),
    ],
)
def test_constants_fold(expression: str, value: object) -> None:
    plan = planned(f"let a = {expression}\nx ~ Normal(a, 1)\n")
    assert dict(plan.factors[0].term.kwargs)["loc"] == Const(value)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    "expression",
    [
        "1e999", "1e308 * 10", "10^400", "10^10^10", "2^(2^80)", "exp(1e6)", "0^-1", "1 / 0",
        "log(0)", "linspace(0, 1, 10^7)", "range(10^12)", "range(10^30)", "range(0)", "range(3, 1)",
        "range(1, 2, 0)", "linspace([1, 2], 3, 4)", "sum([1, 2]) / (1 - 1)", "mean([1e308, 1e308])",
        "1e-200^-2", "norm([1e200, 1e200])",
    ],
)  # fmt: skip
def test_values_that_are_none_are_reported_at_once(expression: str) -> None:
    assert codes(f"let a = {expression}\nx ~ Normal(a, 1)\n") == ["P0306"]


def test_doubling_lists_end() -> None:
    doubled = "".join(f"let a{i + 1} = [a{i}, a{i}]\n" for i in range(60))
    assert codes(f"let a0 = [1, 1]\n{doubled}x ~ Normal(0, 1)\n") == ["P0306"]


def test_a_million_components_compile() -> None:
    plan = planned("x : Real[1000000]\nx ~ Normal(0, 2)^3 / Normal(0, 3) * where(sum(x) > 0)\n")
    assert plan.variables[0].type.count == 10**6


@pytest.mark.slow
def test_the_cost_of_a_statement_does_not_grow_with_the_program() -> None:
    """By the calls of functions, which do not depend on the machine."""

    def calls(statements: int) -> int:
        pairs = (f"let a{i} = {i} + 1\nx ~ Normal([a{i}, 0], 1)\n" for i in range(statements // 2))
        text = "x : Real[2]\n" + "".join(pairs)
        profile = cProfile.Profile()
        profile.runcall(planned, text)
        return sum(entry.callcount for entry in profile.getstats())

    planned("x : Real[2]\nlet a = 1\nx ~ Normal([a, 0], 1)\n")
    assert calls(800) < 4.4 * calls(200)


@pytest.mark.parametrize("name", ["covariance_matrix", "precision_matrix", "scale_tril"])
@pytest.mark.parametrize(
    "matrix, code",
    [
        ("[[1, 0], [0, 1]]", None),
        ("[[1]]", "P0303"),
        ("[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "P0303"),
        ("[1, 1]", "P0307"),
        ("1", "P0307"),
        ("[[1, 0], [0, -1]]", "P0307"),
        ("[[1, 0, 0], [0, 1, 0]]", "P0307"),
        ("[[1, 2], [0, 1]]", "P0307"),
        ('"a"', "P0302"),
        ("none", "P0302"),
    ],
)
def test_matrices(name: str, matrix: str, code: str | None) -> None:
    text = f"x : Real[2]\nx ~ MultivariateNormal([0, 0], {name} = {matrix})\n"
    assert codes(text) == ([] if code is None else [code])


def test_matrices_of_inputs_have_a_shape_too() -> None:
    def text(n: int) -> str:
        return f"input s : Real[{n}, {n}]\nx : Real[2]\nx ~ MultivariateNormal(0, s)\n"

    assert codes(text(2)) == []
    assert codes(text(3)) == ["P0303"]


@pytest.mark.parametrize(
    "statement",
    [
        "y ~ Normal(x, 1) * Normal(0, 3)",
        "y ~ Normal(0, exp(x)) * Normal(0, 3)",
        "y ~ mixture(Normal(x, 1), Normal(0, 1)) * Normal(0, 3)",
        "y ~ StudentT(3, x) * Normal(0, 1)",
    ],
)
def test_densities_around_another_variable(statement: str) -> None:
    plan = planned(f"x ~ Normal(0, 1)\ny : Real\n{statement}\n")
    (joint,) = [f for f in plan.factors if f.variables == ("y", "x")]
    assert joint.kind == "density"


def test_a_density_around_another_variable_generates_nothing_beside_a_flow() -> None:
    assert codes("x ~ digits()\ny : Real\ny ~ Normal(sum(x), 1)\n") == ["P0408"]


@pytest.mark.parametrize(
    "text",
    [
        "y : Real\ny ~ Normal(y, 1)",
        'y : Tokens[4]\ny ~ lm("a")\nx ~ flux(y)',
        "y ~ Normal(0, 1)\nx ~ checkerboard(y)",
    ],
)
def test_models_are_conditioned_on_no_variable(text: str) -> None:
    assert "P0312" in codes(text) or "P0302" in codes(text)


def test_a_text_nested_too_deeply() -> None:
    deep = "x : Real\nx ~ Normal(0, 1) * exp(" + "-" * 5000 + "x)\n"
    assert codes(deep) == ["P0506"]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "let c = 3\n", "input s : Real\n"])
def test_a_program_without_a_variable(text: str) -> None:
    assert "P0411" in codes(text)


def test_diagnostics_come_in_the_order_of_the_text_each_once() -> None:
    found = compiled("x ~ Normal(a, b) * Normal(a, 1)\ny ~ Normal(c, -1)\n").diagnostics
    assert list(found) == sorted(dict.fromkeys(found), key=lambda d: (d.span.start, d.span.end))


@pytest.mark.parametrize(
    "text, sizes",
    [
        ("x ~ flux(t) * exp(near(i) + large(i))\n", "Image[3, 64, 64]"),
        ("x ~ flux(t) * exp(large(i) + near(i))\n", "Image[3, 64, 64]"),
        ("input i : Image\nx ~ flux(t) * exp(near(i) + large(i))\n", "Image[3, 64, 64]"),
        ("input i : Image\nlet j = i\nx ~ flux(t) * exp(near(i) + large(j))\n", "Image[3, 64, 64]"),
        ("x ~ flux(t) * exp(near(i))\n", "Image"),
        ("input i : Image\nx ~ flux(t) * exp(sum(large(i) for i in [1]) + near(i))\n", ""),
    ],
)
def test_sizes_of_inputs_unify_over_what_takes_them(text: str, sizes: str) -> None:
    folder = ROOT / "tests" / "golden" / "check"
    uses = 'use near from "own.py:near"\nuse large from "own.py:near_large"\n'
    plan = compile_source(Source(uses + text), base=folder).plan
    types = {i.name: str(i.type) for i in plan.inputs} if plan is not None else {}
    assert types.get("i", "") == sizes


@pytest.mark.slow
def test_products_may_be_long() -> None:
    signs = ["*", "*", "/"] * 250
    product = "Normal(0, 1)" + "".join(f" {s} Normal({i}, 1)" for i, s in enumerate(signs))
    for text in (f"x ~ {product}\n", f"expert e(m) = {product}\nx ~ e(1)\n"):
        plan = planned(text)
        assert [f.exponent.value for f in plan.factors] == [  # type: ignore[union-attr]
            1,
            *(1 if s == "*" else -1 for s in signs),
        ]


@pytest.mark.parametrize(
    "product, expected",
    [
        ("2 * 3 * Normal(0, 1) * Normal(1, 1)", ["P0401"]),
        ("2 * Normal(0, 1) * 3 * Normal(1, 1)", ["P0401", "P0401"]),
        ("Normal(0, 1) / 2 * Normal(1, 'a')".replace("'", '"'), ["P0401", "P0302"]),
        ("2 * 3", ["P0401", "P0401"]),
    ],
)
def test_numbers_in_products_are_each_reported(product: str, expected: list[str]) -> None:
    assert codes(f"x : Real\nx ~ {product}\n") == expected
