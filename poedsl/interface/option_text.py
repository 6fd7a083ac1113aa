"""Options of ``sample`` as text: ``particles=50, kernel = mala(steps = 2)``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from poedsl import argument_checks
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.typecheck.sample_options import check_option
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source, Span
from poedsl.grammar.tokens import Word, words
from poedsl.interface.replies import command_error


def assignments(text: str) -> dict[str, str]:
    """Names and values of ``particles=50, kernel = mala(steps = 2) seed=1``.

    Raises:
        PoeError: the text has another form (P0901).
    """
    tokens = [*words(text, Span(0, len(text))), Word("end", "", Span(len(text), len(text)))]
    heads: list[tuple[Word, Word]] = []
    depth = 0
    for word, after in pairwise(tokens):
        depth += (word.text in CLOSERS) - (word.text in CLOSERS.values())
        if depth == 0 and word.kind in ("name", "keyword") and after.text == "=":
            heads.append((word, after))
    if not text.strip():
        return {}
    if not heads or heads[0][0] is not tokens[0]:
        raise command_error("P0901", f"options are NAME=VALUE, and this is {text!r}")
    ends = [*(head.span.start for head, _ in heads[1:]), len(text)]
    return {
        head.text: text[sign.span.end : end].strip().rstrip(", ")
        for (head, sign), end in zip(heads, ends, strict=True)
    }


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
