"""What a person is told of experts, codes and programs, wherever they ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from poedsl.compiler.codes import CODES
from poedsl.compiler.functions import FUNCTIONS
from poedsl.compiler.names import near
from poedsl.compiler.plan import InputSpec, VariableSpec
from poedsl.compiler.plantext import print_term
from poedsl.compiler.terms import Const, from_tree
from poedsl.experts.signatures import SIGNATURES
from poedsl.grammar.parser import parse_expression
from poedsl.grammar.source import Source
from poedsl.grammar.types import NUMERIC


def declarations(variables: Iterable[VariableSpec], inputs: Iterable[InputSpec]) -> Iterator[str]:
    """A line for each variable and input of a program."""
    for variable in variables:
        yield f"variable {variable.name} : {variable.type}"
    for i in inputs:
        default = "" if i.default is None else f" = {print_term(i.default)}"
        yield f"input {i.name} : {i.type}{default}  ({i.origin} at {i.place})"


def experts() -> str:
    """A line for each expert, reward, source and function."""
    rows: list[tuple[str, str, str]] = [
        (s.name, s.family, s.summary + ("" if s.implementation else "  (signature only)"))
        for s in SIGNATURES.values()
    ]
    rows += [(f.name, "function", f.summary) for f in FUNCTIONS.values()]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name:<{width}}  {family:<8} {summary}" for name, family, summary in rows)


def expert(name: str) -> str:
    """What an expert, reward, source or function takes and can.

    Raises:
        LookupError: there is none of that name.
    """
    if name in FUNCTIONS:
        f = FUNCTIONS[name]
        return f"{f}\n\n{f.summary}\n\n    {f.example}"
    if name not in SIGNATURES:
        found = near(name, (*SIGNATURES, *FUNCTIONS))
        hint = f"; there is one with a similar name: {found}" if found else ""
        raise LookupError(f"there is no expert, reward or function named {name}{hint}")
    s = SIGNATURES[name]
    lines = [f"{s}", "", s.summary, ""]
    lines += [f"  {p!s:<32} {p.summary}" for p in s.parameters]
    lines += ["", f"family        {s.family}", f"can           {', '.join(sorted(s.capabilities))}"]
    if s.support.constrained:
        lines.append(f"support       {s.support}")
    if s.cost:
        lines.append(f"cost          about {s.cost:g} ms an evaluation of one particle")
    if s.citation:
        lines.append(f"source        {s.citation}")
    if not s.implementation:
        lines.append("runs          not in this release")
    return "\n".join(lines)


def explanation(code: str | None) -> str:
    """The page of a diagnostic code; without one a line for each.

    Raises:
        LookupError: there is no such code.
    """
    if code is None:
        return "\n".join(f"{known}  {CODES[known].title}" for known in sorted(CODES))
    page = CODES.get(code.upper())
    if page is None:
        raise LookupError(f"there is no code {code}; codes run from {min(CODES)} to {max(CODES)}")
    return f"{code.upper()}: {page.title}\n\n{page.page.strip()}"


def read_value(text: str, type_name: str) -> Any:
    """A value for an input as a person writes it: a path after ``@``, text for text, else JSON."""
    if text.startswith("@"):
        return Path(text[1:])
    if type_name == "Text":
        return text
    with suppress(ValueError):
        return json.loads(text)
    if type_name in NUMERIC:
        expr, problems = parse_expression(Source(text))
        with suppress(ValueError):
            term = None if expr is None or problems else from_tree(expr)
            if isinstance(term, Const):
                return term.value
    return text
