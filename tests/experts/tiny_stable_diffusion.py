"""Pipelines of Stable Diffusion with random weights, a few thousand each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import CLIPTextModelWithProjection

from tests.experts import tiny

#: Of T5's embeddings, at least that of both CLIP encoders together.
T5_WIDTH = 80
NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
PIPELINES = {
    "sd": "StableDiffusionPipeline",
    "sd_controlnet": "StableDiffusionControlNetPipeline",
    "sd_inpaint": "StableDiffusionInpaintPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sdxl_controlnet": "StableDiffusionXLControlNetPipeline",
    "sdxl_inpaint": "StableDiffusionXLInpaintPipeline",
    "sd3": "StableDiffusion3Pipeline",
}
#: Those whose tests are in `tests.experts.flow_families`.
FURTHER = {
    "sd3_controlnet": "StableDiffusion3ControlNetPipeline",
    "sd3_fill": "StableDiffusion3ControlNetInpaintingPipeline",
}
#: ControlNets of Stable Diffusion 3: those of InstantX, of Stability AI, and for inpainting.
SD3_CONTROLS: dict[str, dict[str, Any]] = {
    "instantx": {},
    "stability": {
        "use_pos_embed": False,
        "joint_attention_dim": None,
        "force_zeros_for_pooled_projection": False,
    },
    "fill": {"extra_conditioning_channels": 1},
}


def pipeline(
    kind: str, scheduler: Any = None, *, t5: bool = True, control: str = "instantx", **options: Any
) -> Any:
    """A pipeline of a kind; those of one family share autoencoder and text encoders.

    Args:
        scheduler: of a library, in place of the one that such models come with.
        t5: whether Stable Diffusion 3 has its third text encoder. control: its ControlNet.
    """
    torch.manual_seed(0)
    made = getattr(diffusers, (PIPELINES | FURTHER)[kind])
    parts = tiny.texts(t5_width=T5_WIDTH)
    family, _, condition = kind.partition("_")
    components: dict[str, Any] = {
        "vae": tiny.autoencoder(shift=0.05 if family == "sd3" else None),
        "tokenizer": parts["tokenizer"],
        "text_encoder": parts["text_encoder"],
        "scheduler": scheduler or schedulers()[family],
    }
    if family == "sd":
        components |= {"safety_checker": None, "feature_extractor": None}
        components["requires_safety_checker"] = False
    else:
        components["tokenizer_2"] = parts["tokenizer"]
        components["text_encoder_2"] = projected(parts["text_encoder"].config)
    if family == "sdxl" and condition != "controlnet":
        components["add_watermarker"] = False
    torch.manual_seed(1 + [*sorted(PIPELINES), *FURTHER].index(kind))
    if family == "sd3":
        components["text_encoder"] = projected(parts["text_encoder"].config)
        components["text_encoder_3"] = parts["text_encoder_2"] if t5 else None
        components["tokenizer_3"] = parts["tokenizer_2"] if t5 else None
        components["transformer"] = transformer()
        if condition:
            made_of = "fill" if condition == "fill" else control
            components["controlnet"] = sd3_controlnet(made_of)
    else:
        components["unet"] = unet(family, 9 if condition == "inpaint" else 4)
    if condition == "controlnet" and family != "sd3":
        components["controlnet"] = controlnet(components["unet"])
    built = made(**components, **options)
    built.set_progress_bar_config(disable=True)
    return built


def folder(kind: str, place: Path, **options: Any) -> str:
    """Where such a pipeline is saved."""
    path = place / "-".join([kind, *(f"{name}-{value}" for name, value in options.items())])
    if not path.exists():
        pipeline(kind, **options).save_pretrained(path)
    return str(path)


def schedulers() -> dict[str, Any]:
    """The scheduler that a family comes with; steps end at data without noise."""
    return {
        "sd": DDIMScheduler(**NOISE, clip_sample=False),
        "sdxl": EulerDiscreteScheduler(**NOISE, timestep_spacing="leading"),
        "sd3": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }


def unet(family: str, channels: int) -> UNet2DConditionModel:
    added: dict[str, Any] = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
        "cross_attention_dim": 64,
    }
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        **(added if family == "sdxl" else {"cross_attention_dim": 32}),
    ).eval()


def controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet whose zero convolutions are not zero, as after training."""
    made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8)).eval()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.startswith("controlnet_"):
                weight += 0.1 * torch.randn_like(weight)
    return made


def projected(config: Any) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(config).eval()


_SD3: dict[str, Any] = {
    "sample_size": 8,
    "patch_size": 2,
    "in_channels": 4,
    "out_channels": 4,
    "attention_head_dim": 8,
    "num_attention_heads": 4,
    "joint_attention_dim": T5_WIDTH,
    "caption_projection_dim": 32,
    "pooled_projection_dim": 64,
    "pos_embed_max_size": 16,
}


def transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(num_layers=2, **_SD3).eval()


def sd3_controlnet(kind: str) -> SD3ControlNetModel:
    """A ControlNet whose last layers are not zero, as after training."""
    made = SD3ControlNetModel(num_layers=1, **(_SD3 | SD3_CONTROLS[kind])).eval()
    for weights in made.parameters():
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.1)
    return made
