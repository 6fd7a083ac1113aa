"""What a prompt needs to know: whether a text wants another line."""

from __future__ import annotations

import pytest

from poedsl.grammar.parsing.incomplete import is_incomplete
from tests.grammar.samples import PROGRAMS, program

WANTS_MORE = [
    "x ~ f(",
    "x ~ f(a,",
    "x ~ f(a,\n",
    "x ~ f(a,\n  # a comment\n",
    "x ~ (A *",
    "x ~ (A *\n    B",
    "let a = [1, [2",
    "x[1,",
    "input a : Real[",
    "expert e(a : Real,",
    "x ~ mixture(0.3:",
    "x ~ mixture(A for m",
    "y : Real\nx ~ f(a,",
    "sample x by anneal(\n    steps = 3,\n\n",
    "for m in c:",
    "for m in c:  # and",
    "for m in c:\n",
    "for m in c:\n    x ~ A",
    "for m in c:\n    x ~ A\n    # more",
    "for m in c:\n    x ~ f(",
    "for m in c:\n    for n in m:",
    "for m in c:\n    for n in m:\n        x ~ A",
    "for m in f(",
    "\ufefffor m in c:",
    "for m in c:\r\n    x ~ A",
]

DONE = [
    "",
    "\n\n",
    "# a comment",
    "x ~ A",
    "x ~ f(a,\n    b)",
    "for m in c:\n    x ~ A\n",
    "for m in c:\n    x ~ A\n    ",
    "for m in c:\n    x ~ A\ny : Real",
    # Wrong, whatever follows.
    "x ~",
    "x ~ A *",
    "x ~ f(]",
    "x ~ f(a b",
    "x ~ f(a = = ",
    "x ~ f(True,",
    'x ~ f("a',
    "x = 3\ny ~ f(",
    "  y : Real\nx ~ f(",
    "x : Real\n  y ~ f(",
    "for m in c",
    "for m in c: x ~ A",
    "for m in c:\nx ~ A",
    "for m in c:\n    x = A",
    "for in c:",
    "for m in c:\n    x ~ A\n  y ~ f(",
]


@pytest.mark.parametrize("text", WANTS_MORE)
def test_wants_more(text: str) -> None:
    assert is_incomplete(text)


@pytest.mark.parametrize("text", DONE)
def test_done(text: str) -> None:
    assert not is_incomplete(text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_entered_line_by_line(name: str) -> None:
    """Every program can be entered: what is complete at some line is a program."""
    entered = ""
    for line in (*PROGRAMS[name].splitlines(), ""):
        entered += line
        if is_incomplete(entered):
            entered += "\n"
            continue
        program(entered)
        entered = ""
    assert entered == ""
