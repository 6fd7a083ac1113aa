"""Statements on data: how they compile, and what a plan holds of them."""

from __future__ import annotations

import pytest

from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.terms import Apply, Const, Ref
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.compiler.verification.verify import verify
from tests.compiler.programs import codes, compiled

REGRESSION = """\
input x : Real[_]
input y : Real[_]
alpha ~ Normal(0, 10)
beta ~ Normal(0, 10)
sigma ~ HalfNormal(5)
y ~ Normal(alpha + beta * x, sigma)
"""


def plan(text: str) -> PlanSpec:
    spec = compiled(text).plan
    assert spec is not None, compiled(text).diagnostics
    return spec


def test_a_likelihood_is_a_factor_with_its_density_and_its_data() -> None:
    factor = plan(REGRESSION).factors[-1]
    assert (factor.kind, factor.observed) == ("likelihood", Ref("y"))
    assert factor.variables == ("alpha", "beta", "sigma")
    assert isinstance(factor.term, Apply)
    assert factor.term.function == "Normal"
    assert dict(factor.term.kwargs)["scale"] == Ref("sigma")
    assert form_name(plan(REGRESSION).option("path")) == "temper"


@pytest.mark.parametrize(
    ("target", "observed"),
    [
        ("y[0]", Apply("index", (Ref("y"), Const(0)))),
        ("y[1:]", Apply("index", (Ref("y"), Apply("slice", (Const(1), Const(None)))))),
        ("twice", Ref("twice")),
        ("fixed", Ref("fixed")),
        ("fixed[1]", Apply("index", (Ref("fixed"), Const(1)))),
        ("alias", Ref("y")),
    ],
)
def test_parts_and_constants_keep_the_name_of_the_data(target: str, observed: object) -> None:
    text = (
        "input y : Real[4]\nlet twice = 2 * y\nlet fixed = [1, 2, 3]\nlet alias = y\n"
        f"mu ~ Normal(0, 1)\n{target} ~ Normal(mu, 1)"
    )
    spec = plan(text)
    assert spec.factors[-1].observed == observed
    assert verify(spec) == ""


@pytest.mark.parametrize(
    "statement",
    [
        "y ~ Normal(a, 1)^0.5",
        "y ~ Normal(a, 1) * where(a > 0) * exp(-a^2)",
        "y ~ mixture(0.3: Normal(a, 1), 0.7: StudentT(3, a, 2))",
        "y ~ Normal(y, 1) / Normal(a, 2)",
        "for n in range(4):\n    y[n] ~ Normal(a, n + 1)",
        "for part in layout:\n    y ~ Normal(a, 1)",
    ],
)
def test_plans_of_data_survive_text_and_json(statement: str) -> None:
    spec = plan(f"input y : Real[4]\ninput layout : Layout\na ~ Normal(0, 1)\n{statement}")
    assert parse_plan(print_plan(spec)) == spec
    assert from_json(spec.to_json()) == spec
    assert verify(spec) == ""
    assert [f.kind for f in spec.factors if f.observed] == ["likelihood"] * len(
        [f for f in spec.factors if f.kind == "likelihood"]
    )


def test_a_loop_over_rows_of_data_is_a_factor_for_each() -> None:
    text = "input y : Real[3, 2]\nm ~ Normal(0, 1)\nfor n in range(3):\n    y[n] ~ Normal(m, 1)"
    data = [f.observed for f in plan(text).factors if f.observed is not None]
    assert data == [Apply("index", (Ref("y"), Const(n))) for n in range(3)]


def test_programs_without_data_keep_their_hash() -> None:
    spec = plan("x ~ Normal(0, 1)")
    assert '"observed"' not in spec.to_json()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ~ Normal(0, 1)\ny ~ Normal(a, 1)\ninput y : Real", ["P0203", "P0801"]),
        ("input y : Real[3]\na ~ Normal(0, 1)\ny ~ Normal(b, 1)", ["P0201"]),
        ("input y : Text\na ~ Normal(0, 1)\ny ~ Normal(a, 1)", ["P0304"]),
        ("input y : Real\na : Real[2]\na ~ Normal(0, 1)\ny ~ Normal(a, 1)", ["P0303"]),
        ("input y : Real[3]\na ~ Normal(0, 1)\ny ~ MultivariateNormal([0, 0], [[1, 0], [0, 1]])",
         ["P0303"]),
        ("input y : Real[_]\na : Real[2]\na ~ Normal(0, 1)\ny ~ Normal(a, 1)", []),
        ("input y : Bool[3]\np ~ Beta(1, 1)\ny ~ Bernoulli(p)", []),
        ("input y : Int[3]\nm ~ Normal(0, 1)\ny ~ Normal(m, 1)", []),
    ],
)  # fmt: skip
def test_diagnostics(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_an_observed_input_is_used() -> None:
    assert codes("input y : Real\na ~ Normal(0, 1)\ny ~ Normal(a, 1)") == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(log_prob(Normal(a, 1), y))", []),
        ("log_prob(Normal(0, 1), a)", []),
        ("sum(log_prob(Normal([1, 2, 3], 1), a))", []),
        ("log_prob(MultivariateNormal([0, 0, 0], I), y)", []),
        ("sum(log_prob(Poisson(2), y))", ["P0416"]),
        ("log_prob(Normal(0, 1), y)", ["P0410"]),
        ("sum(log_prob(Normal([1, 2], 1), y))", ["P0303"]),
        ("log_prob(Normal(0, 1))", ["P0301"]),
        ("log_prob(a, y)", ["P0302"]),
        ('log_prob(flux("a cat"), y)', ["P0416"]),
        ("sum(log_prob(Normal(0, -1), y))", ["P0307"]),
    ],
)
def test_log_prob_is_a_function(expression: str, expected: list[str]) -> None:
    identity = "let I = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]"
    text = f"input y : Real[3]\n{identity}\na ~ Normal(0, 1) * exp({expression})"
    found = [code for code in codes(text) if code not in ("P0801", "P0803")]
    assert found == expected
    if not expected:
        spec = plan(text)
        assert from_json(spec.to_json()) == spec
        assert parse_plan(print_plan(spec)) == spec
        assert verify(spec) == ""


@pytest.mark.parametrize(
    ("index", "code"), [("floor(a)", "P0415"), ("k", "P0415"), ("k:", "P0305")]
)
def test_which_data_a_statement_is_about_does_not_depend_on_a_variable(
    index: str, code: str
) -> None:
    text = f"input y : Real[5]\na ~ Normal(0, 1)\nlet k = floor(a)\ny[{index}] ~ Normal(a, 1)"
    assert codes(text) == [code]
