"""Types of the arguments that calls pass to the program's experts."""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.type_expressions import written_type
from poedsl.compiler.typecheck.typed import POISON, Typed, describe, fits, typed_constant
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label


def check_passed_argument(checker: ProgramChecker, passed: PassedArgument) -> bool:
    """Whether an argument of a definition has the type that its parameter demands."""
    parameter = passed.parameter
    assert parameter.type is not None
    declared = written_type(checker, parameter.type)
    for typed in passed_values(checker, passed.value, passed.binders):
        if typed.ok and declared != POISON and not fits(typed.type, declared):
            checker.error(
                "P0302",
                f"`{parameter.name.name}` of `{passed.expert}` is {declared}, and this is "
                f"{describe(typed.type)}",
                passed.value.span,
                labels=(Label(parameter.span, f"{declared} here"),),
            )
            return False
    return True


def passed_values(
    checker: ProgramChecker, value: tree.Expr, binders: tuple[tuple[tree.Name, tree.Expr], ...]
) -> Iterator[Typed]:
    """The values of an argument at each element of the comprehensions around it."""
    if not binders:
        with checker.within_reward():
            typed = checker.value(value)
        yield typed
        return
    name, iterable = binders[0]
    elements = checker.value(iterable).value
    with checker.binding(name.name):
        for element in elements if isinstance(elements, tuple) else ():
            checker.environment[name.name] = typed_constant(element, name.span)
            yield from passed_values(checker, value, binders[1:])
