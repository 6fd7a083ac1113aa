"""Kernels against exact transition densities: nothing here is a matter of chance."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.kernels.hmc import leapfrog
from poedsl.runtime.kernels.kernel import Evaluate, StageTarget
from poedsl.runtime.kernels.metropolis import density_ratio
from tests.runtime.helpers import ADJUSTED, kernel_named, noise_of

Log = Callable[[Tensor], Tensor]


def skewed(x: Tensor) -> Tensor:
    """Log of a density in one component, without its normaliser: two modes and unlike tails."""
    return torch.logaddexp(-2 * (x[:, 0] + 1.5).square(), -0.5 * (x[:, 0] - 1).square() - 0.3)


def bent(x: Tensor) -> Tensor:
    """The same in two components, one bent by the other."""
    return -0.5 * x[:, 0].square() - 2 * (x[:, 1] - 0.5 * x[:, 0].square() + 0.3 * x[:, 0]).square()


def evaluation(log: Log) -> Evaluate:
    def evaluate(x: Tensor) -> Evaluation:
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            value = log(point)
            (score,) = torch.autograd.grad(value.sum(), point)
        return Evaluation(score, log_density=value.detach())

    return evaluate


def chances(
    kernel: str, log: Log, x: Tensor, noise: Tensor, size: float, batch: int, leaps: int = 3
) -> tuple[Tensor, Tensor]:
    """Where the kernel leads from each point if it accepts, and the chance that it does."""
    evaluate, step = evaluation(log), torch.full((1, 1), size, dtype=torch.float64)
    target, steps = StageTarget(evaluate, density_ratio), kernel_named(kernel, leaps)
    ends, found = [], []
    for rows, drawn in zip(x.split(batch), noise.split(batch), strict=True):
        point = Point(rows, evaluate(rows))
        never = torch.full((len(rows),), -1.0, dtype=torch.float64)
        end, chance = steps.step(point, target, drawn, never, step)
        ends.append(end.x)
        assert chance is not None
        found.append(chance)
    return torch.cat(ends), torch.cat(found)


def draws(count: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("size", [0.1, 1.5])
@pytest.mark.parametrize(("log", "width"), [(skewed, 1), (bent, 2)])
@pytest.mark.parametrize("kernel", ["mala", "random_walk", "barker"])
def test_detailed_balance(kernel: str, log: Log, width: int, size: float, batch: int) -> None:
    """pi(x) q(y | x) a(x, y) = pi(y) q(x | y) a(y, x) for every pair of points."""
    x, y = 1.5 * draws(256, width, 0), 1.5 * draws(256, width, 1)
    evaluate, root = evaluation(log), math.sqrt(size)

    def flow(here: Tensor, there: Tensor) -> Tensor:
        pull = 0.5 * size * evaluate(here).score if kernel == "mala" else 0
        noise = (there - here - pull) / root
        log_proposal = -0.5 * noise.square().sum(-1)
        if kernel == "barker":
            log_proposal += logsigmoid((there - here) * evaluate(here).score).sum(-1)
            noise = torch.cat([noise, torch.full_like(noise, -math.inf)], -1)
        end, chance = chances(kernel, log, here, noise, size, batch)
        torch.testing.assert_close(end, there, atol=1e-9, rtol=1e-9)
        return log(here) + log_proposal + chance.log()

    forth, back = flow(x, y), flow(y, x)
    seen = torch.isfinite(forth) & torch.isfinite(back)
    assert int(seen.sum()) > 200
    torch.testing.assert_close(forth[seen], back[seen], atol=1e-8, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("leaps", [1, 4])
@pytest.mark.parametrize(("log", "width"), [(skewed, 1), (bent, 2)])
def test_trajectories_are_reversible(log: Log, width: int, leaps: int, batch: int) -> None:
    """From (y, -q) a trajectory leads back to (x, -p), areas are kept, and the chances balance."""
    x, momentum, size = draws(256, width, 2), draws(256, width, 3), 0.03
    evaluate, step = evaluation(log), torch.full((1, 1), size, dtype=torch.float64)

    def leap(here: Tensor, push: Tensor) -> tuple[Tensor, Tensor]:
        y, _, q = leapfrog(here, evaluate(here), evaluate, push, step, leaps)
        return y, q

    y, q = leap(x, momentum)
    again, p = leap(y, -q)
    torch.testing.assert_close(again, x, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(p, -momentum, atol=1e-9, rtol=1e-9)
    end, forth = chances("hmc", log, x, momentum, size, batch, leaps)
    torch.testing.assert_close(end, y, atol=1e-9, rtol=1e-9)
    _, back = chances("hmc", log, y, -q, size, batch, leaps)
    here = log(x) - 0.5 * momentum.square().sum(-1)
    there = log(y) - 0.5 * q.square().sum(-1)
    torch.testing.assert_close(here + forth.log(), there + back.log(), atol=1e-8, rtol=1e-8)
    h, columns = 1e-5, []
    for k in range(2 * width):
        nudge = torch.zeros(2 * width, dtype=torch.float64)
        nudge[k] = h
        ends = [leap(x + s * nudge[:width], momentum + s * nudge[width:]) for s in (1, -1)]
        columns.append((torch.cat(ends[0], -1) - torch.cat(ends[1], -1)) / (2 * h))
    areas = torch.linalg.det(torch.stack(columns, -1)).abs()
    torch.testing.assert_close(areas, torch.ones_like(areas), atol=1e-5, rtol=1e-5)


def test_signs_of_barker_follow_the_gradient() -> None:
    """A step is kept with probability sigmoid(w g): by a grid of quantiles of what decides it."""
    x, step = draws(1, 2, 4), draws(1, 2, 5)
    quantiles = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    decides = torch.special.ndtri(quantiles)[:, None].expand(-1, 2)
    noise = torch.cat([step.expand(4000, -1), decides], -1)
    evaluate, size = evaluation(bent), torch.full((1, 1), 0.5, dtype=torch.float64)
    point = Point(x.expand(4000, -1), evaluate(x.expand(4000, -1)))
    always = torch.full((4000,), -1.0, dtype=torch.float64)
    target = StageTarget(evaluate, lambda here, there: torch.full_like(here.x[:, 0], math.inf))
    end, _ = kernel_named("barker").step(point, target, noise, always, size)
    taken = math.sqrt(0.5) * step
    torch.testing.assert_close((end.x - x).abs(), taken.abs().expand(4000, -1))
    kept = ((end.x - x) * taken > 0).double().mean(0)
    torch.testing.assert_close(kept, (taken * evaluate(x).score).sigmoid()[0], atol=1e-3, rtol=0)


def test_barker_is_robust_to_a_step_size_that_is_too_large() -> None:
    """At a hundred times the target's scale it accepts as the random walk does, and MALA never."""

    def narrow(x: Tensor) -> Tensor:
        return -0.5 * (100 * x[:, 0]).square()

    x = 0.01 * draws(20_000, 1, 8)
    mean = {}
    for kernel in ("mala", "random_walk", "barker"):
        noise = noise_of(kernel, x, torch.Generator().manual_seed(9))
        mean[kernel] = float(chances(kernel, narrow, x, noise, 1.0, 20_000)[1].mean())
    assert mean["mala"] < 1e-9
    assert mean["barker"] > 0.9 * mean["random_walk"] > 0.005


