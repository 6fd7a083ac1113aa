"""Control drifts: the target stays what it is, and the weights even out."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.feynman_kac import noising_path
from poedsl.runtime.path.control_drift import Control, diverged, fitted
from poedsl.runtime.run import Run
from tests.diagnostics import warning_data
from tests.runtime.helpers import ScoreOnly, as_if_learned, as_if_scores_alone, moments

BASE = (
    "x : Real[2]\n"
    "x ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5]) / Normal(0, 1.1^0.5)"
)
TWO = "x : Real[20]\nx ~ Normal(0, 1) * Normal(1, 1)"
MIXED = "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(1, 1)) * Normal(1, 1.5)"
NOISE = Noise(0, 1, 400, torch.device("cpu"))


def experts() -> dict[str, Gaussians]:
    plain = Gaussians.diagonal(torch.tensor([1.0, -1, 0]), torch.tensor([0.5, 1, 2]))
    matrix = torch.tensor([[2.0, 0.6, 0], [0.6, 1, -0.3], [0, -0.3, 0.5]])
    full = Gaussians.full(torch.zeros(3), matrix)
    return {"plain": plain, "full": full, "mixture": Gaussians.mixture([0.3, 0.7], [plain, full])}


@pytest.mark.parametrize("name", ["plain", "full", "mixture"])
def test_divergences_are_traces_of_jacobians(name: str) -> None:
    expert, x = experts()[name], NOISE.normal(3, 1, "start")[:20]

    def one(row: torch.Tensor) -> torch.Tensor:
        return expert.noised(row[None], 0.8, 0.6).score[0]

    found = expert.divergence(x, 0.8, 0.6)
    traces = [torch.autograd.functional.jacobian(one, row).trace() for row in x]  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, torch.stack(traces), rtol=1e-4, atol=1e-4)


def test_learned_divergences_are_right_on_average() -> None:
    expert = experts()["mixture"]
    x = torch.tensor([[0.5, -1.0, 0.3]]).expand(400, 3)
    noised, found = diverged(ScoreOnly(expert), x, 0.8, 0.6, NOISE.signs(3, 1))
    assert not noised.score.requires_grad
    error = float(found.std()) / 20
    assert error > 0
    assert abs(float(found.mean() - expert.divergence(x[:1], 0.8, 0.6))) < 4 * error


def test_coefficients_are_those_of_least_squares() -> None:
    x = NOISE.normal(4, 2, "start")
    rate, gains, log_weights = x[:, 0] + 0.5 * x[:, 1], x[:, 1:], x[:, 0].double()
    found = fitted(rate, gains, log_weights, 2).theta
    for island, rows in enumerate((slice(0, 200), slice(200, 400))):
        weights = log_weights[rows].softmax(0)
        a, b = gains[rows].double(), rate[rows].double()
        a, b = a - weights @ a, b - weights @ b
        root = weights.sqrt()[:, None]
        expected = torch.linalg.lstsq(root * a, -root * b[:, None]).solution[:, 0]
        torch.testing.assert_close(found[island], expected)
    twice = torch.cat([gains[:, :1], gains[:, :1], torch.zeros(400, 1)], 1)
    alike = fitted(rate, twice, log_weights, 1).theta[0]
    assert alike[0] == pytest.approx(float(alike[1])) and alike[2] == 0


def test_dead_particles_do_not_steer() -> None:
    rate, gains = torch.tensor([0.0, 1, 2, math.inf]), torch.tensor([[0.0], [1], [2], [7]])
    log_weights = torch.tensor([0.0, 0, 0, -math.inf]).double()
    assert fitted(rate, gains, log_weights, 1).theta.tolist() == [[pytest.approx(-1)]]
    assert fitted(rate, gains, log_weights - math.inf, 1).theta.tolist() == [[0]]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("move", ["sde(control = true)", "ode(control = true)"])
@pytest.mark.parametrize("hidden", [False, True])
def test_any_drift_leaves_the_target_alone(
    move: str, hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drift that nobody fitted, on a product that is not Gaussian."""

    def wild(rate: torch.Tensor, gains: torch.Tensor, *_: object) -> Control:
        return Control(torch.tensor([[0.4, -0.3, 0.2]], dtype=torch.float64))

    exact = poedsl.compile(MIXED).run(particles=20_000)
    plan = poedsl.compile(MIXED).with_options(
        particles=10_000, steps=100, move=move, kernel="none", resample="none"
    )
    (mean, variance), truth = moments(exact), exact.log_evidence
    monkeypatch.setattr(noising_path, "fitted", wild)
    result = as_if_learned(plan, 1).result() if hidden else plan.run(seed=1)
    assert result.stages[-1].weight_variance > 0.1
    found, spread = moments(result)
    assert float(found) == pytest.approx(float(mean), abs=0.06)
    assert float(spread) == pytest.approx(float(variance), rel=0.06)
    assert result.log_evidence == pytest.approx(truth, abs=0.03)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("move", ["sde", "ode"])
