"""What parses, into which tree, with which spans; and that one broken statement hides no other."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator

import pytest

from poedsl.grammar import tree
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source
from tests.grammar.samples import PROGRAMS, complaints, expression, program, statement


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_of_the_language_parse(name: str) -> None:
    text = PROGRAMS[name]
    depth, begun = 0, 0
    for line in (row.partition("#")[0] for row in text.splitlines()):
        begun += bool(line.strip()) and depth == 0
        depth += sum(map(line.count, "([{")) - sum(map(line.count, ")]}"))
    assert sum(1 for _ in statements(program(text))) == begun


def statements(node: tree.Program | tree.For) -> Iterator[tree.Statement]:
    for child in node.statements if isinstance(node, tree.Program) else node.body:
        yield child
        if isinstance(child, tree.For):
            yield from statements(child)


def test_an_empty_text_is_a_program() -> None:
    for text in ("", "\n", "   ", "# nothing", "\n\n# nothing\n  \n", "\ufeff", "\t\r\n"):
        assert program(text).statements == ()


# Statements.


def name(text: str) -> tree.Name:
    return tree.Name(name=text)


def number(value: float) -> tree.Number:
    return tree.Number(value=value)


def test_use() -> None:
    assert statement('use a from "b.py:c"') == tree.Use(
        name=name("a"), place=tree.String(value="b.py:c")
    )


def test_input() -> None:
    sizes = (number(3), name("_"), tree.Binary(op="*", left=name("n"), right=number(2)))
    assert statement("input a : Image[3, _, n * 2] = none") == tree.Input(
        name=name("a"), type=tree.TypeExpr(name="Image", sizes=sizes), default=tree.Nothing()
    )
    assert statement("input a : Text").default is None


def test_expert() -> None:
    found = statement("expert e(a, b = 1, c : Real, d : Real[2] = 3,) = A")
    assert [(p.name.name, p.type and p.type.name, p.default) for p in found.parameters] == [
        ("a", None, None),
        ("b", None, number(1)),
        ("c", "Real", None),
        ("d", "Real", number(3)),
    ]
    assert statement("expert e() = A").parameters == ()


def test_domain_and_factor() -> None:
    assert statement("x : Real") == tree.Domain(name=name("x"), type=tree.TypeExpr(name="Real"))
    assert statement("x ~ A given y") == tree.Factor(
        target=name("x"), product=name("A"), given=name("y")
    )
    target = tree.Index(value=name("x"), items=(number(0),))
    assert statement("x[0,] ~ A") == tree.Factor(target=target, product=name("A"))


def test_sample() -> None:
    found = statement("sample x, y by anneal(steps = 3,)")
    option = tree.Argument(name="steps", value=number(3))
    call = tree.Call(function=name("anneal"), arguments=(option,))
    assert found == tree.Sample(names=(name("x"), name("y")), method=call)


def test_nested_loops() -> None:
    (outer,) = program("for a in b:\n  for c in d:\n    x ~ A\n\n  # here\n  x ~ B\n").statements
    inner, last = outer.body
    assert [type(s) for s in inner.body] == [tree.Factor]
    assert last.product == name("B")


def test_an_index() -> None:
    items = expression("x[a, 1:3, :, 2:, :k]").items
    assert items == (
        name("a"),
        tree.Slice(start=number(1), stop=number(3)),
        tree.Slice(start=None, stop=None),
        tree.Slice(start=number(2), stop=None),
        tree.Slice(start=None, stop=name("k")),
    )


def test_arguments() -> None:
    found = expression("f(a, b = 1, w: c,)").arguments
    assert found == (
        tree.Argument(value=name("a")),
        tree.Argument(value=number(1), name="b"),
        tree.Argument(value=name("c"), weight=name("w")),
    )


def test_a_comprehension() -> None:
    found = expression("mixture(w[m]: N(m) for m in c)")
    assert isinstance(found, tree.Comprehension)
    assert found.body.weight == expression("w[m]")
    assert found.target == name("m")
    assert expression("f(N(m) for m in c)").body.weight is None


# Words.


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("0.5", 0.5), ("1e-3", 1e-3), (".5", 0.5), ("1.", 1.0), ("2E+3", 2e3), ("007", 7)],
)
def test_numbers(text: str, value: float) -> None:
    found = expression(text)
    assert (found.value, type(found.value), found.text) == (value, type(value), text)


def test_texts() -> None:
    assert expression(r'"a\"b\\c\nd\te # ( ["').value == 'a"b\\c\nd\te # ( ['
    assert expression('""').value == ""
    assert expression('"日本 é"').value == "日本 é"


def test_keywords_begin_names() -> None:
    for word in ("form", "inner", "order", "notes", "truest", "_for", "by2", "in_"):
        assert expression(f"f({word} for {word} in {word})").target == name(word)


def test_line_breaks_and_blanks() -> None:
    text = "x ~ f(\r\n\ta,  # one\r\n\r\n\tb\r\n)\r\n\r\ny : Real\r\n"
    assert [type(s) for s in program(text).statements] == [tree.Factor, tree.Domain]
    assert program("\ufeffx : Real").statements
    assert program("for a in b:\n\tx ~ A\n\ty ~ B").statements[0].body[1]


def test_a_text_that_is_indented_as_a_whole() -> None:
    assert len(program("\n    x : Real\n    for a in b:\n        x ~ A\n    ").statements) == 2


# Precedence, loosest first.

TABLE = [
    ("a or b or c", "(a or b) or c"),
    ("a or b and c", "a or (b and c)"),
    ("a and b and c", "(a and b) and c"),
    ("a and not b", "a and (not b)"),
    ("not a and b", "(not a) and b"),
    ("not a == b", "not (a == b)"),
    ("not not a", "not (not a)"),
    ("a < b + c", "a < (b + c)"),
    ("a + b < c", "(a + b) < c"),
    ("a == b or c != d", "(a == b) or (c != d)"),
    ("a + b - c", "(a + b) - c"),
    ("a + b * c", "a + (b * c)"),
    ("a * b / c * d", "((a * b) / c) * d"),
    ("a - -b", "a - (-b)"),
    ("a * -b", "a * (-b)"),
    ("-a * b", "(-a) * b"),
    ("-a + b", "(-a) + b"),
    ("--a", "-(-a)"),
    ("+-a", "+(-a)"),
    ("-a^b", "-(a^b)"),
    ("a^b^c", "a^(b^c)"),
    ("a^-b", "a^(-b)"),
    ("a^-b^c", "a^(-(b^c))"),
    ("a^-b * c", "(a^(-b)) * c"),
    ("a * b^c", "a * (b^c)"),
    ("a^b[c]", "a^(b[c])"),
    ("a^b.c", "a^(b.c)"),
    ("a^f(b)", "a^(f(b))"),
    ("-a.b[c]", "-((a.b)[c])"),
    ("f(a)[b].c", "((f(a))[b]).c"),
    ("f(a, b = c or d)", "f(a, b = (c or d))"),
    ("f(a or b: c)", "f((a or b): c)"),
    ("x[a + b:c or d]", "x[(a + b):(c or d)]"),
    ("f(a for m in b or c)", "f(a for m in (b or c))"),
]


@pytest.mark.parametrize(("text", "explicit"), TABLE)
def test_precedence(text: str, explicit: str) -> None:
    assert expression(text) == expression(explicit)


@pytest.mark.parametrize("text", ["a < b < c", "a == b != c", "a + not b", "-not a", "a ^ not b"])
def test_what_does_not_associate(text: str) -> None:
    found, diagnostics = parse_expression(Source(text))
    assert found is None
    assert len(diagnostics) == 1


# Spans.


def nodes(node: object) -> Iterator[tree.Node]:
    if isinstance(node, tree.Node):
        yield node
        for f in dataclasses.fields(node):
            yield from nodes(getattr(node, f.name))
    elif isinstance(node, tuple):
        for child in node:
            yield from nodes(child)


def texts(text: str, kind: type) -> list[str]:
    return [text[n.span.start : n.span.end] for n in nodes(program(text)) if isinstance(n, kind)]


SPANNED = """\
# first
use a from "b" # place
input seen : Image[1, (n), 8] = "c"  # a default
expert e(p, q : Real = (1)) = (p)
  # blank

