"""Automata accept what Python's own regular expressions match."""

from __future__ import annotations

import re
from itertools import product

import pytest

from poedsl.experts.automata import Automaton, searching


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
