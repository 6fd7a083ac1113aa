"""Names that comprehensions and scans bind, in terms that the run evaluates for all elements."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.functions.matrices import MATRICES
from poedsl.compiler.functions.reductions import REDUCTIONS
from poedsl.compiler.functions.table import COMPONENTWISE
from poedsl.compiler.names.substitution import unused_name
from poedsl.compiler.plan.terms import (
    BINARY,
    LOOPS,
    UNARY,
    Apply,
    Const,
    Term,
    Value,
    walk,
)
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import Typed, describe
from poedsl.grammar import tree
from poedsl.grammar.types import Type

#: Densities of Pyro, of which `log_prob` is evaluated for all elements at once.
DENSITIES = frozenset(
    s.name for s in SIGNATURES.values() if s.family == "density" and not s.is_code
) | {"log_prob"}
#: Functions and constructs that are evaluated for all elements of a loop at once.
VECTORISED = (
    COMPONENTWISE
    | {f.name for f in (*REDUCTIONS, *MATRICES)}
    | {"dot", "concat", "list", "index", "slice", "attribute", "range"}
    | BINARY
    | UNARY.keys()
    | LOOPS
)


def fresh_name(checker: TypeScope, name: str, taken: Iterable[str] = ()) -> str:
    """The name under which a term binds one: it is that of nothing in the program."""
    used = {*checker.environment, *checker.variables, *taken}
    return unused_name(name, used) if name in used else name


def vectorised(term: Term) -> bool:
    """Whether a term can be evaluated for all elements of a loop at once: it calls no model, and
    nothing of pictures or text.
    """
    calls = {t.function for t in walk(term) if isinstance(t, Apply)}
    return calls <= VECTORISED or ("log_prob" in calls and calls <= VECTORISED | DENSITIES)


def element_type(iterable: Type) -> Type | None:
    """The type of the elements of a vector; None for types that have none."""
    if not iterable.sizes or not (iterable.is_numeric or iterable.name == "Tokens"):
        return None
    name = "Int" if iterable.name == "Tokens" else iterable.name
    name = name if name in ("Int", "Bool") else "Real"
    return Type(name, iterable.sizes[1:])


def iterated(iterable: Typed) -> Term:
    """What a loop runs over, with whole numbers at equal distances as a call of `range`."""
    if isinstance(iterable.term, Const):
        return progression(iterable.term.value) or iterable.term
    return iterable.term


def progression(value: Value) -> Term | None:
    """Whole numbers at equal distances as a call of `range`; None for other constants."""
    if not isinstance(value, tuple) or not all(type(v) is int for v in value):
        return None
    numbers = [v for v in value if isinstance(v, int)]
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    stop = numbers[0] + step * len(numbers)
    if not step or numbers != list(range(numbers[0], stop, step)):
        return None
    return Apply("range", (Const(numbers[0]), Const(stop), Const(step)))


def loop_over(
    checker: TypeScope, expr: tree.Comprehension | tree.Scan
) -> tuple[Typed, Type] | None:
    """What a loop runs over, and the type of its elements; None after an error."""
    iterable = checker.value(expr.iterable)
    if not iterable.ok:
        return None
    element = element_type(iterable.type)
    if element is not None:
        return iterable, element
    kind = "comprehension" if isinstance(expr, tree.Comprehension) else "scan"
    message = f"a {kind} runs over a vector, and this is {describe(iterable.type)}"
    checker.error("P0302", message, expr.iterable.span)
    return None
