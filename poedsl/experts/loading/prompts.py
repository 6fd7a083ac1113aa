"""Prompts that are longer than what a network reads."""

from __future__ import annotations

from typing import Any

from poedsl.experts.loading.load_warnings import warn


def warn_if_cut(reader: str, tokenizer: Any, text: str, length: int | None = None) -> None:
    """Warn (P1022) that a text has more tokens than are read.

    Args:
        reader: the expert or part that reads it. tokenizer: of transformers. length: the number of
            tokens that are read, special ones included; that of the tokenizer where left out.
    """
    length = tokenizer.model_max_length if length is None else length
    count = len(tokenizer(text, truncation=False, padding=False)["input_ids"])
    warn_if_longer(reader, count, length, text)


def warn_if_longer(reader: str, count: int, length: int, text: str) -> None:
    """Warn (P1022) that a text has more tokens than are read."""
    if count > length:
        message = f"`{reader}` reads {length} of the {count} tokens of the prompt {_shown(text)}"
        warn("P1022", message, reader=reader, tokens_read=length, tokens=count)


def _shown(text: str) -> str:
    """The beginning of a text, in quotation marks."""
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}..."'
