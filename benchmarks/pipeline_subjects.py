"""Pipelines by their own call, films, single files, GGUF and LoRAs as the package loads them, and
as their libraries do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

import poedsl
from poedsl.catalog.adapters import find_loras
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.pipeline import pipeline_flow
from poedsl.experts.flows.wan import WanFlow
from poedsl.experts.loading.gguf_files import silent_progress
from tests.experts import (
    single_files,
    test_gguf,
    test_lora,
    tiny,
    tiny_stable_diffusion,
    tiny_wan,
)

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
PROMPT, STEPS, SIZE = "a cat", 3, 32
#: Pipelines of rectified flows by their own call, and the shapes of their latents.
CALLED = {"aura": (4, 8, 8), "sana": (4, 16, 16), "lumina2": (4, 8, 8)}
FILM, FRAMES = (tiny_wan.LATENTS, 2, 8, 8), 3


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def steps(flow: Any, shape: tuple[int, ...]) -> Tensor:
    """The times of an expert, and the latents that its Euler steps end at."""
    times = flow.times(STEPS, shape, snaps=False)
    z = noise(1, *shape).flatten(1)
    for s, after in pairwise(times):
        z = z + (after - s) * flow.velocity(z, s)
    return torch.cat([torch.tensor(times), z.flatten()])


def called(kind: str, folder: str) -> tuple[dict[str, Any], Tensor]:
    """The networks of a pipeline, and where its expert's steps end."""
    poedsl.compile(f'x : Image[3, {SIZE}, {SIZE}]\nx ~ pipeline("{folder}", prompt = "a")')
    flow: Any = pipeline_flow(folder, CALLED[kind], CPU, PROFILE, prompt=PROMPT)
    parts = flow.model.view.pipe.components
    return {"transformer": parts["transformer"]}, steps(flow, CALLED[kind])


def called_by_library(kind: str, folder: str) -> Tensor:
    own = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    own.set_progress_bar_config(disable=True)
    latents = own(
        prompt=PROMPT,
        height=SIZE,
        width=SIZE,
        num_inference_steps=STEPS,
        latents=noise(1, *CALLED[kind]),
        output_type="latent",
        **({"use_resolution_binning": False} if kind == "sana" else {}),
    )[0]
    return torch.cat([own.scheduler.sigmas, latents.flatten()])


def film(folder: str) -> tuple[dict[str, Any], Tensor]:
    """The networks of Wan, where its steps end, and the film of some latents."""
    flow = WanFlow(PROMPT, folder, FILM, CPU, PROFILE)
    decoded = flow.codec.decode(noise(1, *FILM)).flatten()
    networks = {"transformer": flow.net, "vae": flow.codec.vae}
    return networks, torch.cat([steps(flow, FILM), decoded])


def film_by_library(folder: str) -> Tensor:
    own = diffusers.WanPipeline.from_pretrained(folder, local_files_only=True)
    own.set_progress_bar_config(disable=True)
    sizes = {"height": SIZE, "width": SIZE, "num_frames": FRAMES}
    run = {"num_inference_steps": STEPS, "latents": noise(1, *FILM), "output_type": "latent"}
    latents = own(prompt=PROMPT, **sizes, **run).frames
    settings, by = own.vae.config, (1, -1, 1, 1, 1)
    scaled = noise(1, *FILM) * torch.tensor(settings.latents_std).view(by)
    decoded = own.vae.decode(scaled + torch.tensor(settings.latents_mean).view(by))[0]
    decoded = torch.where(decoded.isfinite(), decoded, torch.nan).transpose(1, 2)
    shown = decoded.div(2).add(0.5).clamp(0, 1).flatten()
    return torch.cat([own.scheduler.sigmas, latents.flatten(), shown])


def single_file(kind: str) -> Callable[[Path], object]:
    """The file of a pipeline, in a folder with its configurations."""

    def build(folder: Path) -> None:
        folder.mkdir()
        single_files.written(tiny_stable_diffusion.pipeline(kind), folder)

    return build


def unpacked(read: Callable[[str], Tensor]) -> Callable[[str], Tensor]:
    """What a library computes from a single file, as from the folder that it makes of it."""

    def output(file: str) -> Tensor:
        path = Path(file)
        own = diffusers.StableDiffusionPipeline.from_single_file(
            file, config=str(path.parent / "model"), local_files_only=True
        )
        with tempfile.TemporaryDirectory() as place:
            with silent_progress():
                own.save_pretrained(place)
            scheduler = Path(place) / "scheduler"
            shutil.copytree(path.parent / "model" / "scheduler", scheduler, dirs_exist_ok=True)
            return read(place)

    return output


def build_gguf(folder: Path) -> None:
    test_gguf.saved(folder, test_gguf.network(), packed=True)


def gguf_by_library(folder: str) -> Tensor:
    (file,) = Path(folder).glob("*.gguf")
    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    unpacked = transformers.GgufConfig(dequantize=True)
    with silent_progress():
        own = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, quantization_config=unpacked, **options
        ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    logits = own(**tokenizer("ab", return_tensors="pt")).logits[0, -1].float()
    return logits.log_softmax(-1)


@cache
def undamaged() -> tempfile.TemporaryDirectory[str]:
    """Where the model for LoRAs is, until the program ends."""
    return tempfile.TemporaryDirectory()


def flux_folder() -> str:
    with silent_progress():
        return tiny.folder("flux", Path(undamaged().name))


def build_lora(folder: Path) -> None:
    folder.mkdir()
    weights = test_lora.of_pipeline(test_lora.low_rank(tiny.pipeline("flux").transformer, 1))
    save_file(weights, folder / "pytorch_lora_weights.safetensors")


def adapted(folder: str) -> tuple[dict[str, Any], Tensor]:
    """FLUX with a LoRA."""
    loras, shape = find_loras("flux", f"{folder}:0.8"), (tiny.LATENTS, 8, 8)
    flow = FluxFlow(PROMPT, flux_folder(), shape, CPU, PROFILE, loras=loras)
    return {}, flow.velocity(noise(1, *shape).flatten(1), 0.5).flatten()


def adapted_by_library(folder: str) -> Tensor:
    shape = (tiny.LATENTS, 8, 8)
    flow = FluxFlow(PROMPT, flux_folder(), shape, CPU, PROFILE)
    own = tiny.pipeline("flux")
    own.load_lora_weights(folder, adapter_name="a")
    own.set_adapters(["a"], [0.8])
    flow.net = own.transformer
    return flow.velocity(noise(1, *shape).flatten(1), 0.5).flatten()
