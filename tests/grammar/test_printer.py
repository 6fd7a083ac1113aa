"""Printed text gives the tree again, with no bracket too many."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from poedsl.grammar import tree
from poedsl.grammar.formatting.printer import print_expr, print_program, print_statement, print_type
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from tests.grammar import trees
from tests.grammar.samples import PROGRAMS, expression, program, statement


@pytest.mark.slow
@given(trees.expressions)
@settings(max_examples=150, deadline=None)
def test_an_expression_comes_back(expr: tree.Expr) -> None:
    assert expression(print_expr(expr)) == expr


@pytest.mark.slow
@given(trees.programs)
@settings(max_examples=60, deadline=None)
def test_a_program_comes_back(original: tree.Program) -> None:
    text = print_program(original)
    assert program(text) == original
    assert print_program(program(text)) == text


def group_brackets(text: str) -> list[tuple[int, int]]:
    """The pairs of round brackets that are not those of a call."""
    pairs, open_, inside = [], [], False
    for i, c in enumerate(text):
        if c == '"' and text[i - 1] != "\\":
            inside = not inside
        elif c == "(" and not inside:
            open_.append(i)
        elif c == ")" and not inside:
            start = open_.pop()
            before = text[start - 1 : start]
            if not (before.isalnum() or before == "_"):
                pairs.append((start, i))
    return pairs


plain_expressions = trees.st.recursive(trees.names | trees.numbers, trees.compound, max_leaves=20)


@pytest.mark.slow
@given(plain_expressions)
@settings(max_examples=100, deadline=None)
def test_no_bracket_is_too_many(expr: tree.Expr) -> None:
    text = print_expr(expr)
    for start, end in group_brackets(text):
        without = text[:start] + text[start + 1 : end] + text[end + 1 :]
        assert parse_expression(Source(without))[0] != expr, without


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_come_back(name: str) -> None:
    original = program(PROGRAMS[name])
    assert program(print_program(original)) == original


@pytest.mark.parametrize(
    "text",
    [
        "a or b and not c == d + e * -f^g[1].h",
        "((a or b) and (c or d)) ^ not_",
        "(-a)^b",
        "-a^-b^c",
        "(a^b)^c",
        "a - (b - c) - d",
        "a / (b * c)",
        "(a < b) == (c < d)",
        "not (not a) and b",
        "(1).x[2]",
        "[[1, 0], [0, .5]]",
        "x[a, 1:3, :, 2:, :-1]",
        "mixture(0.3: a, 0.7: b)",
        "mixture(w[m]: Normal(m, 1) for m in c)",
        "f(a = 1, 2)",
        '"say \\"no\\"\\\\ \\n\\t"',
        "1e-3",
        "100000000000000000000000",
    ],
)
def test_canonical_text(text: str) -> None:
    canonical = print_expr(expression(text))
    assert expression(canonical) == expression(text)
    assert print_expr(expression(canonical)) == canonical


def test_the_text_is_readable() -> None:
    text = "x[half,1:3]~(A)*((B/(C*D))^(-1))*exp(-(1*y)^2)given x"
    assert print_statement(statement(text)) == (
        "x[half, 1:3] ~ A * (B / (C * D))^-1 * exp(-(1 * y)^2) given x"
    )


def test_a_number_keeps_its_way_of_writing() -> None:
    assert print_expr(expression("1e-3 + .50")) == "1e-3 + .50"
    assert print_expr(tree.Number(value=0.001)) == "0.001"
    assert print_expr(tree.Number(value=math.inf)) == "1e999"
    assert print_expr(tree.Number(value=-2)) == "-2"
    with pytest.raises(ValueError, match="no literal"):
        print_expr(tree.Number(value=math.nan))


def test_a_type() -> None:
    assert print_type(statement("x : Image[3,_ , 2*4]").type) == "Image[3, _, 2 * 4]"


@pytest.mark.slow
def test_depth_does_not_matter() -> None:
    deep: tree.Expr = tree.Name(name="x")
    for _ in range(5000):
        deep = tree.Unary(op="-", operand=deep)
        deep = tree.Binary(op="^", left=deep, right=tree.Name(name="y"))
    text = print_expr(deep)
    assert print_expr(expression(text)) == text