def test_one_leap_is_a_langevin_step() -> None:
    x, noise = draws(256, 2, 4), draws(256, 2, 5)
    mala, hmc = (chances(kernel, bent, x, noise, 0.4, 256, 1) for kernel in ("mala", "hmc"))
    torch.testing.assert_close(mala, hmc, atol=1e-9, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("kernel", ADJUSTED)
def test_a_proposal_is_taken_below_its_chance_and_not_above(kernel: str, batch: int) -> None:
    x = 2 * draws(256, 2, 6)
    noise = noise_of(kernel, x, torch.Generator().manual_seed(7))
    there, chance = chances(kernel, bent, x, noise, 0.5, 256)
    evaluate, step = evaluation(bent), torch.full((1, 1), 0.5, dtype=torch.float64)
    target, steps = StageTarget(evaluate, density_ratio), kernel_named(kernel)
    uncertain = (chance > 1e-6) & (chance < 1 - 1e-6)
    assert int(uncertain.sum()) > 20
    for factor, ends in ((0.999, there), (1.001, x)):
        rows = [t[uncertain].split(batch) for t in (x, noise, factor * chance, ends)]
        for here, drawn, uniform, end in zip(*rows, strict=True):
            point = Point(here, evaluate(here))
            found, _ = steps.step(point, target, drawn, uniform, step)
            torch.testing.assert_close(found.x, end, atol=1e-12, rtol=0)
            fresh = evaluate(end)
            torch.testing.assert_close(found.at.score, fresh.score, atol=1e-9, rtol=1e-9)


def wavy(x: Tensor) -> Tensor:
    """A smooth asymmetric density with the tails of a Gaussian."""
    return -0.5 * x[:, 0].square() + 0.8 * torch.sin(x[:, 0]) + 0.2 * torch.cos(2 * x[:, 0])


NODES = torch.linspace(-7, 7, 281, dtype=torch.float64)[:, None]


def limit(kernel: str, size: float) -> Tensor:
    """Mean and second moment that a kernel converges to: functions on a grid, taken through it.

    The mean over its noise is by Gauss and Hermite, between nodes functions are cubic splines.
    """
    from scipy.interpolate import CubicSpline

    z, chance = np.polynomial.hermite_e.hermegauss(40)
    x = NODES.repeat_interleave(40, 0)
    noise = torch.from_numpy(z).repeat(len(NODES))[:, None]
    evaluate, step = evaluation(wavy), torch.full((1, 1), size, dtype=torch.float64)
    target = StageTarget(evaluate, density_ratio)
    end, _ = kernel_named(kernel).step(Point(x), target, noise, None, step)
    ends = end.x[:, 0]
    grid = NODES[:, 0].numpy()
    basis = CubicSpline(grid, np.eye(len(grid)))(ends.clamp(-7, 7).numpy())
    through = (basis.reshape(len(grid), 40, -1) * (chance / chance.sum())[:, None]).sum(1)
    after = np.linalg.matrix_power(through, 2**13)
    return torch.from_numpy(after[len(grid) // 2] @ np.stack([grid, grid**2], -1))


@pytest.mark.parametrize("kernel", ["langevin", "unadjusted_hmc"])
def test_halving_the_step_halves_the_bias(kernel: str) -> None:
    density = wavy(NODES).exp()
    moments = torch.cat([NODES, NODES.square()], -1)
    exact = (density[:, None] * moments).sum(0) / density.sum()
    coarse, fine = (limit(kernel, size) - exact for size in (0.02, 0.01))
    assert float(coarse.abs().min()) > 2e-4
    torch.testing.assert_close(coarse / fine, torch.full((2,), 2.0).double(), atol=0.1, rtol=0)
