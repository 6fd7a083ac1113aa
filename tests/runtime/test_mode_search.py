"""The search for modes, against maxima and masses in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Gamma, MultivariateNormal

from poedsl.runtime.build.mode_search import _distinct, ascended, hessian, modes

CENTRES = torch.tensor([[-8.0, 3.0], [5.0, 0.0], [6.0, 9.0]], dtype=torch.float64)
SHARES = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.5], [0.5, 0.5]], dtype=torch.float64)


def three(x: Tensor) -> Tensor:
    """Three Gaussians, with the height of a density of mass 7."""
    each = MultivariateNormal(CENTRES, COVARIANCE).log_prob(x[:, None])
    return (each + SHARES.log()).logsumexp(1) + math.log(7)


def starts(width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 5 * torch.randn(60, width, dtype=torch.float64, generator=generator)


def test_all_modes_with_their_masses() -> None:
    found = modes(three, starts(2))
    assert found is not None
    torch.testing.assert_close(found.loc, CENTRES[[1, 2, 0]], atol=1e-3, rtol=0)
    torch.testing.assert_close(found.log_mass, (7 * SHARES[[1, 2, 0]]).log(), atol=1e-3, rtol=0)
    covariance = found.factor @ found.factor.mT
    torch.testing.assert_close(covariance, COVARIANCE.expand(3, 2, 2), atol=1e-3, rtol=0)


@pytest.mark.slow
def test_a_mode_of_a_density_in_many_dimensions() -> None:
    """Independent log Gammas: the mode is log(shape / rate), the curvature the shape."""
    shape = torch.linspace(1, 30, 40, dtype=torch.float64)
    density = Gamma(shape, torch.tensor(2.0, dtype=torch.float64))
    found = modes(lambda u: (density.log_prob(u.exp()) + u).sum(-1), starts(40) / 5)
    assert found is not None and len(found.loc) == 1
    torch.testing.assert_close(found.loc[0], (shape / 2).log(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.factor[0].diagonal(), shape.rsqrt(), atol=1e-2, rtol=0)


def test_modes_that_are_near_and_narrow() -> None:
    close = torch.tensor([0.3, 0.305], dtype=torch.float64)

    def log_density(x: Tensor) -> Tensor:
        return (-0.5 * ((x - close) / 1e-4) ** 2).logsumexp(1) - 1e-3 * x[:, 0] ** 2

    found = modes(log_density, starts(1))
    assert found is not None
    torch.testing.assert_close(found.loc.flatten().sort().values, close, atol=1e-7, rtol=0)


def valley(x: Tensor) -> Tensor:
    """Rosenbrock's function, whose maximum is at (1, 1)."""
    return -100 * (x[:, 1] - x[:, 0] ** 2) ** 2 - (1 - x[:, 0]) ** 2


@pytest.mark.slow
def test_a_valley_that_bends() -> None:
    """The search follows it; a Gaussian is not near."""
    ends, _, converged = ascended(valley, starts(2) / 5)
    assert converged.double().mean() > 0.9
    ends = ends[converged]
    torch.testing.assert_close(ends, torch.ones_like(ends), atol=1e-2, rtol=0)
    assert modes(valley, starts(2) / 5) is None


@pytest.mark.slow
def test_where_there_is_no_mode() -> None:
    assert modes(lambda x: x.sum(-1), starts(2)) is None
    assert modes(lambda x: -x.abs().sum(-1), starts(2)) is None
    assert modes(lambda x: x.sum(-1) * math.nan, starts(2)) is None


def test_second_derivatives() -> None:
    x = torch.tensor([[0.3, -2.0], [1.0, 5.0]], dtype=torch.float64)
    step = torch.full_like(x, 1e-5)
    found = hessian(lambda x: (x[:, 0] ** 3 * x[:, 1]).exp().log() + x[:, 1].sin(), x, step)
    a, b = x.unbind(1)
    each = torch.stack([6 * a * b, 3 * a**2, 3 * a**2, -b.sin()], 1).view(2, 2, 2)
    torch.testing.assert_close(found, each, atol=1e-5, rtol=1e-5)


def test_starts_at_the_maximum() -> None:
    found = modes(lambda x: -0.5 * x.square().sum(-1), torch.zeros(5, 2, dtype=torch.float64))
    assert found is not None and len(found.loc) == 1
    torch.testing.assert_close(found.factor[0], torch.eye(2).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("constant", [0.0, 100.0, 1e4])
def test_single_precision_under_a_large_constant(constant: float) -> None:
    found = modes(
        lambda x: -constant - 0.5 * ((x - 3) / 0.1).square().sum(-1) - (x[:, 0] - 3).cosh(),
        starts(5).float(),
    )
    assert found is not None and len(found.loc) == 1
    torch.testing.assert_close(found.loc[0], torch.full((5,), 3.0), atol=0.02, rtol=0)
    diagonal = found.factor[0].diagonal()
    torch.testing.assert_close(diagonal, torch.full((5,), 0.1), atol=0, rtol=0.15)


def test_a_narrow_mode_far_from_zero() -> None:
    """Three log(1 + u^2) has the curvature of a Gaussian with the variance 1 / 6."""
    begin = 1000 + torch.linspace(-0.003, 0.003, 10, dtype=torch.float64)[:, None]
    found = modes(lambda x: -3 * torch.log1p(((x[:, 0] - 1000) / 1e-3) ** 2), begin)
    assert found is not None
    assert float(found.factor[0]) == pytest.approx(1e-3 / math.sqrt(6), rel=0.01)


def test_ends_are_not_alike_where_a_metric_is_not_one() -> None:
    """Rounding can leave an inverse Hessian with directions in which distances are negative."""
    ends = torch.tensor([[0.0, 0.0], [3.0, 3.0], [3.0, 3.01]], dtype=torch.float64)
    indefinite = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    inverse = torch.stack([-indefinite, torch.eye(2).double(), torch.eye(2).double()])
    assert _distinct(ends, inverse, torch.arange(3)) == [0, 1]
