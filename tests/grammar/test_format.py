"""The formatter: canonical, stable, and nothing is lost."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.grammar import tree
from poedsl.grammar.errors import PoeError
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.formatting.line_breaks import MOST, WIDTH
from poedsl.grammar.formatting.printer import print_expr, print_program
from poedsl.grammar.formatting.spacing import comments
from tests.grammar import trees
from tests.grammar.samples import PROGRAMS, program

ROOT = Path(__file__).parents[2]


def formatted(text: str) -> str:
    """The text formatted: the same program with the same comments, and it stays so."""
    out = format_source(text)
    assert format_source(out) == out
    assert print_program(program(out)) == print_program(program(text))
    assert list(comments(out)) == list(comments(text))
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_tidy_programs_stay(name: str) -> None:
    assert formatted(PROGRAMS[name]) == PROGRAMS[name]


@pytest.mark.parametrize("path", sorted(ROOT.glob("programs/*.poe")), ids=lambda p: p.stem)
def test_the_programs_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


PAIRS = {
    "": "",
    "\n\n": "",
    "# a\n\n\n\n# b": "# a\n\n# b\n",
    "\n\nx~A": "x ~ A\n",
    "x:Real[ 2,3 ]": "x : Real[2, 3]\n",
    "input a:Int=3": "input a : Int = 3\n",
    'use  a  from"b"': 'use a from "b"\n',
    "expert e( a,b:Real=1 , )=A": "expert e(a, b : Real = 1,) = A\n",
    "sample x,y  by f( a=1,)": "sample x, y by f(a = 1,)\n",
    "let a=f( -1,+ b,2 - -3 ,a<-1)": "let a = f(-1, +b, 2 - -3, a < -1)\n",
    "let a=b [1:2,:,-1: ,: c] . d": "let a = b[1:2, :, -1:, :c].d\n",
    "let a=mixture(0.3 :A,w[i ] : B)": "let a = mixture(0.3: A, w[i]: B)\n",
    "let a=2^3 + 2 ^ 3 + 2 ^3": "let a = 2^3 + 2 ^ 3 + 2^3\n",
    "let a=not(b)and(c)or none()": "let a = not (b) and (c) or none()\n",
    "let a=((1 .b))+[ ]": "let a = ((1 .b)) + []\n",
    "let a=007.50e+3 + .5 + 1.": "let a = 007.50e+3 + .5 + 1.\n",
    'let a="\\t  \\" # "#c': 'let a = "\\t  \\" # "  #c\n',
    "let a = f(2for m in c)": "let a = f(2 for m in c)\n",
    "  x~A\n  y~B": "x ~ A\ny ~ B\n",
    "for m in c:\n\tx~A\n": "for m in c:\n    x ~ A\n",
    "x~A\t#\ta \t\n": "x ~ A  #\ta\n",
}


@pytest.mark.parametrize("text", PAIRS)
def test_spacing(text: str) -> None:
    assert formatted(text) == PAIRS[text]


BROKEN = """\
let c = linspace(-3, 3,   # a comment
                 4)
