"""Verification of a plan that was read from a file, to the standard of a compiled program.

Its terms are type-checked as those of a program are, and its factors go through the later passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from poedsl.catalog.pipeline_signatures import IMPLEMENTATION
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.analysis.integrability import integrable
from poedsl.compiler.analysis.supports import contradictions
from poedsl.compiler.lowering.lower import Lowerer
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE, WEIGHING, FactorSpec, InputSpec
from poedsl.compiler.plan.read_json import at
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.compiler.planner.choose_move import ODE
from poedsl.compiler.planner.choose_path import FLOW, PREFIX, TEMPER
from poedsl.compiler.planner.planner import plan as planned
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.typecheck.domains import common_domain
from poedsl.compiler.typecheck.exponents import exponent_term
from poedsl.compiler.typecheck.products import product_term
from poedsl.compiler.typecheck.sample_options import OptionChecker
from poedsl.compiler.typecheck.scope import EVALUATION, PASSES, TooMuchWork
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import Typed, counted, describe, fits
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.compiler.verification.well_formed import malformed, without_subject, written_out
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Source
from poedsl.grammar.types import FROM_FILES, INT, MOST_SIZES, RANKS, SAMPLED, Type, unify

#: Implementations that run without permission: those that come with the package.
TRUSTED = frozenset({s.implementation for s in SIGNATURES.values()} | {IMPLEMENTATION})


class _Fault(Exception):
    """An error in a plan, with its place in the JSON."""


def verify(plan: PlanSpec) -> str:
    """The first error in a plan, beginning with its place in the JSON; empty if it is valid."""
    try:
        checker = ExpressionChecker(Source(""), signatures=_signatures(plan))
        checker.work.allowed += EVALUATION * PASSES * written_out(plan)
        _Verifier(plan, checker).verify()
        return ""
    except _Fault as fault:
        return str(fault)
    except RecursionError:
        return "it is nested too deeply"
    except TooMuchWork as error:
        return error.diagnostic.message


def has_rank(type_: Type) -> bool:
    """Whether a type has as many sizes as it takes; depths and masks of a video have one more."""
    rank, sizes = RANKS.get(type_.name, 0), len(type_.sizes)
    of_video = type_.name in ("Depth", "Mask") and sizes == 3
    return sizes == rank or of_video or (rank is None and sizes <= MOST_SIZES)


def wrong(place: str, problem: str) -> NoReturn:
    raise _Fault(f"{at(place)}{problem}")


def _signatures(plan: PlanSpec) -> dict[str, Signature]:
    """The signatures that the plan's terms may call."""
    for i, use in enumerate(plan.uses):
        place = f"uses[{i}]"
        if use.name in SIGNATURES:
            wrong(place, f"`{use.name}` is the name of an expert, reward or source already")
        if use.signature.name != use.name:
            wrong(f"{place}.signature.name", f"this is {use.name!r}, as the `use` is named")
        if use.signature.implementation not in (*TRUSTED, f"code:{use.place}"):
            wrong(f"{place}.signature.implementation", "this is nothing that may be run")
        parameters = enumerate(use.signature.parameters)
        _once({f"{place}.signature.parameters[{k}]": p.name for k, p in parameters}, "another")
    _once({f"uses[{i}]": u.name for i, u in enumerate(plan.uses)}, "another")
    return {**SIGNATURES, **{u.name: u.signature for u in plan.uses}}


def _once(listed: Mapping[str, str], owner: str) -> None:
    """Refuse names, by their places, that occur more than once."""
    earlier: set[str] = set()
    for place, name in listed.items():
        if name in earlier:
            wrong(f"{place}.name", f"`{name}` is the name of {owner} already")
        earlier.add(name)


