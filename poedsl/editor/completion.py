"""The words that can stand at a place of a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from poedsl.compiler.plan.option_forms import KINDS, OptionArgument
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.typecheck.parts import LAYOUT_PART_FIELDS
from poedsl.editor.callables import callable_named, form_named
from poedsl.editor.cursor import Bracket, Cursor
from poedsl.editor.document import Document
from poedsl.editor.hover import type_of
from poedsl.editor.words import (
    CONSTANT_WORDS,
    CONSTRUCT_WORDS,
    EXPERT_WORDS,
    FUNCTION_WORDS,
    KEYWORDS,
    METHOD,
    STATEMENT_WORDS,
    TYPE_WORDS,
)
from poedsl.grammar.types import FROM_FILES, RANKS

Kind = Literal[
    "keyword", "variable", "function", "expert", "type", "option", "form", "parameter", "field"
]


@dataclass(frozen=True, slots=True)
class Completion:
    """A word that can stand at the cursor.

    Attributes:
        detail: in a few words. page: all that is known of it.
        insert: what is written; empty for the word itself.
        rank: smaller ones are shown first.
    """

    word: str
    kind: Kind
    detail: str = ""
    page: str = ""
    insert: str = ""
    rank: int = 1


def completions(document: Document, offset: int) -> tuple[Completion, ...]:
    """The words that can stand at an offset, whatever has been typed of one, each once."""
    cursor = Cursor(document.text, offset)
    if cursor.in_literal_or_comment:
        return ()
    by_word: dict[str, Completion] = {}
    for completion in _candidates(document, cursor):
        by_word.setdefault(completion.word, completion)
    return tuple(sorted(by_word.values(), key=lambda c: (c.rank, c.word)))


def _candidates(document: Document, cursor: Cursor) -> Iterable[Completion]:
    if not cursor.before:
        return (*_keywords(STATEMENT_WORDS), *_names(document, cursor))
    if cursor.last(1) == ".":
        return _fields(document, cursor.last(2))
    if _wants_type(cursor):
        return map(_type, TYPE_WORDS)
    if cursor.first == "sample":
        return _sample(document, cursor)
    if cursor.first in ("use", "input", "let", "expert") and len(cursor.before) < 2:
        return ()
    if not cursor.wants_operand:
        return _connectives(cursor)
    if cursor.last(1) == "given":
        return [Completion(cursor.first, "variable", "the variable of this statement")]
    if cursor.last(1) == "for":
        return ()
    return _values(document, cursor)


def _wants_type(cursor: Cursor) -> bool:
    """Whether a type is declared here: of an input, a variable or a parameter."""
    if cursor.last(1) != ":":
        return False
    if cursor.first == "expert":
        return len(cursor.brackets) == 1 and not any(w.text == "=" for w in cursor.before[-3:])
    is_declaration = len(cursor.before) == (3 if cursor.first == "input" else 2)
    return is_declaration and cursor.first != "for" and not cursor.brackets


def _connectives(cursor: Cursor) -> Iterator[Completion]:
    """The words that can follow a value."""
    if cursor.first == "use":
        words = ["from"] if len(cursor.before) == 2 else []
    elif cursor.last(2) == "for":
        words = ["in"]
    else:
        words = ["and", "or", *(["for"] if cursor.brackets else [])]
        words += (
            ["given"] if not cursor.brackets and any(w.text == "~" for w in cursor.before) else []
        )
    return _keywords(words)


def _values(document: Document, cursor: Cursor) -> Iterator[Completion]:
    """What an expression can begin with."""
    top = cursor.brackets[-1] if cursor.brackets else None
    if top is not None and top.callee and not top.begun and not top.argument:
        yield from _arguments(document, top)
    yield from _names(document, cursor)
    experts = {*EXPERT_WORDS, *document.signatures, *document.definitions}
    for name in (*sorted(experts), *CONSTRUCT_WORDS, *FUNCTION_WORDS):
        called = callable_named(document, name)
        if called is not None:
            kind: Kind = "expert" if name in experts else "function"
            yield Completion(name, kind, called.label, called.page, rank=3)
    yield from _keywords((*CONSTANT_WORDS, "not"), rank=4)


def _arguments(document: Document, bracket: Bracket) -> Iterator[Completion]:
    """The parameters of what is called that are not given yet."""
    called = callable_named(document, bracket.callee)
    first = bracket.index - len(bracket.argument_names)
    for number, parameter in enumerate(called.parameters if called else ()):
        if number >= first and parameter.name not in bracket.argument_names:
            insert = f"{parameter.name} = "
            yield Completion(
                parameter.name, "parameter", parameter.label, parameter.summary, insert, 0
            )


def _sample(document: Document, cursor: Cursor) -> Iterable[Completion]:
    """The words of a `sample` statement."""
    brackets = cursor.brackets
    if not brackets:
        if any(w.text == "by" for w in cursor.before):
            return [Completion(METHOD, "function", rank=0)] if cursor.last(1) == "by" else ()
        variables = (n for n in _names(document, cursor) if n.detail.startswith("variable"))
        return variables if cursor.wants_operand else _keywords(["by"])
    top = brackets[-1]
    if len(brackets) == 1 and not top.argument and not top.begun:
        return _options(top)
    if len(brackets) == 1 and top.argument in OPTIONS and not top.begun:
        return _option_values(top.argument)
    if len(brackets) == 2 and not top.argument and not top.begun:
        return _settings(brackets[0].argument, top)
    return _values(document, cursor) if cursor.wants_operand else ()


def _options(bracket: Bracket) -> Iterator[Completion]:
    for option in OPTIONS.values():
        if option.name not in bracket.argument_names:
            insert = f"{option.name} = "
            yield Completion(option.name, "option", option.expected, option.summary, insert, 0)


def _option_values(name: str) -> Iterator[Completion]:
    option = OPTIONS[name]
    for form in option.forms:
        if form.available:
            described = form_named(name, form.name)
            page = described.page if described else ""
            if form.name in CONSTANT_WORDS:
                yield Completion(form.name, "keyword", form.summary, page, rank=0)
            else:
                yield Completion(form.name, "form", form.summary, page, f"{form.name}()", 0)
    if option.kind == "truth":
        yield from _keywords(["true", "false"])


def _settings(option: str, bracket: Bracket) -> Iterator[Completion]:
    form = OPTIONS[option].form(bracket.callee) if option in OPTIONS else None
    arguments: tuple[OptionArgument, ...] = form.arguments if form else ()
    for argument in arguments:
        if argument.name not in bracket.argument_names:
            insert = f"{argument.name} = "
            yield Completion(argument.name, "parameter", KINDS[argument.kind], "", insert, 0)


def _names(document: Document, cursor: Cursor) -> Iterator[Completion]:
    """The names that can be used at the cursor, but for experts."""
    for name in sorted(cursor.bound_here):
        yield Completion(name, "variable", "bound in this statement", rank=1)
    for name, binding in document.visible(cursor.offset).items():
        if binding.kind not in ("use", "expert"):
            type_ = type_of(document, binding)
            detail = f"{binding.kind} {name}{f' : {type_}' if type_ else ''}"
            yield Completion(name, "variable", detail, rank=1)
    for name, spec in document.inputs.items():
        yield Completion(name, "variable", f"input {name} : {spec.type}", rank=1)


def _fields(document: Document, name: str) -> Iterator[Completion]:
    """The attributes of a constant, or of a part of a layout."""
    value = document.values.get(name)
    fields = dict(value.fields) if value is not None else {}
    binding = next((o.binding for o in document.occurrences if o.name == name and o.binding), None)
    if binding is not None and binding.kind == "element":
        fields |= LAYOUT_PART_FIELDS
    for field, type_ in fields.items():
        yield Completion(field, "field", str(type_), rank=0)


def _keywords(words: Iterable[str], rank: int = 2) -> Iterator[Completion]:
    for word in words:
        summary, example = KEYWORDS[word]
        yield Completion(word, "keyword", summary, f"    {example}", rank=rank)


def _type(name: str) -> Completion:
    return Completion(name, "type", type_summary(name), rank=0)


def type_summary(name: str) -> str:
    """What a type is, in a few words."""
    rank = RANKS[name]
    sizes = {None: "any number of sizes", 0: "no sizes", 1: "one size"}.get(rank, f"{rank} sizes")
    return f"{sizes}; bound from a file" if name in FROM_FILES else sizes
