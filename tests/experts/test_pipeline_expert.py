"""Any pipeline of diffusers as an expert: its picture is the one that the library draws."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ddim import pipeline_ddim
from diffusers.pipelines.flux import pipeline_flux_kontext
from torch import Tensor

import poedsl
from poedsl.experts.flows.flux import pack
from poedsl.experts.flows.pipeline_view import as_given
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.experts import tiny_pipelines

SIZE, STEPS, COUNT = 32, 3, 2
PROMPT = "a red cat"
#: Pipelines whose points are packed into tokens.
PACKED = ("flux", "flux_fill", "flux_control", "kontext", "chroma", "qwen")
#: Arguments beside the prompt, as the language and the library take them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "sd": {"guidance_scale": 3.0, "negative_prompt": "a dog"},
    "sdxl": {"guidance_scale": 3.0},
    "qwen": {"true_cfg_scale": 3.0, "negative_prompt": "a dog"},
    "flux": {"guidance_scale": 2.5, "max_sequence_length": 16},
    "flux_fill": {"max_sequence_length": 16},
    "flux_control": {"max_sequence_length": 16},
    "kontext": {"max_sequence_length": 16},
    "klein": {"guidance_scale": 2.0},
    "edited": {"image_guidance_scale": 1.5},
    "controlnet": {"controlnet_conditioning_scale": 0.5},
    "pixart": {"clean_caption": False},
    "ddpm": {},
    "pixel_ddim": {},
}
#: The pictures that a pipeline sees.
PICTURES = {
    "flux_fill": ("image", "mask_image"),
    "flux_control": ("control_image",),
    "kontext": ("image",),
    "edited": ("image",),
    "controlnet": ("image",),
}
PIXELS = ("ddpm", "pixel_ddim")
#: Where the score of predicted data divides rounding errors by a small variance.
ROUNDING = {"pixel_ddim": 1e-3}


@pytest.fixture(autouse=True, scope="module")
def modes() -> Any:
    """Pipelines draw one sample of the encoder of a condition; experts take its mode."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded

    drawn = Encoded.sample
    Encoded.sample = lambda self, generator=None: self.mode()
    yield
    Encoded.sample = drawn


class FixedEuler(FlowMatchEulerDiscreteScheduler):
    """The library's Euler steps on given times."""

    grid: list[float]

    def set_timesteps(
        self,
        num_inference_steps: Any = None,
        device: Any = None,
        sigmas: Any = None,
        mu: Any = None,
        timesteps: Any = None,
    ) -> None:
        self.sigmas = torch.tensor(self.grid, dtype=torch.float32)
        self.timesteps = 1000 * self.sigmas[:-1]
        self.num_inference_steps = len(self.timesteps)
        self._step_index = self._begin_index = None


def pictures(kind: str) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(7)
    image = (255 * torch.rand(3, SIZE, SIZE, generator=g)).round() / 255
    mask = torch.zeros(SIZE, SIZE)
    mask[8:24, 4:20] = 1
    return {n: mask if "mask" in n else image for n in PICTURES.get(kind, ())}


def program(kind: str, folder: str, factors: str = "{0}^0.5 * {0}^0.5") -> str:
    given = dict(ARGUMENTS.get(kind, {}))
    if kind not in PIXELS:
        given = {"prompt": PROMPT, **given}
    written = [f"{k} = {shown(v)}" for k, v in given.items()]
    written += [f"{n} = {n}" for n in PICTURES.get(kind, ())]
    call = f"pipeline({', '.join([chr(34) + folder + chr(34), *written])})"
    size = 8 if kind in PIXELS else SIZE
    return f"x : Image[3, {size}, {size}]\nx ~ {factors.format(call)}\n"


def shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def drawn(text: str, kind: str, **options: Any) -> tuple[Run, Tensor, list[float]]:
    """A run by Euler steps, with the noise that it began with and its times."""
    inputs = pictures(kind)
    plan = poedsl.compile(text).with_options(
        **{
            "particles": COUNT,
            "steps": STEPS,
            "kernel": "none",
            "move": "ode()",
            "correct": "none()",
            **options,
        }
    )
    job = Run(plan.bind(**inputs).bound().spec, RunSettings(seed=3))
    stages = job.stages()
    next(stages)
    assert job.population is not None
    start = job.population.particles.x.clone()
    for _ in stages:
        pass
    path = [(s.alpha, s.sigma) for s in job.model.stages]
    return job, start, [sigma / (alpha + sigma) for alpha, sigma in path]


def library(kind: str, start: Tensor, times: list[float]) -> Tensor:
    """The pictures that the library draws from the same noise at the same times."""
    own = tiny_pipelines.pipeline(kind)
    if kind in PIXELS:
        return drawn_from(own, start)
    if isinstance(own.scheduler, FlowMatchEulerDiscreteScheduler):
        start = start * ((1 - times[0]) ** 2 + times[0] ** 2) ** 0.5
        own.scheduler = FixedEuler.from_config(own.scheduler.config)
        own.scheduler.grid = times
    z = start.view(COUNT, *latent_shape(kind))
    return own(
        prompt=PROMPT,
        num_images_per_prompt=COUNT,
        num_inference_steps=STEPS,
        latents=pack(z) if kind in PACKED else z,
        output_type="pt",
        return_dict=False,
        **called(own, height=SIZE, width=SIZE, max_area=SIZE**2, use_resolution_binning=False),
        **ARGUMENTS.get(kind, {}),
        **{n: as_given(p) for n, p in pictures(kind).items()},
    )[0]


def called(own: Any, **given: Any) -> dict[str, Any]:
    """The arguments that a pipeline takes."""
    takes = inspect.signature(type(own).__call__).parameters
    return {k: v for k, v in given.items() if k in takes}


def drawn_from(own: Any, start: Tensor) -> Tensor:
    """Pictures that DDIM draws from given noise."""
    noise = start.view(COUNT, 3, 8, 8)
    ddim = DDIMPipeline(own.unet, DDIMScheduler.from_config(own.scheduler.config))
    ddim.set_progress_bar_config(disable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_ddim, "randn_tensor", lambda *args, **kwargs: noise)
        out = ddim(batch_size=COUNT, num_inference_steps=STEPS, output_type="np").images
    return torch.tensor(out).permute(0, 3, 1, 2)


def latent_shape(kind: str) -> tuple[int, int, int]:
    return {"qwen": (4, 4, 4), "klein": (16, 4, 4), "sana": (4, 16, 16)}.get(kind, (4, 8, 8))


@pytest.mark.parametrize("kind", tiny_pipelines.KINDS)
def test_a_product_to_the_powers_of_one_half_is_the_librarys_picture(
    kind: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SIZE, SIZE)])
    job, start, times = drawn(program(kind, tiny_pipelines.folder(kind, place)), kind)
    mine = job.result().particles["x"].clamp(0, 1)
    theirs = library(kind, start, times)
    assert float(mine.std()) > 0.01
    torch.testing.assert_close(mine, theirs, atol=ROUNDING.get(kind, 1e-4), rtol=0)
