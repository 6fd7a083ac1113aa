"""Embeddings of prompts by the text encoders of Stable Diffusion 1.x, 2.x, XL and 3.x.

They are those of the library's pipelines, which read the beginning of a long prompt (P1022).
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.shared_networks import PROMPTS, expect_finite, text_encoders
from poedsl.experts.loading.weight_files import read_config

_CLIP = ("", "CLIPTextModel", "CLIPTokenizer")
_CLIP_POOLED = ("", "CLIPTextModelWithProjection", "CLIPTokenizer")
_CLIP_2 = ("_2", "CLIPTextModelWithProjection", "CLIPTokenizer")
_T5_3 = ("_3", "T5EncoderModel", "T5TokenizerFast")
#: Tokens that T5 reads in Stable Diffusion 3, as many as its pipeline takes.
T5_TOKENS = 256


@cached_by_folder(maxsize=PROMPTS)
def sd_prompt(
    folder: str,
    text: str,
    device: torch.device,
    dtype: torch.dtype,
    loras: tuple[Lora, ...] = (),
) -> tuple[Float[Tensor, "1 S d"]]:
    """The embedding of every token.

    Raises:
        PoeError: the text encoder cannot be used, or is not finite (P0206).
    """
    pipeline = text_encoders("StableDiffusionPipeline", folder, device, dtype, (_CLIP,), loras)
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text)
        tokens, _ = pipeline.encode_prompt(text, device, 1, do_classifier_free_guidance=False)
    expect_finite(folder, text_encoder=tokens)
    return (tokens,)


@cached_by_folder(maxsize=PROMPTS)
def sdxl_prompt(
    folder: str,
    text: str,
    device: torch.device,
    dtype: torch.dtype,
    loras: tuple[Lora, ...] = (),
) -> tuple[Float[Tensor, "1 S d"], Float[Tensor, "1 p"]]:
    """The embedding of every token by two encoders side by side, and the second one's pooled one.

    Those of the empty prompt are zero where the folder's ``force_zeros_for_empty_prompt`` says so.

    Raises:
        PoeError: the text encoders cannot be used, or are not finite (P0206).
    """
    kind, parts = "StableDiffusionXLPipeline", (_CLIP, _CLIP_2)
    pipeline = text_encoders(kind, folder, device, dtype, parts, loras)
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text)
        warn_if_cut("text_encoder_2", pipeline.tokenizer_2, text)
        tokens, _, pooled, _ = pipeline.encode_prompt(
            text, device=device, do_classifier_free_guidance=False
        )
    width = pipeline.text_encoder.config.hidden_size
    first, second = tokens[..., :width], tokens[..., width:]
    expect_finite(folder, text_encoder=first, text_encoder_2=second)
    expect_finite(folder, text_encoder_2=pooled)
    index = read_config(folder, "model_index.json")
    if not text and index.get("force_zeros_for_empty_prompt", True):
        return torch.zeros_like(tokens), torch.zeros_like(pooled)
    return tokens, pooled


@cached_by_folder(maxsize=PROMPTS)
def sd3_prompt(
    folder: str, text: str, device: torch.device, dtype: torch.dtype, width: int
) -> tuple[Float[Tensor, "1 S d"], Float[Tensor, "1 p"]]:
    """The embeddings of two CLIP encoders and of T5 one after the other, and CLIP's pooled ones.

    Those of T5 are zero where the folder's ``model_index.json`` says that it has none.

    Args:
        width: of the embeddings that the transformer takes.

    Raises:
        PoeError: the text encoders cannot be used, or are not finite (P0206).
    """
    named = read_config(folder, "model_index.json").get("text_encoder_3")
    has_t5 = isinstance(named, list) and named[-1] is not None
    parts = (_CLIP_POOLED, _CLIP_2, *((_T5_3,) if has_t5 else ()))
    pipeline = text_encoders("StableDiffusion3Pipeline", folder, device, dtype, parts)
    pipeline.transformer = SimpleNamespace(config=SimpleNamespace(joint_attention_dim=width))
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text)
        warn_if_cut("text_encoder_2", pipeline.tokenizer_2, text)
        if has_t5:
            warn_if_cut("text_encoder_3", pipeline.tokenizer_3, text, T5_TOKENS)
        tokens, _, pooled, _ = pipeline.encode_prompt(
            text,
            prompt_2=None,
            prompt_3=None,
            device=device,
            do_classifier_free_guidance=False,
            max_sequence_length=T5_TOKENS,
        )
    first = pipeline.text_encoder.config.projection_dim
    by_clip, by_t5 = tokens[:, :-T5_TOKENS], tokens[:, -T5_TOKENS:]
    expect_finite(folder, text_encoder=pooled[:, :first], text_encoder_2=pooled[:, first:])
    expect_finite(folder, text_encoder=by_clip, text_encoder_3=by_t5)
    return tokens, pooled
