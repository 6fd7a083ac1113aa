"""The learned experts that come with the package."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

import poedsl
from poedsl.experts.flows.unet import UNetFlow
from poedsl.experts.rewards.classifier import ClassifierScore
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.path.noising_path import FlowPath
from poedsl.runtime.run import Run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def flow() -> UNetFlow:
    return UNetFlow("digits", None, (1, 8, 8), CPU)


def test_an_ode_move_is_the_euler_step_of_the_rectified_flow(flow: UNetFlow) -> None:
    plan = poedsl.compile("x ~ digits()").with_options(
        particles=3, steps=6, move="ode()", correct="none", kernel="none"
    )
    job = Run(plan.bound().spec, RunSettings(seed=5))
    start = job.rng.normal(64, 7, "start")
    for _ in job.stages():
        pass
    times = [s.sigma / (s.alpha + s.sigma) for s in FlowPath.build(6, torch.ones(1)).stages]
    first = job.model.stages[0]
    z = start / (first.alpha + first.sigma)
    with torch.no_grad():
        for s, after in pairwise(times):
            z = z + (after - s) * flow.velocity(z, s)
    torch.testing.assert_close(job.population.particles.x, z, atol=2e-4, rtol=1e-4)


def test_a_batch_is_its_particles_one_by_one(flow: UNetFlow) -> None:
    x = torch.randn(5, 64)
    with torch.no_grad():
        batch = flow.noised(x, 0.6, 0.8).score
        single = torch.cat([flow.noised(row[None], 0.6, 0.8).score for row in x])
    torch.testing.assert_close(batch, single, atol=1e-5, rtol=1e-5)


def test_the_score_learned_noise_at_the_noisy_end(flow: UNetFlow) -> None:
    x = torch.randn(200, 64)
    with torch.no_grad():
        score = flow.noised(x, 0.01, math.sqrt(1 - 1e-4)).score
    assert float((score + x).square().mean()) < 0.02


def test_the_classifier_is_differentiable_and_normalised() -> None:
    x = torch.rand(4, 1, 8, 8, requires_grad=True)
    scores = torch.stack([ClassifierScore("digit_score", k, CPU)(x) for k in range(10)])
    torch.testing.assert_close(scores.exp().sum(0), torch.ones(4))
    (gradient,) = torch.autograd.grad(scores[3].sum(), x)
    assert float(gradient.abs().max()) > 0
