"""Types of comprehensions.

A short one over constants is unrolled. Any other is one term, whose body the run evaluates for all
elements at once.
"""

from __future__ import annotations

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value, measure, names
from poedsl.compiler.typecheck.bound_names import fresh_name, iterated, loop_over, vectorised
from poedsl.compiler.typecheck.lists import stack_elements
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, describe, typed_constant
from poedsl.grammar import tree
from poedsl.grammar.types import MOST_SIZES, Type

#: Over more constants than this, or to more nodes, a comprehension is not unrolled, unless its body
#: is constant.
MOST_UNROLLED, MOST_NODES = 64, 256
#: To more evaluations, a comprehension of constants is left to the run.
MOST_EVALUATIONS = 100_000
#: The most constants that a comprehension runs over when it is unrolled.
MOST_ELEMENTS = 10_000


def comprehension(checker: TypeScope, expr: tree.Comprehension) -> Typed:
    """The body at each element of a vector, as a list."""
    over = loop_over(checker, expr)
    if over is None:
        return POISONED
    iterable, element = over
    constants = iterable.value if isinstance(iterable.value, tuple) else None
    if constants is not None and len(constants) <= MOST_UNROLLED:
        unrolled = unroll(checker, expr, constants)
        if not unrolled.ok or measure(unrolled.term)[0] <= MOST_NODES:
            return unrolled
    before = len(checker.diagnostics)
    typed = at_once(checker, expr, iterable, element)
    if constants is None or (
        typed.ok and (names(typed.term) or evaluations(typed.term) > MOST_EVALUATIONS)
    ):
        return typed
    del checker.diagnostics[before:]
    return unroll(checker, expr, constants)


def evaluations(term: Term) -> int:
    """How many nodes are evaluated, with the body of a loop once for each constant."""
    if not isinstance(term, Apply):
        return 1
    if term.function == "comprehension":
        _, over, body = term.args
        return loop_length(over) * evaluations(body)
    return 1 + sum(map(evaluations, (*term.args, *dict(term.kwargs).values())))


def loop_length(over: Term) -> int:
    """How many constants a loop runs over; 1 where that is not known."""
    match over:
        case Const(value=tuple() as values):
            return len(values)
        case Apply("range", (Const(int(start)), Const(int(stop)), Const(int(step)))):
            return len(range(start, stop, step))
    return 1


def at_once(checker: TypeScope, expr: tree.Comprehension, iterable: Typed, element: Type) -> Typed:
    """The comprehension as one term."""
    name = fresh_name(checker, expr.target.name)
    with checker.binding(expr.target.name), checker.looping((name,), name, iterable.value):
        checker.environment[expr.target.name] = Typed(Ref(name), element)
        body = counted(checker.value(expr.body.value))
    if not body.ok:
        return POISONED
    if not body.type.is_numeric:
        message = f"a list holds numbers, and this is {describe(body.type)}"
        return checker.error("P0311", message, expr.body.span)
    if not vectorised(body.term):
        message = "a comprehension with models, pictures or text runs over constants"
        return checker.error("P0302", message, expr.iterable.span)
    kind = body.type.name if body.type.name in ("Int", "Bool") else "Real"
    type_ = Type(kind, (iterable.type.sizes[0], *body.type.sizes))
    if len(type_.sizes) > MOST_SIZES:
        return checker.error("P0309", f"a value has at most {MOST_SIZES} sizes", expr.span)
    args = (Const(name), iterated(iterable), body.term)
    return Typed(Apply("comprehension", args, span=expr.span), type_)


def unroll(checker: TypeScope, expr: tree.Comprehension, constants: tuple[Value, ...]) -> Typed:
    """The values at some constants, as a list."""
    if len(constants) > MOST_ELEMENTS:
        message = f"a comprehension runs over at most {MOST_ELEMENTS:,} elements"
        return checker.error("P0506", message, expr.iterable.span)
    items: list[Typed] = []
    with checker.binding(expr.target.name):
        for element in constants:
            checker.environment[expr.target.name] = typed_constant(element, expr.target.span)
            items.append(checker.value(expr.body.value))
            if not items[-1].ok:
                break
    return comprehension_list(checker, items, expr)


def comprehension_list(checker: TypeScope, items: list[Typed], expr: tree.Comprehension) -> Typed:
    """Values of one shape as a list."""
    if not all(i.ok for i in items):
        return POISONED
    for item in items:
        if not item.type.is_numeric:
            message = f"a list holds numbers, and this is {describe(item.type)}"
            return checker.error("P0311", message, expr.body.span)
        if item.type.sizes != items[0].type.sizes:
            message = (
                "the elements of a list have one shape, and these differ: "
                f"{describe(items[0].type)} and {describe(item.type)}"
            )
            return checker.error("P0303", message, expr.body.span)
    return stack_elements(checker, items, expr.span)
