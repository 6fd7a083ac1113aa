"""Automata accept what Python's own regular expressions match."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import product

import pytest

from poedsl.experts.sequences.automata import Automaton, shorter
from poedsl.experts.sequences.regular_expressions import searching


def accepts(automaton: Automaton, text: bytes) -> bool:
    state = 0
    for byte in text:
        state = int(automaton.follows[state, byte])
    return bool(automaton.accepts[state])


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)a(?-i:b)",
        "(?i)a(?-i:b(?i:a))b",
        "a(?i:b)",
        r"(?a:\w)\w",
        r"(?a)a(?u:\w)",
        "(?s)a.(?-s:.)",
        "(?i:k)",
    ],
)
def test_flags_of_a_part(pattern: str) -> None:
    automaton = searching(pattern)
    for text in map("".join, product("aAbB\n\xe9\u212a", repeat=3)):
        assert accepts(automaton, text.encode()) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize(
    "pattern", [r"\ud800", r"a\udfffb", "\ud800|a", r"[^\ud800]", r"[\ud800a]"]
)
def test_no_text_has_a_surrogate(pattern: str) -> None:
    automaton = searching(pattern)
    for text in map("".join, product("ab\uffff", repeat=2)):
        assert accepts(automaton, text.encode()) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize(
    ("automaton", "holds"),
    [
        (shorter(3), lambda t: len(t) < 3),
        *(
            (searching(p), lambda t, p=p: re.search(p, t) is not None)
            for p in ("^.{2}$", "a\ufffdb", "[^a]b$", "^[\x80-\u07ff]", "^\ufffd+$")
        ),
        (searching("a.b").negated(), lambda t: re.search("a.b", t) is None),
    ],
)
def test_bytes_that_make_no_character(automaton: Automaton, holds: Callable[[str], bool]) -> None:
    bytes_ = bytes.fromhex("61 62 80 8f 90 9f a0 bf bd c1 c2 e0 e1 ed ef f0 f1 f4 f5")
    drawing = random.Random(0)
    longer = [bytes(drawing.choices(bytes_, k=drawing.randint(3, 8))) for _ in range(1000)]
    decoded = automaton.decoded()
    for text in [*map(bytes, product(bytes_, repeat=2)), *longer]:
        assert accepts(decoded, text) == holds(text.decode("utf-8", "replace")), text
