"""Kernels leave invariant what they should, on an asymmetric target."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.compiler.plan.option_values import kernel_traits
from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.kernels.kernel import LogRatio, StageTarget
from poedsl.runtime.kernels.line_integral import line_integral, lobatto
from poedsl.runtime.kernels.metropolis import density_ratio
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.run import Run
from tests.diagnostics import warning_data
from tests.runtime.helpers import ADJUSTED, as_if_scores_alone, kernel_named, moments, noise_of

PROGRAM = "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(1, 1))"


def exact(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(count, 1, generator=generator) < 0.3
    z = torch.randn(count, 1, generator=generator)
    return torch.where(first, -2 + 0.5 * z, 1 + z)


@pytest.mark.parametrize(
    "kernel, count",
    [("mala", 1), ("mala", 256), *((kernel, 40_000) for kernel in ADJUSTED)],
)
def test_metropolis_is_invariant(kernel: str, count: int) -> None:
    job = Run(poedsl.compile(PROGRAM).bound().spec)
    stage = job.model.stages[-1]
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
        noise = noise_of(kernel, start, generator)
        uniform = torch.rand(len(start), generator=generator)
        target = StageTarget(evaluate, density_ratio)
        point, _ = kernel_named(kernel).step(point, target, noise, uniform, size)
    moved = space.loc + space.scale * point.x
    error = 4 / len(rows) ** 0.5
    assert (
        abs(float((moved < -1).float().mean()) - float((exact(10**6) < -1).float().mean())) < error
    )
    assert abs(float(moved.mean()) - 0.1) < 1.7 * error
    assert abs(float(moved.square().mean()) - (0.3 * 4.25 + 0.7 * 2)) < 3 * error


def test_mala_evaluates_what_it_keeps() -> None:
    job = Run(poedsl.compile(PROGRAM).bound().spec)
    for _ in job.stages():
        pass
    kept = job.population.particles
    fresh = job.target.evaluate(kept.x, job.model.stages[-1])
    assert kept.at is not None
    torch.testing.assert_close(kept.at.score, fresh.score)
    torch.testing.assert_close(kept.at.log_density, fresh.log_density)


@pytest.mark.parametrize("kernel", ["langevin", "unadjusted_hmc"])
def test_the_bias_without_rejection_is_of_first_order(kernel: str) -> None:
    """On N(0, 1), steps and leaps of variance h have the stationary variance 1 / (1 - h / 4)."""

    def evaluate(x: torch.Tensor) -> Evaluation:
        return Evaluation(-x)

    generator = torch.Generator().manual_seed(0)
    for h in (0.4, 0.2):
        point = Point(torch.randn(200_000, 1, generator=generator))
        for _ in range(40):
            noise = torch.randn(point.x.shape, generator=generator)
            size = torch.tensor([[h]])
            target = StageTarget(evaluate, density_ratio)
            point, _ = kernel_named(kernel).step(point, target, noise, None, size)
        assert float(point.x.var()) == pytest.approx(1 / (1 - h / 4), rel=0.015)


def test_steps_adapt_towards_the_target() -> None:
    acceptance = torch.tensor([[0.0], [1.0]])
    after = StepSize(torch.ones(2, 1)).adapted(acceptance, 0.574)
    small, large = after.variance[:, 0].tolist()
    assert small < 1 < large


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ADJUSTED)
def test_a_run_ends_near_the_acceptance_it_adapts_to(kernel: str) -> None:
    plan = poedsl.compile("x : Real[5]\nx ~ Normal(0, [1, 1, 1, 2, 3]) * Normal(1, 2)")
    result = plan.run(particles=2000, kernel=f"{kernel}(steps = 3)")
    last = [s.acceptance for s in result.stages[-5:]]
    assert sum(a for a in last if a is not None) / 5 == pytest.approx(
        kernel_traits(kernel).acceptance_target, abs=0.03
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
        "unadjusted_hmc(steps = 2, leaps = 3)",
        "mala(steps = 2)",
        "hmc(steps = 2, leaps = 4)",
        "random_walk(steps = 3)",
        "barker(steps = 2)",
        "mala(steps = 2, line = 3)",
        "hmc(steps = 2, leaps = 4, line = 1)",
    ],
)
def test_a_plan_knows_how_often_experts_are_evaluated(kernel: str) -> None:
    """Every leap counts; kernels that shrink to nothing at the end save their last steps."""
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)")
    plan = plan.with_options(particles=10, steps=6, kernel=kernel)
    result, spec = plan.run(), plan.bound().spec
    own = spec.nfe // spec.stages - 1
    saved = own if kernel.startswith(("langevin", "unadjusted_hmc")) else 0
    assert result.nfe == spec.nfe + 1 - saved
    assert result.calls["Normal"] == 10 * result.nfe


@pytest.mark.parametrize("inner", range(6))
def test_line_rules_are_exact_to_their_degree(inner: int) -> None:
    nodes, weights = lobatto(inner)
    for degree in range(2 * inner + 3):
        ends = weights[0] * (float(degree == 0) + 1)
        found = ends + sum(w * u**degree for u, w in zip(nodes, weights[1:], strict=True))
        if degree <= 2 * inner + 1:
            assert found == pytest.approx(1 / (degree + 1), abs=1e-12)
    assert found != pytest.approx(1 / (2 * inner + 3), abs=1e-7)


@pytest.mark.parametrize("program", [PROGRAM, "x : Real[3]\nx ~ Normal(0, 1) * Normal(1, 0.5)"])
@pytest.mark.parametrize("kernel", ADJUSTED)
def test_line_integrals_accept_as_densities_do(kernel: str, program: str) -> None:
    """The error falls with the nodes; on Gaussians, whose scores are linear, none are needed."""
    job = Run(poedsl.compile(program).bound().spec)
    stage, width = job.model.stages[-10], job.target.space.size
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(2000, width, generator=generator)
    noise = noise_of(kernel, start, generator)
    uniform = torch.rand(2000, generator=generator)
    other, size = noise[:, :width], torch.tensor([[0.3]])

    def evaluate(x: torch.Tensor) -> Evaluation:
        return job.target.evaluate(x, stage)

    def acceptance(log_ratio: LogRatio) -> torch.Tensor:
        target, point = StageTarget(evaluate, log_ratio), Point(start, evaluate(start))
        _, chance = kernel_named(kernel).step(point, target, noise, uniform, size)
        assert chance is not None
        return chance

    def scores(x: torch.Tensor) -> torch.Tensor:
        return job.target.scores(x, stage)

    exact = acceptance(density_ratio)
    errors = []
    for inner in (0, 4, 12):
        rule = line_integral(scores, inner)
        forth = rule(Point(start, evaluate(start)), Point(other, evaluate(other)))
        back = rule(Point(other, evaluate(other)), Point(start, evaluate(start)))
        torch.testing.assert_close(forth, -back, atol=1e-4, rtol=1e-4)
        errors.append(float((acceptance(rule) - exact).abs().mean()))
    if program != PROGRAM:
        assert max(errors) < 1e-5
    else:
        assert errors[0] > 5 * errors[1] and errors[2] < 1e-3


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ADJUSTED)
def test_metropolis_from_scores_keeps_the_moments(kernel: str) -> None:
    """Two modes, between which steps of the kernel cross a trough."""
    plan = poedsl.compile(PROGRAM + " * Normal(0, 2)").with_options(
        particles=6000, steps=50, move="sde()", correct="fkc()", kernel=f"{kernel}(line = 8)"
    )
    job = Run(plan.bound().spec)
    as_if_scores_alone(job)
    records = list(job.stages())
    assert all(r.acceptance is not None for r in records[1:-1])
    result = job.result()
    assert "line" in [data.get("argument") for data in warning_data(result, "P1120")]
    z = [
        w * math.exp(-0.5 * m**2 / (4 + v)) / math.sqrt(2 * math.pi * (4 + v))
        for w, m, v in ((0.3, -2, 0.25), (0.7, 1, 1))
    ]
    share = z[0] / sum(z)
    mean = -share * 8 / 4.25 + (1 - share) * 0.8
    second = share * (1 / 4.25 + (8 / 4.25) ** 2) + (1 - share) * (0.8 + 0.64)
    found, variance = moments(result)
    assert float(found) == pytest.approx(mean, abs=0.08)
    assert float(variance) == pytest.approx(second - mean**2, rel=0.06)
    assert result.log_evidence == pytest.approx(math.log(sum(z)), abs=0.01)


@pytest.mark.slow
def test_a_learned_flow_is_accepted_by_its_scores() -> None:
    plan = poedsl.compile("x ~ digits(3) * exp(-sum((x - 0.5)^2))").with_options(
        particles=3, steps=5, kernel="mala(steps = 2, step_size = 0.1, line = 1)"
    )
    result = plan.run()
    rates = [s.acceptance for s in result.stages[1:-1]]
    assert all(r is not None and 0 < r <= 1 for r in rates)
    assert plan.spec.notes
    assert result.nfe == 1 + 4 * (1 + 2 * 2)
    assert result.calls["digits"] == 3 * result.nfe


def test_rows_are_chosen_whole() -> None:
    keep = torch.tensor([True, False, True])
    a, b = torch.arange(6.0).view(3, 2), torch.full((3, 2), torch.nan)
    chosen = Point(a, Evaluation(a)).where(keep, Point(b, Evaluation(b)))
    assert chosen.at is not None
    for rows in (chosen.x, chosen.at.score):
        assert rows[0].tolist() == [0, 1] and rows[2].tolist() == [4, 5]
        assert torch.isnan(rows[1]).all()
