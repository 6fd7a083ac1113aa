"""Pipelines of Qwen-Image and Z-Image with random weights, built from configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageControlNetInpaintPipeline,
    QwenImageControlNetModel,
    QwenImageControlNetPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
)

from tests.experts import tiny

#: Channels of latents; a latent is 4 pixels wide, as in `tests.experts.tiny`.
LATENTS = 4
PIPELINES = {
    "qwen_image": QwenImagePipeline,
    "qwen_controlnet": QwenImageControlNetPipeline,
    "qwen_fill": QwenImageControlNetInpaintPipeline,
    "z_image": ZImagePipeline,
}
_QWEN: dict[str, Any] = {
    "patch_size": 2,
    "in_channels": 4 * LATENTS,
    "out_channels": LATENTS,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 16,
    "axes_dims_rope": (4, 4, 8),
}


def pipeline(kind: str) -> Any:
    """A pipeline by the name of its expert."""
    torch.manual_seed(list(PIPELINES).index(kind))
    made = PIPELINES[kind](**(_z_image() if kind == "z_image" else _qwen(kind)))
    made.set_progress_bar_config(disable=True)
    return made


def folder(kind: str, place: Path) -> str:
    """Where such a pipeline is saved."""
    path = place / kind
    if not path.exists():
        pipeline(kind).save_pretrained(path)
    return str(path)


def _qwen(kind: str) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if kind != "qwen_image":
        more = LATENTS if kind == "qwen_fill" else 0
        parts["controlnet"] = net = QwenImageControlNetModel(
            num_layers=1, extra_condition_channels=more, **_QWEN
        ).eval()
        for weights in net.parameters():
            if not weights.any():
                torch.nn.init.normal_(weights, std=0.1)
    tokenizer = qwen_tokenizer()
    return parts | {
        "transformer": QwenImageTransformer2DModel(num_layers=2, **_QWEN).eval(),
        "vae": AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=LATENTS,
            dim_mult=[1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True],
            latents_mean=[0.1, -0.2, 0.3, 0.0],
            latents_std=[1.2, 0.8, 1.0, 2.0],
        ).eval(),
        "tokenizer": tokenizer,
        "text_encoder": Qwen2_5_VLForConditionalGeneration(_qwen_texts(len(tokenizer))).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True,
            base_shift=0.5,
            max_shift=0.9,
            max_image_seq_len=8192,
            shift_terminal=0.02,
        ),
    }


def _z_image() -> dict[str, Any]:
    tokenizer = qwen_tokenizer()
    return {
        "transformer": ZImageTransformer2DModel(
            in_channels=LATENTS,
            dim=32,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[8, 4, 4],
            axes_lens=[1024, 32, 32],
        ).eval(),
        "vae": tiny.autoencoder(),
        "tokenizer": tokenizer,
        "text_encoder": Qwen3Model(_qwen3(len(tokenizer), layers=2)).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=6.0),
    }


def _qwen3(size: int, layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=None,
    )


#: Chats as those of Qwen 3: an answer without thoughts begins with empty ones.
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


def qwen_tokenizer() -> Qwen2Tokenizer:
    """A token for each byte, and the marks of chats."""
    letters = sorted(ByteLevel.alphabet())
    made = Qwen2Tokenizer(vocab={t: i for i, t in enumerate(letters)}, merges=[])
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    made.chat_template = _CHAT
    return made


def _qwen_texts(size: int) -> Qwen2_5_VLConfig:
    text = {
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]},
        "max_position_embeddings": 2048,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
        "patch_size": 2,
    }
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision)
