"""Prompts of language models as tokens, and the tokens that end their texts."""

from __future__ import annotations

from typing import Any

from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.transformers_models import processor
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: A message whose place in a chat template shows what ends a turn.
_ANSWER = "An answer."


def prompt_tokens(
    folder: str, prompt: str, chat: str | None = None, system: str | None = None
) -> list[int]:
    """The tokens that a model reads before it writes.

    Args:
        folder: of the tokenizer. prompt: what the text continues; in a chat, how the answer begins.
        chat: the message of a user, in the chat template of the tokenizer. system: the system
            message before it; None for that of the template, if it has one.

    Raises:
        PoeError: there is no chat template, the template leaves out a message, or there is neither
            a prompt nor a token that begins a text (P0206); or there is a system message without
            a chat (P0307).
    """
    tokenizer = processor("AutoTokenizer", folder)
    if chat is None:
        if system is not None:
            message = "`system` of `lm` is the system message of a chat, and there is no `chat`"
            raise PoeError((Diagnostic("P0307", message),))
        return _continued(tokenizer, folder, prompt)
    text = _conversation(tokenizer, folder, chat, system) + prompt
    tokens: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens


def has_chat_template(folder: str) -> bool:
    """Whether the tokenizer in a folder has a chat template."""
    return bool(getattr(processor("AutoTokenizer", folder), "chat_template", None))


def end_tokens(folder: str, network: Any) -> list[int]:
    """The tokens that end a text.

    They are the end token of the tokenizer, those at which the library's `generate` stops, and the
    one that follows an answer in the chat template.
    """
    tokenizer = processor("AutoTokenizer", folder)
    ends: list[int] = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    settings = getattr(network, "generation_config", None)
    stops = getattr(settings, "eos_token_id", None)
    ends += stops if isinstance(stops, list) else [] if stops is None else [stops]
    if has_chat_template(folder):
        ends += _end_of_turn(tokenizer)
    return list(dict.fromkeys(ends))


def _conversation(tokenizer: Any, folder: str, chat: str, system: str | None) -> str:
    """A chat up to the beginning of the answer, as its template writes it."""
    if not getattr(tokenizer, "chat_template", None):
        reason = "its tokenizer has no chat template: write the whole text as `prompt`"
        raise unfit("lm", folder, reason)
    first = [] if system is None else [{"role": "system", "content": system}]
    turns = [*first, {"role": "user", "content": chat}]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    for turn in turns:
        if turn["content"].strip() not in text:
            raise unfit("lm", folder, f"its chat template leaves out the {turn['role']} message")
    return text


def _end_of_turn(tokenizer: Any) -> list[int]:
    """The special token right after an answer in a chat template; none where it is another one."""
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _ANSWER}]
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False)
    except Exception:  # A template is a program of its own, which may refuse any conversation.
        return []
    after = tokenizer(text.rpartition(_ANSWER)[2], add_special_tokens=False)["input_ids"]
    return [token for token in after[:1] if token in special_tokens(tokenizer)]


def special_tokens(tokenizer: Any) -> set[int]:
    """The tokens that a text does not show."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(n for n, token in added if token.special)}


def _continued(tokenizer: Any, folder: str, prompt: str) -> list[int]:
    """The tokens of a prompt, without the end token that some tokenizers add."""
    tokens: list[int] = tokenizer(prompt)["input_ids"] if prompt else []
    if tokens and tokens[-1] == tokenizer.eos_token_id:
        plain = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        added = tokens[-len(plain) - 1 : -1] == plain
        tokens = tokens[:-1] if added else tokens
    if not tokens:
        first = tokenizer.bos_token_id
        first = tokenizer.eos_token_id if first is None else first
        if first is None:
            reason = "its tokenizer has no token that begins a text: give it a prompt"
            raise unfit("lm", folder, reason)
        tokens = [first]
    return tokens
