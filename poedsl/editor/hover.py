"""What is known of the word under the cursor, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poedsl.compiler.codes import CODES
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import print_term
from poedsl.editor.callables import Callable, callable_named, form_named, sampler
from poedsl.editor.document import Document
from poedsl.editor.occurrences import Binding, Occurrence
from poedsl.editor.words import KEYWORDS, METHOD
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import words
from poedsl.grammar.types import RANKS, Type
from poedsl.interface.named_values import value_checker

#: The number of characters of a constant's value that are shown.
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Hover:
    """What is shown of a part of the text, as Markdown."""

    span: Span
    text: str


def hover(document: Document, offset: int) -> Hover | None:
    """What is known of the word at an offset: a name, a word of the language, or an error."""
    occurrence = document.at(offset)
    if occurrence is not None:
        span, parts = occurrence.span, [_described(document, occurrence)]
    else:
        span, parts = _of_word(document, offset)
    parts += _errors(document, offset)
    text = "\n\n---\n\n".join(part for part in parts if part)
    return Hover(span, text) if text else None


def _described(document: Document, occurrence: Occurrence) -> str:
    binding, name = occurrence.binding, occurrence.name
    match occurrence.role:
        case "option" if name in OPTIONS:
            option = OPTIONS[name]
            return f"{_code(f'{name} = ...')}\n\n{option.summary}: {option.expected}"
        case "form":
            return _of_callable(form_named(occurrence.owner, name))
        case "setting":
            return _of_parameter(form_named("", occurrence.owner), name)
        case "argument":
            return _of_parameter(callable_named(document, occurrence.owner), name)
        case "type" if name in RANKS:
            rank = RANKS[name]
            return f"{_code(name)}\n\ntakes {'any number of' if rank is None else rank} sizes"
        case "function" if name == METHOD and binding is None:
            return _of_callable(sampler())
        case "function" | "name" if binding is None or binding.kind in ("use", "expert"):
            return _of_callable(callable_named(document, name))
        case "name" if binding is not None:
            return _of_binding(document, binding)
        case _:
            return ""


def _of_callable(called: Callable | None) -> str:
    return "" if called is None else f"{_code(called.label)}\n\n{_fenced(called.page)}"


def _of_parameter(called: Callable | None, name: str) -> str:
    for parameter in called.parameters if called else ():
        if parameter.name == name:
            return f"{_code(parameter.label)}\n\n{parameter.summary}".rstrip()
    return ""


def _of_binding(document: Document, binding: Binding) -> str:
    """A name with its type; of an input also whether it is declared, of a constant the value."""
    type_ = type_of(document, binding)
    line = f"{binding.kind} {binding.name}{f' : {type_}' if type_ else ''}"
    more = ""
    if binding.kind == "input" and binding.name in document.inputs:
        spec = document.inputs[binding.name]
        line += "" if spec.default is None else f" = {print_term(spec.default)}"
        declared = spec.origin == "declared"
        more = "" if declared else "not declared: a name that is passed to a parameter is an input"
    elif binding.kind == "constant" and binding.name in document.values:
        term = document.values[binding.name].term
        shown = print_term(term) if document.values[binding.name].ok else ""
        if isinstance(term, Const) and len(shown) <= _SHOWN:
            line += f" = {shown}" if shown else ""
    elif binding.kind == "parameter":
        line = f"parameter {_of_definition(document, binding) or binding.name}"
    elif binding.kind == "unknown":
        return ""
    return f"{_code(line)}\n\n{more}".rstrip()


def _of_definition(document: Document, binding: Binding) -> str:
    called = callable_named(document, binding.owner)
    parameters = called.parameters if called else ()
    return next((p.label for p in parameters if p.name == binding.name), "")


def type_of(document: Document, binding: Binding) -> Type | None:
    """The type of a name of the program; None where it has none or an error."""
    if binding.kind == "element":
        return _type_of_element(document, binding)
    whole = binding.scope.end - binding.scope.start >= len(document.text)
    typed = document.values.get(binding.name) if whole else None
    return typed.type if typed is not None and typed.ok else None


def _type_of_element(document: Document, binding: Binding) -> Type | None:
    """The type of what a loop of the program runs over, without its first size."""
    for statement in document.program.statements:
        if isinstance(statement, tree.For) and statement.target.span == binding.span:
            over = value_checker(document.compiled).value(statement.iterable)
            if over.type.name == "Layout":
                return Type("Part")
            return Type(over.type.name, over.type.sizes[1:]) if over.type.sizes else None
    return None


def _of_word(document: Document, offset: int) -> tuple[Span, list[str]]:
    """A word that the tree does not have: a keyword, or one in a line with an error."""
    start = document.text.rfind("\n", 0, offset) + 1
    end = document.text.find("\n", offset)
    line = Span(start, len(document.text) if end < 0 else end)
    for word in words(document.text, line):
        if word.span.start <= offset < word.span.end:
            if word.text in KEYWORDS and word.kind in ("keyword", "name"):
                summary, example = KEYWORDS[word.text]
                return word.span, [f"`{word.text}` {summary}\n\n{_fenced(example)}"]
            called = callable_named(document, word.text) if word.kind == "name" else None
            return word.span, [_of_callable(called)]
    return Span(offset, offset), []


def _errors(document: Document, offset: int) -> Iterator[str]:
    """The pages of the errors and warnings at an offset."""
    codes = [d.code for d in document.diagnostics if d.span.start <= offset <= d.span.end]
    for code in dict.fromkeys(codes):
        if code in CODES:
            yield f"**{code}: {CODES[code].title}**\n\n{_fenced(CODES[code].page.strip())}"


def _code(line: str) -> str:
    return f"```poe\n{line}\n```"


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```" if text else ""
