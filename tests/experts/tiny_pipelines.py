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
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    ControlNetModel,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxKontextPipeline,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    GlmConfig,
    GlmModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

from tests.experts import tiny
from tests.experts.tiny_rewards import letters

WIDTH = 32
#: A conversation as its words, and what the template of Qwen3 adds.
_CHAT = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def folder(kind: str, place: Path) -> str:
    """Where the pipeline of a kind is saved."""
    path = place / kind
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


def euler(**options: Any) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=3.0, **options)


def ddim(**options: Any) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        **{"clip_sample": False, "steps_offset": 1, **options},
    )


def vae(channels: int = 4, **options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=2,
        **options,
    )


def clip(projection: bool = False) -> Any:
    texts = tiny._texts()
    if not projection:
        return texts["text_encoder"]
    config = CLIPTextConfig(**{**texts["text_encoder"].config.to_dict(), "projection_dim": WIDTH})
    return CLIPTextModelWithProjection(config)


def tokenizers() -> tuple[Any, Any]:
    texts = tiny._texts()
    return texts["tokenizer"], texts["tokenizer_2"]


def t5() -> Any:
    return tiny._texts()["text_encoder_2"]


def chatting() -> PreTrainedTokenizerFast:
    made = letters(special=("<pad>", "<eos>", "<unk>"))
    made.chat_template = _CHAT
    return made


def unet(channels: int = 4, **options: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        **{
            "sample_size": 8,
            "in_channels": channels,
            "out_channels": 4,
            "block_out_channels": (8, 16),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": WIDTH,
            "attention_head_dim": 2,
            **options,
        }
    )


def sd() -> Any:
    return StableDiffusionPipeline(
        vae=vae(scaling_factor=0.18215),
        text_encoder=clip(),
        tokenizer=tokenizers()[0],
        unet=unet(),
        scheduler=ddim(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> Any:
    return StableDiffusionXLPipeline(
        vae=vae(scaling_factor=0.13025),
        text_encoder=clip(),
        text_encoder_2=clip(projection=True),
        tokenizer=tokenizers()[0],
        tokenizer_2=tokenizers()[0],
        unet=unet(
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            cross_attention_dim=2 * WIDTH,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )


def sd3() -> Any:
    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * WIDTH,
        ),
        scheduler=euler(),
        vae=vae(shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip(projection=True),
        tokenizer=tokenizers()[0],
        text_encoder_2=clip(projection=True),
        tokenizer_2=tokenizers()[0],
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux() -> Any:
    return tiny.pipeline("flux")


def flux_fill() -> Any:
    return tiny.pipeline("flux_fill")


def flux_control() -> Any:
    return tiny.pipeline("flux_depth")


def kontext() -> Any:
    return FluxKontextPipeline(**tiny.pipeline("flux").components)


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
        vae=vae(shift_factor=0.1, scaling_factor=0.4),
        text_encoder=t5(),
        tokenizer=tokenizers()[1],
    )


def qwen() -> Any:
    text = {
        "vocab_size": len(chatting()),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
    }
    return QwenImagePipeline(
        transformer=QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
        ),
        vae=AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.1, 0.0, -0.1, 0.2],
            latents_std=[0.9, 1.0, 1.1, 1.2],
        ),
        scheduler=euler(use_dynamic_shifting=True),
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=vision)
        ),
        tokenizer=chatting(),
    )


def _qwen3(kind: Any, layers: int = 2) -> Any:
    config = Qwen3Config(
        vocab_size=len(chatting()),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )
    return kind(config)


def z_image() -> Any:
    return ZImagePipeline(
        transformer=ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=4,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 32, 32],
        ),
        scheduler=euler(),
        vae=vae(shift_factor=0.1, scaling_factor=0.4),
        text_encoder=_qwen3(Qwen3Model),
        tokenizer=chatting(),
    )


def klein() -> Any:
    return Flux2KleinPipeline(
        transformer=Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        scheduler=euler(use_dynamic_shifting=True),
        vae=AutoencoderKLFlux2(
            sample_size=32,
            in_channels=3,
            out_channels=3,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(8, 8, 8),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=2,
        ),
        text_encoder=_qwen3(Qwen3ForCausalLM, 28),
        tokenizer=chatting(),
        is_distilled=False,
    )


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
        vae=vae(scaling_factor=0.18215),
        scheduler=ddim(prediction_type="v_prediction"),
        text_encoder=t5(),
        tokenizer=tokenizers()[1],
    )


def _gemma() -> Any:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=len(chatting()),
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
        tokenizer=chatting(),
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
        vae=vae(shift_factor=0.1, scaling_factor=0.4),
        scheduler=euler(),
        text_encoder=_gemma(),
        tokenizer=chatting(),
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
        vae=vae(scaling_factor=0.13),
        scheduler=euler(),
        text_encoder=t5(),
        tokenizer=tokenizers()[1],
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
        vae=vae(shift_factor=0.0, scaling_factor=1.0),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
        text_encoder=GlmModel(
            GlmConfig(
                vocab_size=len(chatting()),
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
        tokenizer=chatting(),
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
    parts = sd().components
    control = ControlNetModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        in_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        cross_attention_dim=WIDTH,
        conditioning_embedding_out_channels=(4, 8, 8),
        norm_num_groups=4,
        attention_head_dim=2,
    )
    for weight in control.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return StableDiffusionControlNetPipeline(
        **parts, controlnet=control, requires_safety_checker=False
    )


def edited() -> Any:
    parts = {**sd().components, "unet": unet(8)}
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
    )
}
