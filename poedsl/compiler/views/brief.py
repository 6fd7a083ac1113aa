"""A plan in a few lines, for the prompt of Python, and as HTML for notebooks."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator

from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import ONE, Array, FactorSpec
from poedsl.compiler.plan.terms import Const, Value
from poedsl.compiler.plan.text import declared_type, print_term
from poedsl.grammar.html import table

#: Factors and inputs that are listed, and characters of a value that are shown.
LISTED, WIDTH = 8, 60


def brief(plan: PlanSpec, missing: Collection[str]) -> str:
    """The variables, the product, the inputs with their values, and how it is sampled.

    Args:
        missing: names of the inputs that a caller still has to bind.
    """
    lines = [f"Plan of {plan.program}"]
    for v in plan.variables:
        factors = [f for f in plan.factors if f.variables[0] == v.name and f.observed is None]
        product = " * ".join(_listed([_power(f) for f in factors]))
        declared = f"{v.name} : {declared_type(v, plan.sizes)}"
        lines.append(f"  {declared} ~ {product}" if product else f"  {declared}")
    data = [_likelihood(f) for f in plan.factors if f.observed is not None]
    lines += [f"  {line}" for line in _listed(data)]
    inputs = [
        f"{name} = {value}" if value else f"{name} : {type_}"
        for name, value, type_ in _inputs(plan, missing)
    ]
    if inputs:
        lines.append(f"  inputs: {', '.join(_listed(inputs))}")
    lines.append(f"  sampled with {', '.join(_method(plan))}")
    return "\n".join(lines)


def brief_html(plan: PlanSpec, missing: Collection[str]) -> str:
    """Tables of the factors and of the inputs, and how it is sampled.

    Args:
        missing: as of `brief`.
    """
    factors = [
        (f.name, f.kind, _cut(print_term(f.term)), _cut(print_term(f.exponent)), f.place)
        for f in plan.factors
    ]
    variables = ", ".join(f"{v.name} : {declared_type(v, plan.sizes)}" for v in plan.variables)
    out = f"<p><b>{html.escape(plan.program)}</b>: {html.escape(variables)}</p>"
    out += table(("factor", "kind", "term", "exponent", "place"), factors)
    if plan.inputs:
        rows = [(name, value or type_) for name, value, type_ in _inputs(plan, missing)]
        out += table(("input", "value"), rows)
    return f"<div>{out}<p>sampled with {html.escape(', '.join(_method(plan)))}</p></div>"


def _inputs(plan: PlanSpec, missing: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """The name of each input, its value, and its type where it has none."""
    bound = {name: _value(value) for name, value in plan.bindings}
    for i in plan.inputs:
        type_ = declared_type(i, plan.sizes)
        if i.name in bound:
            yield i.name, bound[i.name], type_
        elif i.default is not None:
            yield i.name, f"{_cut(print_term(i.default))} (default)", type_
        else:
            yield i.name, "", f"{type_} ({'missing' if i.name in missing else 'a size'})"


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


def _likelihood(factor: FactorSpec) -> str:
    assert factor.observed is not None
    return f"{_cut(print_term(factor.observed))} ~ {_power(factor)} (data)"


def _listed(items: list[str]) -> list[str]:
    more = len(items) - LISTED
    return items if more <= 0 else [*items[:LISTED], f"... ({more} more)"]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."
