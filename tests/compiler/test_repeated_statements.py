"""Loops over constants: one factor of all elements, where no element depends on another."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.compiler.plan.text import print_term
from poedsl.runtime.build.prepare import prepare_tempering
from poedsl.runtime.core.run_settings import RunSettings
from tests.compiler.programs import planned

ABOVE = "input c : Real[4]\nlet g = [1, 0, 0, 2]\nmu : Real[4]\nmu ~ Normal(0, 1)\nx : Real[4]\n"


def factors(text: str) -> list[tuple[str, str, str]]:
    """What a program's factors are, and what they are over."""
    return [
        (print_term(f.term), *("" if t is None else print_term(t) for t in (f.part, f.observed)))
        for f in planned(text).factors
    ]


@pytest.mark.parametrize(
    ("statement", "vector"),
    [
        ("x[i] ~ Normal(0, 2)", "x ~ Normal(0, 2)"),
        ("x[i] ~ Normal(mu[i], 1)", "x ~ Normal(mu, 1)"),
        ("x[i] ~ Normal(i, 1 + i / 2)", "x ~ Normal([0, 1, 2, 3], [1.0, 1.5, 2.0, 2.5])"),
        ("x[i] ~ Normal(mu[i], 1)^2 / Laplace(c[i], 1)", "x ~ Normal(mu, 1)^2 / Laplace(c, 1)"),
        ("c[i] ~ Normal(mu[i], 1)", "c ~ Normal(mu, 1)"),
    ],
)
def test_a_loop_is_the_statement_on_the_vector(statement: str, vector: str) -> None:
    above, below = (ABOVE, "\nx ~ Normal(0, 1)")
    loop = f"for i in range(4):\n    {statement}"
    assert factors(above + loop + below) == factors(above + vector + below)


@pytest.mark.parametrize(
    ("loop", "term", "subject"),
    [
        (
            "for i in range(1, 3):\n    x[i] ~ Normal(mu[i], i)",
            "Normal(loc = mu[1:3], scale = [1, 2])",
            ("x[1:3]", ""),
        ),
        (
            "for i in range(4):\n    x[i] ~ Normal(mu[g[i]], 1)",
            "Normal(loc = [mu[[1, 0, 0, 2][i]] for i in range(0, 4)], scale = 1)",
            ("", ""),
        ),
        (
            "for i in range(1, 4):\n    let m = mu[i - 1] * i\n    x[i] ~ Normal(m + c[i], 1)",
            "Normal(loc = [mu[i - 1] * i + c[i] for i in range(1, 4)], scale = 1)",
            ("x[1:4]", ""),
        ),
        (
            "for i in range(3):\n    c[i + 1] ~ Normal(mu[i], g[i + 1] + 1)",
            "Normal(loc = mu[:3], scale = [1, 1, 3])",
            ("", "c[1:4]"),
        ),
    ],
)
def test_parameters_of_all_elements(loop: str, term: str, subject: tuple[str, str]) -> None:
    assert (term, *subject) in factors(f"{ABOVE}{loop}\nx ~ Normal(0, 1)")


@pytest.mark.parametrize(
    ("loop", "count"),
    [
        ("for i in range(3):\n    x[i + 1] ~ Normal(x[i], 1)", 3),
        ("for i in range(3):\n    c[i + 1] ~ Normal(c[i], 1)", 3),
        ("for i in [0, 3]:\n    x[i] ~ Normal(0, 1)", 2),
        ("for i in range(4):\n    x[i] ~ mixture(Normal(-2, 1), Normal(2, 1))", 4),
        ("for i in range(4):\n    x[i] ~ Normal(0, 1)^(1 + i)", 4),
        ("for i in range(4):\n    x[i] ~ exp(-x[i]^2)", 4),
        ("for i in range(4):\n    x ~ Normal(i, 1)", 4),
        ("for i in range(4):\n    x[0] ~ Normal(i, 1)", 4),
        ("for i in range(4):\n    x[i] ~ Normal(sum(mu[:i + 1]), 1)", 4),
    ],
)
def test_other_loops_are_a_factor_for_each_element(loop: str, count: int) -> None:
    assert len(planned(f"{ABOVE}{loop}\nx ~ Normal(0, 1)").factors) == count + 2


