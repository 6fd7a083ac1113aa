"""A plan in a few lines, for the prompt of Python, and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterator

from poedsl.compiler.plan.options import form_name
from poedsl.compiler.plan.plan import ONE, Array, FactorSpec, PlanSpec
from poedsl.compiler.plan.terms import Const, Value
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.html import table

#: Factors and inputs that are listed, and characters of a value that are shown.
LISTED, WIDTH = 8, 60


def brief(plan: PlanSpec) -> str:
    """The variables, the product, the inputs with their values, and how it is sampled."""
    lines = [f"Plan of {plan.program}"]
    for v in plan.variables:
        product = " * ".join(_listed([_power(f) for f in plan.factors if f.variables[0] == v.name]))
        lines.append(f"  {v.name} : {v.type}" + (f" ~ {product}" if product else ""))
    inputs = [f"{name} = {v}" if v else f"{name} : {type_}" for name, v, type_ in _inputs(plan)]
    if inputs:
        lines.append(f"  inputs: {', '.join(_listed(inputs))}")
    lines.append(f"  sampled with {', '.join(_method(plan))}")
    return "\n".join(lines)


def brief_html(plan: PlanSpec) -> str:
    """Tables of the factors and of the inputs, and how it is sampled."""
    factors = [
        (f.name, f.kind, _cut(print_term(f.term)), _cut(print_term(f.exponent)), f.place)
        for f in plan.factors
    ]
    variables = ", ".join(f"{v.name} : {v.type}" for v in plan.variables)
    out = f"<p><b>{html.escape(plan.program)}</b>: {html.escape(variables)}</p>"
    out += table(("factor", "kind", "term", "exponent", "place"), factors)
    if plan.inputs:
        rows = [(name, value or type_) for name, value, type_ in _inputs(plan)]
        out += table(("input", "value"), rows)
    return f"<div>{out}<p>sampled with {html.escape(', '.join(_method(plan)))}</p></div>"


def _inputs(plan: PlanSpec) -> Iterator[tuple[str, str, str]]:
    """The name of each input, its value, and what it is where it has none."""
    bound = {name: _value(value) for name, value in plan.bindings}
    for i in plan.inputs:
        if i.name in bound:
            yield i.name, bound[i.name], ""
        elif i.default is not None:
            yield i.name, f"{_cut(print_term(i.default))} (default)", ""
        else:
            yield i.name, "", f"{i.type} (missing)"


def _value(value: Value | Array) -> str:
    if isinstance(value, Array):
        return f"an array of {' x '.join(map(str, value.shape)) or 'one number'}"
    return _cut(print_term(Const(value)))


def _method(plan: PlanSpec) -> list[str]:
    options = {o.name: o.value for o in plan.options}
    forms = [f"{form_name(options[n])}()" for n in ("path", "move", "kernel", "correct")]
    numbers = [f"{print_term(options[n])} {n}" for n in ("particles", "steps")]
    return [*numbers, *(form for form in forms if form != "none()")]


def _power(factor: FactorSpec) -> str:
    exponent = "" if factor.exponent == ONE else f"^{_cut(print_term(factor.exponent))}"
    return f"{factor.name}{exponent}"


def _listed(items: list[str]) -> list[str]:
    more = len(items) - LISTED
    return items if more <= 0 else [*items[:LISTED], f"... ({more} more)"]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."
