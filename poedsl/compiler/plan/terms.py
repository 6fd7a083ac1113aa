"""Terms: the expressions of a plan, resolved and independent of the program's source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from poedsl.grammar import tree
from poedsl.grammar.source import NOWHERE, Span
from poedsl.grammar.traversal import operator_chain

Scalar = float | int | bool | str | None
#: Constants: scalars and (nested) tuples of them, a vector or a matrix.
Value = Scalar | tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Const:
    value: Value
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Ref:
    """A variable or an input, by name."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator, a function, an expert or a reward on its arguments.

    Operators go by their sign, ``neg`` and ``not``; ``list``, ``index``, ``slice``, ``attribute``
    (a value and its attribute's name) and ``mixture`` (weights and densities in turn) are the
    constructs.
    """

    function: str
    args: tuple[Term, ...] = ()
    kwargs: tuple[tuple[str, Term], ...] = ()
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Term = Const | Ref | Apply

#: The most levels of a term; a chain of sums, products or conditions is one.
MOST_LEVELS = 100
#: Operators of which a chain is one application to all its parts, from the left.
CHAINS = frozenset({"+", "-", "*", "/", "and", "or"})
BINARY = frozenset({"+", "-", "*", "/", "^", "<", "<=", ">", ">=", "==", "!=", "and", "or"})
UNARY = {"neg": "-", "not": "not"}


def walk(term: Term) -> Iterator[Term]:
    """The term and everything in it, outermost first; what is shared once."""
    pending, met = [term], set()
    while pending:
        inner = pending.pop()
        if id(inner) in met:
            continue
        met.add(id(inner))
        yield inner
        if isinstance(inner, Apply):
            pending += [arg for _, arg in reversed(inner.kwargs)]
            pending += reversed(inner.args)


def measure(term: Term) -> tuple[int, int]:
    """The number of nodes when the term is written out, and that of its levels.

    Shared subterms count every time they occur, and are measured once.
    """
    measured: dict[int, tuple[int, int]] = {}
    pending = [term]
    while pending:
        node = pending[-1]
        parts = (*node.args, *(a for _, a in node.kwargs)) if isinstance(node, Apply) else ()
        unmeasured = [part for part in parts if id(part) not in measured]
        if unmeasured:
            pending += unmeasured
            continue
        pending.pop()
        part_measures = [measured[id(part)] for part in parts]
        levels = 1 + max((levels for _, levels in part_measures), default=0)
        measured[id(node)] = 1 + sum(weight for weight, _ in part_measures), levels
    return measured[id(term)]


def too_large(term: Term, most: int) -> str:
    """Why a term is too large to compute with; empty if it is not."""
    weight, levels = measure(term)
    if weight > most:
        return f"unfolds to more than {most:,} operations"
    return f"is nested more than {MOST_LEVELS} levels deep" if levels > MOST_LEVELS else ""


def applied(op: str, left: Term, right: Term, span: Span = NOWHERE) -> Apply:
    """A binary operator; a chain of them is one application: ``a - b + c`` is +(a, neg(b), c)."""
    if op in CHAINS and isinstance(left, Apply):
        if left.function == op != "-":
            return Apply(op, (*left.args, right), span=span)
        if op in "+-" and left.function in ("+", "-"):
            first, *rest = left.args
            before = rest if left.function == "+" else [Apply("neg", (a,)) for a in rest]
            last = right if op == "+" else Apply("neg", (right,))
            return Apply("+", (first, *before, last), span=span)
    return Apply(op, (left, right), span=span)


def names(term: Term) -> frozenset[str]:
    """The variables and inputs in a term."""
    return frozenset(t.name for t in walk(term) if isinstance(t, Ref))


def mixture_parts(term: Term) -> Iterator[Term]:
    """The densities that a mixture is made of, or the one density."""
    if isinstance(term, Apply) and term.function == "mixture":
        for part in term.args[1::2]:
            yield from mixture_parts(part)
    else:
        yield term


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
        case Apply("mixture", args):
            pairs = zip(args[::2], args[1::2], strict=True)
            parts = tuple(tree.Argument(value=to_tree(d), weight=to_tree(w)) for w, d in pairs)
            return tree.Call(function=tree.Name(name="mixture"), arguments=parts)
        case Apply(function, args, kwargs):
            arguments = [tree.Argument(value=to_tree(a)) for a in args]
            arguments += [tree.Argument(value=to_tree(a), name=k) for k, a in kwargs]
            return tree.Call(function=tree.Name(name=function), arguments=tuple(arguments))


def _chain(op: str, args: tuple[Term, ...]) -> tree.Expr:
    """An operator between terms; in a chain of sums what is negative is subtracted."""
    out = to_tree(args[0])
    for arg in args[1:]:
        sign, side = op, arg
        if op == "+" and len(args) > 2 and isinstance(arg, Apply) and arg.function == "neg":
            sign, side = "-", arg.args[0]
        out = tree.Binary(op=sign, left=out, right=to_tree(side))
    return out


def is_slice(term: Term) -> bool:
    return isinstance(term, Apply) and term.function == "slice"


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


def to_json(term: Term) -> Any:
    """Constants are themselves, the rest ``{"ref": name}`` and ``{"call", "args", "kwargs"}``."""
    match term:
        case Const(value):
            return _plain(value)
        case Ref(name):
            return {"ref": name}
        case Apply(function, args, kwargs):
            out: dict[str, Any] = {"call": function}
            if args:
                out["args"] = [to_json(a) for a in args]
            if kwargs:
                out["kwargs"] = {k: to_json(a) for k, a in kwargs}
            return out


def _plain(value: Value) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_json(data: Any) -> Term:
    """The inverse of `to_json`; raises ValueError on anything else."""
    match data:
        case {"ref": str(name)}:
            return Ref(name)
        case {"call": str(function)}:
            args = tuple(from_json(a) for a in data.get("args", []))
            kwargs = tuple((k, from_json(a)) for k, a in data.get("kwargs", {}).items())
            return Apply(function, args, kwargs)
        case dict():
            raise ValueError(f"not a term: {data}")
        case _:
            return Const(constant(data))


def constant(data: Any) -> Value:
    """A constant from plain data (numbers, text, none and lists of them); raises ValueError."""
    if isinstance(data, (list, tuple)):
        return tuple(constant(d) for d in data)
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    raise ValueError(f"not a constant: {data!r}")
