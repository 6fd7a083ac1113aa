"""The source `layout_of`: a layout written by a causal model under constrained decoding.

Source: Zhang et al., Product of Experts for Visual Generation, F.5 (ICLR 2026).
"""

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
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.transformers_models import processor
from poedsl.experts.protocol import State
from poedsl.experts.sequences.language_model import LanguageModel
from poedsl.experts.sequences.prompts import has_chat_template
from poedsl.experts.sequences.regular_expressions import matching
from poedsl.experts.sequences.transitions import transitions
from poedsl.experts.sequences.vocabulary import Vocabulary

#: The maximal number of parts of a layout, the maximal number of bytes of a part's text, and the
#: minimal width and height of a box in hundredths.
PARTS, LONGEST, LEAST = 8, 80, 10
#: The maximal number of tokens of a part beside its text.
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
    """The parts of an image, each with a ``box`` and a ``text``, by greedy constrained decoding.

    Only tokens after which the answer can still become a layout are considered. A box is its left,
    top, right and bottom side in fractions of width and height.

    Raises:
        PoeError: the folder holds no causal model or its tokens cannot write a layout (P0206), or
            the model cannot read enough tokens (P0307).
    """
    request = _ASK.format(prompt=prompt)
    with loading("layout_of", folder):
        prompt_argument = {"chat" if has_chat_template(folder) else "prompt": request}
    model = LanguageModel(**prompt_argument, folder=folder, profile=profile, device=device)
    most = AROUND + LONGEST
    writer = LayoutWriter(model.over(most), *model.begin(1))
    while True:
        writer.write('{"box": [' if writer.text else '[{"box": [')
        left, top = (writer.write_number(0, 100 - LEAST) for _ in range(2))
        writer.write_number(left + LEAST, 100)
        writer.write_number(top + LEAST, 100, "]")
        writer.write(', "text": "')
        writer.write_text()
        writer.write("}")
        if writer.text.count('"box": [') == PARTS or writer.tokens + most > model.room:
            writer.write("]")
        elif writer.write_match(_NEXT, b",]") == ",":
            writer.write(" ")
            continue
        parts: list[dict[str, Any]] = json.loads(writer.text)
        return parts


@dataclass(slots=True)
class LayoutWriter:
    """The text of a layout so far, and the state of the model after it.

    Attributes:
        following: log-probabilities of the next token.
        tokens: the number of tokens so far.
    """

    model: LanguageModel
    state: State
    following: Float[Tensor, "1 V"]
    text: str = ""
    tokens: int = 0

    def write(self, text: str) -> None:
        """Write a fixed text."""
        tokenizer = processor("AutoTokenizer", self.model.folder)
        self.read(tokenizer(text, add_special_tokens=False)["input_ids"])
        self.text += text

    def write_number(self, low: int, high: int, after: str = ", ") -> int:
        """Write a number from ``low`` to ``high`` hundredths and the text ``after``; the number."""
        choices = "|".join(f"{n // 100}\\.{n % 100:02}" for n in range(low, high + 1))
        number = self.write_match(choices, _NUMBERS)
        self.write(after)
        return round(100 * float(number))

    def write_text(self) -> None:
        """Write a text in JSON up to its closing quotation mark."""
        if not self.write_match(_TEXT).endswith('"'):
            self.write('"')

    def write_match(self, pattern: str, characters: bytes = b"") -> str:
        """Write the most probable tokens until a pattern matches or the text is `LONGEST` bytes.

        Args:
            characters: of the pattern, where they are few.

        Raises:
            PoeError: no token can follow (P0206).
        """
        tokens, vocabulary = _usable(self.model.tokens, characters)
        tokens = tokens.to(self.following.device)
        automaton = matching(pattern)
        follows = transitions(vocabulary, automaton, tokens.device)
        alive = _alive(follows.table, automaton.accepts.to(tokens.device))
        at, written = 0, b""
        while not automaton.accepts[at] and len(written) < LONGEST:
            allowed = alive[follows.table[at].long()][follows.kinds]
            fitting = torch.where(allowed, self.following[0, tokens], -math.inf)
            if not len(fitting) or float(fitting.max()) == -math.inf:
                reason = "its tokens cannot write a layout in JSON"
                raise unfit("layout_of", self.model.folder, reason)
            chosen = int(fitting.argmax())
            at = int(follows.table[at, follows.kinds[chosen]])
            written += vocabulary.pieces[chosen]
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


def _alive(table: Int[Tensor, "S K"], accepts: Bool[Tensor, " _"]) -> Bool[Tensor, " S"]:
    """The states from which tokens lead to an accepted text."""
    alive = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    alive[: len(accepts)] = accepts
    while True:
        more = alive | alive[table.long()].any(1)
        if bool((more == alive).all()):
            return alive
        alive = more


@lru_cache(maxsize=8)
def _usable(vocabulary: Vocabulary, characters: bytes) -> tuple[Int[Tensor, " V"], Vocabulary]:
    """The tokens with a text, of ``characters`` if there are any, and their vocabulary."""
    usable = [
        n
        for n, piece in enumerate(vocabulary.pieces)
        if piece and n != vocabulary.end and (not characters or set(piece) <= set(characters))
    ]
    pieces = tuple(vocabulary.pieces[n] for n in usable)
    return torch.tensor(usable, dtype=torch.long, device="cpu"), Vocabulary(pieces)
