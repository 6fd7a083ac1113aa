"""What a program leaves out, beside it: inputs that are not declared, types, and exponents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poedsl.compiler.plan.terms import Const, Term
from poedsl.compiler.plan.text import print_term
from poedsl.editor.document import Document
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import children

#: Different exponents of one factor, in a loop, that are shown.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class InlayHint:
    """A text between the characters of the program.

    Attributes:
        kind: ``type`` or ``parameter``, which editors show in different colours.
    """

    offset: int
    label: str
    kind: str = "type"
    page: str = ""


def inlay_hints(document: Document) -> tuple[InlayHint, ...]:
    """All hints, in the order of the text."""
    hints = [*_types(document), *_ambient(document), *_exponents(document)]
    return tuple(sorted(hints, key=lambda h: h.offset))


def _types(document: Document) -> Iterator[InlayHint]:
    """The types of inputs and variables that have no declaration, at their first place."""
    declared = {
        s.name.span
        for s in document.program.statements
        if isinstance(s, tree.Input | tree.Domain | tree.Let)
    }
    for o in document.occurrences:
        if not o.declares or o.binding is None or o.span in declared:
            continue
        typed = document.values.get(o.name)
        if typed is None or not typed.ok or o.binding.kind not in ("input", "variable"):
            continue
        is_input = o.binding.kind == "input"
        page = f"`{o.name}` is an input that is not declared" if is_input else ""
        yield InlayHint(o.span.end, f": {typed.type}", "type", page)


def _ambient(document: Document) -> Iterator[InlayHint]:
    """Inputs that calls of experts take without naming them."""
    for call in _calls(document.program):
        signature = document.signatures.get(call.called)
        if signature is None or signature.family == "density":
            continue
        names = [p.name for p in signature.parameters]
        written = {a.name for a in call.arguments if a.name}
        written |= set(names[: sum(a.name is None for a in call.arguments)])
        taken = [
            f"{p.name}: {document.inputs[p.name].type}"
            for p in signature.parameters
            if p.ambient and p.name not in written and p.name in document.inputs
        ]
        if taken and document.text[call.span.end - 1 : call.span.end] == ")":
            comma = ", " if call.arguments else ""
            page = f"`{call.called}` takes these inputs by the names of its parameters"
            yield InlayHint(call.span.end - 1, f"{comma}{', '.join(taken)}", "parameter", page)


def _exponents(document: Document) -> Iterator[InlayHint]:
    """The exponents that factors have in the end, where they differ from what is written."""
    lowered = document.compiled.lowered
    if lowered is None:
        return
    raised = {
        node.left.span: node.right
        for node in _nodes(document.program)
        if isinstance(node, tree.Binary) and node.op == "^"
    }
    exponents: dict[Span, list[str]] = {}
    for factor in lowered.factors:
        shown = exponents.setdefault(lowered.spans[factor.name], [])
        text = "mask" if factor.mask else _shown(factor.exponent)
        if text not in shown:
            shown.append(text)
    for span, texts in exponents.items():
        written = raised.get(span)
        value = ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
        page = "the exponent of this factor in the target"
        if written is None:
            if texts != ["1"]:
                yield InlayHint(span.end, f"^{value}", "parameter", page)
        else:
            source = document.text[written.span.start : written.span.end]
            if source != value and "mask" not in texts:
                yield InlayHint(written.span.end, f"= {value}", "parameter", page)


def _shown(exponent: Term) -> str:
    if isinstance(exponent, Const) and isinstance(exponent.value, float):
        return f"{exponent.value:.4g}"
    return print_term(exponent)


def _nodes(top: tree.Node) -> Iterator[tree.Node]:
    """A part of a program and all parts of it."""
    pending = [top]
    while pending:
        node = pending.pop()
        yield node
        pending += children(node)


def _calls(program: tree.Program) -> Iterator[tree.Call]:
    """The calls in factors; those in definitions take the parameters, and no inputs."""
    for node in _nodes(program):
        if isinstance(node, tree.Factor):
            yield from (inner for inner in _nodes(node) if isinstance(inner, tree.Call))