@pytest.mark.parametrize(
    "program, mean, variance, evidence",
    [
        (BASE, 0, 1 / (1.1 - 1 / 1.1), -math.log((1.1 - 1 / 1.1) * 10 / 1.1)),
        (TWO, 0.5, 0.5, 20 * (-0.5 * math.log(4 * math.pi) - 0.25)),
    ],
)
def test_gaussians_weigh_alike(
    move: str, program: str, mean: float, variance: float, evidence: float
) -> None:
    plan = poedsl.compile(program).with_options(
        particles=2000, steps=100, correct="fkc()", kernel="none", resample="none"
    )
    plain = as_if_learned(plan.with_options(move=f"{move}()"), 3).result()
    result = as_if_learned(plan.with_options(move=f"{move}(control = true)"), 3).result()
    assert plain.stages[-1].weight_variance > 0.1
    assert result.stages[-1].weight_variance < 1e-3
    assert result.log_evidence == pytest.approx(evidence, abs=0.01)
    found, spread = moments(result)
    error = 4 * (variance / 2000) ** 0.5
    torch.testing.assert_close(found, torch.full_like(found, mean), atol=error, rtol=0)
    assert float(spread.mean()) == pytest.approx(variance, rel=0.08)
    assert "control" in [data.get("argument") for data in warning_data(result, "P1120")]


def test_mixtures_weigh_more_alike() -> None:
    plan = poedsl.compile(MIXED).with_options(
        particles=2000, steps=50, correct="fkc()", kernel="none", resample="none"
    )
    plain, result = (
        plan.with_options(move=m).run(seed=1) for m in ("sde()", "sde(control = true)")
    )
    assert result.stages[-1].weight_variance < 0.6 * plain.stages[-1].weight_variance


@pytest.mark.slow
@pytest.mark.statistical
def test_rewards_and_parts_go_with_it() -> None:
    """N(0, 1)^2 exp(0.5 x) on each of two parts that a loop and a plain statement see."""
    program = (
        "x : Real[2]\nx ~ Normal(0, 1) * exp(0.5 * sum(x))\n"
        "x[0:1] ~ Normal(1, 1)\nx[1:2] ~ Normal(1, 1)"
    )
    result = as_if_learned(
        poedsl.compile(program).with_options(
            particles=4000, steps=100, move="sde(control = true)", kernel="none"
        ),
        2,
    ).result()
    mean, variance = moments(result)
    torch.testing.assert_close(mean, torch.full_like(mean, 0.75), atol=0.06, rtol=0)
    torch.testing.assert_close(variance, torch.full_like(variance, 0.5), rtol=0.1, atol=0)
    each = -0.5 * math.log(2 * math.pi * 2) - 0.25 + 0.5 * 0.5 + 0.125 * 0.5
    assert result.log_evidence == pytest.approx(2 * each, abs=0.06)


def test_micro_batches_change_nothing_and_off_is_free() -> None:
    plan = poedsl.compile(MIXED).with_options(
        particles=50, steps=10, correct="fkc()", kernel="langevin(step_size = 0.3)"
    )

    def finished(move: str, microbatch: int | None) -> Run:
        job = Run(plan.with_options(move=move).bound().spec, RunSettings(microbatch=microbatch))
        as_if_scores_alone(job)
        for _ in job.stages():
            pass
        return job

    whole, parts = (finished("sde(control = true)", m) for m in (None, 7))
    torch.testing.assert_close(whole.population.particles.x, parts.population.particles.x)
    off = finished("sde()", None)
    at = off.target.evaluate(off.population.particles.x, off.model.stages[-2])
    assert at.fields is None and at.gains is None
