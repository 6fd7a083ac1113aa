"""Searches by automata agree with `re`, and are used where `re` could take very long."""

from __future__ import annotations

import re
from random import Random

import pytest

from poedsl.catalog.pattern_graphs import PatternError, graph_of
from poedsl.compiler.functions.searches import _followed, pattern_occurs

PARTS = (
    *("a", "b", ".", "\\n", "[ab]", "(a|b)", "^", "$", "\\Z", "a*", "b+", "a?", "(a+)+"),
    *("(a|ab)*", "(?:a$)", "é", "[^a]", "(?i:A)"),
)


@pytest.mark.slow
def test_automata_agree_with_re() -> None:
    r = Random(0)
    for _ in range(1500):
        pattern = "".join(r.choice(PARTS) for _ in range(r.randint(1, 4)))
        if r.random() < 0.3:
            pattern = f"({pattern}){r.choice(('*', '+', '?', '{2}', '{0,2}'))}"
        text = "".join(r.choice("aabb\né") for _ in range(r.randint(0, 6)))
        expected = re.search(pattern, text) is not None
        assert _followed(*graph_of(pattern), text.encode()) == expected, (pattern, text)
        assert pattern_occurs(pattern, text) == expected


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(.*)*(.*)*b", "(?:a?){40}a{41}"])
def test_exponentially_many_ways(pattern: str) -> None:
    assert not pattern_occurs(pattern, "a" * 40)
    assert pattern_occurs(pattern, "a" * 41 + "b")


@pytest.mark.parametrize("pattern", ["a{1,4294967295}", "(", "(?=(a+)+b)", r"(a+)+\1b", "(" * 9999])
def test_patterns_that_cannot_be_followed(pattern: str) -> None:
    with pytest.raises(PatternError):
        pattern_occurs(pattern, "a" * 40)
