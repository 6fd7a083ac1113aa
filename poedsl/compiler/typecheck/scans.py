"""Types of scans, which carry values from one element to the next."""

from __future__ import annotations

from dataclasses import replace

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term
from poedsl.compiler.typecheck.bound_names import fresh_name, iterated, loop_over, vectorised
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, describe
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.types import Type
from poedsl.grammar.wording import counted_noun


def type_of_scan(checker: TypeScope, expr: tree.Scan) -> Typed:
    """The list of the values of each carry, from its start on; of several a record of lists."""
    over = loop_over(checker, expr)
    starts = [carry_start(checker, carry) for carry in expr.carries]
    if over is None or not well_formed(checker, expr) or not all(s.ok for s in starts):
        return POISONED
    iterable, element = over
    following = next_values(checker, expr, starts, iterable, element)
    if following is None:
        return POISONED
    labels, carries, bodies = following
    for body, value in zip(bodies, expr.following, strict=True):
        if not vectorised(body.term):
            message = "a scan computes with numbers, and calls no models"
            return checker.error("P0302", message, value.span)
    parts: list[Term] = [Const(labels[0]), iterated(iterable)]
    for label, start, body in zip(labels[1:], starts, bodies, strict=True):
        parts += [Const(label), start.term, body.term]
    count = iterable.type.sizes[0]
    length = None if count is None else count + 1
    lists = [Type(c.name, (length, *c.sizes)) for c in carries]
    term = Apply("scan", tuple(parts), span=expr.span)
    if len(lists) == 1:
        return Typed(term, lists[0])
    fields = zip((str(c.name) for c in expr.carries), lists, strict=True)
    return Typed(term, Type("Record"), tuple(fields), tuple(labels[1:]))


def well_formed(checker: TypeScope, expr: tree.Scan) -> bool:
    """Whether each carry has a name of its own and one next value."""
    seen = {expr.target.name: expr.target.span}
    for carry in expr.carries:
        name = str(carry.name)
        if name in seen:
            labels = (Label(seen[name], "the first one"),)
            message = f"a scan binds `{name}` twice"
            checker.error("P0203", message, carry.name_span, labels=labels)
            return False
        seen[name] = carry.name_span
    if len(expr.following) == len(expr.carries):
        return True
    carried = counted_noun(len(expr.carries), "value")
    message = f"this scan carries {carried}, and has {len(expr.following)} next ones"
    note = "there is one for each, in their order: `scan(a = 0, b = 1: b, a + b for t in list)`"
    checker.error("P0301", message, expr.following[0].span, notes=(note,))
    return False


def carry_start(checker: TypeScope, carry: tree.Argument) -> Typed:
    """What a carry starts as: numbers."""
    start = counted(checker.value(carry.value))
    if not start.ok:
        return start
    if not start.type.is_numeric or start.type.name == "Bool":
        message = f"a scan carries numbers, and this is {describe(start.type)}"
        return checker.error("P0311", message, carry.value.span)
    name = "Int" if start.type.name == "Int" else "Real"
    return replace(start, type=Type(name, start.type.sizes))


def next_values(
    checker: TypeScope, expr: tree.Scan, starts: list[Typed], iterable: Typed, element: Type
) -> tuple[list[str], list[Type], list[Typed]] | None:
    """The names that the term binds, the types of the carries, and the next values.

    A carry that starts as a whole number and goes on as a real is a real.
    """
    bound = [expr.target.name, *(str(c.name) for c in expr.carries)]
    labels: list[str] = []
    for name in bound:
        labels.append(fresh_name(checker, name, labels))
    types = [start.type for start in starts]
    while True:
        with checker.binding(*bound), checker.looping(labels, labels[0], iterable.value):
            kinds = [element, *types]
            for name, label, kind in zip(bound, labels, kinds, strict=True):
                checker.environment[name] = Typed(Ref(label), kind)
            bodies = [counted(checker.value(value)) for value in expr.following]
        if not all(body.ok for body in bodies):
            return None
        wider = [
            Type("Real", t.sizes) if b.type.name != "Int" else t
            for t, b in zip(types, bodies, strict=True)
        ]
        if wider == types:
            return (labels, types, bodies) if same_sizes(checker, expr, types, bodies) else None
        types = wider


def same_sizes(checker: TypeScope, expr: tree.Scan, types: list[Type], bodies: list[Typed]) -> bool:
    """Whether each carry goes on as what it starts as."""
    for carry, value, kind, body in zip(expr.carries, expr.following, types, bodies, strict=True):
        if not body.type.is_numeric or body.type.name == "Bool":
            message = f"a scan carries numbers, and this is {describe(body.type)}"
            checker.error("P0311", message, value.span)
            return False
        if kind.sizes != body.type.sizes:
            start, goes_on = describe(Type("Real", kind.sizes)), Type("Real", body.type.sizes)
            message = f"`{carry.name}` starts as {start} and goes on as {describe(goes_on)}"
            labels = (Label(carry.value.span, "its start"),)
            checker.error("P0303", message, value.span, labels=labels)
            return False
    return True
