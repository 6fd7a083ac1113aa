"""Small random causal models with their tokenizers, in the folders' own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)

#: The characters of a layout in JSON, and a few more.
JSON_SYMBOLS = '0123456789.abcdefghijklmnopqrstuvwxyz "[]{}:,-'


def tokenizer(symbols: str | list[str], end: str | None = None) -> PreTrainedTokenizerFast:
    """A token for each of ``symbols``, or byte ``<0x80>``; ``end`` ends a text, and comes last."""
    tokens = [*symbols, *([end] if end else [])]
    made = Tokenizer(models.WordLevel({t: n for n, t in enumerate(tokens)}, unk_token=tokens[0]))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"<end>|[\s\S]"), "isolated")
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    more = {"eos_token": end, "bos_token": end} if end else {}
    return PreTrainedTokenizerFast(tokenizer_object=made, **more)


def causal(
    folder: Path,
    symbols: str | list[str] = "abcde",
    *,
    kind: str = "llama",
    seed: int = 0,
    end: str | None = None,
    spread: float = 0.5,
    layers: int = 2,
    width: int = 16,
    positions: int = 2048,
    template: str | None = None,
) -> str:
    """Save a random model over such tokens; the folder.

    Args:
        spread: of its weights: wider ones make conditionals less even.
        width: of its hidden states, four a head.
        template: of chats.
    """
    own = tokenizer(symbols, end)
    own.chat_template = template
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": len(own),
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 4,
        "num_key_value_heads": 2,
        "bos_token_id": own.bos_token_id,
        "eos_token_id": own.eos_token_id,
        "max_position_embeddings": positions,
        "initializer_range": spread,
    }
    model: Any
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**sizes))
    elif kind == "mistral":
        model = MistralForCausalLM(MistralConfig(**sizes, head_dim=4, sliding_window=3))
    else:
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(own),
                n_positions=positions,
                n_embd=width,
                n_layer=layers,
                n_head=width // 4,
                initializer_range=spread,
                bos_token_id=own.bos_token_id,
                eos_token_id=own.eos_token_id,
            )
        )
    model.eval().save_pretrained(folder)
    own.save_pretrained(folder)
    return str(folder)
