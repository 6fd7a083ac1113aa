"""What a factor graph shows of a plan: labels of inputs, variables, factors and loops."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import ONE, Array, FactorSpec, Kind, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, names
from poedsl.compiler.plan.text import print_term

#: Colours that colour-blind people can tell apart (Okabe and Ito), in the order of the picture.
COLORS: dict[Kind, str] = {
    "gaussian": "#0072b2",
    "density": "#56b4e9",
    "flow": "#009e73",
    "tokens": "#cc79a7",
    "reward": "#e69f00",
    "where": "#d55e00",
    "likelihood": "#000000",
}


def input_labels(plan: PlanSpec) -> dict[str, str]:
    """Inputs and constants by name, each with its type and its value as far as there is one."""
    values = {i.name: print_term(i.default) for i in plan.inputs if i.default is not None}
    for name, value in plan.bindings:
        values[name] = "an array" if isinstance(value, Array) else print_term(Const(value))
    inputs = {
        i.name: f"{i.type} = {values[i.name]}" if i.name in values else str(i.type)
        for i in plan.inputs
    }
    return inputs | {c.name: f"= {print_term(c.term)}" for c in plan.lets}


def names_in_factor(factor: FactorSpec) -> frozenset[str]:
    """The names in a factor."""
    loops = (over for _, over in factor.loops)
    terms = (factor.term, factor.exponent, factor.part, factor.observed, *loops)
    return frozenset[str]().union(*(names(t) for t in terms if t is not None))


def factor_qualifiers(factor: FactorSpec) -> str:
    """The part, the exponent and ``given`` of a factor, as far as they are not the defaults."""
    words = [] if factor.part is None else [f"on {print_term(factor.part)}"]
    words += [] if factor.exponent == ONE else [print_term(Apply("^", (Ref(""), factor.exponent)))]
    words += [f"given {factor.given}"] if factor.given else []
    return ", ".join(words)


def variable_labels(variable: VariableSpec) -> tuple[str, ...]:
    space = f"in {variable.space}" if variable.space else ""
    return tuple(filter(None, (variable.name, str(variable.type), space)))


def factors_by_loops(factors: Iterable[FactorSpec]) -> dict[str, list[FactorSpec]]:
    """The factors by the loops that they are in, those outside of loops first."""
    plates: dict[str, list[FactorSpec]] = {"": []}
    for f in factors:
        loops = ", ".join(f"for {name} in {print_term(over)}" for name, over in f.loops)
        plates.setdefault(loops, []).append(f)
    return plates


def printable(text: str) -> str:
    """The text without control characters, which XML cannot hold."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def display_width(text: str) -> int:
    """The characters of a text, wide ones twice."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shortened(text: str, cells: int) -> str:
    """The text, shortened to a display width."""
    text = printable(text)
    if display_width(text) <= cells:
        return text
    while display_width(text) >= cells:
        text = text[: min(len(text) - 1, cells)]
    return f"{text}…"
