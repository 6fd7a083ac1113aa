"""The variables that ``sample`` names."""

from __future__ import annotations

from poedsl.compiler.names.references import suggest
from poedsl.compiler.names.scope import NameScope
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span


def check_sample_statements(scope: NameScope, statements: list[tree.Sample]) -> None:
    """One statement, for all variables."""
    for statement in statements:
        for name in statement.names:
            if name.name not in scope.variables and name.name not in scope.unreadable:
                scope.error(
                    "P0504",
                    f"`{name.name}` is not a variable of this program",
                    name.span,
                    fixes=suggest(scope, name.name, name.span, scope.variables, "a variable"),
                )
    for later in statements[1:]:
        scope.error(
            "P0504",
            "a program has one `sample` statement for all its variables",
            later.span,
            labels=(Label(statements[0].span, "the first one"),),
        )
    if len(statements) == 1:
        check_sampled_variables(scope, statements[0])


def check_sampled_variables(scope: NameScope, statement: tree.Sample) -> None:
    named = [n.name for n in statement.names]
    missing = [v for v in scope.declared if v in scope.variables and v not in named]
    if missing and set(named) <= scope.variables:
        last = statement.names[-1].span
        listed = ", ".join(missing)
        scope.error(
            "P0504",
            "the variables of a program are sampled together, and not "
            + " and ".join(f"`{n}`" for n in named)
            + " alone",
            statement.names[0].span.to(last),
            fixes=(
                Fix(
                    f"name the others too: `{', '.join((*named, *missing))}`",
                    (Edit(Span(last.end, last.end), f", {listed}"),),
                ),
            ),
        )
