"""Pipelines of diffusers that products name by their folders: ``pipeline("FOLDER", ...)``.

Such a call means the same as a call of an expert that ``use NAME from "FOLDER"`` names, and is
written as one here, with a statement for each folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from poedsl.catalog.folder_signatures import dedicated_expert
from poedsl.compiler.names.substitution import rewrite, unused_name
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.traversal import names_in

#: The function whose first argument is the folder of a pipeline.
PIPELINE = "pipeline"


def name_pipelines(
    program: tree.Program,
) -> tuple[tree.Program, frozenset[str], tuple[Diagnostic, ...]]:
    """A program in which every pipeline has a name, those names, and errors in calls of none."""
    if PIPELINE not in names_in(program) or any(map(_declares, program.statements)):
        return program, frozenset(), ()
    taken = names_in(program) - {PIPELINE}
    unnamed = unused_name(PIPELINE, taken)
    taken.add(unnamed)
    uses: dict[str, tree.Use] = {}
    problems: list[Diagnostic] = []

    def named(expr: tree.Expr) -> tree.Expr:
        if not isinstance(expr, tree.Call) or expr.function.name != PIPELINE:
            return expr
        first, *others = expr.arguments or (tree.Argument(value=tree.Nothing()),)
        place = first.value
        if not isinstance(place, tree.String) or first.name is not None:
            problems.append(_no_folder(expr))
            return replace(expr, function=replace(expr.function, name=unnamed), arguments=())
        if place.value not in uses:
            fresh = unused_name(PIPELINE, taken) if uses or PIPELINE in taken else PIPELINE
            taken.add(fresh)
            name = tree.Name(name=fresh, span=place.span)
            uses[place.value] = tree.Use(name=name, place=place, span=place.span)
        function = replace(expr.function, name=uses[place.value].name.name)
        return replace(expr, function=function, arguments=tuple(others))

    statements = tuple(_in_statement(s, lambda e: rewrite(e, named)) for s in program.statements)
    names = frozenset((unnamed, *(use.name.name for use in uses.values())))
    return replace(program, statements=(*uses.values(), *statements)), names, tuple(problems)


def other_expert(use: tree.Use, base: Path) -> tuple[Diagnostic, ...]:
    """A warning that the language has an expert for the folder of a pipeline (P0811)."""
    expert = dedicated_expert(use.place.value, base)
    if not expert:
        return ()
    return (
        Diagnostic(
            "P0811",
            f"`{expert}` is the expert for the model in this folder",
            use.place.span,
            severity="warning",
            notes=(
                f'`{expert}(..., model = "{use.place.value}")` evaluates its network itself, which '
                "is faster and uses less memory; `pipeline` goes through the call of the library",
            ),
        ),
    )


def _declares(statement: tree.Statement) -> bool:
    """Whether a statement gives the name another meaning."""
    match statement:
        case tree.Use(name=name) | tree.ExpertDefinition(name=name):
            return name.name == PIPELINE
        case _:
            return False


def _no_folder(call: tree.Call) -> Diagnostic:
    return Diagnostic(
        "P0301",
        f"`{PIPELINE}` takes the folder of a model first, as a text",
        call.span,
        notes=(f'such as `{PIPELINE}("models/mine", prompt = "a red cube")`',),
    )


def _in_statement(
    statement: tree.Statement, change: Callable[[tree.Expr], tree.Expr]
) -> tree.Statement:
    """A statement with the expressions that may hold factors changed."""
    match statement:
        case tree.Factor(product=product):
            return replace(statement, product=change(product))
        case tree.ExpertDefinition(body=body):
            return replace(statement, body=change(body))
        case tree.For(body=body):
            return replace(statement, body=tuple(_in_statement(s, change) for s in body))
        case _:
            return statement
