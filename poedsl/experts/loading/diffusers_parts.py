"""Parts of models in folders of diffusers: transformer, autoencoder, UNet, text encoders.

Each part is loaded once and shared by all experts that use it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.from_folder import (
    diffusers_network,
    transformers_network,
    transformers_processor,
)
from poedsl.experts.loading.lora import add_loras, twin
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.quantization import to_int8

#: The number of prompts whose embeddings are cached.
PROMPTS = 256


@cached_by_folder(maxsize=16)
def transformer(folder: str, device: torch.device, profile: Profile) -> Any:
    """The transformer of a FLUX folder, frozen, with the precision, offloading and LoRAs of a
    profile.

    Those with different LoRAs have the same weight matrices in memory.
    """
    model = twin(_weights(folder, device, replace(profile, loras=())))
    if profile.loras:
        add_loras(model, folder, "transformer", profile.loras)
    if profile.checkpointing:
        model.enable_gradient_checkpointing()
    dtype = network_dtype(profile, device)
    if profile.quantize == "fp8":
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if _offloads(profile, device):
        model.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
    return model


@cached_by_folder(maxsize=16)
def _weights(folder: str, device: torch.device, profile: Profile) -> Any:
    """The transformer of a FLUX folder, frozen, where its weights are kept."""
    with loading("", folder):
        model = diffusers_network(
            "FluxTransformer2DModel", folder, "transformer", network_dtype(profile, device)
        )
    if profile.quantize == "int8":
        to_int8(model)
    return model if _offloads(profile, device) else model.to(device)


def _offloads(profile: Profile, device: torch.device) -> bool:
    return profile.offload == "blocks" and device.type != "cpu"


@cached_by_folder(maxsize=4)
def autoencoder(folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The autoencoder of a folder, frozen.

    As in the library's pipelines, one with ``force_upcast`` overflows in float16, and is in
    float32 then.
    """
    with loading("", folder):
        model = diffusers_network("AutoencoderKL", folder, "vae", dtype)
        if dtype == torch.float16 and model.config.force_upcast:
            model = diffusers_network("AutoencoderKL", folder, "vae", torch.float32)
    return model.to(device)


@cached_by_folder(maxsize=8)
def unet(folder: str, device: torch.device) -> Any:
    """The ``UNet2DModel`` of a folder, frozen."""
    with loading("", folder):
        return diffusers_network("UNet2DModel", folder, "unet", torch.float32).to(device)


@cached_by_folder(maxsize=2)
def _encoders(folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The pipeline of a FLUX folder with its text encoders alone."""
    with loading("", folder):
        from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

        kinds = {"text_encoder": "CLIPTextModel", "text_encoder_2": "T5EncoderModel"}
        networks = {
            part: transformers_network(kind, folder, dtype, part).to(device)
            for part, kind in kinds.items()
        }
        kinds = {"tokenizer": "CLIPTokenizer", "tokenizer_2": "T5TokenizerFast"}
        tokenizers = {
            part: transformers_processor(kind, folder, part) for part, kind in kinds.items()
        }
        pipeline = FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=None,
            transformer=None,
            **networks,
            **tokenizers,
        )
        pipeline.tokenizer_max_length = min(
            pipeline.tokenizer_max_length, networks["text_encoder"].config.max_position_embeddings
        )
        return pipeline


@cached_by_folder(maxsize=PROMPTS)
def prompt(
    folder: str, text: str, device: torch.device, dtype: torch.dtype
) -> tuple[Float[Tensor, "1 S d"], Float[Tensor, "1 p"]]:
    """The embeddings of a prompt: T5's of every token (1, S, d), and CLIP's pooled one (1, p).

    Raises:
        PoeError: the text encoders cannot be used, or are not finite (P0206).
    """
    pipeline = _encoders(folder, device, dtype)
    length = min(512, pipeline.tokenizer_2.model_max_length)
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text, pipeline.tokenizer_max_length)
        warn_if_cut("text_encoder_2", pipeline.tokenizer_2, text, length)
        tokens, pooled, _ = pipeline.encode_prompt(
            prompt=text, prompt_2=text, device=device, max_sequence_length=length
        )
    for part, embedding in (("text_encoder", pooled), ("text_encoder_2", tokens)):
        if not bool(torch.isfinite(embedding).all()):
            reason = f"what {part} makes of the prompt is not finite in {_name(embedding.dtype)}"
            raise unfit("", folder, reason)
    return tokens, pooled


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def free_encoders() -> None:
    """Free the text encoders, which are not needed once the prompts are encoded."""
    _encoders.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
