"""Samplers of the literature, as programs: the same particles from the same noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.experts.flows.unet import UNetFlow
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.path.noising_path import FlowPath, NoisingStage
from poedsl.runtime.run import Run

STEPS, SEED, WIDTH = 8, 5, 64
STAGES = FlowPath.build(STEPS, torch.ones(1)).stages
Predict = Callable[[Tensor, NoisingStage], Tensor]


@pytest.fixture(scope="module")
def flows() -> dict[int | None, UNetFlow]:
    return {k: UNetFlow("digits", k, (1, 8, 8), torch.device("cpu")) for k in (None, 3, 8)}


def finished(program: str, **options: object) -> Run:
    naive = {"move": "ode()", "correct": "none()", "kernel": "none", "resample": "none"}
    plan = poedsl.compile(program).with_options(
        **{"particles": 2, "steps": STEPS, **naive, **options}
    )
    job = Run(plan.bound().spec, RunSettings(seed=SEED))
    for _ in job.stages():
        pass
    return job


def velocity(flow: UNetFlow, z: Tensor, s: float) -> Tensor:
    with torch.no_grad():
        return flow.velocity(z, s)


def noise_prediction(flow: UNetFlow) -> Predict:
    """E[eps | x_t] on the variance-preserving path, from the network's velocity."""

    def predict(x: Tensor, stage: NoisingStage) -> Tensor:
        s, z = stage.sigma / (stage.alpha + stage.sigma), x / (stage.alpha + stage.sigma)
        return z + (1 - s) * velocity(flow, z, s)

    return predict


def ddim(x: Tensor, eps: Tensor, old: NoisingStage, new: NoisingStage) -> Tensor:
    """Song et al. 2021, Eq. 12, without noise."""
    return new.alpha * (x - old.sigma * eps) / old.alpha + new.sigma * eps


def same(job: Run, x: Tensor) -> None:
    torch.testing.assert_close(job.population.particles.x, x, atol=5e-4, rtol=1e-3)


def euler(job: Run, field: Callable[[Tensor, float], Tensor]) -> Tensor:
    """The particles of diffusers' Euler scheduler on the run's grid and first noise."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler()
    times = [s.sigma / (s.alpha + s.sigma) for s in STAGES]
    scheduler.set_timesteps(sigmas=times[:-1])
    np.testing.assert_allclose(scheduler.sigmas.numpy(), times, atol=1e-6)
    first = STAGES[0]
    z = job.rng.normal(WIDTH, first.t, "start") / (first.alpha + first.sigma)
    for t, s in zip(scheduler.timesteps, times, strict=False):
        z = scheduler.step(field(z, s), t, z).prev_sample
    return z


@pytest.mark.slow
def test_one_flow_is_diffusers_euler_scheduler(flows: dict[int | None, UNetFlow]) -> None:
    job = finished("x ~ digits(3)")
    same(job, euler(job, lambda z, s: velocity(flows[3], z, s)))


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [1.5, 4.0])
def test_guidance_is_a_product(flows: dict[int | None, UNetFlow], guidance: float) -> None:
    """Ho and Salimans 2022: v = v_0 + s (v_c - v_0), that is p(x | c)^s p(x)^(1 - s)."""
    job = finished(f"x ~ digits(3)^{guidance} / digits()^{guidance - 1}")

    def field(z: Tensor, s: float) -> Tensor:
        free = velocity(flows[None], z, s)
        return free + guidance * (velocity(flows[3], z, s) - free)

    same(job, euler(job, field))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler"])
def test_one_flow_is_a_diffusion_sampler(
    name: str, flows: dict[int | None, UNetFlow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ode` is DDIM, and `sde` the ancestral sampler of Ho et al. 2020 with its larger variance."""
    import diffusers
    from diffusers.schedulers import scheduling_ddpm

    betas = [1 - (old.alpha / new.alpha) ** 2 for old, new in pairwise(STAGES)]
    more = {"variance_type": "fixed_large"} if name == "DDPMScheduler" else {}
    scheduler = getattr(diffusers, name)(
        num_train_timesteps=STEPS, trained_betas=betas[::-1], clip_sample=False, **more
    )
    scheduler.set_timesteps(STEPS)
    job = finished("x ~ digits(8)", move="sde()" if more else "ode()")
    noise, predict = job.rng, noise_prediction(flows[8])
    x = noise.normal(WIDTH, STAGES[0].t, "start")
    for old, new, time in zip(STAGES, STAGES[1:], scheduler.timesteps, strict=False):
        drawn = noise.normal(WIDTH, new.t, "move")
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, d=drawn, **__: d)
        x = scheduler.step(predict(x, old), time, x).prev_sample
    same(job, x)