def log_densities(text: str) -> torch.Tensor:
    """Log of a program's product at five points."""
    path = "\nsample x, mu, s by anneal(path = temper())"
    target = prepare_tempering(poedsl.compile(text + path).bound().spec, RunSettings()).target
    space = target.space
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(5, space.size, generator=generator, dtype=torch.float64).to(space.loc)
    return target.log_untempered((values - space.loc) / space.scale) - space.scale.log().sum()


@pytest.mark.parametrize(
    "statement",
    [
        "x[i] ~ Normal(mu[i + 1], s)",
        "x[i] ~ Normal(mu[g[i]] * c[i] + i, s + 0.1 * i)",
        "x[i] ~ StudentT(3 + i, c[i], exp(mu[i]))",
        "x[i] ~ Normal(mu[i], 1)^2 / Laplace(c[g[i]], 9)",
        "y[i] ~ Normal(x[i] * c[i], s)",
        "y[i] ~ mixture(0.3: Normal(x[i], 1), 0.7: Normal(mu[g[i]], s))",
        "let m = mu[i] + x[2 - i]\n    y[i] ~ Laplace(m * i, s)",
    ],
)
def test_one_factor_has_the_density_of_all(statement: str) -> None:
    """Elements in another order are not neighbours, and have a factor each."""
    above = (
        "let g = [1, 0, 2]\nlet c = [0.5, -1, 2]\nlet y = [0.1, 0.4, -2]\nmu : Real[4]\n"
        "mu ~ Normal(0, 1)\ns ~ HalfNormal(1)\nx : Real[3]\nx ~ Normal(0, 3)\n"
    )
    one, each = (f"{above}for i in {over}:\n    {statement}" for over in ("range(3)", "[2, 0, 1]"))
    assert len(planned(one).factors) < len(planned(each).factors)
    torch.testing.assert_close(log_densities(one), log_densities(each))


def test_a_loop_over_a_size_of_the_data_is_the_vector() -> None:
    text = "input J : Int\ntau ~ HalfNormal(1)\nx : Real[J]\n"
    loop = "for j in range(J):\n    x[j] ~ Normal(j, tau)"
    assert factors(text + loop)[1] == ("Normal(loc = range(J), scale = tau)", "", "")
    rest = "for j in range(1, J):\n    x[j] ~ Normal(0, tau)\nx[0] ~ Normal(0, 1)"
    assert factors(text + rest)[1][1] == "x[j]"


@pytest.mark.statistical
def test_mixtures_of_elements_are_chosen_for_each() -> None:
    """A mixture on a vector chooses one density for all of it."""
    text = "x : Real[2]\nfor i in range(2):\n    x[i] ~ mixture(Normal(-9, 1), Normal(9, 1))"
    x = poedsl.compile(text).run(seed=0, particles=400).particles["x"]
    alike = (x[:, 0].sign() == x[:, 1].sign()).double().mean()
    assert float(alike) == pytest.approx(0.5, abs=0.15)


def test_a_loop_has_the_particles_of_its_vector() -> None:
    hierarchy = "tau ~ HalfNormal(1)\nx : Real[5]\n{}\nx ~ Normal([1, 0, 2, 0, 1], 1)"
    loop = hierarchy.format("for i in range(5):\n    x[i] ~ Normal(0, tau)")
    vector = hierarchy.format("x ~ Normal(0, tau)")
    a, b = (poedsl.compile(t).run(seed=0, particles=50, steps=5) for t in (loop, vector))
    assert torch.equal(a.particles["x"], b.particles["x"]) and a.evidence == b.evidence
