"""The plan as text that a person reads and that parses back to the same plan."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import cast, get_args

from poedsl.compiler import terms
from poedsl.compiler.plan import (
    Array,
    FactorSpec,
    InputSpec,
    Kind,
    OptionSpec,
    Origin,
    PlanSpec,
    VariableSpec,
)
from poedsl.compiler.terms import Const, Term
from poedsl.grammar.parser import parse_expression
from poedsl.grammar.printer import print_expr
from poedsl.grammar.source import Source
from poedsl.grammar.types import Type

HEADER = "plan 1"


def print_term(term: Term) -> str:
    return print_expr(terms.to_tree(term))


def print_plan(plan: PlanSpec) -> str:
    """Lines of inputs, bindings, variables, factors, options, notes; ``#`` begins a comment."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: PlanSpec) -> Iterator[str]:
    yield f"{HEADER} {_text(plan.program)}"
    yield ""
    for i in plan.inputs:
        default = "" if i.default is None else f" = {print_term(i.default)}"
        yield f"input {i.name} : {_type(i.type)}{default}  {i.origin} at {_text(i.place)}"
    for name, value in plan.bindings:
        yield f"bind {name} = {_bound(value)}"
    for v in plan.variables:
        yield f"variable {v.name} : {_type(v.type)}"
    yield ""
    for f in plan.factors:
        yield f"factor {f.name} : {f.kind} over {', '.join(f.variables)} at {_text(f.place)}"
        yield f"    {print_term(f.term)}"
        yield f"    ^ {print_term(f.exponent)}"
    yield ""
    for o in plan.options:
        reason = f"  because {_text(o.reason)}" if o.reason else ""
        yield f"option {o.name} = {print_term(o.value)}{reason}"
    for note in plan.notes:
        yield f"note {_text(note)}"
    yield f"# {plan.nfe} evaluations of all experts for each particle, (K + 1)(T - 1); {plan.hash}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type(type_: Type) -> str:
    if not type_.sizes:
        return type_.name
    return f"{type_.name}[{', '.join('_' if s is None else str(s) for s in type_.sizes)}]"


def _bound(value: terms.Value | Array) -> str:
    if isinstance(value, Array):
        return f'array {value.dtype} {list(value.shape)} "{base64.b64encode(value.data).decode()}"'
    return print_term(Const(value))


_STRING = r'"(?:[^"\\]|\\.)*"'
_TYPE = r"(?P<type>\w+(?:\[[^\]]*\])?)"
_ORIGIN = "|".join(get_args(Origin))
_KIND = "|".join(get_args(Kind))
_INPUT = re.compile(
    rf"input (?P<name>\w+) : {_TYPE}(?: = (?P<default>.*))?"
    rf"  (?P<origin>{_ORIGIN})"
    rf" at (?P<place>{_STRING})"
)
_BIND = re.compile(r"bind (?P<name>\w+) = (?P<value>.*)")
_ARRAY = re.compile(r'array (?P<dtype>\S+) \[(?P<shape>[\d, ]*)\] "(?P<data>[^"]*)"')
_VARIABLE = re.compile(rf"variable (?P<name>\w+) : {_TYPE}")
_FACTOR = re.compile(
    rf"factor (?P<name>\w+) : (?P<kind>{_KIND}) over (?P<over>[\w, ]+) at (?P<place>{_STRING})"
)
_OPTION = re.compile(rf"option (?P<name>\w+) = (?P<value>.*?)(?:  because (?P<reason>{_STRING}))?$")


def parse_plan(text: str) -> PlanSpec:
    """The inverse of `print_plan`.

    Raises:
        ValueError: with the line that is not one of a plan.
    """
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    if not lines or not lines[0].startswith(f"{HEADER} "):
        raise ValueError(f"a plan begins with `{HEADER}`")
    inputs: list[InputSpec] = []
    bindings: list[tuple[str, terms.Value | Array]] = []
    variables: list[VariableSpec] = []
    factors: list[FactorSpec] = []
    options: list[OptionSpec] = []
    notes: list[str] = []
    rest = iter(lines[1:])
    for line in rest:
        if m := _INPUT.fullmatch(line):
            default = None if m["default"] is None else _term(m["default"])
            origin, place = cast(Origin, m["origin"]), json.loads(m["place"])
            inputs.append(InputSpec(m["name"], _read_type(m["type"]), default, origin, place))
        elif m := _BIND.fullmatch(line):
            bindings.append((m["name"], _read_bound(m["value"])))
        elif m := _VARIABLE.fullmatch(line):
            variables.append(VariableSpec(m["name"], _read_type(m["type"])))
        elif m := _FACTOR.fullmatch(line):
            term = _term(next(rest, "").strip())
            exponent = _term(next(rest, "").strip().removeprefix("^ "))
            over = tuple(m["over"].split(", "))
            kind, place = cast(Kind, m["kind"]), json.loads(m["place"])
            factors.append(FactorSpec(m["name"], kind, over, term, exponent, place))
        elif m := _OPTION.fullmatch(line):
            reason = json.loads(m["reason"]) if m["reason"] else ""
            options.append(OptionSpec(m["name"], _term(m["value"]), reason))
        elif line.startswith("note "):
            notes.append(json.loads(line.removeprefix("note ")))
        else:
            raise ValueError(f"not a line of a plan: {line}")
    program = json.loads(lines[0].removeprefix(f"{HEADER} "))
    return PlanSpec(
        program,
        tuple(inputs),
        tuple(variables),
        tuple(factors),
        tuple(options),
        tuple(bindings),
        tuple(notes),
    )


def _term(text: str) -> Term:
    expr, diagnostics = parse_expression(Source(text))
    if expr is None or diagnostics:
        raise ValueError(f"not a term of a plan: {text}")
    return terms.from_tree(expr)


def _read_type(text: str) -> Type:
    name, _, sizes = text.rstrip("]").partition("[")
    if not sizes:
        return Type(name)
    return Type(name, tuple(None if s.strip() == "_" else int(s) for s in sizes.split(",")))


def _read_bound(text: str) -> terms.Value | Array:
    if m := _ARRAY.fullmatch(text):
        sizes = tuple(int(s) for s in m["shape"].split(",") if s.strip())
        return Array(m["dtype"], sizes, base64.b64decode(m["data"]))
    term = _term(text)
    if not isinstance(term, Const):
        raise ValueError(f"not a constant: {text}")
    return term.value
