"""Pipelines of diffusers with random weights, a few thousand each, built from configurations."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxKontextPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    UNet2DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

#: Channels of latents, and pixels along a side of one.
LATENTS, FACTOR = 4, 4
PIPELINES = {
    "flux": FluxPipeline,
    "flux_depth": FluxControlPipeline,
    "flux_fill": FluxFillPipeline,
    "flux_schnell": FluxPipeline,
    "flux_canny": FluxControlPipeline,
    "flux_kontext": FluxKontextPipeline,
    "flux_controlnet": FluxControlNetPipeline,
}
_BESIDE = {
    "flux_depth": 4 * LATENTS,
    "flux_canny": 4 * LATENTS,
    "flux_fill": 4 * LATENTS + 4 * FACTOR**2,
}
#: ControlNets of one kind of control, of several, and for pictures in place of latents.
CONTROLNETS: dict[str, dict[str, int]] = {
    "single": {},
    "union": {"num_mode": 3},
    "pixels": {"conditioning_embedding_channels": 4 * LATENTS},
}
_NETWORK: dict[str, Any] = {
    "patch_size": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (4, 4, 8),
}


def pipeline(kind: str, seed: int = 0) -> Any:
    """A pipeline of the FLUX family; those of one seed share autoencoder and text encoders."""
    torch.manual_seed(seed)
    shared = {**texts(), "vae": autoencoder()}
    torch.manual_seed(1000 * seed + list(PIPELINES).index(kind))
    transformer = FluxTransformer2DModel(
        in_channels=4 * LATENTS + _BESIDE.get(kind, 0),
        out_channels=4 * LATENTS,
        num_layers=4 if kind == "flux_controlnet" else 1,
        guidance_embeds=kind != "flux_schnell",
        **_NETWORK,
    ).eval()
    if kind == "flux_controlnet":
        shared["controlnet"] = controlnet("single")
    made = PIPELINES[kind](transformer=transformer, scheduler=_scheduler(kind), **shared)
    made.set_progress_bar_config(disable=True)
    return made


def folder(kind: str, place: Path, seed: int = 0) -> str:
    """Where such a pipeline is saved."""
    path = place / f"{kind}-{seed}"
    if not path.exists():
        pipeline(kind, seed).save_pretrained(path)
    return str(path)


def controlnet(kind: str) -> FluxControlNetModel:
    """A ControlNet of two blocks, none of whose weights is zero as before training."""
    torch.manual_seed(50 + list(CONTROLNETS).index(kind))
    net = FluxControlNetModel(
        in_channels=4 * LATENTS, num_layers=2, **_NETWORK, **CONTROLNETS[kind]
    ).eval()
    for weights in net.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return net


def controlnet_folder(kind: str, place: Path) -> str:
    """Where such a ControlNet is saved."""
    path = place / f"controlnet-{kind}"
    if not path.exists():
        controlnet(kind).save_pretrained(path)
    return str(path)


def autoencoder(shift: float | None = 0.1159) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=2,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=shift,
        scaling_factor=0.3611,
    ).eval()


def unet_folder(place: Path) -> str:
    """A class-conditional UNet with v-prediction and noise without signal at its last time."""
    path = place / "unet"
    torch.manual_seed(5)
    UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        num_class_embeds=4,
    ).save_pretrained(path / "unet")
    DDPMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample=False
    ).save_pretrained(path / "scheduler")
    (path / "model_index.json").write_text(
        '{"_class_name": "DDPMPipeline", "id2label": {"0": "empty", "1": "couch", "2": "both"},\n'
        '"scheduler": ["diffusers", "DDPMScheduler"], "unet": ["diffusers", "UNet2DModel"]}\n'
    )
    return str(path)


def texts(t5_width: int = 32) -> dict[str, Any]:
    """Tokenizers and encoders, CLIP's with 32 components."""
    letters = sorted(ByteLevel.alphabet())
    ends = [*(a + "</w>" for a in letters), "<|startoftext|>", "<|endoftext|>"]
    clip = CLIPTokenizer(
        vocab={t: i for i, t in enumerate([*letters, *ends])}, merges=[], model_max_length=77
    )
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(c, -3.0) for c in string.printable if not c.isspace()]
    t5 = T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=16)
    clip_config = CLIPTextConfig(
        vocab_size=len(clip),
        hidden_size=32,
        intermediate_size=32,
        projection_dim=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=clip.bos_token_id,
        eos_token_id=clip.eos_token_id,
        pad_token_id=1,
    )
    t5_config = T5Config(
        vocab_size=len(t5),
        d_model=t5_width,
        d_ff=32,
        d_kv=8,
        num_heads=4,
        num_layers=1,
        feed_forward_proj="gated-gelu",
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        relative_attention_num_buckets=8,
    )
    return {
        "tokenizer": clip,
        "tokenizer_2": t5,
        "text_encoder": CLIPTextModel(clip_config).eval(),
        "text_encoder_2": T5EncoderModel(t5_config).eval(),
    }


def _scheduler(kind: str) -> FlowMatchEulerDiscreteScheduler:
    dynamic = kind != "flux_schnell"
    return FlowMatchEulerDiscreteScheduler(
        shift=3.0 if dynamic else 1.0, use_dynamic_shifting=dynamic, base_shift=0.5, max_shift=1.15
    )
