"""Sizes that inputs determine: `input N : Int` with `input y : Real[N]` and `theta : Real[N]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial, reduce

from poedsl.compiler.functions.operators import OPERATORS, operate
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array, SizeSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value, names
from poedsl.compiler.plan.text import print_term
from poedsl.compiler.planner.planner import rechoose
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def inferred_sizes(plan: PlanSpec) -> dict[str, tuple[int, str]]:
    """The whole numbers without a value that are sizes of inputs with one, and these inputs."""
    bound = dict(plan.bindings)
    out: dict[str, tuple[int, str]] = {}
    for size in plan.sizes:
        value = bound.get(size.name)
        if isinstance(size.term, Ref) and size.term.name not in bound and isinstance(value, Array):
            out.setdefault(size.term.name, (value.shape[size.axis], size.name))
    return out


def with_sizes(plan: PlanSpec, inferred: Mapping[str, tuple[int, str]]) -> PlanSpec:
    """The plan of bound inputs with the sizes of its variables; what the compiler chose is chosen
    again where a size was open.

    Args:
        inferred: as `inferred_sizes` returns.

    Raises:
        PoeError: a value has another size than other inputs say, or a size is none (P0603).
    """
    bound = dict(plan.bindings)
    problems: list[Diagnostic] = []
    types = {v.name: v.type for v in plan.variables}
    for size in plan.sizes:
        expected = size_value(size.term, bound)
        value = bound.get(size.name)
        least = 1 if size.name in types else 0
        if not isinstance(expected, int) or expected < least:
            reason = "has no value" if expected is None else f"is {expected}"
            kind = f"the size of a variable, as `{size.name}`," if least else "a size"
            message = f"{_shown(size)} {reason}, and {kind} is a whole number of at least {least}"
            problems.append(Diagnostic("P0603", message))
        elif isinstance(value, Array) and value.shape[size.axis] != expected:
            sizes = ", ".join(map(str, value.shape))
            message = f"{_shown(size)} is {expected}, and `{size.name}` has the shape [{sizes}]"
            problems.append(Diagnostic("P0603", message, notes=_declared(plan, size, inferred)))
        elif size.name in types:
            sizes_before = types[size.name].sizes
            if sizes_before[size.axis] not in (None, expected):
                message = (
                    f"{_shown(size)} is {expected}, and the experts of `{size.name}` are "
                    f"over {types[size.name]}"
                )
                problems.append(Diagnostic("P0603", message, notes=_declared(plan, size, inferred)))
            filled = tuple(expected if k == size.axis else s for k, s in enumerate(sizes_before))
            types[size.name] = replace(types[size.name], sizes=filled)
    if problems:
        raise PoeError(tuple(problems))
    variables = tuple(replace(v, type=types[v.name]) for v in plan.variables)
    if variables == plan.variables:
        return plan
    return rechoose(replace(plan, variables=variables), {})


def size_value(term: Term, bound: Mapping[str, Value | Array]) -> Value:
    """The value of a term of whole numbers; None if it has none."""
    match term:
        case Const(value):
            return value
        case Ref(name):
            number = bound.get(name)
            return None if isinstance(number, Array) else number
        case Apply("length", (Ref(name),)) if isinstance(array := bound.get(name), Array):
            return array.shape[0]
        case Apply(function, args, kwargs):
            return _folded(
                function, [size_value(a, bound) for a in (*args, *dict(kwargs).values())]
            )


def _folded(function: str, values: list[Value]) -> Value:
    """An operator or a function at constants; None if it has no value there."""
    if None in values:
        return None
    try:
        if function in OPERATORS:
            one = len(values) == 1
            return operate(function, *values) if one else reduce(partial(operate, function), values)
        fold = FUNCTIONS[function].fold
        return None if fold is None else fold(*values)
    except (ValueError, TypeError, KeyError):
        return None


def _shown(size: SizeSpec) -> str:
    return f"`{print_term(size.term)}`"


def _declared(
    plan: PlanSpec, size: SizeSpec, inferred: Mapping[str, tuple[int, str]]
) -> tuple[str, ...]:
    """The declaration with the place of an input, and where other values come from."""
    term = print_term(size.term)
    places = {i.name: f" at {i.place}" for i in plan.inputs}
    place = places.get(size.name, "")
    others = [
        f"`{name}` has no value of its own, and is {value} by the size of `{origin}`"
        for name, (value, origin) in inferred.items()
        if name in names(size.term)
    ]
    return (f"the size {size.axis} of `{size.name}` is declared as `{term}`{place}", *others)
