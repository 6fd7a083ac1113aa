"""Stable Diffusion against diffusers' own pipelines, with random weights."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.stable_diffusion import StableDiffusion, StableDiffusionXL
from poedsl.experts.flows.stable_diffusion_3 import StableDiffusion3
from poedsl.runtime.path.noising_path import LATEST
from tests.experts import tiny_stable_diffusion as tiny

CPU = torch.device("cpu")
PROFILE = Profile(dtype="float32")
SIZE, COUNT, SHAPE = 32, 3, (4, 8, 8)
V = {**tiny.NOISE, "prediction_type": "v_prediction"}
SCHEDULERS = {
    "ddim": lambda: DDIMScheduler(**tiny.NOISE, clip_sample=False),
    "data": lambda: DDIMScheduler(
        **tiny.NOISE, clip_sample=False, prediction_type="sample", timestep_spacing="trailing"
    ),
    "ddim_v": lambda: DDIMScheduler(
        **V, clip_sample=False, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    ),
    "euler": lambda: EulerDiscreteScheduler(**tiny.NOISE, timestep_spacing="leading"),
    "euler_v": lambda: EulerDiscreteScheduler(**V, timestep_spacing="trailing"),
}


@pytest.fixture(autouse=True, scope="module")
def modes() -> Any:
    """Pipelines draw one sample of the encoder of a condition; experts take its mode."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded

    drawn = Encoded.sample
    Encoded.sample = lambda self, generator=None: self.mode()
    yield
    Encoded.sample = drawn


def conditions(kind: str) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(7)
    mask = torch.zeros(SIZE, SIZE)
    mask[8:24, 4:20] = 1
    image = torch.rand(3, SIZE, SIZE, generator=g)
    kinds = {"controlnet": {"control": image}, "inpaint": {"mask": mask, "image": image}}
    return kinds.get(kind.partition("_")[2], {})


def piped(kind: str) -> dict[str, Any]:
    """The same conditions as a pipeline takes them."""
    c = conditions(kind)
    if "control" in c:
        return {"image": c["control"][None], "controlnet_conditioning_scale": 0.7}
    if "mask" in c:
        strength = {"strength": 1.0}
        return {"image": 2 * c["image"][None] - 1, "mask_image": c["mask"][None, None], **strength}
    return {}


def expert(kind: str, folder: str, profile: Profile = PROFILE, **over: Any) -> Any:
    made: Any = {"sd": StableDiffusion, "sdxl": StableDiffusionXL, "sd3": StableDiffusion3}
    arguments: dict[str, Any] = {"guidance": 2.5, "negative": "", **conditions(kind), **over}
    if "control" in arguments:
        arguments = {"scale": 0.7, "controlnet": f"{folder}/controlnet", **arguments}
    family = kind.partition("_")[0]
    return made[family]("a red cat", folder, SHAPE, CPU, profile, **arguments)


def noise(seed: int) -> Tensor:
    return torch.randn(COUNT, *SHAPE, generator=torch.Generator().manual_seed(seed))


def sampled(own: Any, kind: str, steps: int, z: Tensor, **over: Any) -> Tensor:
    """Latents of the pipeline, from noise of unit variance."""
    images: Tensor = own(
        "a red cat",
        num_images_per_prompt=len(z),
        height=SIZE,
        width=SIZE,
        num_inference_steps=steps,
        latents=z,
        output_type="latent",
        **{"guidance_scale": 2.5, **piped(kind), **over},
    ).images
    return images


def integrated(flow: Any, z: Tensor, times: list[float]) -> Tensor:
    """Steps of DDIM, or of Euler for a rectified flow, from noise of unit variance."""
    x = z.flatten(1)
    for s, after in pairwise([min(times[0], LATEST), *times[1:]]):
        scale, next_scale = (math.hypot(1 - t, t) for t in (s, after))
        alpha, sigma = (1 - s) / scale, s / scale
        eps = -sigma * flow.noised(x, alpha, sigma).score
        x = ((1 - after) * (x - sigma * eps) / alpha + after * eps) / next_scale
    return x.view_as(z)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("kind", [k for k in tiny.PIPELINES if k != "sd3"])
