"""Causal language models of transformers as experts on sequences of tokens."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, loading, unfit
from poedsl.experts.loading.transformers_models import network, processor
from poedsl.experts.protocol import State
from poedsl.experts.sequences.prompts import end_tokens, prompt_tokens, special_tokens
from poedsl.experts.sequences.sampler_options import warn_of_sampler_options
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class LanguageModel:
    """A causal language model after a prompt, as a `Sequential`.

    Each particle carries the keys and values of its prefix, so that a symbol takes one evaluation
    and resampling gathers them; therefore the model is on the device of the run. After the token
    that ends a text, that token has probability one. Where several tokens end a text, the first of
    `end_tokens` has the probability of all of them, or the one of `ending_with`. Numbers without a
    token have probability zero.

    Args:
        prompt: what comes before the sequence; empty for the token that begins a text. In a chat,
            the beginning of the answer.
        chat: the message of a user, in the chat template of the tokenizer. system: the system
            message before it.
        folder: of the model and its tokenizer.

    Raises:
        PoeError: the folder holds no causal model, or one whose cache is more than keys and
            values, or there is a chat and no chat template (P0206); or the prompt is too long
            (P0307).
    """

    def __init__(
        self,
        prompt: str = "",
        chat: str | None = None,
        system: str | None = None,
        *,
        folder: str,
        profile: Profile,
        device: torch.device,
    ) -> None:
        self.folder, self.device = folder, device
        with loading("lm", folder):
            dtype = network_dtype(profile, device)
            kind, stored = "AutoModelForCausalLM", profile.quantize
            self.network = network(kind, folder, device, dtype, quantize=stored)
            warn_of_sampler_options(folder)
            vocabulary = read_vocabulary(folder)
            before = prompt_tokens(folder, prompt, chat, system)
            self.prompt = torch.tensor([before], device=device)
            ends = end_tokens(folder, self.network)
            self.over(1)
            self.keys, logits = self._forward((), self.prompt)
            token_ids = list(processor("AutoTokenizer", folder).get_vocab().values())
        self.vocabulary = min(len(vocabulary), logits.shape[-1])
        self.missing = torch.ones(len(vocabulary), dtype=torch.bool, device=device)
        self.missing[token_ids] = False
        self.ends = tuple(token for token in ends if token < self.vocabulary)
        self.tokens = Vocabulary(vocabulary[: self.vocabulary], next(iter(self.ends), None))
        self.start = logits[:, -1]
        self.first = self._conditionals(self.start)

    @property
    def room(self) -> int:
        """The maximal number of tokens after the prompt."""
        most = getattr(self.network.config, "max_position_embeddings", None)
        return most - self.prompt.shape[1] if isinstance(most, int) else sys.maxsize

    def over(self, length: int) -> LanguageModel:
        """The expert over sequences of ``length`` tokens: itself.

        Raises:
            PoeError: they are too many for the model (P0307).
        """
        prompt = self.prompt.shape[1]
        if length > self.room:
            message = (
                f"the model in {self.folder} reads up to {prompt + self.room} tokens, and the "
                f"prompt and {length} more are {prompt + length}"
            )
            raise PoeError((Diagnostic("P0307", message),))
        return self

    def ending_with(self, end: int) -> LanguageModel:
        """The expert with another of its end tokens in the place of all of them."""
        return self if end == self.tokens.end else _WithOtherEnd(self, end)

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        ended = torch.zeros(count, dtype=torch.bool, device=self.device)
        keys = tuple(k.expand(count, *k.shape[1:]) for k in self.keys)
        return (ended, *keys), self.first.expand(count, -1)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        ended, *keys = state
        after, logits = self._forward(tuple(keys), symbols)
        logs = self._conditionals(logits)
        if self.tokens.end is None:
            return (ended, *after), logs
        over = ended[:, None] | ((symbols == self.tokens.end).cumsum(1) > 0)
        silence = torch.full((self.vocabulary,), -math.inf, device=logs.device)
        silence[self.tokens.end] = 0.0
        return (over[:, -1], *after), torch.where(over[..., None], silence, logs)

    def _forward(
        self, keys: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m N"]]:
        """The keys and values of every layer, alternating, and the logits after each symbol."""
        from transformers.cache_utils import DynamicCache, DynamicLayer

        cache = DynamicCache(list(zip(keys[::2], keys[1::2], strict=True)))
        with evaluating("lm", self.folder), torch.no_grad():
            out = self.network(symbols, past_key_values=cache, use_cache=True)
        layers = getattr(out.past_key_values, "layers", ())
        if not layers or any(type(layer) is not DynamicLayer for layer in layers):
            reason = "it keeps more of what it has read than keys and values"
            raise unfit("lm", self.folder, reason)
        return tuple(t for layer in layers for t in (layer.keys, layer.values)), out.logits

    def _conditionals(self, logits: Float[Tensor, "*n N"]) -> Float[Tensor, "*n V"]:
        logits = logits[..., : self.vocabulary].float()
        logs = logits.masked_fill(self.missing[: self.vocabulary], -math.inf).log_softmax(-1)
        if len(self.ends) < 2:
            return logs
        over = logs[..., list(self.ends)].logsumexp(-1)
        logs[..., list(self.ends)] = -math.inf
        logs[..., self.ends[0]] = over
        return logs


class _WithOtherEnd(LanguageModel):
    """A language model with another of its end tokens, and the same network and prompt."""

    def __init__(self, model: LanguageModel, end: int) -> None:
        self.folder, self.device, self.network = model.folder, model.device, model.network
        self.prompt, self.keys, self.start = model.prompt, model.keys, model.start
        self.vocabulary, self.missing = model.vocabulary, model.missing
        self.ends = (end, *(token for token in model.ends if token != end))
        self.tokens = replace(model.tokens, end=end)
        self.first = self._conditionals(self.start)


@cached_by_folder(maxsize=8)
def read_vocabulary(folder: str) -> tuple[bytes, ...]:
    """The bytes in UTF-8 that each token of the tokenizer in a folder adds to a text."""
    tokenizer = processor("AutoTokenizer", folder)
    ids = tokenizer.get_vocab()
    special = special_tokens(tokenizer)
    added = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}
    kinds = _decoders(tokenizer)
    pieces = [b""] * (max(ids.values(), default=-1) + 1)
    before = _before(tokenizer, ids, special)
    for token, number in ids.items():
        if number in special:
            continue
        if number in added:
            pieces[number] = added[number].encode()
        elif "ByteLevel" in kinds:
            pieces[number] = bytes(_byte_level()[c] for c in token if c in _byte_level())
        elif "ByteFallback" in kinds and (escape := _BYTE.fullmatch(token)):
            pieces[number] = bytes([int(escape[1], 16)])
        else:
            pieces[number] = _shown(tokenizer, [*before, number])[
                len(_shown(tokenizer, before)) :
            ].encode()
    return tuple(pieces)


def _before(tokenizer: Any, ids: dict[str, int], special: set[int]) -> list[int]:
    """A token before another one, so that decoding shows the space between them."""
    plain = (n for t, n in ids.items() if t.isascii() and t.isalnum() and n not in special)
    return [min(plain, default=0)]


def _shown(tokenizer: Any, tokens: list[int]) -> str:
    text: str = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
    return text


def _decoders(tokenizer: Any) -> set[str]:
    """The types of the decoders of a tokenizer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = json.loads(backend.to_str()).get("decoder") if backend is not None else None
    if decoder is None:
        return set()
    return {decoder["type"], *(d["type"] for d in decoder.get("decoders", ()))}


@lru_cache(maxsize=1)
def _byte_level() -> dict[str, int]:
    """The character that stands for each byte where tokens are of bytes: itself where it can be
    printed, else one from U+0100 on.
    """
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (b for b in range(256) if b not in printed)
    return {chr(b): b for b in printed} | {chr(256 + n): b for n, b in enumerate(others)}
