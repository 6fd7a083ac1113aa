"""Closed-form noised marginals against what defines them, and densities of Pyro by number."""

from __future__ import annotations

import math

import pytest
import torch

from poedsl.catalog.densities import DENSITIES
from poedsl.catalog.truncated_densities import PREFIX, TRUNCATED_DENSITIES
from poedsl.compiler.analysis.tails import LOG_DENSITIES
from poedsl.experts.densities.gaussian_mixtures import Gaussians, gaussian
from poedsl.experts.densities.pyro_densities import distribution, pyro_density

ALPHA, SIGMA = 0.6, 0.8


@pytest.fixture
def mixture() -> Gaussians:
    parts = [
        Gaussians.diagonal(torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 1.5])),
        Gaussians.full(torch.tensor([1.0, 0.0]), torch.tensor([[2.0, 0.7], [0.7, 1.0]])),
    ]
    return Gaussians.mixture([0.3, 0.7], parts)


def direct(x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """The mixture of the fixture, noised, by torch's own densities."""
    eye = sigma**2 * torch.eye(2)
    covariances = [torch.diag(torch.tensor([0.25, 2.25])), torch.tensor([[2.0, 0.7], [0.7, 1.0]])]
    means = [torch.tensor([-1.0, 2.0]), torch.tensor([1.0, 0.0])]
    logs = [
        math.log(w)
        + torch.distributions.MultivariateNormal(alpha * m, alpha**2 * c + eye).log_prob(x)
        for w, m, c in zip((0.3, 0.7), means, covariances, strict=True)
    ]
    return torch.logsumexp(torch.stack(logs), 0)


@pytest.mark.parametrize(("alpha", "sigma"), [(ALPHA, SIGMA), (1.0, 0.0), (0.01, 0.99995)])
def test_the_noised_density_is_the_convolution(
    mixture: Gaussians, alpha: float, sigma: float
) -> None:
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 2
    log_density = mixture.noised(x, alpha, sigma).log_density
    torch.testing.assert_close(log_density, direct(x, alpha, sigma), atol=1e-4, rtol=1e-5)


def test_the_score_is_the_gradient(mixture: Gaussians) -> None:
    x = torch.randn(50, 2, requires_grad=True)
    noised = mixture.noised(x, ALPHA, SIGMA)
    assert noised.log_density is not None
    (gradient,) = torch.autograd.grad(noised.log_density.sum(), x)
    torch.testing.assert_close(noised.score, gradient, atol=1e-5, rtol=1e-4)


def test_other_coordinates_hold_the_same_distribution(mixture: Gaussians) -> None:
    loc, scale = torch.tensor([3.0, -1.0]), torch.tensor([2.0, 0.5])
    z = torch.randn(20, 2)
    inside = mixture.within(loc, scale).log_prob(z)
    outside = mixture.log_prob(loc + scale * z) + scale.log().sum()
    torch.testing.assert_close(inside, outside, atol=1e-4, rtol=1e-4)


def test_moments_are_those_of_draws(mixture: Gaussians) -> None:
    mean, variance = mixture.moments()
    torch.testing.assert_close(mean, torch.tensor([0.4, 0.6]))
    torch.testing.assert_close(
        variance, torch.tensor([0.3 * 0.25 + 0.7 * 2 + 0.84, 0.675 + 0.7 + 0.84])
    )


@pytest.mark.parametrize("name", ["covariance_matrix", "precision_matrix", "scale_tril"])
def test_the_three_parametrisations_agree(name: str) -> None:
    covariance = torch.tensor([[2.0, 0.7], [0.7, 1.0]])
    value = {
        "covariance_matrix": covariance,
        "precision_matrix": torch.linalg.inv(covariance),
        "scale_tril": torch.linalg.cholesky(covariance),
    }[name]
    loc = torch.tensor([1.0, 0.0])
    density = gaussian("MultivariateNormal", {"loc": loc, name: value}, (2,))
    x = torch.randn(10, 2)
    expected = torch.distributions.MultivariateNormal(loc, covariance).log_prob(x)
    torch.testing.assert_close(density.log_prob(x), expected, atol=1e-4, rtol=1e-4)


def test_a_multivariate_event_is_the_last_size() -> None:
    covariance = torch.tensor([[2.0, 0.7], [0.7, 1.0]])
    loc = torch.zeros(2)
    density = gaussian("MultivariateNormal", {"loc": loc, "covariance_matrix": covariance}, (3, 2))
    x = torch.randn(5, 3, 2)
    expected = torch.distributions.MultivariateNormal(loc, covariance).log_prob(x).sum(-1)
    torch.testing.assert_close(density.log_prob(x.flatten(1)), expected, atol=1e-4, rtol=1e-4)


#: Arguments of every density of one number that Pyro computes.
ARGUMENTS: dict[str, tuple[float, ...]] = {
    "StudentT": (3, 1, 2),
    "Laplace": (1, 2),
    "Logistic": (1, 2),
    "Cauchy": (1, 2),
    "Gumbel": (1, 2),
    "LogNormal": (0.5, 0.8),
    "Exponential": (2,),
    "Gamma": (3, 2),
    "InverseGamma": (3, 2),
    "Chi2": (5,),
    "HalfNormal": (2,),
    "HalfCauchy": (2,),
    "Weibull": (2, 3),
    "Pareto": (1.5, 3),
    "Beta": (2, 3),
    "Uniform": (-1, 2),
    "VonMises": (0.5, 2),
    "HalfStudentT": (3, 2),
    "SkewNormal": (1, 2, -3),
    "TruncatedNormal": (0, 1, 0.5, 2),
    "TruncatedLaplace": (0, 1, -1, 2),
    "TruncatedLogistic": (0, 1, -3, 2),
    "TruncatedCauchy": (0, 1, -2, 2),
    "TruncatedGumbel": (0, 1, -1, 2),
    "TruncatedLogNormal": (0, 1, 0.5, 2),
    "TruncatedExponential": (1.5, 0.5, 2),
    "TruncatedWeibull": (1.5, 2, 0.5, 2),
    "TruncatedHalfNormal": (1.5, 0.5, 2),
    "TruncatedHalfCauchy": (1.5, 0.5, 2),
    "TruncatedGamma": (3, 2, 0.5, 2),
    "TruncatedInverseGamma": (3, 2, 0.5, 2),
    "TruncatedChi2": (5, 0.5, 8),
    "TruncatedBeta": (2, 3, 0.1, 0.7),
    "TruncatedStudentT": (3, 1, 2, -3, 2),
}
OF_ONE_NUMBER = {
    s.name: s
    for s in (*DENSITIES, *TRUNCATED_DENSITIES)
    if "noised" not in s.capabilities and not s.event_rank and s.name != "Flat"
}


def by_name(name: str) -> dict[str, float]:
    parameters = (p.name for p in OF_ONE_NUMBER[name].parameters)
    return dict(zip(parameters, ARGUMENTS[name], strict=True))


def inside(name: str, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of the support from (0, 1), and the logs of their derivatives."""
    support = OF_ONE_NUMBER[name].support
    low, high = (
        by_name(name)[end] if isinstance(end, str) else end for end in (support.low, support.high)
    )
    if low is None:
        return (math.pi * (u - 0.5)).tan(), math.log(math.pi) - 2 * (math.pi * u).sin().log()
    if high is None:
        return low + u / (1 - u), -2 * (1 - u).log()
    return low + (high - low) * u, torch.full_like(u, math.log(high - low))


def log_density(name: str, x: torch.Tensor) -> torch.Tensor:
    arguments = {k: torch.tensor(float(v)).double() for k, v in by_name(name).items()}
    return pyro_density(name, arguments, (1,))(x[:, None])


def test_every_density_of_one_number_is_tested() -> None:
    assert OF_ONE_NUMBER.keys() == ARGUMENTS.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_densities_integrate_to_one(name: str) -> None:
    count = 100_000
    x, log_slope = inside(name, (torch.arange(count, dtype=torch.float64) + 0.5) / count)
    total = (log_density(name, x) + log_slope).logsumexp(0) - math.log(count)
    assert float(total) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_compiler_knows_densities_up_to_a_constant(name: str) -> None:
    x, _ = inside(name, torch.linspace(0.1, 0.9, 9, dtype=torch.float64))
    bounds = 2 if name.startswith(PREFIX) else 0
    arguments = ARGUMENTS[name][: len(ARGUMENTS[name]) - bounds]
    log_base = LOG_DENSITIES[name.removeprefix(PREFIX)]
    own = [log_base(point, *arguments) for point in x.tolist()]
    differences = log_density(name, x) - torch.tensor(own, dtype=torch.float64)
    torch.testing.assert_close(differences, differences[:1].expand(9), rtol=0, atol=1e-5)


@pytest.mark.parametrize("place", [-700.0, -400.0, -1.0, 0.5, 400.0, 700.0])
def test_powers_of_extreme_values_do_not_overflow(place: float) -> None:
    x = torch.tensor([math.exp(place)], dtype=torch.float64)
    arguments = {"concentration": torch.tensor(0.5), "rate": torch.tensor(2.0)}
    expected = 0.5 * math.log(2) - math.lgamma(0.5) - 1.5 * place - 2 * math.exp(-place)
    assert float(pyro_density("InverseGamma", arguments, ())(x)) == pytest.approx(expected)
    arguments = {
        "scale": torch.tensor(1e-306, dtype=torch.float64),
        "alpha": torch.tensor(0.5),
    }
    expected = math.log(0.5) + 0.5 * math.log(1e-306) - 1.5 * place
    assert float(pyro_density("Pareto", arguments, ())(x)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("LogNormal", {"loc": [0.0, 0.0], "scale": [1.0, 0.0]}),
        ("StudentT", {"df": [2.0, 0.0], "loc": [0.0, 0.0], "scale": [1.0, 1.0]}),
        ("Beta", {"concentration1": [2.0, 0.0], "concentration0": [1.0, 1.0]}),
        ("Weibull", {"scale": [1.0, 0.0], "concentration": [1.0, 1.0]}),
    ],
)
def test_parameters_at_the_end_of_their_range_stop_no_run(
    name: str, arguments: dict[str, list[float]]
) -> None:
    """As a scale that a particle has let underflow: the other particles keep their values."""
    wide = {k: torch.tensor(v, dtype=torch.float64) for k, v in arguments.items()}
    x = torch.full((2,), 0.5, dtype=torch.float64)
    logs = distribution(name, wide).log_prob(x)
    first = {k: v[:1] for k, v in wide.items()}
    assert float(logs[0]) == pytest.approx(float(distribution(name, first).log_prob(x[:1])))
    assert not logs[1] > 0
