"""Arguments of experts and rewards matched with the parameters of a signature."""

from __future__ import annotations

from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.references import suggest
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.suggestions import (
    PARAMETERS,
    SAID_ELSEWHERE,
    equivalent_name_fix,
)
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.wording import counted_noun

#: The argument of a reward that holds the value it evaluates.
SUBJECT = "subject"


def match_arguments(
    scope: NameScope, call: tree.Call, signature: Signature
) -> dict[str, tree.Argument] | None:
    """The arguments by parameter name, or None where they do not fit the signature."""
    matched: dict[str, tree.Argument] = {}
    names = [p.name for p in signature.parameters]
    extra = [SUBJECT] if signature.family == "reward" else []
    note = (f"{signature}",)
    valid = True
    for position, argument in enumerate(call.arguments):
        if argument.weight is not None:
            scope.error(
                "P0301",
                f"an argument of `{signature.name}` has no weight",
                argument.span,
                notes=note,
            )
            valid = False
            continue
        if argument.name is None and position >= len(names):
            scope.error(
                "P0301",
                f"`{signature.name}` takes {counted_noun(len(names), 'argument')}",
                argument.span,
                notes=note,
            )
            valid = False
            continue
        name = argument.name or names[position]
        if name not in names + extra:
            equivalent = next((n for n in PARAMETERS.get(name, ()) if n in names), "")
            scope.error(
                "P0301",
                f"`{signature.name}` has no parameter `{name}`",
                argument.name_span,
                fixes=(equivalent_name_fix(argument.name_span, equivalent),)
                if equivalent
                else suggest(scope, name, argument.name_span, names, "a parameter"),
                notes=(SAID_ELSEWHERE[name], *note) if name in SAID_ELSEWHERE else note,
            )
            valid = False
        elif name in matched:
            scope.error(
                "P0301",
                f"`{signature.name}` is given `{name}` twice",
                argument.span,
                labels=(Label(matched[name].span, "given here already"),),
            )
            valid = False
        else:
            matched[name] = argument
    return matched if valid else None


def check_required(
    scope: NameScope, call: tree.Call, signature: Signature, matched: dict[str, tree.Argument]
) -> None:
    """Report missing arguments, and groups of alternatives of which not exactly one is present."""
    note = (f"{signature}",)
    for parameter in signature.parameters:
        from_program = parameter.ambient and signature.family != "density"
        if parameter.required and not from_program and parameter.name not in matched:
            scope.error(
                "P0301", f"`{signature.name}` needs `{parameter.name}`", call.span, notes=note
            )
    for group in {p.alternative for p in signature.parameters if p.alternative}:
        names = [p.name for p in signature.parameters if p.alternative == group]
        chosen = [matched[n] for n in names if n in matched]
        if len(chosen) != 1:
            listed = ", ".join(f"`{n}`" for n in names)
            scope.error(
                "P0301",
                f"`{signature.name}` takes one of {listed}, and has {len(chosen) or 'none'}",
                chosen[1].span if chosen else call.span,
                labels=tuple(Label(c.span, "given already") for c in chosen[:1]),
                notes=note,
            )