def test_steps_are_the_pipelines(kind: str, steps: int, place: Path) -> None:
    own, z = tiny.pipeline(kind), noise(1)
    with torch.no_grad():
        theirs = sampled(own, kind, steps, z)
        flow = expert(kind, tiny.folder(kind, place))
        mine = integrated(flow, z, flow.times(steps, SHAPE, snaps=False))
    torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_steps_are_the_schedulers(kind: str, name: str, tmp_path: Path) -> None:
    scheduler = SCHEDULERS[name]()
    own, z = tiny.pipeline(kind, scheduler), noise(2)
    own.save_pretrained(tmp_path)
    with torch.no_grad():
        theirs = sampled(own, kind, 5, z)
        flow = expert(kind, str(tmp_path))
        times = flow.times(5, SHAPE, snaps=False)
        start = z
        if hasattr(scheduler, "sigmas"):
            start = z * scheduler.init_noise_sigma / (scheduler.sigmas[0] ** 2 + 1) ** 0.5
        mine = integrated(flow, start, times)
    close = 3e-2 if times[0] > LATEST else 5e-4
    torch.testing.assert_close(mine, theirs, atol=close, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("t5", [True, False])
@pytest.mark.parametrize("steps", [1, 4])
def test_steps_of_the_third_are_the_pipelines(steps: int, t5: bool, place: Path) -> None:
    own, z = tiny.pipeline("sd3", t5=t5), noise(3)
    with torch.no_grad():
        theirs = sampled(own, "sd3", steps, z)
        flow = expert("sd3", tiny.folder("sd3", place, t5=t5))
        times, x = flow.times(steps, SHAPE, snaps=False), z.flatten(1)
        for s, after in pairwise(times):
            x = x + (after - s) * flow.velocity(x, s)
    torch.testing.assert_close(own.scheduler.sigmas, torch.tensor(times), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.view_as(z), theirs, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_negative_prompt_and_no_guidance_are_the_pipelines(place: Path) -> None:
    z = noise(4)
    for kind in ("sd", "sdxl"):
        own, folder = tiny.pipeline(kind), tiny.folder(kind, place)
        with torch.no_grad():
            for over, library in (
                ({"negative": "a dog"}, {"negative_prompt": "a dog"}),
                ({"guidance": 1.0}, {"guidance_scale": 1.0}),
            ):
                flow = expert(kind, folder, **over)
                mine = integrated(flow, z, flow.times(2, SHAPE, snaps=False))
                theirs = sampled(own, kind, 2, z, **library)
                torch.testing.assert_close(mine, theirs, atol=2e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("zeros", [True, False])
def test_the_empty_prompt_is_zero_where_the_folder_says_so(zeros: bool, tmp_path: Path) -> None:
    own = tiny.pipeline("sdxl", force_zeros_for_empty_prompt=zeros)
    own.save_pretrained(tmp_path)
    flow = expert("sdxl", str(tmp_path))
    _, tokens, _, pooled = own.encode_prompt("a", device=CPU)
    assert (not bool(tokens.any())) == zeros
    torch.testing.assert_close(flow.encoded(""), (tokens, pooled), atol=1e-6, rtol=0)
    assert bool(flow.encoded("a")[0].any())


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_a_batch_is_its_rows(kind: str, place: Path) -> None:
    x = noise(5).flatten(1)
    flow = expert(kind, tiny.folder(kind, place))
    with torch.no_grad():
        whole = flow.noised(x, 0.6, 0.8).score
        rows = torch.cat([flow.noised(row[None], 0.6, 0.8).score for row in x])
    torch.testing.assert_close(whole, rows, atol=2e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd_controlnet", "sdxl_inpaint", "sd3"])
def test_gradients_reach_the_input_through_checkpoints(kind: str, place: Path) -> None:
    x, found = noise(6).flatten(1)[:1], []
    folder = tiny.folder(kind, place)
    for checkpointing in (True, False):
        flow = expert(kind, folder, Profile(dtype="float32", checkpointing=checkpointing))
        point = x.clone().requires_grad_()
        value = flow.noised(point, 0.6, 0.8).score.square().sum()
        found.append(torch.autograd.grad(value, point)[0])
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
    direction = torch.randn(1, 256, generator=torch.Generator().manual_seed(4))
    direction, step = direction / direction.norm(), 1e-2
    with torch.no_grad():
        ends = [
            flow.noised(x + h * direction, 0.6, 0.8).score.square().sum() for h in (step, -step)
        ]
    slope = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close((found[0] * direction).sum(), slope, atol=1e-2, rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd_controlnet", "sdxl_inpaint", "sd3"])
def test_networks_in_bfloat16_have_scores_in_32_bits(kind: str, place: Path) -> None:
    folder, x = tiny.folder(kind, place), noise(7).flatten(1)
    with torch.no_grad():
        exact = expert(kind, folder).noised(x, 0.6, 0.8).score
        rounded = expert(kind, folder, Profile(dtype="bfloat16")).noised(x, 0.6, 0.8).score
    assert rounded.dtype == torch.float32
    assert 0 < float((rounded - exact).norm() / exact.norm()) < 0.05
