"""The state of checking a whole program."""

from __future__ import annotations

from dataclasses import dataclass, field

from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.resolve import Resolved
from poedsl.compiler.plan.plan_parts import InputSpec, LetSpec, SizeSpec
from poedsl.compiler.typecheck.checked import CheckedFactor
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.grammar.source import Span


@dataclass(slots=True)
class ProgramChecker(ExpressionChecker):
    """The state of checking a whole program.

    Attributes:
        generated: variables with an expert that fixes their domain.
        spaces: for each variable its latent space, the expert that fixes it and its place.
        incomplete: variables of which a statement has an error.
        sizes: those that inputs determine.
        passed: arguments of the program's experts, by statement.
    """

    resolved: Resolved = field(kw_only=True)
    inputs: dict[str, InputSpec] = field(default_factory=dict)
    lets: dict[str, LetSpec] = field(default_factory=dict)
    generated: set[str] = field(default_factory=set)
    spaces: dict[str, tuple[str, str, Span]] = field(default_factory=dict)
    factors: list[CheckedFactor] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)
    sizes: list[SizeSpec] = field(default_factory=list)
    passed: dict[Span, list[PassedArgument]] = field(default_factory=dict)
