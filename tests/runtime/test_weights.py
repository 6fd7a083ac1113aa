"""Moves and the weights that make up for them, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.path import moves
from poedsl.runtime.path.noising_path import FlowPath
from poedsl.runtime.run import Run
from tests.diagnostics import warning_data
from tests.runtime.helpers import as_if_learned, moments, substitute

pytestmark = pytest.mark.statistical

BASE = (
    "x : Real[2]\n"
    "x ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5]) / Normal(0, {base}^0.5)"
)


def rates(program: str) -> torch.Tensor:
    """The rate of the Feynman-Kac weights at random points of every stage but the last."""
    job = Run(poedsl.compile(program).bound().spec)
    substitute(job, squares=True)
    x = torch.randn(200, job.target.space.size)
    each = [
        moves.fkc_rate(x, job.target.evaluate(x, stage), job.model.path.excess)
        for stage in job.model.stages[:-1]
    ]
    return torch.stack(each)


@pytest.mark.parametrize("base", [10.0, 1.0])
def test_factorized_conditionals_need_no_weights(base: float) -> None:
    """Soiffer et al., Theorem 3."""
    assert float(rates(BASE.format(base=base)).abs().max()) < 1e-3


def test_others_do() -> None:
    assert float(rates(BASE.format(base=20.0)).abs().max()) > 0.05


@pytest.mark.parametrize("power", [0.5, 1, 2, 3])
def test_pure_noise_is_preserved_whatever_the_exponents(power: float) -> None:
    assert float(rates(f"x : Real[3]\nx ~ Normal(0, 1)^{power}").abs().max()) < 1e-4


@pytest.mark.parametrize("steps", [5, 100])
@pytest.mark.parametrize("eta", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("w", [0.5, 1.0, 2.0])
def test_a_move_preserves_the_gaussian_it_should(w: float, eta: float, steps: int) -> None:
    """With experts N(0, I) every stage is N(0, I / W): the noisy move keeps it for every step."""
    path = FlowPath.build(steps, torch.tensor([w]), eta)
    at, one = Evaluation(torch.tensor([[-w]])), torch.ones(1, 1)
    for step in path.intervals:
        shrunk = float(moves.sde(one, at, step, None).x)
        assert shrunk**2 / w + float(step.spread) ** 2 == pytest.approx(1 / w, abs=1e-5)
        ode = float(moves.ode(one, at, step, path.excess).x)
        assert ode == pytest.approx(1, abs=3 / steps**2)


def test_what_rewards_pull_a_move_by_is_bounded_and_taken_off_its_weight() -> None:
    step = FlowPath.build(10, torch.ones(1, dtype=torch.float64)).intervals[5]
    generator = torch.Generator().manual_seed(0)
    x, score, slope, noise = torch.randn(4, 50, 3, generator=generator, dtype=torch.float64)
    slope *= torch.logspace(-3, 4, 50, dtype=torch.float64)[:, None]
    slope[0] = torch.tensor([0.0, 1e30, -1e-30])
    plain = moves.sde(x, Evaluation(score), step, None).x
    moved = moves.sde(x, Evaluation(score, reward_score=slope), step, noise)
    mean = moved.x - step.spread * noise
    pulled = (mean - plain) / step.spread
    wanted = (slope * step.reward / step.spread).clamp(-0.3, 0.3)
    torch.testing.assert_close(pulled, wanted)
    assert 0 < int((pulled.abs() < 0.29).sum()) < pulled.numel() / 2
    without, pulling = (torch.distributions.Normal(m, step.spread) for m in (plain, mean))
    ratio = (without.log_prob(moved.x) - pulling.log_prob(moved.x)).sum(-1)
    torch.testing.assert_close(moved.twist, ratio)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_is_seen(broken: float) -> None:
    step = FlowPath.build(10, torch.ones(1)).intervals[5]
    slope = torch.tensor([[0.0, broken], [0.0, 1.0]])
    moved = moves.sde(torch.zeros(2, 2), Evaluation(slope * 0, reward_score=slope), step, slope * 0)
    assert moved.twist is not None
    assert moved.twist.isfinite().tolist() == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("base", [20.0, 1.1])
def test_the_naive_plan_has_the_bias_it_should(base: float) -> None:
    """Soiffer et al., Theorem 2: the product of powers of the covariances."""
    plan = poedsl.compile(BASE.format(base=base))
    result = plan.run(particles=10_000, move="ode()", correct="none()", kernel="none", seed=1)
    expected = 10 / base
    variance = result.particles["x"].var(0)
    torch.testing.assert_close(variance, torch.full((2,), expected), rtol=0.03, atol=0)
    assert result.log_evidence is None
    assert warning_data(result, "P1103") == [{"option": "correct", "form": "none"}]


@pytest.mark.slow
@pytest.mark.parametrize("move", ["sde()", "none()"])
def test_exact_ratios_are_unbiased_on_the_coarsest_path(move: str) -> None:
    """Three moves, eight particles an island, resampling on: the mean of Z-hat is Z."""
    islands = 2000
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 0.7)").with_options(
        islands=islands,
        particles=8 * islands,
        steps=3,
        move=move,
        kernel="mala(steps = 1, adapt = false)",
    )
    truth = -0.5 * math.log(2 * math.pi * 1.49) - 0.5 / 1.49
    job = Run(plan.bound().spec)
    for _ in job.stages():
        pass
    found = (job.population.island_evidence - job.target.evidence_shift - truth).exp()
    assert abs(float(found.mean()) - 1) < 3 * float(found.std()) / islands**0.5
    assert float(found.std()) < 1


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "tolerance"), [(100, 0.5), (400, 0.2)])
@pytest.mark.parametrize("kernel", ["none", "langevin(steps = 1)"])
def test_exponents_that_sum_to_two_from_scores_alone(
    steps: int, tolerance: float, kernel: str
) -> None:
    plan = poedsl.compile("x : Real[20]\nx ~ Normal(0, 1) * Normal(1, 1)").with_options(
        particles=1000, steps=steps, correct="fkc()", kernel=kernel, move="sde()"
    )
    result = as_if_learned(plan, seed=2).result()
    weights = result.log_weights.exp()[:, None]
    x = result.particles["x"].double()
    mean = (weights * x).sum(0)
    variance = (weights * (x - mean).square()).sum(0)
    assert abs(float(mean.mean()) - 0.5) < 0.03
    assert abs(float(variance.mean()) / 0.5 - 1) < 0.06
    truth = 20 * (-0.5 * math.log(4 * math.pi) - 0.25)
    assert abs(result.log_evidence - truth) < tolerance


def test_clipping_keeps_within_the_limit_and_forfeits_the_evidence() -> None:
    increments = torch.tensor([-50.0, 0.0, 1.0, 2.0, 90.0])
    assert moves.clipped(increments, 5.0, 1).tolist() == [-4.0, 0.0, 1.0, 2.0, 6.0]
    broken = torch.tensor([float("nan"), 0.0, 1.0, 9.0])
    assert moves.clipped(broken, 2.0, 2)[2:].tolist() == [1.0, 3.0]
    assert moves.clipped(broken, 2.0, 1).nan_to_num(nan=7).tolist() == [7.0, 0.0, 1.0, 3.0]
    result = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)").run(
        particles=50, steps=5, correct="fkc(clip = 5)"
    )
    assert result.log_evidence is None


@pytest.mark.slow
@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_the_noise_of_a_move_changes_nothing_but_the_noise(eta: float) -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1.5) / Normal(-1, 3)^0.5")
    result = plan.run(
        particles=40_000, steps=100, move=f"sde(noise = {eta})", correct="fkc()", kernel="none"
    )
    x = torch.linspace(-15, 15, 30_001, dtype=torch.float64)
    normal = torch.distributions.Normal
    logs = normal(0.0, 1.0).log_prob(x) + normal(1.0, 1.5).log_prob(x)
    logs -= 0.5 * normal(-1.0, 3.0).log_prob(x)
    truth = math.log(float(torch.trapezoid(logs.exp(), x)))
    precision = 1 + 1 / 2.25 - 0.5 / 9
    mean, variance = moments(result)
    assert float(variance) == pytest.approx(1 / precision, rel=0.06)
    assert float(mean) == pytest.approx((1 / 2.25 + 0.5 / 9) / precision, abs=0.04)
    assert result.log_evidence == pytest.approx(truth, abs=0.03)
