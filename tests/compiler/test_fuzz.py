"""Programs that are cut up: never an exception, never a factor lost without a word."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.compiler.compile import Compiled
from poedsl.grammar.diagnostics import to_json
from poedsl.grammar.render import render_text
from tests.compiler.programs import FILES, OTHERS, ROOT, compiled

GALLERY = sorted((ROOT / "tests" / "golden" / "check").glob("*.poe"))
TEXTS = [
    *OTHERS.values(),
    *(f.read_text(encoding="utf-8") for f in FILES),
    *(t for f in GALLERY for t in f.read_text(encoding="utf-8").split("# -----\n")),
]
WORDS = re.compile(r"\s+|\w+|[^\w\s]")
POOL = sorted({w for text in TEXTS for w in WORDS.findall(text)})


def mangled(text: str, source: random.Random) -> str:
    """The text with a few of its words left out, doubled, exchanged or replaced."""
    words = WORDS.findall(text)
    for _ in range(source.randint(1, 3)):
        if not words:
            break
        i, j = source.randrange(len(words)), source.randrange(len(words))
        match source.randrange(4):
            case 0:
                del words[i]
            case 1:
                words.insert(i, words[j])
            case 2:
                words[i], words[j] = words[j], words[i]
            case _:
                words[i] = source.choice(POOL)
    return "".join(words)


def sound(made: Compiled) -> None:
    """Errors or a plan; places inside of the text; no statement left out in silence."""
    errors = [d for d in made.diagnostics if d.is_error]
    assert (made.plan is None) == bool(errors)
    for diagnostic in made.diagnostics:
        spans = [diagnostic.span, *(label.span for label in diagnostic.labels)]
        assert all(0 <= s.start <= s.end <= len(made.source.text) for s in spans)
    if made.plan is not None:
        assert made.checked is not None
        assert not made.checked.incomplete
        assert made.plan.to_json()
    assert render_text(made.diagnostics, made.source) or not made.diagnostics
    assert len(to_json(made.diagnostics, made.source)) == len(made.diagnostics)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_mangled_programs(text: str, source: random.Random) -> None:
    sound(compiled(mangled(text, source)))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=2, max_size=3).map("\n".join), st.booleans())
def test_programs_joined(text: str, strict: bool) -> None:
    sound(compiled(text, strict=strict))