"""
LAID_OUT = """\
let c = linspace(
    -3, 3,  # a comment
    4
)
"""


def test_brackets_that_are_broken_are_laid_out() -> None:
    assert formatted(BROKEN) == LAID_OUT
    assert formatted("x ~ (A\n  * B *\n  C)") == "x ~ (\n    A\n    * B *\n    C\n)\n"
    assert formatted("x ~ f(a=\n1)") == "x ~ f(a = 1)\n"
    assert formatted("x ~ f(\n)") == "x ~ f()\n"
    assert formatted("x ~ f(g(\na),b)") == "x ~ f(\n    g(\n        a\n    ), b\n)\n"
    assert formatted("x ~ exp(f(\na))") == "x ~ exp(f(\n    a\n))\n"


def test_comments_in_brackets_stay_with_their_line() -> None:
    text = "sample x by f( # one\n  # two\n\n\n  a  =  1 # three\n, b = 2 # four\n # five\n)# six"
    assert formatted(text) == (
        "sample x by f(  # one\n    # two\n\n    a = 1,  # three\n    b = 2  # four\n"
        "    # five\n)  # six\n"
    )


def test_comments_of_blocks() -> None:
    text = "for m in c:# a\n# b\n  x~A\n  # c\n # d\n\n# e\ny~B\n  # f"
    assert formatted(text) == (
        "for m in c:  # a\n    # b\n    x ~ A\n    # c\n# d\n\n# e\ny ~ B\n# f\n"
    )


LONG = (
    "x ~ flux_depth(crop(depth, part.box), prompt = part.text) * exp(vqascore(part.text))"
    " * flux(prompt) ^ (1 - mask_of_the_thing) given x"
)


def test_long_products_get_brackets() -> None:
    assert formatted(LONG) == (
        "x ~ (\n"
        "    flux_depth(crop(depth, part.box), prompt = part.text)\n"
        "    * exp(vqascore(part.text))\n"
        "    * flux(prompt) ^ (1 - mask_of_the_thing)\n"
        ") given x\n"
    )


def test_long_calls_have_an_argument_a_line() -> None:
    options = [f"option_{i} = {i}" for i in range(9)]
    assert formatted(f"sample x by anneal({', '.join(options)})") == (
        "sample x by anneal(\n    " + ",\n    ".join(options) + "\n)\n"
    )


def test_what_is_broken_fits() -> None:
    words = " + ".join(f"f(a{i}, [b{i}, {i}])" for i in range(200))
    out = formatted(f"let a = g({words}, h(m * {words} for m in c))")
    assert max(map(len, out.splitlines())) <= WIDTH


def test_what_is_not_too_long_is_left() -> None:
    text = f"let a = [{', '.join('1' * 9 for _ in range(10))}]\n"
    assert WIDTH < len(text) < MOST
    assert formatted(text) == text


ALIGNED = {
    "input a  :Int\ninput bcd:Int": "input a   : Int\ninput bcd : Int\n",
    "input a    : Int\ninput bcd  : Int": "input a   : Int\ninput bcd : Int\n",
    "let a  =1\nlet bc =2\nlet d = 3": "let a  = 1\nlet bc = 2\nlet d = 3\n",
    "x     ~ A\nx[0]  ~ B": "x    ~ A\nx[0] ~ B\n",
    "x ~ A    # one\ny : Real\nx ~ A*B # two": "x ~ A  # one\ny : Real\nx ~ A * B  # two\n",
    "x ~ A     # one\ny : Real\nx ~ A * B # two": "x ~ A      # one\ny : Real\nx ~ A * B  # two\n",
    "input a   : Int\n\ninput bcd : Int": "input a : Int\n\ninput bcd : Int\n",
}


@pytest.mark.parametrize("text", ALIGNED)
def test_alignment_is_the_authors(text: str) -> None:
    assert formatted(text) == ALIGNED[text]


def test_line_ends_and_mark_stay() -> None:
    assert format_source("\ufeffx~A\r\ny~B # c\r\n") == "\ufeffx ~ A\r\ny ~ B  # c\r\n"


def test_syntax_errors_are_reported() -> None:
    with pytest.raises(PoeError) as error:
        format_source("x ~ A\nx ~ f(")
    assert [d.code for d in error.value.diagnostics] == ["P0104"]


PIECE = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|[\w.]+|\s+|.')


def disturbed(text: str, chance: random.Random) -> str:
    """The program with other blanks, and with comments and line breaks inside brackets."""
    out, depth = [], 0
    for piece in PIECE.findall(text):
        depth += (piece in "([") - (piece in ")]")
        if piece == " " and depth and chance.random() < 0.2:
            piece = chance.choice(("\n", "  # a\n", "\n\n# b\n", "\n# c\n\n\n", "   "))
        elif piece.startswith("\n") and chance.random() < 0.3:
            piece = chance.choice((" # d\n", "\n# e\n", "\n\n\n\n", "  \n  # f\n\n")) + piece[1:]
        out.append(piece)
    return "".join(out)


sources = st.sampled_from(list(PROGRAMS.values())) | st.builds(print_program, trees.programs)


def test_a_line_inside_brackets_may_look_like_a_loop() -> None:
    text = "x ~ f(g(a\nfor a in b), c = d(e + f:\n1))\n"
    assert print_program(program(text)) == "x ~ f(g(a for a in b), c = d(e + f: 1))\n"
    text = 'for a in f([]\nfor a in "["):\n    use a from ""\n'
    assert print_program(program(text)) == text.replace('\nfor a in "', ' for a in "')


@pytest.mark.slow
@given(sources, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_disturbed_programs(text: str, seed: int) -> None:
    other = disturbed(text, random.Random(seed))
    assert print_program(program(other)) == print_program(program(text))
    formatted(other)


@pytest.mark.slow
@given(trees.programs)
@settings(max_examples=45, deadline=None)
def test_printed_programs(original: tree.Program) -> None:
    formatted(print_program(original))


@pytest.mark.slow
@given(st.lists(trees.expressions, min_size=5, max_size=12))
@settings(max_examples=40, deadline=None)
def test_long_statements(items: list[tree.Expr]) -> None:
    formatted(f"x ~ {' * '.join(f'({print_expr(e)})' for e in items)}")
