"""Parts of models in folders of diffusers: transformer, autoencoder, UNet, text encoders.

Each part is loaded once and shared by all experts that use it.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.catalog.single_files import configurations
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.folder_loader import (
    diffusers_network,
    transformers_network,
    transformers_processor,
)
from poedsl.experts.loading.lora import add_loras, twin
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.placement import kept, set_up
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.text_loras import add_to_encoders
from poedsl.experts.loading.weight_files import read_config

#: The classes of autoencoders that are read.
AUTOENCODERS = ("AutoencoderKL", "AutoencoderKLQwenImage", "AutoencoderKLFlux2")
#: The class of those of films, which are in float32 as in the library's examples.
FILMS = "AutoencoderKLWan"
#: Text encoders: the ending of their name and of that of their tokenizer, and their classes.
FLUX_TEXTS = (("", "CLIPTextModel", "CLIPTokenizer"), ("_2", "T5EncoderModel", "T5TokenizerFast"))
#: The number of prompts whose embeddings are cached.
PROMPTS = 256


@cached_by_folder(maxsize=16)
def denoiser(
    kind: str,
    folder: str,
    part: str,
    device: torch.device,
    profile: Profile,
    loras: tuple[Lora, ...] = (),
) -> Any:
    """A network that removes noise, frozen, with the precision and offloading of a profile.

    Those with different LoRAs have the same weight matrices in memory.

    Args:
        kind: the name of its class in diffusers. part: its subfolder, empty for the folder itself.
    """
    network = twin(_weights(kind, folder, part, device, profile))
    if loras:
        add_loras(network, folder, part, loras)
    return set_up(network, device, profile)


@cached_by_folder(maxsize=16)
def _weights(kind: str, folder: str, part: str, device: torch.device, profile: Profile) -> Any:
    """Such a network where its weights are kept."""
    with loading("", folder):
        network = diffusers_network(kind, folder, part, network_dtype(profile, device))
    return kept(network, device, profile)


def controlnet(
    kind: str, folder: str, controlnet: str | None, device: torch.device, profile: Profile
) -> Any:
    """A ControlNet beside the model in a folder.

    Args:
        kind: the name of its class. controlnet: its own folder; None for ``controlnet/`` of the
            model's.
    """
    place, part = (folder, "controlnet") if controlnet is None else (controlnet, "")
    return denoiser(kind, place, part, device, profile)


@cached_by_folder(maxsize=4)
def autoencoder(folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The autoencoder of a folder, frozen.

    As in the library's pipelines, one with ``force_upcast`` overflows in float16, and is in
    float32 then.
    """
    present = (configurations(folder) / "vae").is_dir()
    named = read_config(folder, "vae").get("_class_name") if present else None
    kind = named if named in (*AUTOENCODERS, FILMS) else AUTOENCODERS[0]
    dtype = torch.float32 if kind == FILMS else dtype
    with loading("", folder):
        model = diffusers_network(kind, folder, "vae", dtype)
        if dtype == torch.float16 and model.config.get("force_upcast"):
            model = diffusers_network(kind, folder, "vae", torch.float32)
    return model.to(device)


@cached_by_folder(maxsize=8)
def unet(folder: str, device: torch.device) -> Any:
    """The ``UNet2DModel`` of a folder, frozen."""
    with loading("", folder):
        return diffusers_network("UNet2DModel", folder, "unet", torch.float32).to(device)


@cached_by_folder(maxsize=2)
def text_encoders(
    kind: str,
    folder: str,
    device: torch.device,
    dtype: torch.dtype,
    parts: tuple[tuple[str, str, str], ...],
    loras: tuple[Lora, ...] = (),
) -> Any:
    """A pipeline of diffusers with its text encoders alone.

    Args:
        kind: the name of its class. parts: the ending of a text encoder and of its tokenizer, and
            their classes in transformers. loras: low-rank adapters of the encoders.
    """
    with loading("", folder):
        import diffusers

        made = getattr(diffusers, kind)
        components: dict[str, Any] = {
            name: None
            for name, parameter in inspect.signature(made.__init__).parameters.items()
            if name != "self" and parameter.default is inspect.Parameter.empty
        }
        for ending, network, tokenizer in parts:
            encoder, reader = f"text_encoder{ending}", f"tokenizer{ending}"
            components[encoder] = transformers_network(network, folder, dtype, encoder).to(device)
            components[reader] = transformers_processor(tokenizer, folder, reader)
        pipeline = made(**components)
        add_to_encoders(pipeline, folder, loras)
        return pipeline


@cached_by_folder(maxsize=PROMPTS)
def prompt(
    folder: str,
    text: str,
    device: torch.device,
    dtype: torch.dtype,
    loras: tuple[Lora, ...] = (),
) -> tuple[Float[Tensor, "1 S d"], Float[Tensor, "1 p"]]:
    """The embeddings of a prompt: T5's of every token (1, S, d), and CLIP's pooled one (1, p).

    Raises:
        PoeError: the text encoders cannot be used, or are not finite (P0206).
    """
    pipeline = text_encoders("FluxPipeline", folder, device, dtype, FLUX_TEXTS, loras)
    clip = min(pipeline.tokenizer_max_length, pipeline.text_encoder.config.max_position_embeddings)
    pipeline.tokenizer_max_length = clip
    length = min(512, pipeline.tokenizer_2.model_max_length)
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text, clip)
        warn_if_cut("text_encoder_2", pipeline.tokenizer_2, text, length)
        tokens, pooled, _ = pipeline.encode_prompt(
            prompt=text, prompt_2=text, device=device, max_sequence_length=length
        )
    expect_finite(folder, text_encoder=pooled, text_encoder_2=tokens)
    return tokens, pooled


def expect_finite(folder: str, **embeddings: Tensor) -> None:
    """Check that embeddings of a prompt, by the text encoder that made them, are finite.

    Raises:
        PoeError: one is not (P0206).
    """
    for part, embedding in embeddings.items():
        if not bool(torch.isfinite(embedding).all()):
            kind = str(embedding.dtype).removeprefix("torch.")
            reason = f"what {part} makes of the prompt is not finite in {kind}"
            raise unfit("", folder, reason)


def free_encoders() -> None:
    """Free the text encoders, which are not needed once the prompts are encoded."""
    text_encoders.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
