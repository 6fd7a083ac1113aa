"""What a part of a program speaks of: its names, its targets, its types as syntax."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import fields

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix
from poedsl.grammar.source import Span
from poedsl.grammar.types import Sizes, Type, open_type

#: The fields of every kind of node that hold nodes.
_FIELDS = {
    kind: tuple(f.name for f in fields(kind) if f.type not in tree.PLAIN)
    for kind in vars(tree).values()
    if isinstance(kind, type) and issubclass(kind, tree.Node)
}


def parts(node: tree.Node) -> list[tree.Node]:
    """The direct parts of a part of a program."""
    out: list[tree.Node] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name)
        if type(value) is tuple:
            out += value
        elif value is not None:
            out.append(value)
    return out


def spoken(node: tree.Node) -> set[str]:
    """All names in a part of a program, also those that it declares or calls."""
    out: set[str] = set()
    seen: set[int] = set()
    pending = [node]
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, tree.Name):
            out.add(part.name)
        pending += parts(part)
    return out


#: Operators that stand side by side in one chain.
_KINDS = {"+": "+-", "-": "+-", "*": "*/", "/": "*/", "and": ("and",), "or": ("or",)}


def spine(expr: tree.Binary) -> tuple[tree.Expr, list[tree.Binary]]:
    """What ``a * b / c * ...`` begins with, and its operations from there on.

    A long chain of one kind is deep on its left, which passes go along instead of down.
    """
    kind = _KINDS.get(expr.op, ())
    out = [expr]
    inner = expr.left
    while isinstance(inner, tree.Binary) and inner.op in kind:
        out.append(inner)
        inner = inner.left
    return inner, out[::-1]


def too_deep(node: tree.Node, most: int) -> tree.Node | None:
    """The first part of a program that is more than so many levels deep; a chain is one level."""
    pending = [(node, 0)]
    while pending:
        part, level = pending.pop()
        if level > most:
            return part
        if isinstance(part, tree.Binary):
            first, rest = spine(part)
            inner: list[tree.Node] = [first, *(node.right for node in rest)]
        else:
            inner = parts(part)
        deeper = level + (not isinstance(part, tree.Argument | tree.Program))
        pending += [(p, deeper) for p in reversed(inner)]
    return None


def weight(node: tree.Node) -> int:
    """The number of parts when all is written out; those that are one object count again."""
    known: dict[int, int] = {}
    pending = [node]
    while pending:
        inner = parts(pending[-1])
        unknown = [part for part in inner if id(part) not in known]
        if unknown:
            pending += unknown
        else:
            known[id(pending.pop())] = 1 + sum(known[id(part)] for part in inner)
    return known[id(node)]


def target_name(target: tree.Name | tree.Index) -> tree.Name:
    """The variable of a target such as ``x`` or ``x[box(...)]``."""
    inner: tree.Expr = target
    while isinstance(inner, tree.Index):
        inner = inner.value
    assert isinstance(inner, tree.Name)
    return inner


def targets(statements: tuple[tree.Statement, ...]) -> dict[str, Span]:
    """The variables, in order, each with its first place."""
    found: dict[str, Span] = {}
    for statement in statements:
        match statement:
            case tree.Domain(name=name):
                found.setdefault(name.name, statement.span)
            case tree.Factor(target=target):
                name = target_name(target)
                found.setdefault(name.name, name.span)
            case tree.For(body=body):
                for inner, span in targets(body).items():
                    found.setdefault(inner, span)
    return found


def type_expr(type_: Type) -> tree.TypeExpr:
    """A type as syntax; all open sizes are left out."""
    if all(s is None for s in type_.sizes):
        return tree.TypeExpr(name=type_.name)
    sizes: Iterator[tree.Expr] = (
        tree.Name(name="_") if s is None else tree.Number(value=s) for s in type_.sizes
    )
    return tree.TypeExpr(name=type_.name, sizes=tuple(sizes))


def sizes_of(type_: tree.TypeExpr) -> Sizes:
    """The sizes of a type as syntax; names among them are open."""
    if type_.sizes is None:
        return open_type(type_.name).sizes
    return tuple(int(s.value) if isinstance(s, tree.Number) else None for s in type_.sizes)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely a slip of."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def is_slip(a: str, b: str) -> bool:
    """Whether two words differ by one letter, left out, added, changed, or two of them swapped.

    Digits tell names apart on purpose.
    """
    short, long = sorted((a, b), key=len)
    if len(short) < 4 or len(long) - len(short) > 1 or a == b:
        return False
    start = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(short))
    rest, other = short[start:], long[start:]
    if not (other[:1] + rest[:1]).replace("_", "a").isalpha():
        return False
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return (
        other[1:] in (rest, rest[1:])
        if len(short) < len(long)
        else (other[1:] == rest[1:] or other == swapped)
    )


def near_fix(name: str, span: Span, known: Iterable[str], what: str) -> tuple[Fix, ...]:
    found = near(name, known)
    if found is None:
        return ()
    return (Fix(f"there is {what} with a similar name: `{found}`", (Edit(span, found),)),)