for part in (layout):
    x[part.box, 1:(2), :] ~ (f(g, k = (1), (w): v,) * ((h) ^ (2))) given y  # tail
    z : Real[2]
sample x, z by anneal( steps = -1
)
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (tree.Use, ['use a from "b"']),
        (tree.Input, ['input seen : Image[1, (n), 8] = "c"']),
        (tree.TypeExpr, ["Image[1, (n), 8]", "Real", "Real[2]"]),
        (tree.ExpertDefinition, ["expert e(p, q : Real = (1)) = (p)"]),
        (tree.Parameter, ["p", "q : Real = (1)"]),
        (
            tree.Factor,
            ["x[part.box, 1:(2), :] ~ (f(g, k = (1), (w): v,) * ((h) ^ (2))) given y"],
        ),
        (tree.Domain, ["z : Real[2]"]),
        (tree.Sample, ["sample x, z by anneal( steps = -1\n)"]),
        (tree.Index, ["x[part.box, 1:(2), :]"]),
        (tree.Slice, ["1:(2)", ":"]),
        (tree.Attribute, ["part.box"]),
        (tree.Call, ["f(g, k = (1), (w): v,)", "anneal( steps = -1\n)"]),
        (tree.Argument, ["g", "k = (1)", "(w): v", "steps = -1"]),
        (tree.Binary, ["f(g, k = (1), (w): v,) * ((h) ^ (2))", "(h) ^ (2)"]),
        (tree.Unary, ["-1"]),
        (tree.String, ['"b"', '"c"']),
        (tree.Number, ["1", "8", "1", "1", "2", "1", "2", "2", "1"]),
    ],
)
def test_spans_are_exact(kind: type, expected: list[str]) -> None:
    assert texts(SPANNED, kind) == expected


def test_the_span_of_a_loop_reaches_over_its_block() -> None:
    (loop,) = texts(SPANNED, tree.For)
    assert loop.startswith("for part in (layout):\n")
    assert loop.endswith("\n    z : Real[2]")


