"""The arguments of a call by the names of the parameters they are for."""

from __future__ import annotations

from poedsl.compiler.functions.table import Function, Parameter
from poedsl.compiler.functions.types import NONE, Given, known
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.terms import Const, names
from poedsl.compiler.typecheck.typed import Typed, describe, typed_constant
from poedsl.compiler.wording import counted_noun
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import NOWHERE, Span


def matched(
    function: Function, arguments: tuple[tree.Argument, ...], span: Span
) -> tuple[dict[str, tree.Argument], list[Diagnostic]]:
    """Arguments by position, then by name; and what keeps them from being a call at ``span``."""
    own = [p.name for p in function.parameters]
    note = (f"{function}",)
    given: dict[str, tree.Argument] = {}
    found: list[Diagnostic] = []
    for position, argument in enumerate(arguments):
        place = argument.span
        if argument.weight is not None:
            message = f"an argument of `{function.name}` has no weight"
            found.append(Diagnostic("P0301", message, place, notes=note))
            continue
        if argument.name is None and position >= len(own):
            message = f"`{function.name}` takes {_takes(function)}, and has {len(arguments)}"
            found.append(Diagnostic("P0301", message, place, notes=note))
            break
        name = argument.name or own[position]
        if name not in own:
            message = f"`{function.name}` has no parameter `{name}`"
            fixes = similar_name_fix(name, argument.name_span, own, "a parameter")
            found.append(Diagnostic("P0301", message, argument.name_span, notes=note, fixes=fixes))
        elif name in given:
            message = f"`{function.name}` is given `{name}` twice"
            labels = (Label(given[name].span, "given here already"),)
            found.append(Diagnostic("P0301", message, place, labels=labels, notes=note))
        else:
            given[name] = argument
    lacking = [p.name for p in function.parameters if p.required and p.name not in given]
    if lacking and not found:
        listed = " and ".join(f"`{n}`" for n in lacking)
        found.append(Diagnostic("P0301", f"`{function.name}` needs {listed}", span, notes=note))
    return given, found


def _takes(function: Function) -> str:
    least, most = sum(p.required for p in function.parameters), len(function.parameters)
    return counted_noun(most, "argument") if least == most else f"{least} to {most} arguments"


def left_out(parameter: Parameter) -> Typed:
    """What an argument is that a call leaves out."""
    if isinstance(parameter.default, int):
        return typed_constant(parameter.default, NOWHERE)
    return Typed(Const(None), NONE)


def misfits(
    typed: Typed, parameter: Parameter, function: Function, variables: frozenset[str], place: Span
) -> list[Diagnostic]:
    """What keeps an argument from being of the kind that a parameter takes."""
    kind = parameter.kind
    alone = len(function.parameters) == 1
    what = f"`{function.name}`" if alone else f"`{parameter.name}` of `{function.name}`"
    if kind.fixed and (inner := sorted(names(typed.term) & variables)):
        message = f"{what} depends on the variable `{inner[0]}`"
        return [Diagnostic("P0312", message, place, notes=(f"{function}",))]
    if kind.fits(Given(typed.type, known(typed.term))):
        return []
    message = f"{what} takes {kind.words}, and this is {describe(typed.type)}"
    return [Diagnostic(kind.code, message, place, notes=(f"{function}",))]
