"""Definitions and references of names, and the outline of a program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.code_references import CodeReference, DefinitionError
from poedsl.editor.document import Document
from poedsl.editor.occurrences import BindingKind, Occurrence
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import target_name


def definition(document: Document, offset: int) -> Span | None:
    """Where the name at an offset is declared; of an input that is not, its first use."""
    occurrence = document.at(offset)
    binding = occurrence.binding if occurrence is not None else None
    return None if binding is None or binding.kind == "unknown" else binding.span


def references(document: Document, offset: int) -> tuple[Occurrence, ...]:
    """All places with the name at an offset."""
    occurrence = document.at(offset)
    if occurrence is None or occurrence.binding is None:
        return ()
    return document.of(occurrence.binding)


@dataclass(frozen=True, slots=True)
class CodePlace:
    """A place in a Python file; the line is counted from 0."""

    path: Path
    line: int


def code_of(document: Document, offset: int) -> CodePlace | None:
    """The Python code that the place of a `use` statement at an offset names."""
    for statement in document.program.statements:
        if isinstance(statement, tree.Use) and _touches(statement.place.span, offset):
            reference = CodeReference.parse(statement.place.value)
            if reference is None:
                return None
            try:
                path = reference.file(document.base)
                return CodePlace(path, _line_of(path, reference.name))
            except (DefinitionError, OSError, SyntaxError, ValueError):
                return None
    return None


def _touches(span: Span, offset: int) -> bool:
    return span.start <= offset <= span.end


def _line_of(path: Path, name: str) -> int:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node.lineno - 1
    return 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A statement of the outline.

    Attributes:
        span: of the statement. name_span: of the name in it.
    """

    name: str
    kind: BindingKind | str
    span: Span
    name_span: Span
    inner: tuple[Symbol, ...] = ()


def outline(document: Document) -> tuple[Symbol, ...]:
    """The declarations, factors and loops of a program, in the order of the text."""
    return tuple(_symbols(document.program.statements, set()))


def _symbols(statements: tuple[tree.Statement, ...], seen: set[str]) -> Iterator[Symbol]:
    for s in statements:
        match s:
            case tree.Input(name=name):
                yield Symbol(name.name, "input", s.span, name.span)
            case tree.Let(name=name):
                yield Symbol(name.name, "constant", s.span, name.span)
            case tree.Use(name=name):
                yield Symbol(name.name, "use", s.span, name.span)
            case tree.ExpertDefinition(name=name):
                yield Symbol(name.name, "expert", s.span, name.span)
            case tree.Domain(name=name):
                seen.add(name.name)
                yield Symbol(name.name, "variable", s.span, name.span)
            case tree.Factor(target=target):
                name = target_name(target)
                kind = "factor" if name.name in seen else "variable"
                seen.add(name.name)
                yield Symbol(f"{name.name} ~", kind, s.span, name.span)
            case tree.For(target=name, body=body):
                inner = tuple(_symbols(body, seen))
                yield Symbol(f"for {name.name}", "loop", s.span, name.span, inner)
            case tree.Sample(method=method):
                yield Symbol("sample", "options", s.span, method.function.span)
            case tree.Report():
                yield Symbol("report", "report", s.span, s.span)
