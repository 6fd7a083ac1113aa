"""Descriptions of experts, diagnostic codes and programs, for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.folder_signatures import read_folder
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.codes import CODES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.suggestions import similar_name
from poedsl.compiler.plan.plan_parts import InputSpec, SizeSpec, VariableSpec
from poedsl.compiler.plan.text import declared_type, print_term
from poedsl.grammar.program_files import is_folder


def declarations(
    variables: Iterable[VariableSpec], inputs: Iterable[InputSpec], sizes: Iterable[SizeSpec] = ()
) -> Iterator[str]:
    """A line for each variable and each input of a program.

    Args:
        sizes: those that inputs determine.
    """
    for variable in variables:
        yield f"variable {variable.name} : {declared_type(variable, sizes)}"
    for i in inputs:
        default = "" if i.default is None else f" = {print_term(i.default)}"
        yield f"input {i.name} : {declared_type(i, sizes)}{default}  ({i.origin} at {i.place})"


#: Descriptions of the factors that are not experts.
CONSTRUCTS = {
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

conditions of a vector are joined: `where(x[0] > 0 and x[1] > 0)`, `where(all(x > 0))`

in expressions where(c, a, b) is a where the condition c holds and b elsewhere""",
    "scan": """\
scan(value = start: next value for element in vector)

a recursion: the list of the start and of the value after each element of a vector

    let v = scan(v = 1: 0.1 + 0.2 * e^2 + 0.7 * v for e in y)

several values are carried together, and the result has the list of each as an attribute:
`scan(a = 0, b = 1: b, a + b for e in y).a`""",
    "log_prob": """\
log_prob(density, x)

the log density of x: one number for each component of x and of the parameters, or for each vector
if the density is over vectors

    report log_prob(Normal(m, 1), y)
    x ~ exp(sum(max(log_prob(Normal(x, 1), y), -8)))""",
    "exp": """\
exp(reward)

a factor that favours what has a high reward: an expression in the variable, a reward model, or both

    x ~ Normal(0, 1) * exp(-(x - 1)^2)
    x ~ flux(prompt) * exp(2 * vqascore(prompt))

in expressions it is the exponential function, exp(x): exp(-1)""",
}


def list_experts() -> str:
    """A line for each expert, reward, source and function."""
    rows: list[tuple[str, str, str]] = [
        (s.name, s.family, s.summary + ("" if s.implementation else "  (signature only)"))
        for s in SIGNATURES.values()
    ]
    rows += [
        ("mixture", "factor", "a weighted sum of densities"),
        ("where", "factor", "1 where a condition holds, 0 elsewhere"),
        ("exp", "factor", "the exponential of a reward"),
        ("scan", "list", "the values of a recursion over a vector"),
        ("log_prob", "function", "the log density of numbers"),
    ]
    functions = [f for f in FUNCTIONS.values() if f.name not in CONSTRUCTS]
    rows += [(f.name, "function", f.summary) for f in functions]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"{name:<{width}}  {family:<8} {summary}" for name, family, summary in rows)


def describe_expert(name: str) -> str:
    """The parameters, capabilities and source of an expert, reward, source or function, or of the
    model in a folder.

    Raises:
        LookupError: the name is unknown, and the message may have a similar one; or no expert is
            made of the folder.
    """
    if name in CONSTRUCTS:
        return CONSTRUCTS[name]
    if name in FUNCTIONS:
        f = FUNCTIONS[name]
        return f"{f}\n\n{f.summary}\n\n    {f.example}"
    if name not in SIGNATURES and ("/" in name or is_folder(name)):
        return describe_folder(name)
    if name not in SIGNATURES:
        similar = similar_name(name, (*SIGNATURES, *FUNCTIONS, *CONSTRUCTS))
        hint = f"; there is one with a similar name: {similar}" if similar else ""
        raise LookupError(f"there is no expert, reward or function named {name}{hint}")
    return describe(SIGNATURES[name])


def describe_folder(place: str) -> str:
    """What the model in a folder is as an expert, and how a program names it.

    Raises:
        LookupError: no expert is made of it.
    """
    try:
        signature = read_folder(place, Path())
    except DefinitionError as error:
        raise LookupError("\n".join([f"{error.code}: {error.message}", *error.notes])) from None
    return f'{describe(signature)}\n\nuse NAME from "{place}" names it in a program'


def describe(s: Signature) -> str:
    """A signature with its parameters, capabilities and source."""
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


def describe_code(code: str | None) -> str:
    """The page of a diagnostic code; for None a line for each code.

    Raises:
        LookupError: the code is unknown.
    """
    if code is None:
        return "\n".join(f"{listed}  {CODES[listed].title}" for listed in sorted(CODES))
    page = CODES.get(code.upper())
    if page is None:
        raise LookupError(f"there is no code {code}; codes run from {min(CODES)} to {max(CODES)}")
    return f"{code.upper()}: {page.title}\n\n{page.page.strip()}"
