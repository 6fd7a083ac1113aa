"""The wording of syntax errors: there is some for every mistake, and its fixes mend the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from poedsl.grammar.codes import SYNTAX
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.parser import _lark, parse, parse_expression
from poedsl.grammar.source import Source
from poedsl.grammar.words import KEYWORDS, PAIRS
from tests.grammar.samples import complaints, program

# Every state of the parser, and every word it refuses there.

WORDS = {
    **{word.upper(): word for word in KEYWORDS},
    **{"NAME": "a", "NUMBER": "1", "STRING": '"s"', "COMPARE": "<"},
    **{"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "COMMA": ",", "COLON": ":"},
    **{"EQUAL": "=", "TILDE": "~", "PLUS": "+", "MINUS": "-", "STAR": "*", "SLASH": "/"},
    **{"CIRCUMFLEX": "^", "DOT": "."},
}
STRANGERS = (*PAIRS, "{", "!", "'s'", '"s', "1_0", "2x", "é", "−", ";", "If", "Let", "True", "%")


def states(start: str) -> dict[int, str]:
    """The shortest text that leads to each state of the parser."""
    found: dict[int, str] = {}
    level = [""]
    while level:
        following = []
        for text in level:
            parser = _lark().parse_interactive(text, start=start)
            parser.exhaust_lexer()
            state = parser.parser_state.position
            if state not in found:
                found[state] = text
                accepted = sorted(parser.accepts() - {"$END"})
                following += [f"{text} {WORDS[t]}" for t in accepted]
        level = following
    return found


def mistakes(start: str) -> Iterator[str]:
    for text in states(start).values():
        parser = _lark().parse_interactive(text, start=start)
        parser.exhaust_lexer()
        accepted = parser.accepts()
        yield from (f"{text} {w} a" for t, w in WORDS.items() if t not in accepted)
        yield from (f"{text} {w} a" for w in STRANGERS)
        if "$END" not in accepted:
            yield text


TERMINALS = re.compile(r"\b(?:[A-Z]{3,}|\$END|__\w+)\b")


def check(d: Diagnostic, text: str) -> None:
    assert d.code in SYNTAX
    assert d.message
    assert "?" not in re.sub(r"`[^`]*`", "", d.message)
    for said in (d.message, d.here, *d.notes, *(f.text for f in d.fixes)):
        assert not TERMINALS.search(said), said
        assert not said.endswith((".", "or ", "expected ")), said
    assert 0 <= d.span.start <= d.span.end <= len(text)


def test_the_states_are_found() -> None:
    assert len(states("statement")) > 70


def test_every_mistake_has_a_message() -> None:
    count = 0
    for text in mistakes("statement"):
        if text:
            found = complaints(text)
            if text.endswith(('"s', '"s a')) or found:
                assert len(found) == 1, text
                check(found[0], text)
                count += 1
    assert count > 4000


def test_every_mistake_in_an_expression_has_a_message() -> None:
    for text in mistakes("expr"):
        expr, found = parse_expression(Source(text))
        assert (expr is None) == (len(found) == 1)
        for d in found:
            check(d, text)


# Fixes.


def apply(fix: Fix, text: str) -> str:
    for edit in sorted(fix.edits, key=lambda e: e.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


SINGLE = [
    "x ~ Normal(0 1)",
    "x ~ A B",
    "let a = [1, 2 3]",
    "c = 3",
    "x = Normal(0, 1)",
    "let x ~ Normal(0, 1)",
    "let x : 3",
    "let x : Real = 3",
    "let x == 3",
    "let x := 3",
    "x <- 3",
    "y : Real = 3",
    "x[0] = A",
    "expert e(a) : A",
    "expert e = A",
    "x ~ where(a + b = 3)",
    "x ~ A ** 2",
    "x ~ where(a && b)",
    "x ~ where(a||b)",
    "x ~ where(!a)",
    "x ~ where(a<>b)",
    "x ~ where(a ≤ b)",
    "x ~ where(a∧b)",
    "x ~ A × B",
    "let a = 3 − 2",
    "let a = 1\u00a0+ 2",
    "let a = 1\u200b + 2",
    "let σ = 3",
    "let a = x²",
    "let a = 3;",
    "let a = 3; let b = 4",
    "x ~ f('say \"no\"')",
    "x ~ f(“a”)",
    'x ~ f("a)',
    'x ~ f("a", [2, "b])',
    'x ~ f("\\q")',
    "use a from b.py:c",
    "let a = True",
    "Let a = 3",
    "x ~ A Given y",
    "let for = 3",
    "x ~ f(by = 3)",
    "x ~ where(0 < x < 1)",
    "for m in c\n    x ~ A",
    "for m in c: x ~ A",
    "for m in c:\nx ~ A",
    "input a",
    "input a = 3",
    "input a Real",
    "input Real a",
    "let a = 2pi",
    "let a = 1_000",
    "smaple x by anneal()",
    "sample x by anneal",
    "x ~ f(a,, b)",
    "x ~ f(a))",
    "x ~ f(a]",
    "x ~ [f(a]",
    "x ~ f(a, [b",
    "x ~ Normal((0, 1)",
    "sample x by anneal(\n    steps = 3,\n    particles = 4",
    "x ~ A *\n    B",
    "x ~ A\n    * B",
    "x : Real\n    x ~ A",
    "// a comment",
]


@pytest.mark.parametrize("text", SINGLE)
def test_fixes_mend_the_program(text: str) -> None:
    (found,) = complaints(text)
    fixes = [f for f in found.fixes if f.edits]
    assert fixes
    for fix in fixes:
        assert complaints(apply(fix, text)) == ()


GOLDEN = Path(__file__).parents[1] / "golden" / "syntax"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.poe")), ids=lambda p: p.stem)
def test_a_safe_fix_never_hurts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = complaints(text)
    for d in found:
        for fix in d.fixes:
            if fix.applicability == "safe":
                assert fix.edits
                assert len(complaints(apply(fix, text))) < len(found), d


# Pages.


def examples(page: str) -> tuple[str, str]:
    wrong = re.search(r"^    # wrong\n((?:(?:    .*)?\n)+?)\n    # right\n", page, re.MULTILINE)
    right = re.search(r"^    # right\n((?:    .*\n|\n(?=    ))+)", page, re.MULTILINE)
    assert wrong
    assert right
    return wrong[1], right[1]


@pytest.mark.parametrize("code", SYNTAX)
def test_the_examples_of_a_page(code: str) -> None:
    wrong, right = examples(SYNTAX[code].page)
    assert {d.code for d in complaints(wrong)} == {code}
    program(right)


def test_pages_are_plain() -> None:
    for code, page in SYNTAX.items():
        assert re.fullmatch(r"P01\d\d", code)
        assert not page.title.endswith(".")
        assert all(len(line) <= 100 for line in page.page.splitlines())


def test_reserved_words_are_those_of_the_grammar() -> None:
    terminals = {t.name.lower() for t in _lark().terminals}
    assert terminals >= KEYWORDS
    assert {t for t in terminals if t.upper() not in WORDS} == {"blank"}
    for word in KEYWORDS:
        assert parse(Source(f"let {word} = 1"))[1], word
