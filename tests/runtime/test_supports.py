"""Densities with constrained supports: against closed forms, integrals and the supports."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch import distributions as D

import poedsl
from poedsl.experts.densities.pyro_densities import pyro_density
from poedsl.runtime.space.bijections import EventBijection, IntervalBijection
from tests.runtime.helpers import moments

PARTICLES = 4000


def integrated(log_density: Callable[[Tensor], Tensor], low: float, high: float) -> Tensor:
    """Log integral, mean and variance by the rule of midpoints."""
    count = 200_000
    x = low + (torch.arange(count, dtype=torch.float64) + 0.5) * (high - low) / count
    logs = log_density(x).double() + math.log((high - low) / count)
    log_z = logs.logsumexp(0)
    weights = (logs - log_z).exp()
    mean = weights @ x
    return torch.stack([log_z, mean, weights @ (x - mean).square()])


def found(text: str, name: str = "x", **options: object) -> tuple[Tensor, Tensor]:
    """Log evidence, mean and variance of a single number, and its particles."""
    result = poedsl.compile(text).run(seed=0, particles=PARTICLES, **options)
    assert result.outcome.ok
    assert not result.warnings
    mean, variance = moments(result, name)
    assert result.log_evidence is not None
    log_z = torch.tensor([result.log_evidence], dtype=torch.float64)
    return torch.cat([log_z, mean, variance]), result.particles[name]


PRODUCTS: dict[str, tuple[list[D.Distribution], float, float]] = {
    "Gamma(2, 1) * Gamma(3, 2)": ([D.Gamma(2.0, 1.0), D.Gamma(3.0, 2.0)], 0, 40),
    "Beta(2, 3) * Beta(4, 1.5)": ([D.Beta(2.0, 3.0), D.Beta(4.0, 1.5)], 0, 1),
    "Exponential(0.5) * Normal(1, 2)": ([D.Exponential(0.5), D.Normal(1.0, 2.0)], 0, 40),
    "Uniform(0, 1) * Beta(2, 2)": ([D.Beta(2.0, 2.0)], 0, 1),
    "Uniform(0, 2) * Uniform(1, 3)": ([D.Uniform(0.0, 2.0), D.Uniform(1.0, 3.0)], 1, 2),
    "Pareto(1, 3) * HalfNormal(2)": ([D.Pareto(1.0, 3.0), D.HalfNormal(2.0)], 1, 30),
    "HalfCauchy(2) * Weibull(1, 2)": ([D.HalfCauchy(2.0), D.Weibull(1.0, 2.0)], 0, 20),
    "Chi2(3) * InverseGamma(2, 1)": ([D.Chi2(3.0), D.InverseGamma(*torch.tensor([2.0, 1]))], 0, 90),
    "LogNormal(0, 1) * Laplace(1, 1)": ([D.LogNormal(0.0, 1.0), D.Laplace(1.0, 1.0)], 0, 60),
    "VonMises(0.5, 2)": ([D.VonMises(*torch.tensor([0.5, 2.0]))], -math.pi, math.pi),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("text", PRODUCTS)
def test_products_of_one_number(text: str) -> None:
    factors, low, high = PRODUCTS[text]
    truth = integrated(lambda x: torch.stack([f.log_prob(x) for f in factors]).sum(0), low, high)
    values, x = found(f"x ~ {text}", steps=24)
    spread = float(truth[2].sqrt())
    assert abs(values[0] - truth[0]) < 0.06
    assert abs(values[1] - truth[1]) < 0.1 * spread
    assert values[2] == pytest.approx(float(truth[2]), rel=0.15)
    assert bool(((x > low) & (x < (high if high in (1, 2) else math.inf))).all())


@pytest.mark.slow
@pytest.mark.statistical
def test_the_product_of_two_gammas_is_one() -> None:
    values, _ = found("x ~ Gamma(2, 1) * Gamma(3, 2)")
    log_z = math.log(4) + math.lgamma(4) - 4 * math.log(3)
    torch.testing.assert_close(
        values, torch.tensor([log_z, 4 / 3, 4 / 9], dtype=torch.float64), atol=0.04, rtol=0
    )


@pytest.mark.slow
@pytest.mark.statistical
def test_the_product_of_two_dirichlets_is_one() -> None:
    a, b = torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 2, 1.5])
    text = "x ~ Dirichlet([1, 2, 3]) * Dirichlet([2, 2, 1.5])"
    result = poedsl.compile(text).run(seed=0, particles=PARTICLES)
    both = a + b - 1

    def log_beta(c: Tensor) -> Tensor:
        return c.lgamma().sum() - c.sum().lgamma()

    log_z = float(log_beta(both) - log_beta(a) - log_beta(b))
    mean, variance = moments(result)
    share = (both / both.sum()).double()
    assert result.log_evidence == pytest.approx(log_z, abs=0.04)
    torch.testing.assert_close(mean, share, atol=0.01, rtol=0, check_dtype=False)
    expected = share * (1 - share) / (both.sum() + 1)
    torch.testing.assert_close(variance, expected, atol=0, rtol=0.1, check_dtype=False)
    x = result.particles["x"]
    assert float(x.min()) > 0
    torch.testing.assert_close(x.sum(-1), torch.ones(PARTICLES), check_dtype=False)


@pytest.mark.slow
@pytest.mark.statistical
def test_the_volume_of_a_quarter_disc_in_a_box() -> None:
    text = "x : Real[2]\nx ~ Uniform(0, 2) * where(norm(x) < 1)"
    result = poedsl.compile(text).run(seed=0, particles=PARTICLES)
    assert result.log_evidence == pytest.approx(math.log(math.pi / 16), abs=0.05)
    x = result.sample(PARTICLES)["x"]
    assert float(x.min()) > 0
    assert float(x.norm(dim=-1).max()) < 1
    mean, _ = moments(result)
    assert float(mean.mean()) == pytest.approx(4 / (3 * math.pi), abs=0.02)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_scale_given_what_was_seen() -> None:
    text = "s ~ HalfNormal(1)\ny : Real[3]\ny ~ Normal(0, s)\ny ~ Normal([1, -2, 0.5], 0.1)"
    seen = torch.tensor([1.0, -2, 0.5], dtype=torch.float64)

    def posterior(s: Tensor) -> Tensor:
        around = D.Normal(0.0, (s.square() + 0.01).sqrt()[:, None])
        return D.HalfNormal(1.0).log_prob(s) + around.log_prob(seen).sum(-1)

    truth = integrated(posterior, 0, 12)
    values, s = found(text, "s")
    assert abs(values[0] - truth[0]) < 0.1
    assert values[1] == pytest.approx(float(truth[1]), rel=0.04)
    assert values[2] == pytest.approx(float(truth[2]), rel=0.15)
    assert float(s.min()) > 0


@pytest.mark.slow
@pytest.mark.statistical
def test_counts_with_an_unknown_dispersion() -> None:
    """Negative binomial counts of known means: the evidence of the dispersion and its moments."""
    counts, means = [0, 2, 9, 4], [1.0, 2.0, 4.0, 8.0]
    text = f"let y = {counts}\nlet m = {means}\nk ~ Gamma(2, 0.5)\n"
    text += "k ~ exp(sum(lgamma(y + k) - lgamma(y + 1) - lgamma(k)))\n"
    text += "k ~ exp(sum(y * log(m) + k * log(k) - (y + k) * log(m + k)))\n"
    y, mean = torch.tensor(counts).double(), torch.tensor(means).double()

    def posterior(k: Tensor) -> Tensor:
        each = D.NegativeBinomial(k[:, None], mean / (mean + k[:, None]))
        return D.Gamma(2.0, 0.5).log_prob(k) + each.log_prob(y).sum(-1)

    truth = integrated(posterior, 0, 60)
    values, _ = found(text, "k")
    assert abs(values[0] - truth[0]) < 0.05
    assert values[1] == pytest.approx(float(truth[1]), rel=0.05)
    assert values[2] == pytest.approx(float(truth[2]), rel=0.15)


@pytest.mark.slow
@pytest.mark.statistical
def test_an_end_that_is_a_variable() -> None:
    values, _ = found("s ~ Gamma(4, 2)\ny ~ Uniform(0, s)", "y")
    assert abs(values[0]) < 0.06
    assert values[1] == pytest.approx(1, abs=0.05)
    assert values[2] == pytest.approx(2 / 3, rel=0.15)


@pytest.mark.slow
@pytest.mark.statistical
def test_parts_have_supports_of_their_own() -> None:
    text = """
