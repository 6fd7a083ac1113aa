"""Kernels leave alone what they should, on an asymmetric target."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.runtime import kernels
from poedsl.runtime.run import Run
from poedsl.runtime.state import Evaluation, Point
from tests.runtime.helpers import moments

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


@pytest.mark.parametrize("kernel", kernels.ACCEPTANCE)
def test_a_run_ends_near_the_acceptance_it_adapts_to(kernel: str) -> None:
    plan = poedsl.compile("x : Real[5]\nx ~ Normal(0, [1, 1, 1, 2, 3]) * Normal(1, 2)")
    result = plan.run(particles=2000, kernel=f"{kernel}(steps = 3)")
    last = [s.acceptance for s in result.stages[-5:]]
    assert sum(a for a in last if a is not None) / 5 == pytest.approx(
        kernels.ACCEPTANCE[kernel], abs=0.03
    )
    wide = torch.tensor([1, 1, 1, 2, 3.0]).square()
    mean, variance = moments(result)
    torch.testing.assert_close(mean.float(), wide / (4 + wide), atol=0.15, rtol=0)
    torch.testing.assert_close(variance.float(), 4 * wide / (4 + wide), rtol=0.15, atol=0)


@pytest.mark.parametrize(
    "kernel",
    [
        "none",
        "langevin(steps = 3)",
        "uhmc(steps = 2, leaps = 3)",
        "mala(steps = 2)",
        "hmc(steps = 2, leaps = 4)",
        "walk(steps = 3)",
    ],
)
def test_a_plan_knows_how_often_experts_are_evaluated(kernel: str) -> None:
    """Every leap counts; kernels that shrink to nothing at the end save their last steps."""
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)")
    plan = plan.with_options(particles=10, steps=6, kernel=kernel)
    result, spec = plan.run(), plan.bound().spec
    own = spec.nfe // spec.stages - 1
    saved = own if kernel.startswith(("langevin", "uhmc")) else 0
    assert result.nfe == spec.nfe + 1 - saved
    assert result.calls["Normal"] == 10 * result.nfe


def test_rows_are_chosen_whole() -> None:
    keep = torch.tensor([True, False, True])
    a, b = torch.arange(6.0).view(3, 2), torch.full((3, 2), torch.nan)
    chosen = Point(a, Evaluation(a)).where(keep, Point(b, Evaluation(b)))
    assert chosen.at is not None
    for rows in (chosen.x, chosen.at.score):
        assert rows[0].tolist() == [0, 1] and rows[2].tolist() == [4, 5]
        assert torch.isnan(rows[1]).all()
