"""Pipelines of many classes of diffusers with random weights, saved by the library itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3ControlNetModel,
    StableDiffusion3ControlNetPipeline,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DModel,
)
from transformers import (
    Gemma2Config,
    Gemma2Model,
    GlmConfig,
    GlmModel,
    PreTrainedTokenizerFast,
)

from tests.experts import tiny, tiny_stable_diffusion, tiny_transformers
from tests.experts.tiny_rewards import letters

WIDTH = 32


def folder(kind: str, place: Path) -> str:
    """Where the pipeline of a kind is saved."""
    path = place / kind
    if not path.exists():
        pipeline(kind).save_pretrained(path)
    return str(path)


def pipeline(kind: str) -> Any:
    torch.manual_seed(list(KINDS).index(kind))
    made = KINDS[kind]()
    for part in made.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    made.set_progress_bar_config(disable=True)
    return made


def euler(**options: Any) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=3.0, **options)


def words() -> PreTrainedTokenizerFast:
    return letters(special=("<pad>", "<eos>", "<unk>"))


def sd() -> Any:
    return tiny_stable_diffusion.pipeline("sd")


def sdxl() -> Any:
    return tiny_stable_diffusion.pipeline("sdxl")


def sd3() -> Any:
    return tiny_stable_diffusion.pipeline("sd3", t5=False)


def flux() -> Any:
    return tiny.pipeline("flux")


def flux_fill() -> Any:
    return tiny.pipeline("flux_fill")


def flux_control() -> Any:
    return tiny.pipeline("flux_depth")


def kontext() -> Any:
    return tiny.pipeline("flux_kontext")


def chroma() -> Any:
    return ChromaPipeline(
        transformer=ChromaTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
            approximator_hidden_dim=32,
            approximator_layers=1,
            approximator_num_channels=16,
        ),
        scheduler=euler(),
        vae=tiny.autoencoder(),
        text_encoder=tiny.texts()["text_encoder_2"],
        tokenizer=tiny.texts()["tokenizer_2"],
    )


def qwen() -> Any:
    return tiny_transformers.pipeline("qwen_image")


def z_image() -> Any:
    return tiny_transformers.pipeline("z_image")


def klein() -> Any:
    return tiny_transformers.pipeline("flux2_klein")


def qwen_controlnet() -> Any:
    return tiny_transformers.pipeline("qwen_controlnet")


def flux_controlnet() -> Any:
    return tiny.pipeline("flux_controlnet")


def sdxl_controlnet() -> Any:
    return tiny_stable_diffusion.pipeline("sdxl_controlnet")


def pixart_sigma() -> Any:
    return PixArtSigmaPipeline(**pixart().components)


def pixart() -> Any:
    return PixArtAlphaPipeline(
        transformer=PixArtTransformer2DModel(
            sample_size=8,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=WIDTH,
            in_channels=4,
            out_channels=8,
            cross_attention_dim=16,
            norm_num_groups=4,
        ),
        vae=tiny.autoencoder(shift=None),
        scheduler=DDIMScheduler(
            **tiny_stable_diffusion.NOISE, clip_sample=False, prediction_type="v_prediction"
        ),
        text_encoder=tiny.texts()["text_encoder_2"],
        tokenizer=tiny.texts()["tokenizer_2"],
    )


def _gemma() -> Any:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=len(words()),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
        )
    )


def sana() -> Any:
    return SanaPipeline(
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=8,
            num_cross_attention_heads=2,
            cross_attention_head_dim=8,
            cross_attention_dim=16,
            caption_channels=16,
            sample_size=32,
        ),
        vae=AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=[1, 1],
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        scheduler=euler(),
        text_encoder=_gemma(),
        tokenizer=words(),
    )


def lumina2() -> Any:
    return Lumina2Pipeline(
        transformer=Lumina2Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            hidden_size=24,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=3,
            num_kv_heads=1,
            multiple_of=2,
            ffn_dim_multiplier=None,
            norm_eps=1e-5,
            scaling_factor=1.0,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(512, 32, 32),
            cap_feat_dim=16,
        ),
        vae=tiny.autoencoder(),
        scheduler=euler(),
        text_encoder=_gemma(),
        tokenizer=words(),
    )


def aura() -> Any:
    return AuraFlowPipeline(
        transformer=AuraFlowTransformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=WIDTH,
            out_channels=4,
            pos_embed_max_size=64,
        ),
        vae=tiny.autoencoder(shift=None),
        scheduler=euler(),
        text_encoder=tiny.texts()["text_encoder_2"],
        tokenizer=tiny.texts()["tokenizer_2"],
    )


def cogview4() -> Any:
    return CogView4Pipeline(
        transformer=CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            out_channels=4,
            text_embed_dim=16,
            time_embed_dim=8,
            condition_dim=4,
        ),
        vae=tiny.autoencoder(shift=None),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
        text_encoder=GlmModel(
            GlmConfig(
                vocab_size=len(words()),
                hidden_size=16,
                intermediate_size=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
                pad_token_id=0,
                eos_token_id=1,
            )
        ),
        tokenizer=words(),
    )


def sd3_controlnet() -> Any:
    parts = sd3().components
    options = {k: v for k, v in parts["transformer"].config.items() if not k.startswith("_")}
    takes = inspect.signature(SD3ControlNetModel.__init__).parameters
    control = SD3ControlNetModel(**{k: v for k, v in options.items() if k in takes})
    for weight in control.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return StableDiffusion3ControlNetPipeline(**parts, controlnet=control)


def controlnet() -> Any:
    return tiny_stable_diffusion.pipeline("sd_controlnet")


def edited() -> Any:
    parts = {**sd().components, "unet": tiny_stable_diffusion.unet("sd", 8)}
    return StableDiffusionInstructPix2PixPipeline(**parts, requires_safety_checker=False)


def _pixels() -> UNet2DModel:
    return UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
    )


def ddpm() -> Any:
    return DDPMPipeline(_pixels(), DDPMScheduler(clip_sample=False))


def pixel_ddim() -> Any:
    return DDIMPipeline(_pixels(), DDIMScheduler(prediction_type="sample", clip_sample=True))


KINDS: dict[str, Callable[[], Any]] = {
    f.__name__: f
    for f in (
        *(sd, sdxl, sd3, flux, flux_fill, flux_control, kontext, chroma, qwen, z_image, klein),
        *(pixart, sana, lumina2, aura, cogview4),
        *(controlnet, sd3_controlnet, edited, ddpm, pixel_ddim),
        *(qwen_controlnet, flux_controlnet, sdxl_controlnet, pixart_sigma),
    )
}
