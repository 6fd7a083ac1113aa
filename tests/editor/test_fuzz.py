"""No text, and no place in it, makes a feature raise or answer with a place outside of the text."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.editor import protocol
from poedsl.editor.completion import completions
from poedsl.editor.document import Document
from poedsl.editor.edits import actions, formatting
from poedsl.editor.hover import hover
from poedsl.editor.inlay_hints import inlay_hints
from poedsl.editor.navigation import code_of, definition, outline, references
from poedsl.editor.positions import Positions
from poedsl.editor.rename import RenameError, rename
from poedsl.editor.semantic_tokens import semantic_tokens
from poedsl.editor.signature_help import signature_help
from poedsl.grammar.source import Span
from tests.compiler.test_fuzz import TEXTS, mangled
from tests.fuzz.programs import program

#: Characters that lines, columns and encodings trip over.
ODD = ("🎲", "e\u0301", "\r\n", "\r", "\t", "\u2028", "\ud800", "\ufeff", '"', "#", "(", "\\")


def ask_everything(text: str, source: random.Random, places: int = 3) -> None:
    document, positions = Document(text), Positions(text)
    for d in document.diagnostics:
        protocol.diagnostic(d, positions, "file:///a.poe")
    tokens = semantic_tokens(document)
    inside(text, (t.span for t in tokens))
    assert [t.span.start for t in tokens] == sorted(t.span.start for t in tokens)
    assert min(protocol.token_data(tokens, positions), default=0) >= 0
    inside(text, (Span(h.offset, h.offset) for h in inlay_hints(document)))
    inside(text, (e.span for e in formatting(document)))
    for symbol in outline(document):
        protocol.document_symbol(symbol, positions)
        inside(text, (symbol.span, symbol.name_span))
    for _ in range(places):
        ask_about(document, positions, source.randint(0, len(text)))


def ask_about(document: Document, positions: Positions, offset: int) -> None:
    text = document.text
    for completion in completions(document, offset):
        protocol.completion_item(completion)
    if (help_ := signature_help(document, offset)) is not None:
        protocol.signature_help(help_)
    if (shown := hover(document, offset)) is not None:
        inside(text, [shown.span])
        protocol.hover(shown, positions)
    if (span := definition(document, offset)) is not None:
        inside(text, [span])
    inside(text, (o.span for o in references(document, offset)))
    code_of(document, offset)
    for action in actions(document, Span(offset, min(offset + 9, len(text)))):
        protocol.code_action(action, positions, "file:///a.poe")
    try:
        inside(text, (e.span for e in rename(document, offset, "another_name")))
    except RenameError:
        return


def inside(text: str, spans: Iterable[Span]) -> None:
    assert all(0 <= s.start <= s.end <= len(text) for s in spans)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(TEXTS), st.integers(0, 2**32))
def test_mutated_programs(text: str, seed: int) -> None:
    source = random.Random(seed)
    changed = mangled(text, source)
    for _ in range(source.randrange(3)):
        at = source.randint(0, len(changed))
        changed = changed[:at] + source.choice(ODD) + changed[at:]
    ask_everything(changed, source)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_programs_of_the_grammar(seed: int) -> None:
    source = random.Random(seed)
    ask_everything(program(source), source)


def test_statements_where_they_may_not_stand() -> None:
    text = (
        "for m in [1]:\n    expert e(s) = Normal(m, s)\n    input m : Real\n"
        '    use e from "a.py:e"\n'
        "    sample m by anneal(kernel = m)\n    report m\n    m : Real[m]\n"
    )
    ask_everything(text, random.Random(1), places=30)


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=60), st.integers(0, 2**32))
def test_any_text(text: str, seed: int) -> None:
    ask_everything(text, random.Random(seed))


def test_programs_cut_off_at_the_cursor() -> None:
    source = random.Random(5)
    for text in TEXTS[::19]:
        at = source.randint(0, len(text))
        ask_everything(text[:at], source, places=0)
        ask_about(Document(text[:at]), Positions(text[:at]), at)


@pytest.mark.slow
def test_programs_that_nest_deeply() -> None:
    source = random.Random(2)
    for text in (
        "x ~ " + "(" * 1500 + "Normal(0, 1)" + ")" * 1500,
        "x ~ Normal(" + "1 + " * 1500 + "1, 1)",
        "let a = " + "[" * 500 + "1" + "]" * 500,
        "x ~ " + "exp(" * 400,
        "expert e() = Normal(" + "-" * 1500 + "1, 1)\nx ~ e()",
    ):
        ask_everything(text, source, places=1)
