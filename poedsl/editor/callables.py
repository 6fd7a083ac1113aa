"""What can be called in a program, as signature help and hover show it."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.catalog.signatures import Signature
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.option_forms import KINDS, Form, OptionArgument
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import print_term
from poedsl.editor.document import Document
from poedsl.grammar import tree
from poedsl.grammar.formatting.printer import print_expr
from poedsl.interface.descriptions import CONSTRUCTS, describe


@dataclass(frozen=True, slots=True)
class CallableParameter:
    """A parameter: its name, how it stands in the label of what is called, and a summary."""

    name: str
    label: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Callable:
    """What a name with brackets stands for.

    Attributes:
        label: how it is called. page: all that is known of it, as plain text.
        kind: what it is, in a word.
    """

    name: str
    kind: str
    label: str
    summary: str = ""
    page: str = ""
    parameters: tuple[CallableParameter, ...] = ()


def callable_named(document: Document, name: str) -> Callable | None:
    """The expert, reward, source or function of a name, or what the program defines."""
    if name in CONSTRUCTS:
        label, _, rest = CONSTRUCTS[name].partition("\n")
        return Callable(name, "construct", label, rest.strip().partition("\n")[0], rest.strip())
    if name in document.definitions:
        return of_definition(document.definitions[name])
    if name in document.signatures:
        return of_signature(document.signatures[name])
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
        parameters = tuple(
            CallableParameter(p.name, str(p), "" if p.takes == "numbers" else p.kind.description)
            for p in function.parameters
        )
        page = f"{function.summary}\n\n    {function.example}"
        return Callable(name, "function", f"{function}", function.summary, page, parameters)
    return None


def of_signature(signature: Signature) -> Callable:
    parameters = tuple(CallableParameter(p.name, f"{p}", p.summary) for p in signature.parameters)
    page = describe(signature).partition("\n")[2].strip()
    return Callable(
        signature.name, signature.family, f"{signature}", signature.summary, page, parameters
    )


def of_definition(definition: tree.ExpertDefinition) -> Callable:
    parameters = tuple(CallableParameter(p.name.name, declared(p)) for p in definition.parameters)
    name = definition.name.name
    label = f"{name}({', '.join(p.label for p in parameters)})"
    summary = "an expert that the program defines"
    return Callable(name, "definition", label, summary, print_expr(definition.body), parameters)


def declared(parameter: tree.Parameter) -> str:
    """A parameter of a definition as it is written."""
    type_, default = parameter.type, parameter.default
    out = parameter.name.name
    if type_ is not None:
        sizes = "" if type_.sizes is None else f"[{', '.join(map(print_expr, type_.sizes))}]"
        out += f": {type_.name}{sizes}"
    return out if default is None else f"{out} = {print_expr(default)}"


def form_named(option: str, name: str) -> Callable | None:
    """A form of an option, or of the first option that has one of this name."""
    options = [OPTIONS[option]] if option in OPTIONS else list(OPTIONS.values())
    for candidate in options:
        form = candidate.form(name)
        if form is not None:
            return _of_form(form)
    return None


def _of_form(form: Form) -> Callable:
    parameters = tuple(
        CallableParameter(a.name, _with_default(a), KINDS[a.kind]) for a in form.arguments
    )
    label = f"{form.name}({', '.join(p.label for p in parameters)})"
    remarks = [form.summary, form.approximate, form.biased]
    page = "\n\n".join(r for r in remarks if r)
    return Callable(form.name, "form", label, form.summary, page, parameters)


def _with_default(argument: OptionArgument) -> str:
    return f"{argument.name} = {print_term(Const(argument.default))}"


def sampler() -> Callable:
    """``anneal`` with all options."""
    parameters = tuple(
        CallableParameter(o.name, o.name, f"{o.summary}: {o.expected}") for o in OPTIONS.values()
    )
    label = f"anneal({', '.join(p.label for p in parameters)})"
    return Callable("anneal", "method", label, "annealed importance sampling", "", parameters)
