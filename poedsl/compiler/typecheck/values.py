"""Types of values: names, constants, operators and calls.

Constants fold. An error is reported once: an expression that contains it is poisoned, and nothing
more is reported about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.functions.constants import MOST_NUMBERS
from poedsl.compiler.functions.function import Deferred
from poedsl.compiler.functions.matrices import product_sizes
from poedsl.compiler.functions.operators import CONDITION_OPERATORS, operate
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.references import CONSTRUCTS
from poedsl.compiler.plan.terms import Apply, Const, applied
from poedsl.compiler.typecheck.comprehensions import comprehension
from poedsl.compiler.typecheck.function_calls import function_call
from poedsl.compiler.typecheck.lists import exceeds_constant_limit, list_literal
from poedsl.compiler.typecheck.log_density import log_density
from poedsl.compiler.typecheck.model_calls import model_call
from poedsl.compiler.typecheck.parts import type_of_attribute, type_of_index
from poedsl.compiler.typecheck.scans import type_of_scan
from poedsl.compiler.typecheck.scope import EVALUATION, TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, as_number, counted, describe, finite
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import is_condition, operator_chain
from poedsl.grammar.types import BOOL, INT, REAL, TEXT, Type, broadcast

#: Operators in which a condition counts as 1 or 0.
ARITHMETIC = ("+", "-", "*", "/", "@", "^")
_TOO_LARGE = "this number is too large: numbers go up to about 1.8e308"


@dataclass(slots=True)
class ExpressionChecker(TypeScope):
    """Types expressions with the types of names in scope."""

    def value(self, expr: tree.Expr) -> Typed:
        return type_of(self, expr)


def type_of(checker: TypeScope, expr: tree.Expr) -> Typed:
    checker.work.add(EVALUATION, expr.span)
    match expr:
        case tree.Number():
            return type_of_number(checker, expr)
        case tree.String(value=text):
            return Typed(Const(text, expr.span), TEXT)
        case tree.Boolean(value=truth):
            return Typed(Const(truth, expr.span), BOOL)
        case tree.Nothing():
            return Typed(Const(None, expr.span), Type("None"))
        case tree.Name(name=name):
            return checker.environment.get(name, POISONED)
        case tree.List():
            return list_literal(checker, expr)
        case tree.Unary():
            return type_of_unary(checker, expr)
        case tree.Binary():
            return type_of_binary(checker, expr)
        case tree.Index():
            return type_of_index(checker, expr)
        case tree.Call() | tree.Comprehension():
            return type_of_call(checker, expr)
        case tree.Scan():
            return type_of_scan(checker, expr)
        case tree.Attribute():
            return type_of_attribute(checker, expr)


def type_of_number(checker: TypeScope, expr: tree.Number) -> Typed:
    if not finite(expr.value):
        return checker.error("P0306", _TOO_LARGE, expr.span)
    return Typed(Const(expr.value, expr.span), INT if isinstance(expr.value, int) else REAL)


def type_of_call(checker: TypeScope, expr: tree.Call | tree.Comprehension) -> Typed:
    name = expr.called
    if isinstance(expr, tree.Comprehension) and not name:
        return comprehension(checker, expr)
    if isinstance(expr, tree.Call) and name == "log_prob":
        return log_density(checker, expr)
    if isinstance(expr, tree.Call) and name in checker.signatures:
        return model_call(checker, expr, checker.signatures[name])
    condition = name == "where" and is_condition(expr)
    if (
        name in FUNCTIONS
        and not condition
        and (isinstance(expr, tree.Call) or name not in CONSTRUCTS)
    ):
        return function_call(checker, expr)
    if name in CONSTRUCTS or name in checker.signatures:
        notes = ("as a number it is `where(condition, a, b)`",) if condition else ()
        message = f"`{name}` is a factor of a product, not a number"
        return checker.error("P0403", message, expr.span, notes=notes)
    return POISONED


def type_of_unary(checker: TypeScope, expr: tree.Unary) -> Typed:
    typed = counted(checker.value(expr.operand))
    if not typed.ok:
        return typed
    logical = expr.op == "not"
    typed = typed if logical else as_number(typed)
    if (typed.type.name == "Bool") != logical or not typed.type.is_numeric:
        kind = "a condition" if logical else "a number"
        return checker.error(
            "P0311",
            f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
            expr.operand.span,
        )
    if expr.op == "+":
        return typed
    return fold_operator(
        checker, "neg" if expr.op == "-" else expr.op, (typed,), typed.type, expr.span
    )


def type_of_binary(checker: TypeScope, expr: tree.Binary) -> Typed:
    """An operation, or a chain of them from its first side on."""
    first, rest = operator_chain(expr)
    out = checker.value(first)
    for node in rest:
        out = type_of_operation(checker, node, counted(out), counted(checker.value(node.right)))
    return out


def type_of_operation(checker: TypeScope, expr: tree.Binary, left: Typed, right: Typed) -> Typed:
    if not (left.ok and right.ok):
        return POISONED
    logical = expr.op in ("and", "or")
    if expr.op in ARITHMETIC:
        left, right = as_number(left), as_number(right)
    for typed, side in ((left, expr.left), (right, expr.right)):
        if not typed.type.is_numeric or (typed.type.name == "Bool") != logical:
            kind = "conditions" if logical else "numbers"
            return checker.error(
                "P0311",
                f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                side.span,
            )
    if expr.op == "@":
        return type_of_matrix_product(checker, expr, left, right)
    sizes = broadcast(left.type.sizes, right.type.sizes)
    if sizes is None:
        return checker.error(
            "P0303",
            f"the two sides of `{expr.op}` have shapes that do not fit",
            expr.op_span if expr.op_span.end else expr.span,
            labels=(
                Label(expr.left.span, describe(left.type)),
                Label(expr.right.span, describe(right.type)),
            ),
        )
    whole = left.type.name == right.type.name == "Int" and expr.op in "+-*"
    name = "Bool" if expr.op in CONDITION_OPERATORS else "Int" if whole else "Real"
    return fold_operator(checker, expr.op, (left, right), Type(name, sizes), expr.span)


def type_of_matrix_product(
    checker: TypeScope, expr: tree.Binary, left: Typed, right: Typed
) -> Typed:
    sizes = product_sizes(left.type.sizes, right.type.sizes)
    if sizes is not None:
        whole = left.type.name == right.type.name == "Int"
        type_ = Type("Int" if whole else "Real", sizes)
        return fold_operator(checker, "@", (left, right), type_, expr.span)
    ranks = {len(left.type.sizes), len(right.type.sizes)}
    message = (
        "the columns on the left of `@` are as many as the rows on its right, and these differ"
        if ranks <= {1, 2}
        else "`@` is a product of vectors and matrices"
    )
    labels = (
        Label(expr.left.span, describe(left.type)),
        Label(expr.right.span, describe(right.type)),
    )
    return checker.error(
        "P0303", message, expr.op_span if expr.op_span.end else expr.span, labels=labels
    )


def fold_operator(
    checker: TypeScope, op: str, operands: tuple[Typed, ...], type_: Type, span: Span
) -> Typed:
    if not all(isinstance(o.term, Const) for o in operands):
        match [o.term for o in operands]:
            case [left, right]:
                return Typed(applied(op, left, right, span), type_)
            case terms:
                return Typed(Apply(op, tuple(terms), span=span), type_)
    if exceeds_constant_limit(type_):
        return checker.error("P0306", f"this has more than {MOST_NUMBERS:,} numbers", span)
    checker.work.add(type_.count or 1, span)
    try:
        value = operate(op, *(o.value for o in operands))
    except Deferred:
        return Typed(Apply(op, tuple(o.term for o in operands), span=span), type_)
    except ValueError as error:
        return checker.error("P0306", f"this has no value: {error}", span)
    if not finite(value):
        return checker.error("P0306", "this has no value: the result is too large", span)
    return Typed(Const(value, span), type_)
