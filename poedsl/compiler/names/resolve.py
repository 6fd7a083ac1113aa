"""Pass 2, names: every name gets a declaration, every expert call all its arguments.

The result is again a program, and prints as one: free names have become ``input`` statements,
arguments stand under their parameters' names, ambient arguments and the subject of a reward are
written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.declare import declare, declare_omitted_argument
from poedsl.compiler.names.expand_definitions import Expanded
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.repeated_factors import warn_repeated_factors
from poedsl.compiler.names.resolve_statements import resolve_statement
from poedsl.compiler.names.sample_statement import check_sample_statements
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.unused import resolve_unused_definition, warn_unused
from poedsl.compiler.plan.plan_parts import Origin
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class Resolved:
    """The program with every name declared and every argument written out.

    Attributes:
        origins: for each inferred input how and where it was inferred.
        signatures: the signatures that calls may name, the program's experts among them.
        passed: the arguments of the program's experts whose parameters have a type.
        incomplete: variables with a statement that is left out or has an error.
        unreadable: names in lines with a syntax error, which may be declared there.
        renamed: names introduced by the expansion, each with the name in the text.
    """

    program: tree.Program
    origins: dict[str, tuple[Origin, Span]]
    signatures: Mapping[str, Signature] = field(default_factory=lambda: SIGNATURES)
    passed: tuple[PassedArgument, ...] = ()
    incomplete: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)


def resolve(
    expanded: Expanded,
    signatures: Mapping[str, Signature] = SIGNATURES,
    *,
    strict: bool = False,
    unreadable: frozenset[str] = frozenset(),
    indent: str = "",
) -> tuple[Resolved, tuple[Diagnostic, ...]]:
    """Resolve names.

    Args:
        signatures: the experts, rewards and sources that calls may name.
        strict: refuse inputs that are not declared.
        unreadable: names in lines with a syntax error, about which nothing is reported.
        indent: what the program's lines begin with.
    """
    program = expanded.program
    unreadable |= expanded.broken
    start = program.statements[0].span.start if program.statements else 0
    definitions = frozenset(d.name.name for d in expanded.definitions)
    scope = NameScope(
        strict,
        unreadable,
        start,
        indent,
        signatures,
        set(unreadable),
        definitions,
        renamed=expanded.renamed,
    )
    declare(scope, (*expanded.definitions, *program.statements))
    for passed in expanded.passed:
        declare_omitted_argument(scope, passed)
        scope.passed.setdefault(passed.place, []).append(passed)
    resolved = [resolve_statement(scope, s) for s in program.statements]
    for definition in expanded.unused:
        if definition.name.name not in scope.used:
            resolve_unused_definition(scope, definition)
    statements = (*scope.inferred.values(), *(s for s in resolved if s is not None))
    check_sample_statements(scope, [s for s in program.statements if isinstance(s, tree.Sample)])
    warn_unused(scope, program)
    if not any(d.is_error for d in scope.diagnostics):
        scope.diagnostics.extend(warn_repeated_factors(statements))
    result = Resolved(
        replace(program, statements=statements),
        scope.origins,
        signatures,
        tuple(scope.resolved_arguments),
        frozenset(scope.incomplete | (unreadable & scope.variables)),
        unreadable,
        expanded.renamed,
    )
    return result, tuple(scope.diagnostics)
