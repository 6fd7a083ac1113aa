"""Automata accept what Python's own regular expressions match."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import reduce
from itertools import product

import pytest
import torch

from poedsl.experts.sequences.automata import Automaton, shorter
from poedsl.experts.sequences.regular_expressions import searching
from poedsl.experts.sequences.transitions import transitions
from poedsl.experts.sequences.vocabulary import Vocabulary


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


@pytest.mark.parametrize("rule", ["[ab].*[.]$", "(ab|\xe9)+c?", "^[^a]{2,4}$"])
def test_symbols_of_a_kind_lead_to_the_same_states(rule: str) -> None:
    drawn = random.Random(0)
    pieces = [
        bytes(drawn.choice(b"abc.\n\xc3\xa9") for _ in range(drawn.randrange(6)))
        for _ in range(300)
    ]
    vocabulary = Vocabulary((*pieces, b""), 300)
    automaton = searching(rule).both(shorter(5)).decoded()
    states = len(automaton)
    found = transitions(vocabulary, automaton, torch.device("cpu"))
    assert found.table.shape[1] < 200
    symbols = torch.arange(300)
    step = automaton.follows.tolist()
    for state in range(states):
        after = found.after(torch.full((300,), state), symbols).tolist()
        assert after == [reduce(lambda at, byte: step[at][byte], p, state) for p in pieces]
        ended = states if automaton.accepts[state] else states + 1
        assert found.table[state, found.kinds[300]] == ended
    assert (found.table[states:] == torch.tensor([[states], [states + 1]])).all()
    logs = torch.randn(2, 301).double()
    logs[1, :200] = -torch.inf
    sums = found.log_chances(logs)
    for kind in range(found.table.shape[1]):
        expected = logs[:, found.kinds == kind].logsumexp(1)
        torch.testing.assert_close(sums[:, kind], expected)


def test_rules_on_large_vocabularies_have_few_kinds_of_symbols() -> None:
    pieces = tuple(f" {n:x}".encode() for n in range(50_000))
    automaton = searching("^[^.]+[.]$").both(shorter(70)).decoded()
    found = transitions(Vocabulary(pieces), automaton, torch.device("cpu"))
    assert found.table.shape[1] == 4 + 1 and found.kinds.shape == (50_000,)
