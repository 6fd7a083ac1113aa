"""Pipelines of Qwen-Image, Z-Image and FLUX.2 with random weights, built from configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Pipeline,
    Flux2Transformer2DModel,
    QwenImageControlNetInpaintPipeline,
    QwenImageControlNetModel,
    QwenImageControlNetPipeline,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
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
    "flux2": Flux2Pipeline,
    "flux2_klein": Flux2KleinPipeline,
    "flux2_distilled": Flux2KleinPipeline,
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
    if kind.startswith("flux2"):
        made = PIPELINES[kind](**_flux2(kind))
    else:
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


def _flux2(kind: str) -> dict[str, Any]:
    """Layers of the text encoders down to the last one that is read; normalised latents."""
    if kind == "flux2":
        tokenizer: Any = mistral_tokenizer()
        texts: Any = Mistral3ForConditionalGeneration(_mistral(tokenizer, layers=30))
    else:
        tokenizer = qwen_tokenizer()
        texts = Qwen3ForCausalLM(_qwen3(len(tokenizer), layers=27))
    vae = AutoencoderKLFlux2(
        sample_size=32,
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=2,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()
    vae.bn.running_mean.copy_(torch.linspace(-0.5, 0.5, 4 * LATENTS))
    vae.bn.running_var.copy_(torch.linspace(0.5, 2, 4 * LATENTS))
    distilled = {} if kind == "flux2" else {"is_distilled": kind == "flux2_distilled"}
    return distilled | {
        "transformer": Flux2Transformer2DModel(
            in_channels=4 * LATENTS,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=24 if kind == "flux2" else 48,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=kind == "flux2",
        ).eval(),
        "vae": vae,
        "tokenizer": tokenizer,
        "text_encoder": texts.eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    }


def mistral_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, and the marks of chats."""
    letters = sorted(ByteLevel.alphabet())
    bytes_of = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(letters)}, merges=[]))
    bytes_of.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bytes_of,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        additional_special_tokens=["[INST]", "[/INST]", "[IMG]"],
    )
    made.chat_template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
        "{{ m.content[0].text }}{% else %}[INST]{{ m.content[0].text }}[/INST]{% endif %}"
        "{% endfor %}"
    )
    return made


def _mistral(tokenizer: PreTrainedTokenizerFast, layers: int) -> Mistral3Config:
    sizes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_attention_heads": 1,
        "head_dim": 8,
    }
    text = sizes | {
        "model_type": "mistral",
        "vocab_size": len(tokenizer),
        "num_hidden_layers": layers,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
    }
    vision = sizes | {
        "model_type": "pixtral",
        "num_hidden_layers": 1,
        "patch_size": 2,
        "image_size": 32,
    }
    image = tokenizer.convert_tokens_to_ids("[IMG]")
    return Mistral3Config(text_config=text, vision_config=vision, image_token_index=image)


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
