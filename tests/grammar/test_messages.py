"""The wording of syntax errors: there is some for every mistake, and its fixes mend the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poedsl.grammar.codes import SYNTAX
from poedsl.grammar.diagnostics import Fix
from poedsl.grammar.parsing import lalr
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import Source
from poedsl.grammar.tokens import KEYWORDS, PAIRS
from tests.grammar.samples import complaints, program
from tests.grammar.states import WORDS, found, states
from tests.grammar.test_states import check

# Vocabulary that no part of the language begins with, in every state of the parser.

STRANGERS = (*PAIRS, "{", "!", "'s'", '"s', "1_0", "2x", "é", "−", ";", "If", "Let", "True", "%")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["statement", "expr"])
def test_every_stranger_has_a_message(start: str) -> None:
    count = 0
    for state in states(start):
        for stranger in STRANGERS:
            text = f"{state} {stranger} a"
            complaints = found(text, start)
            assert len(complaints) <= 1, text
            for complaint in complaints:
                check(complaint, text)
                count += 1
    assert count > 1000


SECOND = {
    "x ~ A ~ B": "~",
    "x[0] ~ ~ A": "~",
    "x ~ f(a ~ b)": "~",
    "x ~ A given y given z": "given",
}


@pytest.mark.parametrize("text", SECOND)
def test_a_statement_has_one_of_each(text: str) -> None:
    (wrong,) = complaints(text)
    word = SECOND[text]
    assert wrong.code == "P0101" and f"`{word}`" in wrong.message
    assert wrong.span.start == text.rindex(word)
    assert [x.span.start for x in wrong.labels] == [text.index(word)]


#: Lines that begin a statement and are wrong, with the place of the mistake.
NEXT = {
    "input a": 6,
    "let b 3": 6,
    "use q": 5,
    "expert e = A": 7,
    "for m in c": 0,
    "sample x by": 11,
    "y : 3": 4,
    "y ~ A B": 6,
    "y[0, 1] ~ * A": 10,
}


@pytest.mark.parametrize("following", NEXT)
@pytest.mark.parametrize("broken", ["x ~ f(a,", "x ~ f(a, [b", "x ~ (A *", "let c = [1,"])
def test_a_broken_statement_ends_where_the_next_begins(broken: str, following: str) -> None:
    if broken.endswith("[b") and following.startswith("for"):
        pytest.skip("the two lines are the beginning of a list")
    first, second = complaints(f"{broken}\n{following}\nz ~ A")
    assert (first.code, first.labels[-1].span.start) == ("P0104", len(broken))
    assert second.span.start == len(broken) + 1 + NEXT[following]


def test_a_header_with_an_open_text_ends_the_brackets_before_it() -> None:
    wrong = complaints('x ~ Normal(0, 1\nfor a in f("b):\n    y[a] ~ Normal(0, 1)\n')
    assert [d.code for d in wrong] == ["P0104", "P0106"]


@pytest.mark.slow
@pytest.mark.parametrize("brackets", ["(" * 5000, "[" * 5000, "f(" * 5000, "([" * 2500])
@pytest.mark.parametrize("rest", ["", "A", " A\ny ~ A"])
def test_very_many_open_brackets_have_few_labels(brackets: str, rest: str) -> None:
    (wrong,) = complaints(f"x ~ {brackets}{rest}")
    assert wrong.span.start == 3 + len(brackets)
    assert len(wrong.labels) <= 4
    assert wrong.notes == ("5000 brackets are open",)
    assert all(len(fix.text) < 60 for fix in wrong.fixes)


# Fixes.


def apply(fix: Fix, text: str) -> str:
    for edit in sorted(fix.edits, key=lambda e: e.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


SINGLE = [
    "x ~ Normal(0 1)",
    "x ~ A B",
    "x ~ f(2 a)",
    "x ~ A ~ B",
    "x[0] ~ ~ A",
    "x ~ A given given y",
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
    (wrong,) = complaints(text)
    fixes = [f for f in wrong.fixes if f.edits]
    assert fixes
    for fix in fixes:
        assert complaints(apply(fix, text)) == ()


GOLDEN = Path(__file__).parents[1] / "golden" / "syntax"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.poe")), ids=lambda p: p.stem)
def test_a_safe_fix_never_hurts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wrong = complaints(text)
    for d in wrong:
        for fix in d.fixes:
            if fix.applicability == "safe":
                assert fix.edits
                assert len(complaints(apply(fix, text))) < len(wrong), d


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
    terminals = {name.lower() for name in lalr.tables().names}
    assert terminals >= KEYWORDS
    assert {t for t in terminals if t.upper() not in WORDS} == {"blank"}
    for word in KEYWORDS:
        assert parse(Source(f"let {word} = 1"))[1], word
