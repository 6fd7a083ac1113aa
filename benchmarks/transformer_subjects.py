"""Pipelines of transformers as the package loads them, and as diffusers does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux2 import Flux2Flow, Flux2Klein
from poedsl.experts.flows.packing import pack
from poedsl.experts.flows.qwen_image import QwenImageFlow
from poedsl.experts.flows.z_image import ZImageFlow
from tests.experts import tiny_transformers

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
SHAPE, SIZE, PROMPT, STEPS = (tiny_transformers.LATENTS, 8, 8), 32, "a cat", 3
#: Each with the arguments of its pipeline for the guidance that the expert has by default.
EXPERTS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "qwen_image": (QwenImageFlow, {"negative_prompt": " "}),
    "z_image": (ZImageFlow, {"guidance_scale": 4.0}),
    "flux2": (Flux2Flow, {}),
    "flux2_klein": (Flux2Klein, {}),
}
#: Latents as each pipeline takes them.
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "qwen_image": pack,
    "z_image": lambda z: z,
    "flux2": lambda z: F.pixel_unshuffle(z, 2),
    "flux2_klein": lambda z: F.pixel_unshuffle(z, 2),
}


def noise() -> Tensor:
    return torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1))


def build(kind: str) -> Callable[[Path], object]:
    return lambda folder: tiny_transformers.pipeline(kind).save_pretrained(folder)


def drawn(kind: str, folder: str) -> tuple[dict[str, Any], Tensor]:
    """The networks of an expert, its times, and the picture that it draws in so many steps."""
    flow = EXPERTS[kind][0](PROMPT, folder, SHAPE, CPU, PROFILE)
    times = flow.times(STEPS, SHAPE, snaps=False)
    z = noise().flatten(1)
    for s, after in pairwise(times):
        z = z + (after - s) * flow.velocity(z, s)
    picture = flow.codec.decode(z.view(1, *SHAPE))
    networks = {"transformer": flow.net, "vae": flow.codec.vae}
    return networks, torch.cat([torch.tensor(times), picture.flatten()])


def drawn_by_library(kind: str, folder: str) -> Tensor:
    """The same by the pipeline."""
    own = tiny_transformers.PIPELINES[kind].from_pretrained(folder, local_files_only=True)
    own.set_progress_bar_config(disable=True)
    latents = own(
        prompt=PROMPT,
        height=SIZE,
        width=SIZE,
        num_inference_steps=STEPS,
        latents=LAYOUTS[kind](noise()),
        output_type="pt",
        **EXPERTS[kind][1],
    ).images
    return torch.cat([own.scheduler.sigmas, latents.flatten()])
