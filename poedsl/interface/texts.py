"""What a person is told of experts, codes and programs, wherever they ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.codes import CODES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.syntax_names import near
from poedsl.compiler.plan.plan import InputSpec, VariableSpec
from poedsl.compiler.plan.terms import Const, from_tree
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.diagnostics import Diagnostic, PoeError
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from poedsl.grammar.types import NUMERIC


def declarations(variables: Iterable[VariableSpec], inputs: Iterable[InputSpec]) -> Iterator[str]:
    """A line for each variable and input of a program."""
    for variable in variables:
        yield f"variable {variable.name} : {variable.type}"
    for i in inputs:
        default = "" if i.default is None else f" = {print_term(i.default)}"
        yield f"input {i.name} : {i.type}{default}  ({i.origin} at {i.place})"


#: What factors are beside experts.
_CONSTRUCTS = {
    "mixture": """\
mixture(weight: density, ...) -> numbers

a weighted sum of densities, itself a density; all weights are given and sum to one, or none is and
they are equal; `for` makes a component of each element of a vector

    x ~ mixture(0.3: Normal(-1, 1), 0.7: Normal(1, 1))
    x ~ mixture(Normal(m, 1) for m in [0, 2, 4])

a component is one normalised density, or a mixture""",
    "where": """\
where(condition)

a factor that is 1 where the condition holds and 0 elsewhere

    x ~ Normal(0, 1) * where(x > 0 and x < 2)

conditions of a vector are joined: `where(x[0] > 0 and x[1] > 0)`, `where(all(x > 0))`""",
    "exp": """\
exp(reward)

a factor that favours what has a high reward: an expression of the variable, a judge, or both

    x ~ Normal(0, 1) * exp(-(x - 1)^2)
    x ~ flux(prompt) * exp(2 * vqascore(prompt))

in expressions it is the exponential function, exp(x): exp(-1)""",
}


def experts() -> str:
    """A line for each expert, reward, source and function."""
    rows: list[tuple[str, str, str]] = [
        (s.name, s.family, s.summary + ("" if s.implementation else "  (signature only)"))
        for s in SIGNATURES.values()
    ]
    rows += [
        ("mixture", "factor", "a weighted sum of densities"),
        ("where", "factor", "1 where a condition holds, 0 elsewhere"),
        ("exp", "factor", "the exponential of a reward"),
    ]
    rows += [(f.name, "function", f.summary) for f in FUNCTIONS.values() if f.name != "exp"]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name:<{width}}  {family:<8} {summary}" for name, family, summary in rows)


def expert(name: str) -> str:
    """What an expert, reward, source or function takes and can.

    Raises:
        LookupError: there is none of that name.
    """
    if name in _CONSTRUCTS:
        return _CONSTRUCTS[name]
    if name in FUNCTIONS:
        f = FUNCTIONS[name]
        return f"{f}\n\n{f.summary}\n\n    {f.example}"
    if name not in SIGNATURES:
        found = near(name, (*SIGNATURES, *FUNCTIONS, *_CONSTRUCTS))
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
    """A value for an input as a person writes it: a path after ``@``, text for text, else JSON.

    Raises:
        PoeError: there is nothing after ``@``.
    """
    if text == "@":
        raise PoeError((Diagnostic("P0604", "there is no file name after `@`"),))
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
