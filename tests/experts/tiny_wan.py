"""Pipelines of Wan with random weights, built from configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.experts import tiny

#: Channels of latents; a latent is 4 pixels wide, and after the first frame 2 frames long.
LATENTS, FACTOR, SPAN = 4, 4, 2
#: Of each pipeline: its class, and the channels of conditions beside the latents.
PIPELINES: dict[str, tuple[Any, int]] = {
    "wan_t2v": (WanPipeline, 0),
    "wan_i2v": (WanImageToVideoPipeline, SPAN + LATENTS),
    "wan_depth": (WanVACEPipeline, 0),
    "wan_t2v of two": (WanPipeline, 0),
    "wan_i2v of two": (WanImageToVideoPipeline, SPAN + LATENTS),
    "wan_i2v with a last frame": (WanImageToVideoPipeline, SPAN + LATENTS),
    "wan_t2v by token": (WanPipeline, 0),
    "wan_i2v by token": (WanImageToVideoPipeline, 0),
}
#: Those that see their frames with CLIP, in patches whose places they know where there are two.
SEEING = {"wan_i2v": None, "wan_i2v with a last frame": 2 * (4 * 4 + 1)}
_NETWORK: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "out_channels": LATENTS,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 32,
}


def pipeline(kind: str) -> Any:
    """A pipeline by the name of its expert; all have one autoencoder and one text encoder."""
    made, beside = PIPELINES[kind]
    torch.manual_seed(7)
    by_token = kind.endswith("by token")
    parts: dict[str, Any] = {**texts(), "vae": autoencoder(patch=2 if by_token else None)}
    torch.manual_seed(list(PIPELINES).index(kind))
    parts["transformer"] = _transformer(kind, beside)
    if kind.endswith("of two"):
        parts |= {"transformer_2": _transformer(kind, beside), "boundary_ratio": 0.6}
    if by_token:
        parts |= {"expand_timesteps": True}
    if kind.startswith("wan_i2v"):
        parts |= {"image_encoder": None, "image_processor": None}
    if kind in SEEING:
        parts |= _eyes()
    out = made(scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), **parts)
    out.set_progress_bar_config(disable=True)
    return out


def folder(kind: str, place: Path) -> str:
    """Where such a pipeline is saved."""
    path = place / kind.replace(" ", "-")
    if not path.exists():
        pipeline(kind).save_pretrained(path)
    return str(path)


def autoencoder(patch: int | None = None) -> AutoencoderKLWan:
    """Of patches of pixels, as that of Wan 2.2 5B, where a size of them is given."""
    more: dict[str, Any] = {}
    if patch is not None:
        channels = 3 * patch**2
        more = {"patch_size": patch, "in_channels": channels, "out_channels": channels}
        more |= {"is_residual": True}
    return AutoencoderKLWan(
        base_dim=4,
        z_dim=LATENTS,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.2, 0.8, 1.0, 2.0],
        scale_factor_temporal=SPAN,
        scale_factor_spatial=FACTOR * (patch or 1),
        **more,
    ).eval()


def texts() -> dict[str, Any]:
    tokenizer = tiny.texts()["tokenizer_2"]
    encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            d_ff=16,
            d_kv=8,
            num_heads=2,
            num_layers=2,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    return {"tokenizer": tokenizer, "text_encoder": encoder.eval()}


def _transformer(kind: str, beside: int) -> Any:
    if kind == "wan_depth":
        net = WanVACETransformer3DModel(
            in_channels=LATENTS,
            vace_layers=[0, 1],
            vace_in_channels=2 * LATENTS + FACTOR**2,
            **_NETWORK,
        )
    else:
        sees: dict[str, Any] = {}
        if kind in SEEING:
            sees = {"image_dim": 8, "added_kv_proj_dim": 24, "pos_embed_seq_len": SEEING[kind]}
        net = WanTransformer3DModel(in_channels=LATENTS + beside, **_NETWORK, **sees)
    for weights in net.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return net.eval()


def _eyes() -> dict[str, Any]:
    config = CLIPVisionConfig(
        hidden_size=8,
        projection_dim=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        intermediate_size=16,
        patch_size=8,
    )
    processor = CLIPImageProcessor(
        crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32}
    )
    return {"image_encoder": CLIPVisionModel(config).eval(), "image_processor": processor}
