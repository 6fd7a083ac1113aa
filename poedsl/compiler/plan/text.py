"""The plan as text for people; with its arrays whole, it parses back to the same plan."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import cast, get_args

from poedsl.catalog.data_codec import codec_of
from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan import term_syntax, terms
from poedsl.compiler.plan.costs import costs
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import (
    Array,
    FactorSpec,
    InputSpec,
    Kind,
    LetSpec,
    OptionSpec,
    Origin,
    ReportSpec,
    SizeSpec,
    UseSpec,
    VariableSpec,
)
from poedsl.compiler.plan.terms import Const, Term
from poedsl.grammar.formatting.printer import print_expr
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from poedsl.grammar.types import Type

HEADER = "plan 1"
#: The longest array that is printed whole.
MOST_BYTES = 1024
#: Before the hash of a longer one.
HASHED = "sha256:"
PRIOR = "prior: the likelihoods are left out"


def print_term(term: Term) -> str:
    return print_expr(term_syntax.to_tree(term))


def print_plan(plan: PlanSpec, profile: Profile = DEFAULT, *, whole: bool = False) -> str:
    """Lines of inputs, bindings, variables, factors, options, notes; ``#`` begins a comment.

    Args:
        profile: by whose weights costs are estimated.
        whole: whether arrays of more than `MOST_BYTES` bytes are printed, without which the text
            has their hashes and does not parse back.
    """
    return "\n".join(_lines(plan, profile, whole)) + "\n"


def _lines(plan: PlanSpec, profile: Profile, whole: bool) -> Iterator[str]:
    yield f"{HEADER} {_text(plan.program)}"
    yield ""
    for i in plan.inputs:
        default = "" if i.default is None else f" = {print_term(i.default)}"
        yield f"input {i.name} : {_type(i.type)}{default}  {i.origin} at {_text(i.place)}"
    for name, value in plan.bindings:
        yield f"bind {name} = {_bound(value, whole)}"
    for u in plan.uses:
        signature = json.dumps(codec_of(Signature).write(u.signature), ensure_ascii=False)
        yield f"use {u.name} from {_text(u.place)} = {signature}"
    for c in plan.lets:
        yield f"let {c.name} : {_type(c.type)} = {print_term(c.term)}"
    for v in plan.variables:
        space = f" in {_text(v.space)}" if v.space else ""
        yield f"variable {v.name} : {_type(v.type)}{space}"
    for s in plan.sizes:
        yield f"size {s.name}[{s.axis}] = {print_term(s.term)}"
    if plan.prior:
        yield PRIOR
    yield ""
    for f in plan.factors:
        yield from _factor(f)
    for r in plan.reports:
        yield f"report {_text(r.name)} : {_type(r.type)} = {print_term(r.term)}"
    yield ""
    for o in plan.options:
        reason = f"  because {_text(o.reason)}" if o.reason else ""
        yield f"option {o.name} = {print_term(o.value)}{reason}"
    for note in plan.notes:
        yield f"note {_text(note)}"
    most = "at most " if plan.is_open else ""
    yield (
        f"# {most}{plan.nfe} evaluations of all experts for each particle, (K + 1)(T - 1); "
        f"{plan.hash}"
    )
    yield from (f"# {line}" for line in costs(plan, profile))


def _factor(f: FactorSpec) -> Iterator[str]:
    yield f"factor {f.name} : {f.kind} over {', '.join(f.variables)} at {_text(f.place)}"
    for name, over in f.loops:
        yield f"    for: {name} in {print_term(over)}"
    if f.part is not None:
        yield f"    on: {print_term(f.part)}"
    if f.observed is not None:
        yield f"    likelihood of: {print_term(f.observed)}"
    if f.given:
        yield f"    given: {f.given}"
    yield f"    {print_term(f.term)}"
    yield f"    ^ {'mask: ' if f.mask else ''}{print_term(f.exponent)}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type(type_: Type) -> str:
    if not type_.sizes:
        return type_.name
    return f"{type_.name}[{', '.join('_' if s is None else str(s) for s in type_.sizes)}]"


def declared_type(declared: InputSpec | VariableSpec, sizes: Iterable[SizeSpec]) -> str:
    """The type of an input or a variable, with the sizes that inputs determine as terms."""
    type_ = declared.type
    terms_of = {s.axis: print_term(s.term) for s in sizes if s.name == declared.name}
    if not terms_of:
        return str(type_)
    shown = (terms_of.get(k, "_" if s is None else str(s)) for k, s in enumerate(type_.sizes))
    return f"{type_.name}[{', '.join(shown)}]"


def _bound(value: terms.Value | Array, whole: bool) -> str:
    if isinstance(value, Array):
        if whole or len(value.data) <= MOST_BYTES:
            data = f'"{base64.b64encode(value.data).decode()}"'
        else:
            data = f"{HASHED}{hashlib.sha256(value.data).hexdigest()}"
        return " ".join((f"array {value.dtype} {list(value.shape)} {data}", *value.remarks))
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
_ARRAY = re.compile(
    r'array (?P<dtype>\S+) \[(?P<shape>[\d, ]*)\] "(?P<data>[^"]*)"(?P<remarks>(?: P\d+)*)'
)
_HASHED_ARRAY = re.compile(rf"array \S+ \[[\d, ]*\] {HASHED}")
_USE = re.compile(rf"use (?P<name>\w+) from (?P<place>{_STRING}) = (?P<signature>.*)")
_LET = re.compile(rf"let (?P<name>\w+) : {_TYPE} = (?P<term>.*)")
_VARIABLE = re.compile(rf"variable (?P<name>\w+) : {_TYPE}(?: in (?P<space>{_STRING}))?")
_SIZE = re.compile(r"size (?P<name>\w+)\[(?P<axis>\d+)\] = (?P<term>.*)")
_REPORT = re.compile(rf"report (?P<name>{_STRING}) : {_TYPE} = (?P<term>.*)")
_LOOP = re.compile(r"    for: (?P<name>\w+) in (?P<over>.*)")
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
    lets: list[LetSpec] = []
    uses: list[UseSpec] = []
    sizes: list[SizeSpec] = []
    reports: list[ReportSpec] = []
    prior = False
    rest = iter(lines[1:])
    for line in rest:
        if m := _INPUT.fullmatch(line):
            default = None if m["default"] is None else _term(m["default"])
            origin, place = cast(Origin, m["origin"]), json.loads(m["place"])
            inputs.append(InputSpec(m["name"], _read_type(m["type"]), default, origin, place))
        elif m := _BIND.fullmatch(line):
            bindings.append((m["name"], _read_bound(m["value"])))
        elif m := _USE.fullmatch(line):
            signature = codec_of(Signature).read(json.loads(m["signature"]))
            uses.append(UseSpec(m["name"], json.loads(m["place"]), signature))
        elif m := _LET.fullmatch(line):
            lets.append(LetSpec(m["name"], _read_type(m["type"]), _term(m["term"])))
        elif m := _VARIABLE.fullmatch(line):
            space = json.loads(m["space"]) if m["space"] else ""
            variables.append(VariableSpec(m["name"], _read_type(m["type"]), space))
        elif m := _SIZE.fullmatch(line):
            sizes.append(SizeSpec(m["name"], int(m["axis"]), _term(m["term"])))
        elif m := _REPORT.fullmatch(line):
            name, type_ = json.loads(m["name"]), _read_type(m["type"])
            reports.append(ReportSpec(name, type_, _term(m["term"])))
        elif m := _FACTOR.fullmatch(line):
            factors.append(_read_factor(m, rest))
        elif m := _OPTION.fullmatch(line):
            reason = json.loads(m["reason"]) if m["reason"] else ""
            options.append(OptionSpec(m["name"], _term(m["value"]), reason))
        elif line == PRIOR:
            prior = True
        elif line.startswith("note "):
            notes.append(json.loads(line.removeprefix("note ")))
        else:
            raise ValueError(f"not a line of a plan: {line}")
    program = json.loads(lines[0].removeprefix(f"{HEADER} "))
    return PlanSpec(
        program=program,
        inputs=tuple(inputs),
        bindings=tuple(bindings),
        uses=tuple(uses),
        lets=tuple(lets),
        variables=tuple(variables),
        factors=tuple(factors),
        options=tuple(options),
        notes=tuple(notes),
        sizes=tuple(sizes),
        reports=tuple(reports),
        prior=prior,
    )


def _read_factor(head: re.Match[str], rest: Iterator[str]) -> FactorSpec:
    line, part, conditioned = next(rest, ""), None, ""
    loops: list[tuple[str, Term]] = []
    while m := _LOOP.fullmatch(line):
        loops.append((m["name"], _term(m["over"])))
        line = next(rest, "")
    if line.startswith("    on: "):
        part = _term(line.removeprefix("    on: "))
        line = next(rest, "")
    observed = None
    if line.startswith("    likelihood of: "):
        observed = _term(line.removeprefix("    likelihood of: "))
        line = next(rest, "")
    if line.startswith("    given: "):
        conditioned = line.removeprefix("    given: ")
        line = next(rest, "")
    exponent = next(rest, "").strip().removeprefix("^ ")
    return FactorSpec(
        head["name"],
        cast(Kind, head["kind"]),
        tuple(head["over"].split(", ")),
        _term(line.strip()),
        _term(exponent.removeprefix("mask: ")),
        json.loads(head["place"]),
        part,
        conditioned,
        exponent.startswith("mask: "),
        tuple(loops),
        observed,
    )


def _term(text: str) -> Term:
    expr, diagnostics = parse_expression(Source(text))
    if expr is None or diagnostics:
        raise ValueError(f"not a term of a plan: {text}")
    return term_syntax.from_tree(expr)


def _read_type(text: str) -> Type:
    name, _, sizes = text.rstrip("]").partition("[")
    if not sizes:
        return Type(name)
    return Type(name, tuple(None if s.strip() == "_" else int(s) for s in sizes.split(",")))


def _read_bound(text: str) -> terms.Value | Array:
    if m := _ARRAY.fullmatch(text):
        sizes = tuple(int(s) for s in m["shape"].split(",") if s.strip())
        data = base64.b64decode(m["data"])
        return Array(m["dtype"], sizes, data, tuple(m["remarks"].split()))
    if _HASHED_ARRAY.match(text):
        raise ValueError(f"an array of which the text has the hash alone: {text}")
    term = _term(text)
    if not isinstance(term, Const):
        raise ValueError(f"not a constant: {text}")
    return term.value
