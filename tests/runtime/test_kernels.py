"""Kernels leave alone what they should, on an asymmetric target."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.runtime import kernels
from poedsl.runtime.run import Run
from poedsl.runtime.state import Evaluation, Point

PROGRAM = "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(1, 1))"


def exact(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(count, 1, generator=generator) < 0.3
    z = torch.randn(count, 1, generator=generator)
    return torch.where(first, -2 + 0.5 * z, 1 + z)


@pytest.mark.parametrize(
    "kernel, count",
    [("mala", 1), ("mala", 256), ("mala", 40_000), ("hmc", 40_000), ("walk", 40_000)],
)
def test_metropolis_is_invariant(kernel: str, count: int) -> None:
    job = Run(poedsl.compile(PROGRAM).bound().spec, 0, "cpu", None)
    stage = job.path.stages[-1]
    space = job.target.space

    def evaluate(x: torch.Tensor) -> Evaluation:
        return job.target.evaluate(x, stage)

    repeats = 40_000 // count if count < 256 else 1
    rows = exact(count * min(repeats, 400))
    start = (rows - space.loc) / space.scale
    point = Point(start, evaluate(start))
    size = torch.tensor([[0.8]])
    generator = torch.Generator().manual_seed(1)
    for _ in range(30):
        noise = torch.randn(start.shape, generator=generator)
        uniform = torch.rand(len(start), generator=generator)
        more = {"leaps": 3} if kernel == "hmc" else {}
        step = getattr(kernels, kernel)
        point, _ = step(point, evaluate, noise, uniform, size, **more)
    moved = space.loc + space.scale * point.x
    error = 4 / len(rows) ** 0.5
    assert (
        abs(float((moved < -1).float().mean()) - float((exact(10**6) < -1).float().mean())) < error
    )
    assert abs(float(moved.mean()) - 0.1) < 1.7 * error
    assert abs(float(moved.square().mean()) - (0.3 * 4.25 + 0.7 * 2)) < 3 * error


def test_mala_evaluates_what_it_keeps() -> None:
    job = Run(poedsl.compile(PROGRAM).bound().spec, 0, "cpu", None)
    for _ in job.stages():
        pass
    kept = job.annealer.particles
    fresh = job.target.evaluate(kept.x, job.path.stages[-1])
    assert kept.at is not None
    torch.testing.assert_close(kept.at.score, fresh.score)
    torch.testing.assert_close(kept.at.log_density, fresh.log_density)


@pytest.mark.parametrize("kernel", ["langevin", "uhmc"])
def test_the_bias_without_rejection_is_of_first_order(kernel: str) -> None:
    """On N(0, 1), steps and leaps of variance h settle at variance 1 / (1 - h / 4)."""

    def evaluate(x: torch.Tensor) -> Evaluation:
        return Evaluation(-x)

    generator = torch.Generator().manual_seed(0)
    for h in (0.4, 0.2):
        point = Point(torch.randn(200_000, 1, generator=generator))
        for _ in range(40):
            noise = torch.randn(point.x.shape, generator=generator)
            size = torch.tensor([[h]])
            if kernel == "langevin":
                point = kernels.langevin(point, evaluate, noise, size)
            else:
                point = kernels.uhmc(point, evaluate, noise, size, 3)
        assert float(point.x.var()) == pytest.approx(1 / (1 - h / 4), rel=0.015)


def test_steps_adapt_towards_the_target() -> None:
    size = torch.ones(2, 1)
    acceptance = torch.tensor([[0.0], [1.0]])
    small, large = kernels.adapted(size, acceptance, 0.574)[:, 0].tolist()
    assert small < 1 < large