x : Real[5]
x[0:2] ~ Uniform([0, 10], [1, 1000])
x[2] ~ Normal(0, 1)
x[3:5] ~ Beta(1, 2) * exp(-sum(x[0:1]))
"""
    result = poedsl.compile(text).run(seed=0, particles=PARTICLES)
    mean, _ = moments(result)
    weighted = integrated(lambda x: -x, 0, 1)
    assert result.log_evidence == pytest.approx(float(weighted[0]), abs=0.08)
    expected = torch.tensor([float(weighted[1]), 505, 0, 1 / 3, 1 / 3], dtype=torch.float64)
    torch.testing.assert_close(mean, expected, atol=0.06, rtol=0.03)
    x = result.particles["x"]
    assert bool(((x[:, 1] > 10) & (x[:, 1] < 1000)).all())
    assert float(x[:, 2].min()) < 0


@pytest.mark.slow
@pytest.mark.statistical
def test_a_mixture_is_zero_in_its_gap() -> None:
    values, x = found("x ~ mixture(0.3: Uniform(0, 1), 0.7: Uniform(2, 4)) * Normal(2, 2)")
    normal = D.Normal(2.0, 2.0)
    low, high = (float(normal.cdf(torch.tensor(b)) - normal.cdf(torch.tensor(a)))
                 for a, b in ((0.0, 1.0), (2.0, 4.0)))  # fmt: skip
    assert abs(values[0] - math.log(0.3 * low + 0.35 * high)) < 0.06
    assert not bool(((x > 1.01) & (x < 1.99)).any())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("input a : Real = 2\nx ~ Uniform(0, 1) * Uniform(a, 3)", "P0414"),
        ("x : Real[2]\nx ~ Uniform(0, 1)\nx[1] ~ Pareto(1.5, 2)", "P0414"),
        ("x : Real[4]\nx[0:3] ~ Dirichlet(1)\nx[1:4] ~ Dirichlet(1)", "P0414"),
        ("input a : Real = 2\nx ~ Uniform(a, 1)", "P0307"),
    ],
)
def test_supports_that_only_a_run_knows_to_be_empty(text: str, code: str) -> None:
    with pytest.raises(poedsl.PoeError) as error:
        poedsl.compile(text).run(particles=8)
    assert [d.code for d in error.value.diagnostics] == [code]


@pytest.mark.parametrize("name", ["Gamma", "Beta", "Uniform", "Pareto", "InverseGamma", "VonMises"])
def test_outside_of_the_support_the_density_is_zero(name: str) -> None:
    names = {"Gamma": "concentration rate", "Beta": "concentration1 concentration0"}
    names |= {"Uniform": "low high", "Pareto": "scale alpha", "VonMises": "loc concentration"}
    given = names.get(name, names["Gamma"]).split()
    arguments = dict(zip(given, torch.tensor([1.0, 2.0]), strict=True))
    x = torch.tensor([[-4.0], [1.5 if name != "Beta" else 0.5]], requires_grad=True)
    value = pyro_density(name, arguments, (1,))(x)
    assert float(value[0].detach()) == -math.inf
    assert math.isfinite(float(value[1].detach()))
    if value.requires_grad:
        (slope,) = torch.autograd.grad(value[1], x)
        assert bool(torch.isfinite(slope).all())


@pytest.mark.slow
def test_beside_a_learned_flow_it_counts_as_a_reward() -> None:
    text = "x ~ digits(3)\nx[0, 4, 3] ~ Uniform(0.5, 1.5)"
    plan = poedsl.compile(text)
    assert plan.spec.option("path") == poedsl.compile("x ~ digits(3)").spec.option("path")
    result = plan.run(seed=0, particles=32, steps=8, resample="none")
    dead = torch.isinf(result.log_weights)
    assert 0 < int(dead.sum()) < 32
    assert torch.equal(dead, result.particles["x"][:, 0, 4, 3] < 0.5)


BIJECTIONS = [
    IntervalBijection.between(torch.arange(3), torch.zeros(3), torch.full((3,), math.inf)),
    IntervalBijection.between(
        torch.arange(3), torch.full((3,), -math.inf), torch.tensor([0.0, 1, -3])
    ),
    IntervalBijection.between(
        torch.arange(3), torch.tensor([0.0, 5, 1e3]), torch.tensor([1.0, 9, 1001])
    ),
    EventBijection.over("simplex", torch.arange(4)[None]),
]


@pytest.mark.parametrize("bijection", BIJECTIONS)
def test_the_jacobian_is_that_of_the_bijection(bijection: IntervalBijection | Simplex) -> None:
    point = torch.randn(bijection.index.shape, generator=torch.Generator().manual_seed(0))
    free = point.flatten()[: 3 if isinstance(bijection, EventBijection) else None].double()

    def forward(own: Tensor) -> Tensor:
        z = torch.cat([own, point.flatten()[len(own) :].double()]).view(bijection.index.shape)
        return bijection.forward(z[None])[0].flatten()[: len(own)]

    jacobian = torch.autograd.functional.jacobian(forward, free)
    _, log_det = bijection.forward(point[None])
    idle = D.Normal(0.0, 1.0).log_prob(point.flatten()[len(free) :]).sum()
    assert float(log_det) == pytest.approx(float(jacobian.det().abs().log() + idle), abs=1e-4)


@pytest.mark.parametrize("bijection", BIJECTIONS)
def test_no_coordinate_leaves_the_support(bijection: IntervalBijection | Simplex) -> None:
    z = torch.tensor([-1e4, -100, -20, 20, 80, 1e4]).view(-1, *[1] * bijection.index.dim())
    y, log_det = bijection.forward(z.expand(6, *bijection.index.shape))
    assert not bool(torch.isnan(log_det).any())
    assert bool(torch.isfinite(y).all())
    if isinstance(bijection, IntervalBijection):
        assert bool(((y > bijection.low) & (y < bijection.high)).all())
    else:
        assert float(y.min()) > 0


@pytest.mark.slow
@pytest.mark.statistical
def test_coordinates_are_those_of_the_densities_draws() -> None:
    before = torch.get_rng_state()
    text = "x : Real[2]\nx[0] ~ Gamma(100, 0.01)\nx[1] ~ mixture(Beta(900, 100), Beta(950, 50))"
    text += "\ny ~ Dirichlet([5000, 10, 10])"
    result = poedsl.compile(text).run(seed=0, particles=PARTICLES)
    assert torch.equal(torch.get_rng_state(), before)
    assert min(s.ess for s in result.stages) > PARTICLES / 2
    assert result.log_evidence == pytest.approx(0, abs=0.04)
    mean, variance = moments(result)
    expected = torch.tensor([1e4, 0.925], dtype=torch.float64)
    torch.testing.assert_close(mean, expected, atol=0, rtol=0.01)
    assert float(variance[0]) == pytest.approx(1e6, rel=0.1)
    assert float(moments(result, "y")[0][0]) == pytest.approx(5000 / 5020, abs=1e-4)
