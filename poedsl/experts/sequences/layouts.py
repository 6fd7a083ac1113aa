"""Layouts from a causal model that can only answer with one (Zhang et al., F.5)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.transformers_models import loading, processor, unfit
from poedsl.experts.protocol import State
from poedsl.experts.sequences.automata import matching
from poedsl.experts.sequences.language_model import LanguageModel
from poedsl.experts.sequences.vocabulary import Words

#: The most parts of a layout, the most bytes of a part's text, and the least width and height of a
#: box, in hundredths.
PARTS, LONGEST, LEAST = 8, 80, 10
#: The most tokens of a part beside its text.
AROUND = 64
_ASK = """\
Lay out a picture of: {prompt}
Answer with a JSON list of its main parts. Each has a box, its left, top, right and bottom side in \
fractions of width and height, and a text that says what is there.
For a dog under a tree: [{{"box": [0.10, 0.55, 0.45, 0.95], "text": "a brown dog"}}, \
{{"box": [0.30, 0.05, 0.95, 0.90], "text": "an old oak"}}]
"""
_NUMBERS, _TEXT, _NEXT = b"0123456789.", rb'[^"\\\x00-\x20][^"\\\x00-\x1f]*"'.decode(), "[,\\]]"


def layout_of(
    prompt: str, *, folder: str, profile: Profile, device: torch.device
) -> list[dict[str, Any]]:
    """Parts of a picture, each a ``box`` and a ``text``: the likeliest token at every step among
    those after which the answer can still become a layout; as many as the model can read.

    Raises:
        PoeError: the folder holds no causal model, it cannot read as much as a layout of one part
            takes, or its tokens cannot write one.
    """
    asked = _asked(prompt, folder)
    model = LanguageModel(asked, folder=folder, profile=profile, device=device)
    most = AROUND + LONGEST
    pen = Pen(model.over(most), *model.begin(1))
    while True:
        pen.put('{"box": [' if pen.text else '[{"box": [')
        left, top = (pen.side(0, 100 - LEAST) for _ in range(2))
        pen.side(left + LEAST, 100)
        pen.side(top + LEAST, 100, "]")
        pen.put(', "text": "')
        pen.words()
        pen.put("}")
        if pen.text.count('"box": [') == PARTS or pen.tokens + most > model.room:
            pen.put("]")
        elif pen.spell(_NEXT, b",]") == ",":
            pen.put(" ")
            continue
        parts: list[dict[str, Any]] = json.loads(pen.text)
        return parts


def _asked(prompt: str, folder: str) -> str:
    """What the model is asked, as its tokenizer has it for a chat where it has that."""
    told = _ASK.format(prompt=prompt)
    with loading("layout_of", folder):
        tokenizer = processor("AutoTokenizer", folder)
        if not getattr(tokenizer, "chat_template", None):
            return told
        turn = [{"role": "user", "content": told}]
        text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        return str(text).removeprefix(tokenizer.bos_token or "")


@dataclass(slots=True)
class Pen:
    """What is written so far, and what the model makes of it.

    Attributes:
        following: log-probabilities of the next token.
        tokens: how many are written.
    """

    model: LanguageModel
    state: State
    following: Float[Tensor, "1 V"]
    text: str = ""
    tokens: int = 0

    def put(self, text: str) -> None:
        """Write a text as it is."""
        tokenizer = processor("AutoTokenizer", self.model.folder)
        self.read(tokenizer(text, add_special_tokens=False)["input_ids"])
        self.text += text

    def side(self, low: int, high: int, after: str = ", ") -> int:
        """Write a number of hundredths within two ends, and what comes after it; the number."""
        choices = "|".join(f"{n // 100}\\.{n % 100:02}" for n in range(low, high + 1))
        number = self.spell(choices, _NUMBERS)
        self.put(after)
        return round(100 * float(number))

    def words(self) -> None:
        """Write a text in JSON up to its closing quotation mark."""
        if not self.spell(_TEXT).endswith('"'):
            self.put('"')

    def spell(self, pattern: str, characters: bytes = b"") -> str:
        """Write the likeliest tokens until a pattern matches, or there are enough of them.

        Args:
            characters: those of the pattern, where they are few.

        Raises:
            PoeError: no token goes on.
        """
        tokens, words = _usable(self.model.words, characters)
        tokens = tokens.to(self.following.device)
        automaton = matching(pattern)
        table = words.follows(automaton, tokens.device)
        alive = _alive(table, automaton.accepts.to(tokens.device))
        at, written = 0, b""
        while not automaton.accepts[at] and len(written) < LONGEST:
            fitting = torch.where(alive[table[at].long()], self.following[0, tokens], -math.inf)
            if not len(fitting) or float(fitting.max()) == -math.inf:
                reason = "its tokens cannot write a layout in JSON"
                raise unfit("layout_of", self.model.folder, reason)
            chosen = int(fitting.argmax())
            at, written = int(table[at, chosen]), written + words.pieces[chosen]
            self.read([int(tokens[chosen])])
        text = written.decode("utf-8", "ignore")
        self.text += text
        return text

    def read(self, tokens: list[int]) -> None:
        if tokens:
            symbols = torch.tensor([tokens], device=self.following.device)
            self.state, logs = self.model.read(self.state, symbols)
            self.following = logs[:, -1]
            self.tokens += len(tokens)


def _alive(table: Int[Tensor, "S V"], accepts: Bool[Tensor, " _"]) -> Bool[Tensor, " S"]:
    """States from which tokens lead to an accepted text."""
    alive = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    alive[: len(accepts)] = accepts
    while True:
        more = alive | alive[table.long()].any(1)
        if bool((more == alive).all()):
            return alive
        alive = more


@lru_cache(maxsize=8)
def _usable(words: Words, characters: bytes) -> tuple[Int[Tensor, " V"], Words]:
    """The tokens that write something, of some characters alone where they are given."""
    kept = [
        n
        for n, piece in enumerate(words.pieces)
        if piece and n != words.end and (not characters or set(piece) <= set(characters))
    ]
    return torch.tensor(kept, dtype=torch.long, device="cpu"), Words(
        tuple(words.pieces[n] for n in kept)
    )
