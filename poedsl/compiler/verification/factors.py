"""Factors of a plan: each as it is written out, of the kind and over the variables it says."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.lowering.lower import Lowerer
from poedsl.compiler.plan.plan_parts import GENERATIVE, WEIGHING, FactorSpec
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Apply, Ref, Term, names
from poedsl.compiler.typecheck.bound_names import element_type
from poedsl.compiler.typecheck.domains import common_domain
from poedsl.compiler.typecheck.exponents import exponent_term
from poedsl.compiler.typecheck.products import product_term
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import Typed, describe
from poedsl.compiler.verification.context import Context, wrong
from poedsl.compiler.verification.well_formed import malformed, without_subject
from poedsl.grammar.source import NOWHERE
from poedsl.grammar.types import Type


@dataclass(frozen=True, slots=True)
class FactorVerifier:
    """Verifies factors, one at a time."""

    context: Context

    def verify(self, factor: FactorSpec, place: str) -> None:
        subject = factor.variables[0]
        for i, name in enumerate(factor.variables):
            if name not in self.context.checker.variables:
                wrong(f"{place}.variables[{i}]", f"the plan has no variable `{name}`")
        with self.context.checker.binding(*(name for name, _ in factor.loops)):
            for i, (name, over) in enumerate(factor.loops):
                element = self.element(over, f"{place}.loops[{i}].over")
                self.context.declare(name, Typed(Ref(name), element))
            part = TypedTarget(subject, self.context.checker.environment[subject], NOWHERE)
            if (factor.kind == "likelihood") != (factor.observed is not None):
                wrong(f"{place}.observed", "this is the data of a likelihood, and of nothing else")
            if factor.observed is not None:
                part = self.observed(factor.observed, f"{place}.observed")
            if factor.part is not None:
                part = self.part(factor, subject, f"{place}.part")
            if problem := without_subject(factor.term, self.context.checker.signatures):
                wrong(f"{place}.term", problem)
            leaf = self.leaf(factor, part, f"{place}.term")
            self.exponent(factor, part, f"{place}.exponent")
        others = names(leaf) & self.context.checker.variables
        if factor.kind == "likelihood":
            subject = min(others, default=subject)
        variables = (subject, *sorted(others - {subject}))
        if factor.variables != variables:
            listed = ", ".join(variables)
            wrong(f"{place}.variables", f"the factor speaks of {listed}")
        if factor.given and (factor.given != subject or factor.kind not in GENERATIVE):
            wrong(f"{place}.given", f"this is empty, or `{subject}` where the factor generates it")
        if factor.given and not any(
            f.is_parent and f.variables[0] == subject for f in self.context.plan.factors
        ):
            wrong(
                f"{place}.given", f"no factor is a parent, which generates the whole of `{subject}`"
            )

    def element(self, over: Term, place: str) -> Type:
        """The type of the elements of what a loop runs over."""
        typed = self.context.value(over, place)
        if typed.type.name == "Layout":
            return Type("Part")
        element = element_type(typed.type) if typed.type.name in ("Real", "Int") else None
        if element is None or names(over) & self.context.checker.variables:
            wrong(place, "this is a layout, or a vector of inputs and constants")
        return element

    def part(self, factor: FactorSpec, subject: str, place: str) -> TypedTarget:
        assert isinstance(factor.part, Apply)
        typed = self.context.value(factor.part, place)
        if factor.part.args[0] != Ref(subject) or factor.kind in WEIGHING:
            wrong(place, f"this is null, or a part of `{subject}` that an expert sees")
        return TypedTarget(subject, typed, NOWHERE)

    def observed(self, term: Term, place: str) -> TypedTarget:
        """The data of a likelihood: an input or a constant, or a part of one."""
        typed = self.context.value(term, place)
        data = term.args[0] if isinstance(term, Apply) and term.function == "index" else term
        names_of_data = {
            *(i.name for i in self.context.plan.inputs),
            *(c.name for c in self.context.plan.lets),
        }
        if (
            not isinstance(data, Ref)
            or data.name not in names_of_data
            or names(term) & self.context.checker.variables
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
            term.function != "mixture" and term.function not in self.context.checker.signatures
        ):
            wrong(place, "this is a call of an expert, or a mixture")
        whole_variable = part.whole and not part.observed
        about = self.context.checker.about(
            part.variable if whole_variable else "", data=part.observed
        )
        with about, self.context.diagnosed(place):
            rebuilt = product_term(self.context.checker, to_tree(term), part)
        variables = {v.name: v for v in self.context.plan.variables}
        if rebuilt != term:
            wrong(place, "the arguments of this call are not those of its expert, all by name")
        if part.observed:
            return term
        variable = variables[part.variable]
        signature = self.context.checker.signatures.get(term.function)
        if signature is not None:
            domain = signature.domain if part.whole else None
            if domain is not None and common_domain(variable.type, domain) is None:
                wrong(place, f"`{signature.name}` is over {domain}, not {variable.type}")
            if signature.family == "flow" and signature.space != variable.space:
                wrong(place, f"`{signature.name}` does not live where `{variable.name}` does")
        lowerer = Lowerer(self.context.checker.source, self.context.checker.signatures, variables)
        kind = lowerer.kind(term, variable)
        if kind != factor.kind:
            wrong(place.replace("term", "kind"), f"this is {kind!r}, and not {factor.kind!r}")
        return term

    def under(self, factor: FactorSpec, place: str) -> Apply:
        """A number under ``exp``, or a condition."""
        with self.context.checker.within_reward(factor.kind == "reward"):
            type_ = self.context.value(factor.term, place).type
        fit = type_.is_numeric and (type_.name == "Bool") == (factor.kind == "where")
        if type_.sizes or not fit:
            expected = "one number" if factor.kind == "reward" else "one condition"
            wrong(place, f"this is {expected}, and not {describe(type_)}")
        return Apply("exp", (factor.term,))

    def exponent(self, factor: FactorSpec, part: TypedTarget, place: str) -> None:
        typed = self.context.value(factor.exponent, place)
        exponent_term(self.context.checker, to_tree(factor.exponent), part)
        with self.context.diagnosed(place):
            pass
        if bool(typed.type.sizes) != factor.mask:
            wrong(place.replace("exponent", "mask"), "whether the exponent varies is not this")
        if factor.mask and factor.kind not in GENERATIVE:
            wrong(place, "a mask as exponent goes with an expert that generates")