@pytest.mark.slow
@pytest.mark.parametrize("move", ["ode()", "sde()"])
def test_composable_diffusion(flows: dict[int | None, UNetFlow], move: str) -> None:
    """Liu et al. 2022, Algorithm 1: eps = eps_0 + sum_i w_i (eps_i - eps_0)."""
    ratio = "* (digits({0}) / digits())^{1} "
    job = finished("x ~ digits() " + ratio.format(3, 0.8) + ratio.format(8, 0.6), move=move)
    free, three, eight = (noise_prediction(flows[k]) for k in (None, 3, 8))
    x = job.rng.normal(WIDTH, STAGES[0].t, "start")
    for old, new in pairwise(STAGES):
        base = free(x, old)
        eps = base + 0.8 * (three(x, old) - base) + 0.6 * (eight(x, old) - base)
        if move == "ode()":
            x = ddim(x, eps, old, new)
            continue
        c = old.alpha / new.alpha
        x = (x - (1 - c**2) / old.sigma * eps) / c
        if new.t > 1:
            x = x + math.sqrt(1 - c**2) * job.rng.normal(WIDTH, new.t, "move")
    same(job, x)


@pytest.mark.slow
@pytest.mark.parametrize("leaps", [0, 3])
def test_annealed_chains_of_one_particle(flows: dict[int | None, UNetFlow], leaps: int) -> None:
    """Du et al. 2023, Algorithm 1: a reverse step, then K unadjusted steps, Langevin or HMC."""
    size, count = 0.2, 2
    kernel = f"unadjusted_hmc(steps = {count}, step_size = {size}^0.5, leaps = {leaps})"
    if not leaps:
        kernel = f"langevin(steps = {count}, step_size = {size}^0.5)"
    job = finished("x ~ digits(3)^0.5 * digits(8)^0.5", particles=1, kernel=kernel)
    three, eight = noise_prediction(flows[3]), noise_prediction(flows[8])

    def composed(x: Tensor, stage: NoisingStage) -> Tensor:
        return (three(x, stage) + eight(x, stage)) / 2

    x = job.rng.normal(WIDTH, STAGES[0].t, "start")
    for old, new in pairwise(STAGES):
        x = ddim(x, composed(x, old), old, new)
        if new.t == 1:
            continue
        step = math.sqrt(size) * new.sigma
        for drawn in job.rng.proposals(WIDTH, new.t, count)[0]:
            if not leaps:
                x = x - 0.5 * step**2 * composed(x, new) / new.sigma + step * drawn
                continue
            momentum = drawn
            for _ in range(leaps):
                momentum = momentum - 0.5 * step * composed(x, new) / new.sigma
                x = x + step * momentum
                momentum = momentum - 0.5 * step * composed(x, new) / new.sigma
    same(job, x)


PRIOR = "x : Real[2]\nx ~ Normal([1, 0], [1, 2])"


@pytest.mark.statistical
@pytest.mark.parametrize("scheme", ["multinomial", "systematic"])
def test_best_of_n(scheme: str) -> None:
    """One resampling at the end: plain draws of the prior, chosen by exp(reward)."""
    rewarded = {"particles": 500, "potential": "sum()"}
    prior = finished(PRIOR, particles=500).result()
    weighed = finished(f"{PRIOR} * exp(x[0] - 0.5 * x[1])", **rewarded).result()
    once = finished(
        f"{PRIOR} * exp(x[0] - 0.5 * x[1])", **rewarded, resample=f"{scheme}(when = at(1))"
    ).result()
    assert [s.t for s in once.stages if s.resampled] == [1]
    draws = prior.particles["x"]
    reward = (draws[:, 0] - 0.5 * draws[:, 1]).double()
    torch.testing.assert_close(weighed.particles["x"], draws)
    torch.testing.assert_close(weighed.log_weights, reward.log_softmax(0), atol=1e-5, rtol=1e-5)
    assert weighed.best_index == int(reward.argmax())
    torch.testing.assert_close(once.particles["x"], draws[once.eve_indices[-1]])
    torch.testing.assert_close(once.log_weights, torch.full((500,), -math.log(500)).double())
    expected = 500 * reward.softmax(0)
    copies = torch.bincount(once.eve_indices[-1], minlength=500)
    if scheme == "systematic":
        assert bool(((copies - expected).abs() < 1).all())
    else:
        likely = expected > 3
        spread = (copies - expected)[likely] / expected[likely].sqrt()
        assert float(spread.square().mean()) < 1 + 3 * (2 / int(likely.sum())) ** 0.5


def test_factorized_conditionals_keep_their_weights_equal() -> None:
    """Soiffer et al., Theorem 3, through a whole run: no weight is ever spent."""
    program = "x : Real[2]\nx ~ Normal([2, 0], [0.5, 1]) * Normal([0, -1], [1, 0.7]) / Normal(0, 1)"
    for move in ("ode()", "sde()"):
        result = finished(program, particles=200, move=move, correct="fkc()").result()
        assert min(s.ess for s in result.stages) > 199.9
