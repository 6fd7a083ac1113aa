"""References to names in expressions, and names of functions in calls."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.suggestions import CALLED, WRITTEN, equivalent_name_fix, similar_name_fix
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Fix, Label
from poedsl.grammar.source import Span

#: Names in call position that are part of the language: neither functions nor experts.
CONSTRUCTS = ("exp", "where", "mixture", "log_prob")
#: The construct that carries values from one element to the next.
SCAN = "scan"


#: After this many errors no similar names are searched for.
MOST_SEARCHES = 50


def resolve_reference(scope: NameScope, name: tree.Name) -> None:
    scope.used.add(name.name)
    scopes = (scope.visible, scope.variables, scope.inferred, scope.unreadable)
    if any(name.name in names for names in scopes):
        return
    if name.name in scope.declared:
        scope.error(
            "P0204",
            f"`{name.name}` is used before it is declared",
            name.span,
            labels=(Label(scope.declared[name.name], "declared here"),),
        )
        return
    if expert := scope.omitted.get((name.name, name.span)):
        scope.error(
            "P0301",
            f"`{expert}` needs `{name.name}`, and the program has nothing of that name",
            name.span,
            notes=(f"give it: `{expert}({name.name} = ...)`",),
        )
        return
    fixes = suggest(scope, name.name, name.span, names_in_scope(scope), "something")
    scope.used |= {edit.text for fix in fixes for edit in fix.edits}
    notes: tuple[str, ...] = ()
    if name.name in (*scope.signatures, *FUNCTIONS, *CONSTRUCTS, *scope.definitions):
        notes = (f"`{name.name}` is called with brackets: `{name.name}(...)`",)
    elif not fixes:
        notes = (
            "a constant is declared by `let`, a value that the caller gives by `input`, "
            f"such as `input {name.name} : Real`",
        )
    scope.error(
        "P0201", f"there is nothing named `{name.name}`", name.span, fixes=fixes, notes=notes
    )


def names_in_scope(scope: NameScope) -> set[str]:
    return {*scope.declared, *scope.inferred, *scope.visible} - scope.renamed.keys()


def suggest(
    scope: NameScope, name: str, span: Span, candidates: Iterable[str], noun: str
) -> tuple[Fix, ...]:
    """A fix with a similar name, for the first errors of a program only."""
    few = len(scope.diagnostics) < MOST_SEARCHES
    return similar_name_fix(name, span, candidates, noun) if few else ()


def check_function_name(scope: NameScope, function: tree.Name) -> None:
    if function.name in (*FUNCTIONS, *CONSTRUCTS, *scope.unreadable):
        return
    if function.name in scope.definitions:
        scope.used.add(function.name)
        scope.error(
            "P0403",
            f"`{function.name}` is a factor of a product, not a number",
            function.span,
        )
        return
    candidates = (*FUNCTIONS, SCAN, *scope.signatures, *CONSTRUCTS, *scope.definitions)
    equivalent = CALLED.get(function.name, "")
    scope.error(
        "P0202",
        f"there is no expert, reward or function named `{function.name}`",
        function.span,
        fixes=(equivalent_name_fix(function.span, equivalent),)
        if equivalent
        else suggest(scope, function.name, function.span, candidates, "one"),
        notes=(WRITTEN.get(function.name, "`poe experts` lists what there is"),),
    )
