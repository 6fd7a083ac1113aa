"""Options of ``sample`` from texts or numbers: ``"mala(steps = 2)"``, ``50``."""

from __future__ import annotations

from typing import Any

from poedsl import argument_checks
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.typecheck.sample_options import check_option
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source


def read_options(options: dict[str, Any]) -> dict[str, Term]:
    """Options of ``sample``, from text as in a program or from numbers.

    Raises:
        PoeError: an option is unknown or its value does not fit, with a diagnostic for each.
        TypeError: a value is neither a number nor a text.
    """
    terms: dict[str, Term] = {}
    problems: list[Diagnostic] = []
    for name, value in options.items():
        text = value if isinstance(value, str) else _as_text(name, value)
        expr, diagnostics = parse_expression(Source(text, f"--sample {name}"))
        if expr is not None and not diagnostics:
            term, diagnostics = check_option(name, expr)
            if term is not None:
                terms[name] = term
        problems += [
            Diagnostic(
                d.code,
                f"in `{name} = {text}`: {d.message}",
                notes=d.notes,
                fixes=tuple(Fix(f.text) for f in d.fixes),
            )
            for d in diagnostics
        ]
    if problems:
        raise PoeError(tuple(problems))
    return terms


def _as_text(name: str, value: Any) -> str:
    """A number as the text of a program."""
    if hasattr(value, "item"):  # of NumPy or torch
        value = value.item()
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"`{name}` is given as a number, or as a text as in a program, and this is "
            f"{argument_checks.describe(value)}"
        )
    return str(value)
