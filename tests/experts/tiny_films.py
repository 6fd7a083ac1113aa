"""Pipelines of films of several classes of diffusers, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    HunyuanSkyreelsImageToVideoPipeline,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
    LTXImageToVideoPipeline,
    LTXPipeline,
    LTXVideoTransformer3DModel,
)
from transformers import LlamaConfig, LlamaModel

from tests.experts import tiny, tiny_wan
from tests.experts.tiny_rewards import letters

#: Of each kind: the shape of latents (c, T, h, w) of a film of 5 frames of 32 x 32.
FRAMES, SIDE = 5, 32
LATENTS: dict[str, tuple[int, int, int, int]] = {
    "wan": (4, 3, 8, 8),
    "ltx": (8, 3, 8, 8),
    "hunyuan": (4, 2, 4, 4),
    "skyreels": (4, 2, 4, 4),
}


def folder(kind: str, place: Path) -> str:
    """Where the pipeline of a kind is saved."""
    path = place / f"film-{kind}"
    if not path.exists():
        pipeline(kind).save_pretrained(path)
    return str(path)


def pipeline(kind: str) -> Any:
    torch.manual_seed(sorted(KINDS).index(kind))
    made = KINDS[kind]()
    for part in made.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    made.set_progress_bar_config(disable=True)
    return made


def wan() -> Any:
    return tiny_wan.pipeline("wan_t2v")


def wan_image() -> Any:
    return tiny_wan.pipeline("wan_i2v")


def _ltx() -> dict[str, Any]:
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1),
        "vae": AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, False, False, False),
            decoder_spatio_temporal_scaling=(True, False, False, False),
            decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
            patch_size=2,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        "text_encoder": tiny.texts()["text_encoder_2"],
        "tokenizer": tiny.texts()["tokenizer_2"],
        "transformer": LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=32,
        ),
    }


def ltx() -> Any:
    return LTXPipeline(**_ltx())


def ltx_image() -> Any:
    return LTXImageToVideoPipeline(**_ltx())


def hunyuan(kind: Any = HunyuanVideoPipeline, beside: int = 0) -> Any:
    """HunyuanVideo, or a pipeline like it with further channels of conditions."""
    words = letters(special=("<pad>", "<eos>", "<unk>"))
    return kind(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        vae=AutoencoderKLHunyuanVideo(
            latent_channels=4,
            block_out_channels=(8, 8, 8, 8),
            layers_per_block=1,
            norm_num_groups=4,
        ),
        text_encoder=LlamaModel(
            LlamaConfig(
                vocab_size=len(words),
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=3,
                num_attention_heads=2,
                num_key_value_heads=2,
                pad_token_id=0,
            )
        ),
        tokenizer=words,
        text_encoder_2=tiny.texts()["text_encoder"],
        tokenizer_2=tiny.texts()["tokenizer"],
        transformer=HunyuanVideoTransformer3DModel(
            in_channels=4 + beside,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=12,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=1,
            patch_size_t=1,
            guidance_embeds=True,
            text_embed_dim=16,
            pooled_projection_dim=32,
            rope_axes_dim=(4, 4, 4),
        ),
    )


def skyreels() -> Any:
    """A first frame stands beside the latents."""
    return hunyuan(HunyuanSkyreelsImageToVideoPipeline, 4)


KINDS: dict[str, Callable[[], Any]] = {
    f.__name__: f for f in (wan, wan_image, ltx, ltx_image, hunyuan, skyreels)
}
