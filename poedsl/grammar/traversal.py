"""Traversal of the syntax tree: children, names, operator chains, depth and size."""

from __future__ import annotations

from dataclasses import fields

from poedsl.grammar import tree
from poedsl.grammar.source import Span

#: The fields of every kind of node that hold nodes.
_NODE_FIELDS = {
    kind: tuple(f.name for f in fields(kind) if f.type not in tree.PLAIN)
    for kind in vars(tree).values()
    if isinstance(kind, type) and issubclass(kind, tree.Node)
}


def children(node: tree.Node) -> list[tree.Node]:
    """The direct parts of a part of a program."""
    out: list[tree.Node] = []
    for name in _NODE_FIELDS[type(node)]:
        value = getattr(node, name)
        if type(value) is tuple:
            out += value
        elif value is not None:
            out.append(value)
    return out


def names_in(node: tree.Node) -> set[str]:
    """All names in a part of a program, also those that it declares or calls."""
    out: set[str] = set()
    visited: set[int] = set()
    pending = [node]
    while pending:
        part = pending.pop()
        if id(part) in visited:
            continue
        visited.add(id(part))
        if isinstance(part, tree.Name):
            out.add(part.name)
        pending += children(part)
    return out


#: Operators that stand side by side in one chain.
_CHAINED_WITH = {
    **{"+": "+-", "-": "+-", "*": "*/", "/": "*/", "@": "@"},
    **{"and": ("and",), "or": ("or",)},
}


def operator_chain(expr: tree.Binary) -> tuple[tree.Expr, list[tree.Binary]]:
    """The first operand of ``a * b / c * ...``, and its operations from left to right.

    Passes iterate over a chain instead of recursing, since a long chain nests deeply on its left.
    """
    kind = _CHAINED_WITH.get(expr.op, ())
    out = [expr]
    inner = expr.left
    while isinstance(inner, tree.Binary) and inner.op in kind:
        out.append(inner)
        inner = inner.left
    return inner, out[::-1]


def deeper_than(node: tree.Node, most: int) -> tree.Node | None:
    """The first part of a program that is more than so many levels deep; a chain is one level."""
    pending = [(node, 0)]
    while pending:
        part, level = pending.pop()
        if level > most:
            return part
        if isinstance(part, tree.Binary):
            first, rest = operator_chain(part)
            inner: list[tree.Node] = [first, *(node.right for node in rest)]
        else:
            inner = children(part)
        deeper = level + (not isinstance(part, tree.Argument | tree.Program))
        pending += [(p, deeper) for p in reversed(inner)]
    return None


def node_count(node: tree.Node) -> int:
    """The number of nodes, shared ones counted at each place."""
    counts: dict[int, int] = {}
    pending = [node]
    while pending:
        inner = children(pending[-1])
        unknown = [part for part in inner if id(part) not in counts]
        if unknown:
            pending += unknown
        else:
            counts[id(pending.pop())] = 1 + sum(counts[id(part)] for part in inner)
    return counts[id(node)]


def target_name(target: tree.Name | tree.Index) -> tree.Name:
    """The variable of a target such as ``x`` or ``x[box(...)]``."""
    inner: tree.Expr = target
    while isinstance(inner, tree.Index):
        inner = inner.value
    assert isinstance(inner, tree.Name)
    return inner


def variables_of(statements: tuple[tree.Statement, ...]) -> dict[str, Span]:
    """The variables, in order, each with its first place."""
    variables: dict[str, Span] = {}
    for statement in statements:
        match statement:
            case tree.Domain(name=name):
                variables.setdefault(name.name, statement.span)
            case tree.Factor(target=target, observed=False):
                name = target_name(target)
                variables.setdefault(name.name, name.span)
            case tree.For(body=body):
                for inner, span in variables_of(body).items():
                    variables.setdefault(inner, span)
    return variables


def is_condition(expr: tree.Expr) -> bool:
    """Whether a call of `where` is the factor of a condition, and not a number."""
    return isinstance(expr, tree.Call) and len(expr.arguments) < 3
