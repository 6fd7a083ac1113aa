"""Terms: the expressions of a plan, resolved and independent of the program's source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from poedsl.grammar.source import NOWHERE, Span

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
    (a value and its attribute's name), ``mixture`` (weights and densities in turn) and those in
    `LOOPS` are the constructs. ``comprehension`` has a name, what it runs over and a body;
    ``scan`` has a name, what it runs over and, for each carry, its name, start and next value.
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
BINARY = CHAINS | {"@", "^", "<", "<=", ">", ">=", "==", "!="}
UNARY = {"neg": "-", "not": "not"}
#: Constructs that bind names.
LOOPS = frozenset({"comprehension", "scan"})


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
    """The variables and inputs in a term; not the names that its loops bind."""
    out: set[str] = set()
    pending: list[tuple[Term, frozenset[str]]] = [(term, frozenset())]
    met: set[tuple[int, frozenset[str]]] = set()
    while pending:
        inner, hidden = pending.pop()
        if (id(inner), hidden) in met:
            continue
        met.add((id(inner), hidden))
        match inner:
            case Ref(name):
                out.update({name} - hidden)
            case Apply(function) if function in LOOPS and (loop := as_loop(inner)):
                outer = (loop.over, *(c.start for c in loop.carries))
                pending += [(part, hidden) for part in outer]
                pending += [(body, hidden | loop.bound) for body in loop.bodies]
            case Apply(_, args, kwargs):
                pending += ((part, hidden) for part in (*args, *dict(kwargs).values()))
    return frozenset(out)


class Carry(NamedTuple):
    """A value that a scan carries from one element to the next."""

    name: str
    start: Term
    following: Term


class Loop(NamedTuple):
    """A comprehension, which has a body, or a scan, whose bodies are those of its carries."""

    element: str
    over: Term
    bodies: tuple[Term, ...]
    carries: tuple[Carry, ...] = ()

    @property
    def bound(self) -> frozenset[str]:
        return frozenset({self.element, *(c.name for c in self.carries)})


def as_loop(term: Term) -> Loop | None:
    """A comprehension or a scan by its parts; None for other and for malformed terms."""
    match term:
        case Apply("comprehension", (Const(str(name)), over, body)):
            return Loop(name, over, (body,))
        case Apply("scan", (Const(str(name)), over, _, _, _, *_) as args) if len(args) % 3 == 2:
            labels = [c.value for c in args[2::3] if isinstance(c, Const)]
            carried = [n for n in labels if isinstance(n, str)]
            if len(carried) < len(args) // 3:
                return None
            carries = tuple(map(Carry, carried, args[3::3], args[4::3]))
            return Loop(name, over, args[4::3], carries)
        case _:
            return None


def mixture_parts(term: Term) -> Iterator[Term]:
    """The densities that a mixture is made of, or the one density."""
    if isinstance(term, Apply) and term.function == "mixture":
        for part in term.args[1::2]:
            yield from mixture_parts(part)
    else:
        yield term


def is_slice(term: Term) -> bool:
    return isinstance(term, Apply) and term.function == "slice"


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
