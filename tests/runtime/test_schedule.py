"""Where the stages of a path of Gaussians stand."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.path.noising_path import FlowPath
from poedsl.runtime.run import Run
from poedsl.runtime.targets.target import Target

SHARP = """
let c = linspace(-3.5, 3.5, 8)
x : Real[2]
x ~ mixture(Normal([m, 0], [0.1, 2.2]) for m in c) * mixture(Normal([0, m], [2.2, 0.1]) for m in c)
"""


def prepared(program: str, steps: int = 40) -> tuple[Target, FlowPath]:
    plan = poedsl.compile(program).with_options(steps=steps)
    model = prepare(plan.bound().spec, RunSettings())
    return model.target, model.path


def path_of(program: str, steps: int = 40) -> FlowPath:
    return prepared(program, steps)[1]


def angles(path: FlowPath) -> torch.Tensor:
    return torch.tensor([math.atan2(s.alpha, s.sigma) for s in path.stages], dtype=torch.float64)


def plain_speed(experts: list[tuple[float, float, float]], angle: float) -> float:
    """Of Gaussians (w, mean, variance) of one component, by differences: how fast precision and
    mean change, and how fast beyond what noising at the rate W does.
    """
    total = sum(w for w, _, _ in experts)

    def precision(t: float) -> float:
        return sum(w / (math.sin(t) ** 2 * v + math.cos(t) ** 2) for w, _, v in experts)

    def mean(t: float) -> float:
        pulls = (
            w * math.sin(t) * m / (math.sin(t) ** 2 * v + math.cos(t) ** 2) for w, m, v in experts
        )
        return sum(pulls) / precision(t)

    h = 1e-5
    before, after = angle - h, angle + h
    p = precision(angle)
    growth = math.log(precision(after) / precision(before)) / (2 * h)
    # Noised for a while, a Gaussian shrinks by decay and gains noise; both known in closed form.
    decay = (math.sin(before) / math.sin(after)) ** total
    shrunk = decay**2 / precision(after) + (1 - decay**2) / total
    missed = math.log(shrunk * precision(before)) / (2 * h)
    away = (decay * mean(after) - mean(before)) / (2 * h)
    return math.sqrt(1 + 0.5 * growth**2 + 0.5 * missed**2 + away**2 * p)


@pytest.mark.parametrize(
    "program",
    [
        "x ~ Normal(0, 1) * Normal(3, 0.1)",
        "x ~ Normal(0, 1)^0.3 * Normal(1, 0.2)^1.2",
        "x ~ Normal(0, 0.5) * Normal(1, 1) / Normal(0.5, 2)",
        "x : Real[2]\nx[0] ~ Normal(0, 1)\nx[0] ~ Normal(2, 0.3)\nx[1] ~ Normal(0, 1)\n"
        "x[1] ~ Normal(0, 1)",
        "x ~ MultivariateNormal([0], [[1]]) * MultivariateNormal([1], [[0.04]])",
    ],
)
def test_moves_are_equally_long(program: str) -> None:
    """By differences of precision and mean, in the coordinates of the path."""
    text = program if "Real" in program or "Multi" not in program else f"x : Real[1]\n{program}"
    target, path = prepared(text, 60)
    first = [a for a in target.experts if a.part in (slice(0, 1), slice(0, target.space.size))]
    experts = []
    for factor in first or target.experts:
        mean, variance = factor.expert.moments()
        experts.append((float(factor.exponent), float(mean[0]), float(variance[0])))
    at = angles(path)
    middles, gaps = (0.5 * (at[1:] + at[:-1])).tolist(), at.diff().tolist()
    lengths = [plain_speed(experts, t) * g for t, g in zip(middles, gaps, strict=True)][1:-1]
    assert max(lengths) / min(lengths) < 1.1


@pytest.mark.parametrize("program", ["x ~ Normal(3, 2)", "x ~ Normal(3, 2)^0.4 * Normal(3, 2)^0.6"])
def test_experts_as_wide_as_the_noise_are_evenly_spaced(program: str) -> None:
    path = path_of(program)
    gaps = angles(path).diff()
    torch.testing.assert_close(gaps, gaps.mean().expand_as(gaps), rtol=1e-3, atol=0)
    assert [s.narrowing for s in path.stages] == pytest.approx([1.0] * 41, abs=1e-3)


def test_narrow_parts_take_most_of_the_stages_where_they_come_apart() -> None:
    path = path_of(SHARP)
    gaps = angles(path).diff()
    assert float(gaps[-10:].max()) < 0.5 * float(gaps[:10].min())
    end = math.prod(s.narrowing for s in path.stages)
    widest = [s.narrowing for s in path.stages]
    assert 0.5 * 0.1**2 / 2 < end < 0.02 and max(widest) < 1.1


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("steps", "often", "least"), [(50, 3, 0.4), (96, 1, 0.35)])
@pytest.mark.parametrize("seed", [0, 1])
def test_sharp_mixtures_keep_their_particles(
    seed: int, steps: int, often: int, least: float
) -> None:
    """64 peaks, a tenth as wide as they are apart."""
    kernel = f"mala(steps = {often})"
    plan = poedsl.compile(SHARP).with_options(particles=2000, steps=steps, kernel=kernel)
    result = plan.run(seed=seed)
    assert min(stage.ess for stage in result.stages) > 1000
    assert all(least < stage.acceptance < 0.75 for stage in result.stages[5:] if stage.acceptance)
    wide = 0.1**2 + 2.2**2
    centres = torch.linspace(-3.5, 3.5, 8, dtype=torch.float64)
    both = torch.cartesian_prod(centres, centres).square().sum(1)
    truth = float((-0.5 * both / wide).exp().mean().log()) - math.log(2 * math.pi * wide)
    assert result.log_evidence == pytest.approx(truth, abs=0.05)


def test_sizes_that_do_not_adapt_stay() -> None:
    plan = poedsl.compile(SHARP).with_options(
        particles=20, steps=8, kernel="mala(step_size = 0.5, adapt = false)"
    )
    job = Run(plan.bound().spec)
    assert {stage.step_size for stage in job.stages()} == {0.5}


@pytest.mark.slow
def test_of_many_components_some_are_looked_at() -> None:
    many = "x : Real[{0}]\nx ~ Normal(0, 1)\nx[0:{1}] ~ Normal(1, 0.05)"
    few, more = (angles(path_of(many.format(n, n // 2))) for n in (1000, 6000))
    torch.testing.assert_close(few, more, atol=0.02, rtol=0)


def test_parts_without_mass_leave_the_step_alone() -> None:
    rare = "x ~ mixture(0.999999999: Normal(0, 1), 0.000000001: Normal(0, 1e-5)) * Normal(1, 1)"
    result = poedsl.compile(rare).with_options(kernel="mala()", steps=20).run(seed=0)
    last = result.stages[-1]
    assert last.acceptance is not None and 0.4 < last.acceptance < 0.75


@pytest.mark.slow
def test_sizes_shrink_no_faster_than_they_can_grow() -> None:
    """A narrow part that the product has no use for."""
    far = "x ~ mixture(Normal(0, 1), Normal(50, 1e-5)) * Normal(0, 1)"
    result = poedsl.compile(far).with_options(kernel="mala(steps = 3)").run(seed=0)
    assert all(s.step_size is not None and s.step_size > 1e-4 for s in result.stages)


@pytest.mark.parametrize("steps", [1, 2])
def test_few_moves(steps: int) -> None:
    path = path_of("x ~ Normal(0, 1) * Normal(3, 0.1)", steps)
    assert [stage.t for stage in path.stages] == list(range(steps + 1, 0, -1))
    assert path.stages[-1].sigma == 0 and len(path.intervals) == steps