def test_spans_of_operators_and_names() -> None:
    text = "a  + f(k = b.c)"
    found = expression(text)
    argument = found.right.arguments[0]
    for span, expected in (
        (found.op_span, "+"),
        (argument.name_span, "k"),
        (argument.value.name_span, "c"),
        (found.right.function.span, "f"),
    ):
        assert text[span.start : span.end] == expected


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_expression_reads_the_same_alone(name: str) -> None:
    text = PROGRAMS[name]
    for node in nodes(program(text)):
        own = text[node.span.start : node.span.end]
        if isinstance(node, tree.Expr) and own != "_":
            assert expression(own) == node


# Recovery.

MISTAKES = [
    "x ~",
    "x ~ A *",
    "x ~ f(a b)",
    "x ~ f(a))",
    "x ~ f(a]",
    "x ~ [f(a]",
    "x ~ f(a, (b",
    "x ~ f(a,",
    "x ~ f(True, [a",
    'x ~ f("a)',
    'x ~ f("a, [b]',
    "x ~ f('a(b')",
    'x ~ f("\\q")',
    "x = 3",
    "let a 3",
    "let for = 3",
    "input a",
    "for m in c: x ~ A",
    "x ~ $",
    "(",
    ")",
    "[",
    "~",
    '"',
    "sample x by anneal(\n    steps = 3,\n    particles = 4",
    "sample x by anneal(\n    steps = 3 particles = 4\n)",
    'sample x by anneal(\n    start = "a,\n    steps = 3\n)',
    "x ~ A *\n    B",
    "x ~ A\n    * B\n    * C",
    "    x ~ A",
    "if a:\n    x ~ A",
    "for m in :\n    x ~ A",
]
BEFORE = 'input a : Real\nuse b from "c"\n'
AFTER = (
    "let d = f(1, [2])\n",
    "x : Real\n",
    "for i in d:\n    x ~ A(i)\n",
    "x[0] ~ A\n",
    "y ~ A\n",
)


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_broken_statement_hides_no_other(mistake: str, after: str) -> None:
    if mistake == "x ~ f(a," and after == "x : Real\n":
        pytest.skip("`f(a, x : Real` goes on as a weighted argument")
    text = f"{BEFORE}{mistake}\n{after}"
    found, diagnostics = parse(Source(text))
    assert len(diagnostics) == 1
    assert len(BEFORE) <= diagnostics[0].span.start <= len(BEFORE + mistake)
    whole = program(BEFORE + after).statements
    assert found.statements[:2] == whole[:2]
    assert found.statements[-1] == whole[-1]


def test_all_errors_in_one_run() -> None:
    mistakes = [mistake for mistake in MISTAKES if mistake not in ("(", "[", ")", "x ~ f(a,")]
    text = "".join(f"{mistake}\n" for mistake in mistakes)
    assert len(complaints(text)) == len(mistakes)


def test_diagnostics_are_in_order() -> None:
    starts = [d.span.start for d in complaints("".join(f"{mistake}\n" for mistake in MISTAKES))]
    assert starts == sorted(starts)


def test_a_broken_block_stays_a_block() -> None:
    found, diagnostics = parse(Source("for a in b\n    x ~ A\n    x ~ B C\ny ~ A\n"))
    assert [d.code for d in diagnostics] == ["P0114", "P0103"]
    assert [type(s) for s in found.statements] == [tree.Factor]
    found, diagnostics = parse(Source("for a in b:\n    x ~ A\n    x ~ B C\ny ~ A\n"))
    assert [d.code for d in diagnostics] == ["P0103"]
    assert len(found.statements[0].body) == 1


def test_an_expression_is_one() -> None:
    for text in ("", "# only", "a b", "let a = 3", "a\nb", "a,", "(a", "a)"):
        found, diagnostics = parse_expression(Source(text))
        assert found is None
        assert len(diagnostics) == 1
    assert expression("  a # name\n") == name("a")
    assert expression("(a)").span == tree.Span(1, 2)


# Cost.


@pytest.mark.slow
def test_long_and_deep_texts() -> None:
    deep = f"x ~ {'(' * 5000}a{')' * 5000}\n"
    assert len(program(deep).statements) == 1
    wide = f"x ~ {' + '.join(['a'] * 5000)}\n"
    assert len(program(wide).statements) == 1
    assert len(complaints("(" * 5000)) == 1
    assert len(complaints("x ~ " + "(" * 5000 + "]" * 5000)) == 1
    assert len(complaints("9" * 10000)) == 1


def test_the_front_imports_nothing_heavy() -> None:
    code = (
        "import sys; from poedsl.grammar import codes, render;"
        "from poedsl.grammar.formatting import printer; from poedsl.grammar.parsing import parser;"
        "print([m for m in ('torch', 'numpy', 'rich', 'typer') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_line_that_ends_an_index_begins_no_statement() -> None:
    found = program("x[f(a for a in\nb[0])] ~ A\ny[f(1)] ~ B")
    assert [type(s) for s in found.statements] == [tree.Factor, tree.Factor]
