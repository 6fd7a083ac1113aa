"""Fixes that are applied without asking."""

from __future__ import annotations

import pytest

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.apply_fixes import apply_fixes, safe_fixes
from poedsl.grammar.source import Span
from tests.diagnostics import quoted
from tests.grammar.samples import complaints, program

SAFE = {
    "x ~ f('a')": 'x ~ f("a")',
    "x ~ f(“a”)": 'x ~ f("a")',
    "let a = True": "let a = true",
    "Let a = 3": "let a = 3",
    "x ~ ~ A": "x ~ A",
    "x ~ A given given y": "x ~ A given y",
    "x ~ A Given y": "x ~ A given y",
    "let a = 1_000": "let a = 1000",
    "let a = 3;": "let a = 3",
    "x ~ A**2": "x ~ A^2",
    "let a = b&&c": "let a = b and c",
    "let a = b <> c": "let a = b != c",
    "let a = b − c × d": "let a = b - c * d",
    "let a = b²": "let a = b^2",
    "let a = b²³": "let a = b^23",
    "let a = 3²": "let a = 3^2",
    "let a = 1.5¹⁰": "let a = 1.5^10",
    "let a = (b + 1)²": "let a = (b + 1)^2",
    "let a = ３": "let a = 3",
    "let a = 1\u00a0+\u200b 2": "let a = 1 + 2",
    "for m in c\n    x ~ A": "for m in c:\n    x ~ A",
    "input a Real": "input a : Real",
    "input Real a": "input a : Real",
    "use a from b.py:c": 'use a from "b.py:c"',
    "sample x by anneal": "sample x by anneal()",
    "expert e = A": "expert e() = A",
    "sample x by f(\n    a = 1\n    b = 2\n)": "sample x by f(\n    a = 1,\n    b = 2\n)",
    "let a = 0 < f(b < c) < d": "let a = 0 < f(b < c) and f(b < c) < d",
    "let a = not 0 < b < 1": "let a = not (0 < b and b < 1)",
    "x ~ where(\n    c and not 0 < f(b) < 1 < d or e)": (
        "x ~ where(\n    c and not (0 < f(b) and f(b) < 1 and 1 < d) or e)"
    ),
    "x ~ A *\n    B": "x ~ (A *\n    B)",
}
#: What has another fix, or a fix that only may be right.
UNSURE = (
    "x ~ f('C:\\new')",
    "c = 3",
    "x ~ f(a b)",
    "x ~ A B",
    "x ~ A ~ B",
    "x ~ f(2 a)",
    "x ~ f(a,, b)",
    "let a = b | c",
    "let a = !b == c",
    "let a = 2pi",
    "let a = 1e²",
    "let a = 3₂",
    "let a = 3½",
    "let a = 3²b",
    "let for = 3",
    "let naïve = 3",
    "smaple x by f()",
    "x ~ f(a",
    'x ~ f("a)',
    'x ~ f("\\q")',
    "x : Real\n    x ~ A",
    "let a = b = c",
    "let x ~ A",
)


@pytest.mark.parametrize("text", SAFE)
def test_safe(text: str) -> None:
    fixed = text
    while found := complaints(fixed):
        fixed, count = apply_fixes(fixed, found)
        assert count == 1
    assert fixed == SAFE[text]
    program(fixed)


@pytest.mark.parametrize("text", UNSURE)
def test_unsure(text: str) -> None:
    found = complaints(text)
    assert found
    assert apply_fixes(text, found) == (text, 0)


def test_all_at_once() -> None:
    text = "\n".join(t for t in SAFE if "\n" not in t)
    fixed, count = apply_fixes(text, complaints(text))
    assert count == sum("\n" not in t for t in SAFE)
    assert len(complaints(fixed)) == 2


def fix(start: int, end: int, text: str) -> Diagnostic:
    edit = Edit(Span(start, end), text)
    return Diagnostic("P0101", "m", Span(start, end), fixes=(Fix("f", (edit,), "safe"),))


def test_fixes_do_not_touch_each_other() -> None:
    found = (fix(1, 3, "x"), fix(2, 4, "y"), fix(3, 3, "z"), fix(5, 6, "w"))
    assert [d for d, _ in safe_fixes(found)] == [found[0], found[3]]
    assert apply_fixes("abcdefg", found) == ("axdewg", 2)
    assert apply_fixes("abc", ()) == ("abc", 0)


@pytest.mark.parametrize(
    "line, argument",
    [
        ("particles = 8000", "particles = 8000"),
        ("steps: 30", "steps = 30"),
        ("kernel := mala(steps = 3)  # a comment", "kernel = mala(steps = 3)"),
    ],
)
def test_an_option_alone_is_put_into_a_sample_statement(line: str, argument: str) -> None:
    start = "input y : Real\nx ~ Normal(0, 1)\nz[0] ~ Normal(x, 1)\ny ~ Normal(x, 1)\n"
    (found,) = complaints(f"{start}{line}\n")
    assert found.code == "P0111"
    (edit,) = found.fixes[0].edits
    text = f"{start}{line}\n"
    fixed = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert fixed.splitlines()[4].startswith(f"sample x, z by anneal({argument})")
    program(fixed)


def test_an_option_beside_a_sample_statement_has_a_note() -> None:
    (found,) = complaints("x ~ Normal(0, 1)\nsample x by anneal(steps = 3)\nparticles = 9\n")
    assert found.code == "P0111"
    assert all("sample" not in edit.text for fix in found.fixes for edit in fix.edits)
    assert "sample x by anneal(particles = 9)" in quoted(found)
