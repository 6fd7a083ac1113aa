"""Verification of a plan that was read from a file, to the standard of a compiled program.

Its terms are type-checked as those of a program are, and its factors go through the later passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from poedsl.catalog.pipeline_signatures import IMPLEMENTATION
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, names, walk
from poedsl.compiler.typecheck.scope import EVALUATION, PASSES, TooMuchWork
from poedsl.compiler.typecheck.typed import Typed, counted, describe, fits
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.compiler.verification.context import Context, PlanFault, require_unique, wrong
from poedsl.compiler.verification.factors import FactorVerifier
from poedsl.compiler.verification.options import OptionVerifier
from poedsl.compiler.verification.well_formed import written_out
from poedsl.grammar.source import Source
from poedsl.grammar.types import FROM_FILES, INT, MOST_SIZES, RANKS, SAMPLED, Type, unify

#: Implementations that run without permission: those that come with the package.
TRUSTED = frozenset({s.implementation for s in SIGNATURES.values()} | {IMPLEMENTATION})


def verify(plan: PlanSpec) -> str:
    """The first error in a plan, beginning with its place in the JSON; empty if it is valid."""
    try:
        checker = ExpressionChecker(Source(""), signatures=_signatures(plan))
        checker.work.allow(EVALUATION * PASSES * written_out(plan))
        _Verifier(Context(plan, checker)).verify()
        return ""
    except PlanFault as fault:
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
        require_unique(
            {f"{place}.signature.parameters[{k}]": p.name for k, p in parameters}, "another"
        )
    require_unique({f"uses[{i}]": u.name for i, u in enumerate(plan.uses)}, "another")
    return {**SIGNATURES, **{u.name: u.signature for u in plan.uses}}


@dataclass(frozen=True, slots=True)
class _Verifier:
    context: Context

    def verify(self) -> None:
        plan = self.context.plan
        listed = {
            **{f"inputs[{i}]": n.name for i, n in enumerate(plan.inputs)},
            **{f"lets[{i}]": n.name for i, n in enumerate(plan.lets)},
            **{f"variables[{i}]": n.name for i, n in enumerate(plan.variables)},
        }
        require_unique(listed, "something")
        self.types()
        require_unique({f"factors[{i}]": f.name for i, f in enumerate(plan.factors)}, "a factor")
        for name, _ in plan.bindings:
            if name not in {i.name for i in plan.inputs}:
                wrong(f"bindings.{name}", "the plan has no such input")
        for i, input_ in enumerate(plan.inputs):
            self.context.declare(input_.name, Typed(Ref(input_.name), input_.type))
            self.default(input_, f"inputs[{i}].default.value")
        for i, let in enumerate(plan.lets):
            place = f"lets[{i}].term"
            typed = self.context.value(let.term, place)
            if unify(typed.type, let.type) is None:
                wrong(place, f"this is {describe(typed.type)}, and `{let.name}` is {let.type}")
            self.context.declare(let.name, replace(typed, term=Ref(let.name), type=let.type))
        for i, variable in enumerate(plan.variables):
            if variable.type.name not in SAMPLED:
                wrong(f"variables[{i}].type", f"a variable of {variable.type} cannot be sampled")
            self.context.declare(variable.name, Typed(Ref(variable.name), variable.type))
        self.sizes()
        self.context.checker.variables = frozenset(v.name for v in plan.variables)
        factors = FactorVerifier(self.context)
        for i, factor in enumerate(plan.factors):
            factors.verify(factor, f"factors[{i}]")
        self.reports()
        options = OptionVerifier(self.context)
        options.options()
        options.combination()

    def sizes(self) -> None:
        """Sizes of open axes are whole numbers that depend on inputs alone."""
        declared = {i.name: i.type.sizes for i in self.context.plan.inputs}
        declared |= {v.name: v.type.sizes for v in self.context.plan.variables}
        inputs = {i.name for i in self.context.plan.inputs}
        for i, size in enumerate(self.context.plan.sizes):
            place = f"sizes[{i}]"
            if size.axis >= len(declared.get(size.name, ())):
                wrong(place, f"the plan has no size {size.axis} of `{size.name}`")
            if (
                self.context.value(size.term, f"{place}.size").type != INT
                or names(size.term) - inputs
            ):
                wrong(f"{place}.size", "this is a whole number that depends on inputs alone")

    def reports(self) -> None:
        """Reports are numbers, each under a name of its own."""
        listed = {f"variables[{i}]": v.name for i, v in enumerate(self.context.plan.variables)}
        listed |= {f"reports[{i}]": r.name for i, r in enumerate(self.context.plan.reports)}
        require_unique(listed, "a variable or a report")
        for i, report in enumerate(self.context.plan.reports):
            place = f"reports[{i}].term"
            type_ = counted(self.context.value(report.term, place)).type
            if unify(type_, report.type) is None or not type_.is_numeric:
                wrong(place, f"this is {describe(type_)}, and the report is {report.type}")
            if any(
                isinstance(t, Apply)
                and t.function in self.context.checker.signatures
                and not self.context.checker.signatures[t.function].describes_data
                for t in walk(report.term)
            ):
                wrong(place, "a report takes expressions")

    def types(self) -> None:
        """Every type has as many sizes as it takes."""
        plan = self.context.plan
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

    def default(self, spec: InputSpec, place: str) -> None:
        if not isinstance(spec.default, Const):
            return
        value = spec.default.value
        if spec.type.name in FROM_FILES | {"Text"} and isinstance(value, str):
            return
        typed = self.context.value(spec.default, place)
        region = spec.type.name == "Region" and typed.type == Type("Real", (4,))
        if not region and not fits(typed.type, spec.type):
            wrong(place, f"this is {describe(typed.type)}, and the input is {spec.type}")
