"""Every state of the parser has something to say about every word that it refuses.

The goldens hold all of it: a text that leads to each state, and what is said of which next words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from poedsl.grammar.codes import SYNTAX
from poedsl.grammar.diagnostics import Diagnostic
from tests.grammar.states import found, mistakes, states

FOLDER = Path(__file__).parents[1] / "golden" / "states"
STARTS = ("statement", "expr")
#: Names of terminals, which are no words of a user's.
TERMINALS = re.compile(r"\b(?:[A-Z]{3,}|\$END|__\w+)\b")
#: How many things a place can be said to want.
MOST_WANTED = 4


def check(d: Diagnostic, text: str) -> None:
    """What is said is a user's words, and says more than that something is wrong."""
    assert d.code in SYNTAX
    assert 0 <= d.span.start <= d.span.end <= len(text)
    assert d.here or d.notes or d.fixes or d.labels
    assert "?" not in re.sub(r"`[^`]*`", "", d.message)
    for said in (d.message, d.here, *(f.text for f in d.fixes)):
        assert not TERMINALS.search(said), said
    for said in (d.message, d.here, *d.notes, *(f.text for f in d.fixes)):
        assert not said.endswith((".", "or ", "expected ")), said
    if d.here.startswith("expected"):
        wanted = d.here.removeprefix("expected ")
        assert len(re.split(r", | or ", re.sub("`[^`]*`", "", wanted))) <= MOST_WANTED, wanted
        assert not {"a name", ""} & set(re.split(r", | or ", wanted)), wanted


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_every_mistake_has_a_message(start: str) -> None:
    count = 0
    for state, word, text in mistakes(start):
        complaints = found(text, start)
        if complaints or word:
            (complaint,) = complaints
            check(complaint, text)
            if word:
                assert complaint.span.end >= len(state), text
            count += 1
    assert count > 900
    assert len(states(start)) > 40


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_states(start: str, golden: Callable[[Path, str], None]) -> None:
    said: dict[str, dict[str, list[str]]] = {state: defaultdict(list) for state in states(start)}
    for state, word, text in mistakes(start):
        for d in found(text, start):
            said[state][shown(d, word)].append(f"`{word}`" if word else "the end")
    out = []
    for state, messages in said.items():
        out.append(f"After `{state}`:" if state else "At the beginning:")
        for message, after in messages.items():
            out += [f"    {' '.join(after)}", f"        {message}"]
        out.append("")
    golden(FOLDER / f"{start}.txt", "\n".join(out))


def shown(d: Diagnostic, word: str) -> str:
    """A diagnostic in a line, with `_` for the refused word."""

    def blank(text: str) -> str:
        named = rf"(?:(?:keyword|number|text) )?`{re.escape(word)}(_?)`"
        return re.sub(named, r"`_\1`", text) if word else text

    here = f" ({d.here})" if d.here else ""
    helps = [f"; help: {blank(f.text)}" for f in d.fixes]
    return "".join(
        [f"{d.code} {blank(d.message)}{here}", *helps, *(f"; note: {n}" for n in d.notes)]
    )
