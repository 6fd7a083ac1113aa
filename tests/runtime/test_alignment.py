"""Products of networks with discrete and rectified times, against a Gaussian in closed form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel
from torch import Tensor

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.experts import tiny

#: Mean, variance and exponent of each expert, in the coordinates that networks see.
DISCRETE, RECTIFIED = (0.6, 0.3, 0.7), (-0.5, 0.15, 0.5)
SIZES = (3, 2, 2)


def rectified_folder(place: Path) -> str:
    """A rectified flow over a class-conditional UNet of diffusers."""
    path = place / "rectified"
    UNet2DModel(
        sample_size=SIZES[-1],
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        num_class_embeds=4,
    ).save_pretrained(path / "unet")
    FlowMatchEulerDiscreteScheduler().save_pretrained(path / "scheduler")
    (path / "model_index.json").write_text(
        '{"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"],\n'
        '"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}\n'
    )
    return str(path)


def predictions(x: Tensor, alpha: float, sigma: float, law: tuple[float, ...]) -> tuple[Any, Any]:
    """E[eps | x] and E[x_1 | x] at x = alpha x_1 + sigma eps, for Gaussian data."""
    mean, variance, _ = law
    share = (x - alpha * mean) / (alpha**2 * variance + sigma**2)
    return sigma * share, mean + alpha * variance * share


@pytest.fixture
def job(tmp_path: Path) -> Run:
    """A product of both, with exact fields in place of the networks."""
    _, _, w = DISCRETE
    _, _, u = RECTIFIED
    plan = poedsl.compile(
        f'use rectified from "{rectified_folder(tmp_path)}"\n'
        f"x : Image[{', '.join(map(str, SIZES))}]\n"
        f'x ~ unet(0, model = "{tiny.unet_folder(tmp_path)}")^{w} * rectified(0)^{u}\n'
        "sample x by anneal(particles = 600, steps = 60, kernel = langevin(steps = 2), "
        "correct = fkc())\n"
    )
    made = Run(plan.bound().spec, RunSettings(seed=3))
    discrete, rectified = (factor.expert for factor in made.target.experts)
    levels = torch.tensor(discrete.scheduler.sigmas, dtype=torch.float64)

    def noised(x: Tensor, time: Tensor, **_: Any) -> tuple[Tensor]:
        low = int(time[0])
        high = min(low + 1, len(levels) - 1)
        sigma = float(levels[low] + (float(time[0]) - low) * (levels[high] - levels[low]))
        alpha = math.sqrt(1 - sigma**2)
        eps, data = predictions(x, alpha, sigma, DISCRETE)
        return (alpha * eps - sigma * data,)

    def velocity(z: Tensor, time: Tensor, **_: Any) -> tuple[Tensor]:
        s = float(time[0]) / 1000
        eps, data = predictions(z, 1 - s, s, RECTIFIED)
        return (eps - data,)

    discrete.unet, rectified.unet = noised, velocity
    return made


def test_scores_add_up_in_one_system_of_coordinates(job: Run) -> None:
    x = torch.randn(5, math.prod(SIZES), generator=torch.Generator().manual_seed(1))
    for stage in job.model.stages[5:-1:9]:
        expected = torch.zeros_like(x)
        for mean, variance, w in (DISCRETE, RECTIFIED):
            spread = stage.alpha**2 * variance + stage.sigma**2
            expected -= w * (x - stage.alpha * mean) / spread
        torch.testing.assert_close(job.target.scores(x, stage), expected, atol=2e-3, rtol=2e-3)


@pytest.mark.statistical
def test_particles_have_the_law_of_the_product(job: Run) -> None:
    for _ in job.stages():
        pass
    result = job.result()
    precision = sum(w / variance for _, variance, w in (DISCRETE, RECTIFIED))
    mean = sum(w * m / variance for m, variance, w in (DISCRETE, RECTIFIED)) / precision
    seen = 2 * result.particles["x"].flatten(1) - 1
    weights = result.log_weights.softmax(0)[:, None]
    found = (weights * seen).sum(0)
    spread = (weights * (seen - found) ** 2).sum(0)
    assert float(found.mean()) == pytest.approx(mean, abs=0.03)
    assert float(spread.mean()) == pytest.approx(1 / precision, rel=0.1)
