"""Terms as syntax, for printing, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator

from poedsl.compiler.plan.terms import (
    BINARY,
    LOOPS,
    UNARY,
    Apply,
    Const,
    Loop,
    Ref,
    Term,
    Value,
    applied,
    as_loop,
    is_slice,
)
from poedsl.grammar import tree
from poedsl.grammar.traversal import operator_chain


def to_tree(term: Term) -> tree.Expr:
    """The term as syntax, for printing."""
    match term:
        case Const(value):
            return _constant(value)
        case Ref(name):
            return tree.Name(name=name)
        case Apply(function, args) if function in BINARY and len(args) > 1:
            return _chain(function, args)
        case Apply(function, args) if function in UNARY:
            return tree.Unary(op=UNARY[function], operand=to_tree(args[0]))
        case Apply("list", args):
            return tree.List(items=tuple(to_tree(a) for a in args))
        case Apply("index", args):
            items = tuple(_slice(a) if is_slice(a) else to_tree(a) for a in args[1:])
            return tree.Index(value=to_tree(args[0]), items=items)
        case Apply("attribute", (inner, Const(str(name)))):
            return tree.Attribute(value=to_tree(inner), name=name)
        case Apply(function) if function in LOOPS and (loop := as_loop(term)):
            return _loop(loop)
        case Apply("mixture", args):
            pairs = zip(args[::2], args[1::2], strict=True)
            parts = tuple(tree.Argument(value=to_tree(d), weight=to_tree(w)) for w, d in pairs)
            return tree.Call(function=tree.Name(name="mixture"), arguments=parts)
        case Apply(function, args, kwargs):
            arguments = [tree.Argument(value=to_tree(a)) for a in args]
            arguments += [tree.Argument(value=to_tree(a), name=k) for k, a in kwargs]
            return tree.Call(function=tree.Name(name=function), arguments=tuple(arguments))


def _loop(loop: Loop) -> tree.Expr:
    target, iterable = tree.Name(name=loop.element), to_tree(loop.over)
    if not loop.carries:
        body = tree.Argument(value=to_tree(loop.bodies[0]))
        return tree.Comprehension(function=None, body=body, target=target, iterable=iterable)
    return tree.Scan(
        function=tree.Name(name="scan"),
        carries=tuple(tree.Argument(value=to_tree(c.start), name=c.name) for c in loop.carries),
        following=tuple(map(to_tree, loop.bodies)),
        target=target,
        iterable=iterable,
    )


def _chain(op: str, args: tuple[Term, ...]) -> tree.Expr:
    """An operator between terms; in a chain of sums what is negative is subtracted."""
    out = to_tree(args[0])
    for arg in args[1:]:
        sign, side = op, arg
        if op == "+" and len(args) > 2 and isinstance(arg, Apply) and arg.function == "neg":
            sign, side = "-", arg.args[0]
        out = tree.Binary(op=sign, left=out, right=to_tree(side))
    return out


def _slice(term: Term) -> tree.Slice:
    assert isinstance(term, Apply)
    start, stop = (None if a == Const(None) else to_tree(a) for a in term.args)
    return tree.Slice(start=start, stop=stop)


def _constant(value: Value) -> tree.Expr:
    match value:
        case None:
            return tree.Nothing()
        case bool():
            return tree.Boolean(value=value)
        case int() | float():
            number: tree.Expr = tree.Number(value=abs(value))
            negative = value < 0 or (value == 0 and math.copysign(1, value) < 0)
            return tree.Unary(op="-", operand=number) if negative else number
        case str():
            return tree.String(value=value)
        case tuple():
            return tree.List(items=tuple(_constant(v) for v in value))


def from_tree(expr: tree.Expr) -> Term:
    """A printed term read back: names are references, calls are applications, constants fold."""
    match expr:
        case tree.Number(value=value) | tree.String(value=value) | tree.Boolean(value=value):
            return Const(value)
        case tree.Nothing():
            return Const(None)
        case tree.Name(name=name):
            return Ref(name)
        case tree.List(items=items):
            terms = tuple(from_tree(i) for i in items)
            if all(isinstance(t, Const) for t in terms):
                return Const(tuple(t.value for t in terms if isinstance(t, Const)))
            return Apply("list", terms)
        case tree.Unary() | tree.Binary():
            return _operation(expr)
        case tree.Index(value=inner, items=items):
            parts = tuple(
                Apply(
                    "slice",
                    tuple(Const(None) if e is None else from_tree(e) for e in (i.start, i.stop)),
                )
                if isinstance(i, tree.Slice)
                else from_tree(i)
                for i in items
            )
            return Apply("index", (from_tree(inner), *parts))
        case tree.Attribute(value=inner, name=name):
            return Apply("attribute", (from_tree(inner), Const(name)))
        case tree.Comprehension(function=None, body=body, target=target, iterable=iterable):
            over = Const(target.name), from_tree(iterable)
            return Apply("comprehension", (*over, from_tree(body.value)))
        case tree.Scan(target=target, iterable=iterable):
            return Apply("scan", (Const(target.name), from_tree(iterable), *_carries(expr)))
        case tree.Call(function=function, arguments=arguments):
            args: list[Term] = []
            for a in arguments:
                if a.name is None:
                    args += (
                        [from_tree(a.value)]
                        if a.weight is None
                        else [from_tree(a.weight), from_tree(a.value)]
                    )
            named = tuple((a.name, from_tree(a.value)) for a in arguments if a.name is not None)
            return Apply(function.name, tuple(args), named)
        case _:
            raise ValueError(f"not a term of a plan: {type(expr).__name__}")


def _carries(expr: tree.Scan) -> Iterator[Term]:
    for carry, following in zip(expr.carries, expr.following, strict=True):
        yield from (Const(carry.name), from_tree(carry.value), from_tree(following))


def _operation(expr: tree.Unary | tree.Binary) -> Term:
    match expr:
        case tree.Unary(op="-", operand=tree.Number(value=value)):
            return Const(-value)
        case tree.Unary(op=op, operand=operand):
            return Apply("neg" if op == "-" else op, (from_tree(operand),))
        case tree.Binary():
            first, rest = operator_chain(expr)
            out = from_tree(first)
            for node in rest:
                out = applied(node.op, out, from_tree(node.right))
            return out
