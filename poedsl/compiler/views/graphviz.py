"""The factor graph of a plan in Graphviz's language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import names
from poedsl.compiler.plan.text import print_term
from poedsl.compiler.views.graph_labels import (
    COLORS,
    factor_qualifiers,
    factors_by_loops,
    input_labels,
    names_in_factor,
    printable,
    shortened,
    variable_labels,
)

_MOST_CHARACTERS = 40


def dot(plan: PlanSpec) -> str:
    """The factor graph in DOT: ellipses are variables, boxes factors, plain texts inputs."""
    return "\n".join(_dot(plan)) + "\n"


def _dot(plan: PlanSpec) -> Iterator[str]:
    yield f"graph {_quoted(plan.program)} {{"
    yield "    rankdir = LR"
    yield '    node [fontname = "Helvetica"]'
    yield '    edge [fontname = "Helvetica", fontsize = 10]'
    for name, about in input_labels(plan).items():
        yield f"    {_node('input', name)}{_attributes((name, about), shape='plaintext')}"
    for v in plan.variables:
        yield f"    {_node('variable', v.name)}{_attributes(variable_labels(v), shape='ellipse')}"
    for number, (loops, factors) in enumerate(factors_by_loops(plan.factors).items()):
        nodes = [_factor_node(f) for f in factors]
        if loops:
            yield f"    subgraph cluster_{number} {{"
            yield f"        label = {_quoted(shortened(loops, _MOST_CHARACTERS))}"
            yield from (f"        {node}" for node in nodes)
            yield "    }"
        else:
            yield from (f"    {node}" for node in nodes)
    yield from (f"    {edge}" for edge in _edges(plan))
    yield "}"


def _factor_node(f: FactorSpec) -> str:
    lines = (f.name, f.kind, print_term(f.term))
    return f"{_node('factor', f.name)}{_attributes(lines, shape='box', color=COLORS[f.kind])}"


def _edges(plan: PlanSpec) -> Iterator[str]:
    labels = input_labels(plan)
    ends = [(names(c.term), _node("input", c.name)) for c in plan.lets]
    ends += [(names_in_factor(f), _node("factor", f.name)) for f in plan.factors]
    for names_used, end in ends:
        for name in (n for n in labels if n in names_used):
            yield f'{_node("input", name)} -- {end} [color = "gray"]'
    for f in plan.factors:
        first, *others = (_node("variable", v) for v in f.variables)
        style = {"style": "dashed"} if f.given else {}
        yield f"{_node('factor', f.name)} -- {first}{_attributes((factor_qualifiers(f),), **style)}"
        for other in others:
            yield f"{_node('factor', f.name)} -- {other}"


def _node(kind: str, name: str) -> str:
    return _quoted(f"{kind} {name}")


def _attributes(lines: Iterable[str], **more: str) -> str:
    """Lines of text as a label, as a tooltip too where they are cut, and other attributes."""
    lines = tuple(filter(None, lines))
    shown = tuple(shortened(line, _MOST_CHARACTERS) for line in lines)
    attributes = {"label": _label(shown)} if lines else {}
    attributes |= {"tooltip": _label(lines)} if shown != lines else {}
    attributes |= {name: _quoted(value) for name, value in more.items()}
    listed = ", ".join(f"{name} = {value}" for name, value in attributes.items())
    return f" [{listed}]" if listed else ""


def _label(lines: Iterable[str]) -> str:
    """Lines of text as one string: in DOT a line ends with a backslash and an n."""
    return '"' + "\\n".join(_quoted(line)[1:-1] for line in lines) + '"'


def _quoted(text: str) -> str:
    escaped = printable(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
