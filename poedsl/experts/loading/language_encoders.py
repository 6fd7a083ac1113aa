"""Text encoders that are language models: those of Qwen-Image, Z-Image and FLUX.2.

The library's pipelines put a prompt into the template that a model was trained with, and take
hidden states of some layers. Each encoder is loaded once, and each prompt encoded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.prompts import warn_if_longer
from poedsl.experts.loading.shared_networks import PROMPTS, expect_finite, text_encoders

#: The tokens that the pipelines read of a prompt.
LENGTH = 512


@dataclass(frozen=True, slots=True)
class LanguageEncoder:
    """The text encoder of a pipeline.

    Attributes:
        network, tokenizer: the names of their classes. tokens: how many tokens a pipeline has to
            read of a prompt, its template included. options: of the pipeline's `encode_prompt`.
    """

    network: str
    tokenizer: str
    tokens: Callable[[Any, str], int]
    options: dict[str, Any] = field(default_factory=dict)


def _of_qwen_image(pipeline: Any, text: str) -> int:
    """Those of the template before the prompt are dropped."""
    filled = pipeline.prompt_template_encode.format(text)
    dropped: int = pipeline.prompt_template_encode_start_idx
    return len(pipeline.tokenizer(filled)["input_ids"]) - dropped


def _of_chat(pipeline: Any, text: str, *, thinking: bool) -> int:
    """Those of a chat of one turn, up to where the answer would begin."""
    filled = pipeline.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=thinking,
    )
    return len(pipeline.tokenizer(filled)["input_ids"])


def _of_flux2(pipeline: Any, text: str) -> int:
    """Those of a chat with the pipeline's system message, by the tokenizer of its processor.

    Raises:
        ValueError: the chat does not begin as texts do, to which a processor would add a beginning.
    """
    from diffusers.pipelines.flux2.pipeline_flux2 import format_input

    tokenizer, chat = pipeline.tokenizer, format_input([text], pipeline.system_message)[0]
    filled = tokenizer.apply_chat_template(chat, tokenize=False)
    if not filled.startswith(tokenizer.bos_token):
        raise ValueError("the chat template of its tokenizer does not begin with its `bos_token`")
    return len(tokenizer(filled, add_special_tokens=False)["input_ids"])


ENCODERS = {
    "QwenImagePipeline": LanguageEncoder(
        "Qwen2_5_VLForConditionalGeneration", "Qwen2Tokenizer", _of_qwen_image
    ),
    "ZImagePipeline": LanguageEncoder(
        "Qwen3Model",
        "Qwen2Tokenizer",
        partial(_of_chat, thinking=True),
        {"do_classifier_free_guidance": False},
    ),
    "Flux2KleinPipeline": LanguageEncoder(
        "Qwen3ForCausalLM", "Qwen2Tokenizer", partial(_of_chat, thinking=False)
    ),
    "Flux2Pipeline": LanguageEncoder(
        "Mistral3ForConditionalGeneration", "AutoTokenizer", _of_flux2
    ),
}


@cached_by_folder(maxsize=PROMPTS)
def prompt(
    kind: str, folder: str, text: str, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "1 S d"]:
    """The embedding of each token of a prompt.

    Args:
        kind: the pipeline's class.

    Raises:
        PoeError: the text encoder cannot be used, or is not finite (P0206).
    """
    encoder = ENCODERS[kind]
    pipeline = text_encoders(
        kind, folder, device, dtype, (("", encoder.network, encoder.tokenizer),)
    )
    with loading("", folder), torch.no_grad():
        warn_if_longer("text_encoder", encoder.tokens(pipeline, text), LENGTH, text)
        encoded, *_ = pipeline.encode_prompt(
            prompt=text, device=device, max_sequence_length=LENGTH, **encoder.options
        )
    tokens: Tensor = encoded if isinstance(encoded, Tensor) else torch.stack(encoded)
    expect_finite(folder, text_encoder=tokens)
    return tokens
