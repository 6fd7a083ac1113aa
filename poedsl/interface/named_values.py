"""What the names of a compiled program stand for: their types, and the values of constants."""

from __future__ import annotations

from poedsl.compiler.compile import Compiled
from poedsl.compiler.plan.terms import Ref
from poedsl.compiler.typecheck.typed import Typed
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.grammar import tree


def named_values(compiled: Compiled) -> dict[str, Typed]:
    """The inputs, variables and constants of a program by name, those of blocks left out.

    A name with an error is `POISONED`, or not there.
    """
    return value_checker(compiled).environment


def value_checker(compiled: Compiled) -> ExpressionChecker:
    """What types expressions over the names of a compiled program."""
    checked, resolved = compiled.checked, compiled.resolved
    if checked is None or resolved is None:
        return ExpressionChecker(compiled.source)
    names = [(i.name, i.type) for i in checked.inputs]
    names += [(v.name, v.type) for v in checked.variables]
    values = ExpressionChecker(
        compiled.source,
        environment={name: Typed(Ref(name), type_) for name, type_ in names},
        variables=frozenset(v.name for v in checked.variables),
        signatures=resolved.signatures,
    )
    for statement in resolved.program.statements:
        if isinstance(statement, tree.Let):
            values.environment[statement.name.name] = values.value(statement.value)
    return values
