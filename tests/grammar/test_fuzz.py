"""No text makes the front of the language raise, and what it says stays inside the text."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.grammar.codes import SYNTAX
from poedsl.grammar.diagnostics import to_json
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.formatting.printer import print_program, print_statement
from poedsl.grammar.parsing.incomplete import is_incomplete
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source
from tests.grammar import trees
from tests.grammar.samples import PROGRAMS, complaints, program, spans

PIECE = re.compile(r'"[^"\n]*"|\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\w+|\s+|#[^\n]*|.', re.DOTALL)
SIGNS = [*"()[],:=~+-*/^.<>!\"'#\\;\n\t ", "    ", "\r\n", "for ", "x ~ ", "let ", "é", "“"]


def check(text: str) -> None:
    source = Source(text)
    found, diagnostics = parse(source)
    for d in diagnostics:
        assert d.code in SYNTAX
        for span in spans(d):
            assert 0 <= span.start <= span.end <= len(text)
        for fix in d.fixes:
            edits = sorted(e.span for e in fix.edits)
            assert all(a.end <= b.start for a, b in pairwise(edits))
    assert program(print_program(found)) == found
    if not diagnostics:
        formatted = format_source(text)
        assert format_source(formatted) == formatted
    is_incomplete(text)
    rendered = render_text(diagnostics, source)
    assert (rendered == "") == (diagnostics == ())
    assert render_text(diagnostics, source, color=True).count("error") == rendered.count("error")
    assert len(to_json(diagnostics, source)) == len(diagnostics)


texts = st.one_of(
    st.sampled_from(list(PROGRAMS.values())), st.builds(print_program, trees.programs)
)


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A program with some of its words deleted, doubled, swapped, or with signs put between."""
    words = PIECE.findall(draw(texts))
    for _ in range(draw(st.integers(1, 3))):
        if not words:
            break
        i = draw(st.integers(0, len(words) - 1))
        j = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(("delete", "double", "swap", "insert", "cut"))):
            case "delete":
                del words[i]
            case "double":
                words.insert(i, words[i])
            case "swap":
                words[i], words[j] = words[j], words[i]
            case "insert":
                words.insert(i, draw(st.sampled_from(SIGNS)))
            case "cut":
                del words[i:]
    return "".join(words)


@pytest.mark.slow
@given(mutants())
@settings(max_examples=80, deadline=None)
def test_mutants(text: str) -> None:
    check(text)


@pytest.mark.slow
@given(st.lists(st.sampled_from(SIGNS) | st.text(max_size=3), max_size=30).map("".join))
@settings(max_examples=120, deadline=None)
def test_noise(text: str) -> None:
    check(text)
    parse_expression(Source(text))


@pytest.mark.slow
@given(texts, st.data())
@settings(max_examples=80, deadline=None)
def test_a_deleted_word_is_noticed(text: str, data: st.DataObject) -> None:
    """Where the rest still parses it is another program, but for blanks, comments and brackets."""
    words = PIECE.findall(text)
    i = data.draw(st.integers(0, max(len(words) - 1, 0)))
    rest = "".join(words[:i] + words[i + 1 :])
    found, diagnostics = parse(Source(rest))
    if not diagnostics and words and not words[i].isspace() and words[i][0] not in "#,":
        assert found != program(text) or words[i] in "()"


lines = trees.simple_statements.map(print_statement)
#: Statements with one mistake each; the brackets that some leave open are closed by nothing.
BROKEN = (
    "x ~ f(a, b",
    "x ~ f(a,",
    "x ~ mixture(0.3: A,",
    "x ~ (A *",
    "x ~ A * / B",
    "x ~ f(a))",
    "x ~ f(a]",
    "x[0 ~ A",
    "x ~ A B",
    "x ~",
    "let a = [1, [2",
    "let a = 2pi",
    "let = 3",
    "input a",
    "input a : Real[",
    "expert e(a : Real, b",
    "sample x by f(a = 1,",
    "sample x by",
    "use a from b",
    "for m in c",
    'x ~ f("a',
    "x ~ f('a')",
    "x = 3 $ 4",
)


@pytest.mark.slow
@given(st.lists(st.tuples(lines, st.none() | st.sampled_from(BROKEN)), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_broken_statement_hides_no_other(pairs: list[tuple[str, str | None]]) -> None:
    """Each statement may have a broken one before it: all of those are reported, and only those."""
    text, wanted = "", []
    for whole, broken in pairs:
        if broken is not None:
            wanted.append(text.count("\n") + 1)
            text += f"{broken}\n"
        text += f"{whole}\n"
    source = Source(text)
    found, diagnostics = parse(source)
    assert [source.location(d.span.start)[0] for d in diagnostics] == wanted
    assert "".join(f"{whole}\n" for whole, _ in pairs) == print_program(found)


@pytest.mark.slow
def test_every_prefix_of_the_programs() -> None:
    for text in PROGRAMS.values():
        for end in range(0, len(text), 3):
            check(text[:end])


@pytest.mark.parametrize("text", ["in\ub364", "let\u0301 a = 1", "x ~ f(not\u4e00)", "for\xe9"])
def test_keywords_before_foreign_letters(text: str) -> None:
    check(text)
    assert complaints(text)
