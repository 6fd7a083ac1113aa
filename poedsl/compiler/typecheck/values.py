"""Types of values: names, constants, operators and lists.

Constants fold. What is wrong is reported once: an expression that holds it is poisoned, and
nothing more is said of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.functions.table import BOOLEAN, FUNCTIONS, operate
from poedsl.compiler.functions.types import MOST
from poedsl.compiler.names.references import CONSTRUCTS
from poedsl.compiler.plan.terms import Apply, Const, applied
from poedsl.compiler.typecheck.calls import Calls, too_many
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, describe, finite
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import operator_chain
from poedsl.grammar.types import BOOL, INT, REAL, TEXT, Type, broadcast

_TOO_LARGE = "this number is too large: numbers go up to about 1.8e308"


@dataclass(slots=True)
class Values(Calls):
    """Types expressions by what is known of names."""

    def value(self, expr: tree.Expr) -> Typed:
        match expr:
            case tree.Number(value=number):
                if not finite(number):
                    return self.error("P0306", _TOO_LARGE, expr.span)
                return Typed(Const(number, expr.span), INT if isinstance(number, int) else REAL)
            case tree.String(value=text):
                return Typed(Const(text, expr.span), TEXT)
            case tree.Boolean(value=truth):
                return Typed(Const(truth, expr.span), BOOL)
            case tree.Nothing():
                return Typed(Const(None, expr.span), Type("None"))
            case tree.Name(name=name):
                return self.environment.get(name, POISONED)
            case tree.List():
                return self.vector(expr)
            case tree.Unary():
                return self.unary(expr)
            case tree.Binary():
                return self.binary(expr)
            case tree.Index():
                return self.index(expr)
            case tree.Call() | tree.Comprehension():
                return self.called(expr)
            case tree.Attribute():
                return self.attribute(expr)

    def called(self, expr: tree.Call | tree.Comprehension) -> Typed:
        name = expr.function.name
        if isinstance(expr, tree.Call) and name in self.signatures:
            return self.model_call(expr, self.signatures[name])
        if name in FUNCTIONS and (isinstance(expr, tree.Call) or name not in CONSTRUCTS):
            return self.function(expr)
        if name in CONSTRUCTS or name in self.signatures:
            return self.error(
                "P0403", f"`{name}` is a factor of a product, not a number", expr.span
            )
        return POISONED

    def vector(self, expr: tree.List) -> Typed:
        items = [self.value(i) for i in expr.items]
        if not all(i.ok for i in items):
            return POISONED
        if not items:
            return self.error("P0309", "a list has at least one element", expr.span)
        first = items[0].type
        for item, element in zip(items, expr.items, strict=True):
            if not item.type.is_numeric:
                return self.error(
                    "P0311",
                    f"a list holds numbers, and this is {describe(item.type)}",
                    element.span,
                )
            if item.type.sizes != first.sizes:
                return self.error(
                    "P0303",
                    "the elements of a list have one shape, and these differ",
                    expr.span,
                    labels=(
                        Label(expr.items[0].span, describe(first)),
                        Label(element.span, describe(item.type)),
                    ),
                )
        return self.joined(items, expr.span)

    def unary(self, expr: tree.Unary) -> Typed:
        typed = counted(self.value(expr.operand))
        if not typed.ok:
            return typed
        logical = expr.op == "not"
        if (typed.type.name == "Bool") != logical or not typed.type.is_numeric:
            kind = "a condition" if logical else "a number"
            return self.error(
                "P0311",
                f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                expr.operand.span,
            )
        if expr.op == "+":
            return typed
        return self.folded("neg" if expr.op == "-" else expr.op, (typed,), typed.type, expr.span)

    def binary(self, expr: tree.Binary) -> Typed:
        """An operation, or a chain of them from its first side on."""
        first, rest = operator_chain(expr)
        out = self.value(first)
        for node in rest:
            out = self.operation(node, counted(out), counted(self.value(node.right)))
        return out

    def operation(self, expr: tree.Binary, left: Typed, right: Typed) -> Typed:
        if not (left.ok and right.ok):
            return POISONED
        logical = expr.op in ("and", "or")
        for typed, side in ((left, expr.left), (right, expr.right)):
            if not typed.type.is_numeric or (typed.type.name == "Bool") != logical:
                kind = "conditions" if logical else "numbers"
                return self.error(
                    "P0311",
                    f"`{expr.op}` takes {kind}, and this is {describe(typed.type)}",
                    side.span,
                )
        sizes = broadcast(left.type.sizes, right.type.sizes)
        if sizes is None:
            return self.error(
                "P0303",
                f"the two sides of `{expr.op}` have shapes that do not fit",
                expr.op_span if expr.op_span.end else expr.span,
                labels=(
                    Label(expr.left.span, describe(left.type)),
                    Label(expr.right.span, describe(right.type)),
                ),
            )
        whole = left.type.name == right.type.name == "Int" and expr.op in "+-*"
        name = "Bool" if expr.op in BOOLEAN else "Int" if whole else "Real"
        return self.folded(expr.op, (left, right), Type(name, sizes), expr.span)

    def folded(self, op: str, operands: tuple[Typed, ...], type_: Type, span: Span) -> Typed:
        if not all(isinstance(o.term, Const) for o in operands):
            match [o.term for o in operands]:
                case [left, right]:
                    return Typed(applied(op, left, right, span), type_)
                case terms:
                    return Typed(Apply(op, tuple(terms), span=span), type_)
        if too_many(type_):
            return self.error("P0306", f"this has more than {MOST:,} numbers", span)
        try:
            value = operate(op, *(o.value for o in operands))
        except ValueError as error:
            return self.error("P0306", f"this has no value: {error}", span)
        if not finite(value):
            return self.error("P0306", "this has no value: the result is too large", span)
        return Typed(Const(value, span), type_)
