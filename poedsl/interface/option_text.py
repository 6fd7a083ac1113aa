"""Options of ``sample`` as text: ``particles=50, kernel = mala(steps = 2)``."""

from __future__ import annotations

from itertools import pairwise

from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import Word, words
from poedsl.interface.replies import command_error


def assignments(text: str) -> dict[str, str]:
    """Names and values of ``particles=50, kernel = mala(steps = 2) seed=1``.

    Raises:
        PoeError: the text has another form (P0901).
    """
    tokens = [*words(text, Span(0, len(text))), Word("end", "", Span(len(text), len(text)))]
    heads: list[tuple[Word, Word]] = []
    depth = 0
    for word, after in pairwise(tokens):
        depth += (word.text in CLOSERS) - (word.text in CLOSERS.values())
        if depth == 0 and word.kind in ("name", "keyword") and after.text == "=":
            heads.append((word, after))
    if not text.strip():
        return {}
    if not heads or heads[0][0] is not tokens[0]:
        raise command_error("P0901", f"options are NAME=VALUE, and this is {text!r}")
    ends = [*(head.span.start for head, _ in heads[1:]), len(text)]
    return {
        head.text: text[sign.span.end : end].strip().rstrip(", ")
        for (head, sign), end in zip(heads, ends, strict=True)
    }