@dataclass(frozen=True, slots=True)
class _Verifier:
    plan: PlanSpec
    checker: ExpressionChecker

    def verify(self) -> None:
        plan = self.plan
        listed = {
            **{f"inputs[{i}]": n.name for i, n in enumerate(plan.inputs)},
            **{f"lets[{i}]": n.name for i, n in enumerate(plan.lets)},
            **{f"variables[{i}]": n.name for i, n in enumerate(plan.variables)},
        }
        _once(listed, "something")
        self.types()
        _once({f"factors[{i}]": f.name for i, f in enumerate(plan.factors)}, "a factor")
        for name, _ in plan.bindings:
            if name not in {i.name for i in plan.inputs}:
                wrong(f"bindings.{name}", "the plan has no such input")
        for i, input_ in enumerate(plan.inputs):
            self.declare(input_.name, Typed(Ref(input_.name), input_.type))
            self.default(input_, f"inputs[{i}].default.value")
        for i, let in enumerate(plan.lets):
            place = f"lets[{i}].term"
            typed = self.value(let.term, place)
            if unify(typed.type, let.type) is None:
                wrong(place, f"this is {describe(typed.type)}, and `{let.name}` is {let.type}")
            self.declare(let.name, replace(typed, term=Ref(let.name), type=let.type))
        for i, variable in enumerate(plan.variables):
            if variable.type.name not in SAMPLED:
                wrong(f"variables[{i}].type", f"a variable of {variable.type} cannot be sampled")
            self.declare(variable.name, Typed(Ref(variable.name), variable.type))
        self.sizes()
        self.checker.variables = frozenset(v.name for v in plan.variables)
        for i, factor in enumerate(plan.factors):
            self.factor(factor, f"factors[{i}]")
        self.reports()
        self.options()
        self.combination()

    def sizes(self) -> None:
        """Sizes of open axes are whole numbers that depend on inputs alone."""
        declared = {i.name: i.type.sizes for i in self.plan.inputs}
        declared |= {v.name: v.type.sizes for v in self.plan.variables}
        inputs = {i.name for i in self.plan.inputs}
        for i, size in enumerate(self.plan.sizes):
            place = f"sizes[{i}]"
            if size.axis >= len(declared.get(size.name, ())):
                wrong(place, f"the plan has no size {size.axis} of `{size.name}`")
            if self.value(size.term, f"{place}.size").type != INT or names(size.term) - inputs:
                wrong(f"{place}.size", "this is a whole number that depends on inputs alone")

    def reports(self) -> None:
        """Reports are numbers, each under a name of its own."""
        listed = {f"variables[{i}]": v.name for i, v in enumerate(self.plan.variables)}
        listed |= {f"reports[{i}]": r.name for i, r in enumerate(self.plan.reports)}
        _once(listed, "a variable or a report")
        for i, report in enumerate(self.plan.reports):
            place = f"reports[{i}].term"
            type_ = counted(self.value(report.term, place)).type
            if unify(type_, report.type) is None or not type_.is_numeric:
                wrong(place, f"this is {describe(type_)}, and the report is {report.type}")
            if any(
                isinstance(t, Apply)
                and t.function in self.checker.signatures
                and not self.checker.signatures[t.function].describes_data
                for t in walk(report.term)
            ):
                wrong(place, "a report takes expressions")

    def types(self) -> None:
        """Every type has as many sizes as it takes."""
        plan = self.plan
        listed: list[tuple[str, Type | None]] = []
        for field in ("inputs", "lets", "variables"):
            listed += [(f"{field}[{i}].type", n.type) for i, n in enumerate(getattr(plan, field))]
        for i, use in enumerate(plan.uses):
            place = f"uses[{i}].signature"
            listed.append((f"{place}.domain", use.signature.domain))
            parameters = enumerate(use.signature.parameters)
            listed += [(f"{place}.parameters[{k}].type", p.type) for k, p in parameters]
        for place, type_ in listed:
            if type_ is not None and not has_rank(type_):
                wrong(place, f"{type_.name} does not take {len(type_.sizes)} sizes")

    def declare(self, name: str, typed: Typed) -> None:
        self.checker.environment[name] = typed
        self.checker.places[name] = NOWHERE

    # Terms.

    @contextmanager
    def diagnosed(self, place: str) -> Iterator[None]:
        """Raise the type checker's first diagnostic as an error at a place."""
        yield
        if self.checker.diagnostics:
            first = self.checker.diagnostics.pop(0)
            self.checker.diagnostics.clear()
            wrong(place, first.message)

    def value(self, term: Term, place: str) -> Typed:
        """The typed value of a term."""
        if problem := malformed(term):
            wrong(place, problem)
        with self.diagnosed(place):
            typed = self.checker.value(to_tree(term))
        return typed if typed.ok else wrong(place, "a name or a call here is not known")

    def default(self, spec: InputSpec, place: str) -> None:
        if not isinstance(spec.default, Const):
            return
        value = spec.default.value
        if spec.type.name in FROM_FILES | {"Text"} and isinstance(value, str):
            return
        typed = self.value(spec.default, place)
        region = spec.type.name == "Region" and typed.type == Type("Real", (4,))
        if not region and not fits(typed.type, spec.type):
            wrong(place, f"this is {describe(typed.type)}, and the input is {spec.type}")

    # Factors.

    def factor(self, factor: FactorSpec, place: str) -> None:
        subject = factor.variables[0]
        for i, name in enumerate(factor.variables):
            if name not in self.checker.variables:
                wrong(f"{place}.variables[{i}]", f"the plan has no variable `{name}`")
        with self.checker.binding(*(name for name, _ in factor.loops)):
            for i, (name, over) in enumerate(factor.loops):
                if self.value(over, f"{place}.loops[{i}].over").type.name != "Layout":
                    wrong(f"{place}.loops[{i}].over", "this is a layout")
                self.declare(name, Typed(Ref(name), Type("Part")))
            part = TypedTarget(subject, self.checker.environment[subject], NOWHERE)
            if (factor.kind == "likelihood") != (factor.observed is not None):
                wrong(f"{place}.observed", "this is the data of a likelihood, and of nothing else")
            if factor.observed is not None:
                part = self.observed(factor.observed, f"{place}.observed")
            if factor.part is not None:
                part = self.part(factor, subject, f"{place}.part")
            if problem := without_subject(factor.term, self.checker.signatures):
                wrong(f"{place}.term", problem)
            leaf = self.leaf(factor, part, f"{place}.term")
            self.exponent(factor, part, f"{place}.exponent")
        others = names(leaf) & self.checker.variables
        if factor.kind == "likelihood":
            subject = min(others, default=subject)
        variables = (subject, *sorted(others - {subject}))
        if factor.variables != variables:
            listed = ", ".join(variables)
            wrong(f"{place}.variables", f"the factor speaks of {listed}")
        if factor.given and (factor.given != subject or factor.kind not in GENERATIVE):
            wrong(f"{place}.given", f"this is empty, or `{subject}` where the factor generates it")
        if factor.given and not any(
            f.is_parent and f.variables[0] == subject for f in self.plan.factors
        ):
            wrong(
                f"{place}.given", f"no factor is a parent, which generates the whole of `{subject}`"
            )

    def part(self, factor: FactorSpec, subject: str, place: str) -> TypedTarget:
        assert isinstance(factor.part, Apply)
        typed = self.value(factor.part, place)
        if factor.part.args[0] != Ref(subject) or factor.kind in WEIGHING:
            wrong(place, f"this is null, or a part of `{subject}` that an expert sees")
        return TypedTarget(subject, typed, NOWHERE)

    def observed(self, term: Term, place: str) -> TypedTarget:
        """The data of a likelihood: an input or a constant, or a part of one."""
        typed = self.value(term, place)
        data = term.args[0] if isinstance(term, Apply) and term.function == "index" else term
        known = {*(i.name for i in self.plan.inputs), *(c.name for c in self.plan.lets)}
        if (
            not isinstance(data, Ref)
            or data.name not in known
            or names(term) & self.checker.variables
        ):
            wrong(place, "this is an input or a constant, or a part of one")
        return TypedTarget(data.name, typed, NOWHERE, observed=True)

    def leaf(self, factor: FactorSpec, part: TypedTarget, place: str) -> Apply:
        """The factor as a leaf of a product."""
        if factor.kind in ("reward", "where"):
            return self.under(factor, place)
        term = factor.term
        if problem := malformed(term):
            wrong(place, problem)
        if not isinstance(term, Apply) or (
            term.function != "mixture" and term.function not in self.checker.signatures
        ):
            wrong(place, "this is a call of an expert, or a mixture")
        whole_variable = part.whole and not part.observed
        self.checker.target_variable = part.variable if whole_variable else ""
        self.checker.on_data = part.observed
        with self.diagnosed(place):
            rebuilt = product_term(self.checker, to_tree(term), part)
        variables = {v.name: v for v in self.plan.variables}
        if rebuilt != term:
            wrong(place, "the arguments of this call are not those of its expert, all by name")
        if part.observed:
            return term
        variable = variables[part.variable]
        signature = self.checker.signatures.get(term.function)
        if signature is not None:
            domain = signature.domain if part.whole else None
            if domain is not None and common_domain(variable.type, domain) is None:
                wrong(place, f"`{signature.name}` is over {domain}, not {variable.type}")
            if signature.family == "flow" and signature.space != variable.space:
                wrong(place, f"`{signature.name}` does not live where `{variable.name}` does")
        lowerer = Lowerer(self.checker.source, self.checker.signatures, variables)
        kind = lowerer.kind(term, variable)
        if kind != factor.kind:
            wrong(place.replace("term", "kind"), f"this is {kind!r}, and not {factor.kind!r}")
        return term

    def under(self, factor: FactorSpec, place: str) -> Apply:
        """A number under ``exp``, or a condition."""
        self.checker.in_reward = factor.kind == "reward"
        type_ = self.value(factor.term, place).type
        self.checker.in_reward = False
        fit = type_.is_numeric and (type_.name == "Bool") == (factor.kind == "where")
        if type_.sizes or not fit:
            expected = "one number" if factor.kind == "reward" else "one condition"
            wrong(place, f"this is {expected}, and not {describe(type_)}")
        return Apply("exp", (factor.term,))

    def exponent(self, factor: FactorSpec, part: TypedTarget, place: str) -> None:
        typed = self.value(factor.exponent, place)
        exponent_term(self.checker, to_tree(factor.exponent), part)
        with self.diagnosed(place):
            pass
        if bool(typed.type.sizes) != factor.mask:
            wrong(place.replace("exponent", "mask"), "whether the exponent varies is not this")
        if factor.mask and factor.kind not in GENERATIVE:
            wrong(place, "a mask as exponent goes with an expert that generates")

    # Options, and their combination with the factors.

    def options(self) -> None:
        _once({f"options[{i}]": o.name for i, o in enumerate(self.plan.options)}, "an option")
        checker = OptionChecker(self.checker)
        for i, option in enumerate(self.plan.options):
            place, value = f"options[{i}].value", option.value
            if option.name == "path" and isinstance(value, Apply) and value.function == "each":
                self.each(value, place)
                continue
            if problem := malformed(value):
                wrong(place, problem)
            with self.diagnosed(place):
                rebuilt = checker.option(option.name, to_tree(value), NOWHERE)
            if rebuilt != value and value not in (ODE, TEMPER):
                wrong(place, f"`{option.name}` is {OPTIONS[option.name].expected}, written out")

    def each(self, value: Apply, place: str) -> None:
        """A path for each variable, as the compiler chooses where they differ."""
        variables = tuple(v.name for v in self.plan.variables)
        if tuple(n for n, _ in value.kwargs) != variables or value.args:
            wrong(place, f"this is a path for each of {', '.join(variables)}")
        if not all(path in (FLOW, PREFIX, TEMPER) for _, path in value.kwargs):
            wrong(place, "a path is `flow()`, `prefix()` or `temper()`")

    def combination(self) -> None:
        plan = self.plan.sampled
        options = {o.name: (o.value, NOWHERE) for o in plan.options if not o.reason}
        spans = {f.name: NOWHERE for f in plan.factors}
        places = {v.name: NOWHERE for v in plan.variables}
        incomplete: frozenset[str] = frozenset()
        lowered = Lowered(
            plan.inputs, plan.lets, plan.variables, plan.factors, spans, options, places, incomplete
        )
        diagnostics: list[Diagnostic] = [*integrable(lowered).values()]
        diagnostics += contradictions(lowered, self.checker.signatures).values()
        diagnostics += planned(lowered, plan.program, plan.uses)[1]
        diagnostics += refuse(plan, {})
        for diagnostic in diagnostics:
            if diagnostic.is_error:
                wrong("", diagnostic.message)
