"""Coordinates in which a population has unit covariance."""

from __future__ import annotations

import pytest
import torch

from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.kernels.metropolis import density_ratio
from poedsl.runtime.kernels.preconditioner import Preconditioner

COVARIANCE = torch.tensor([[4.0, 1.9, 0.0], [1.9, 1.0, 0.03], [0.0, 0.03, 0.01]]).double()
MEAN = torch.tensor([1.0, -2.0, 30.0]).double()
PRECISION = torch.linalg.inv(COVARIANCE)


def population(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    normals = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    return MEAN + normals @ torch.linalg.cholesky(COVARIANCE).T


def gaussian(x: torch.Tensor) -> Evaluation:
    score = -(x - MEAN) @ PRECISION
    return Evaluation(score, log_density=0.5 * (score * (x - MEAN)).sum(-1))


@pytest.mark.parametrize(("islands", "size"), [(1, 4000), (3, 1001), (2, 9), (4, 2), (2, 1)])
def test_there_and_back(islands: int, size: int) -> None:
    x = population(islands * size)
    change = Preconditioner.of(x, torch.zeros(islands, size).double())
    torch.testing.assert_close(change.coloured(change.white(x)), x, atol=1e-9, rtol=1e-9)
    point = Point(x, gaussian(x))
    back = change.out_of(change.into(point))
    assert back.at is not None and point.at is not None
    torch.testing.assert_close(back.at.score, point.at.score, atol=1e-6, rtol=1e-6)


def test_the_population_is_white() -> None:
    x = population(20_000)
    z = Preconditioner.of(x, torch.zeros(1, 20_000).double()).white(x)
    torch.testing.assert_close(z.T.cov(), torch.eye(3).double(), atol=0.05, rtol=0)
    torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), atol=0.05, rtol=0)


def test_weights_count() -> None:
    """Of two halves at different places, the one with weight decides."""
    x = population(8000)
    far = torch.arange(8000) % 2 == 1
    x[far] += 100
    weights = torch.where(far, -torch.inf, 0.0).double()[None]
    z = Preconditioner.of(x, weights).white(x[~far].repeat_interleave(2, 0))
    torch.testing.assert_close(z.T.cov(), torch.eye(3).double(), atol=0.1, rtol=0)


def test_scores_are_gradients_in_the_new_coordinates() -> None:
    x = population(64)
    change = Preconditioner.of(x, torch.zeros(2, 32).double())
    target = change.target(StageTarget(gaussian, density_ratio))
    z = change.white(x).requires_grad_()
    at = gaussian(change.coloured(z))
    assert at.log_density is not None
    (slope,) = torch.autograd.grad(at.log_density.sum(), z)
    torch.testing.assert_close(target.evaluate(z.detach()).drift, slope)


def test_no_particle_has_a_say_in_its_own_kernel() -> None:
    """What becomes of a particle depends on the other half of its island alone."""
    x, weights = population(40), torch.zeros(2, 20).double()
    moved = x.clone()
    moved[3] += 50
    first, second = (Preconditioner.of(each, weights).white(x) for each in (x, moved))
    unchanged = torch.ones(40, dtype=torch.bool)
    unchanged[10:20] = False
    assert torch.equal(first[unchanged], second[unchanged])
    assert not torch.equal(first[10:20], second[10:20])


def test_of_few_particles_only_variances_count() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 100, dtype=torch.float64, generator=generator) * 3 + 1
    change = Preconditioner.of(x, torch.zeros(1, 40).double())
    assert all(factor.dim() == 1 for factor in change.factors)
