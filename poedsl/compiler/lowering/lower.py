"""Pass 4, factors: products are flattened to named factors, each with one exponent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from poedsl.catalog.signatures import Signature
from poedsl.compiler.functions.operators import operate
from poedsl.compiler.lowering.lint_factors import lints, overlaps
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec, Kind, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, applied, names, too_large, walk
from poedsl.compiler.typecheck.checked import MOST_NODES, Checked, CheckedFactor
from poedsl.compiler.typecheck.typed import finite
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source, Span


def lower(
    checked: Checked, source: Source, signatures: Mapping[str, Signature]
) -> tuple[Lowered, tuple[Diagnostic, ...]]:
    lowerer = Lowerer(source, signatures, {v.name: v for v in checked.variables})
    for statement in checked.factors:
        lowerer.statement(statement)
    incomplete = checked.incomplete | lowerer.incomplete
    incomplete |= lowerer.orphans(checked.factors, checked.incomplete)
    lowered = Lowered(
        checked.inputs,
        checked.lets,
        checked.variables,
        tuple(lowerer.factors),
        lowerer.spans,
        checked.options,
        checked.places,
        frozenset(incomplete),
        checked.sizes,
        checked.reports,
    )
    warnings = overlaps(lowered.by_variable(), lowered.variables, lowered.spans)
    return lowered, (*lowerer.diagnostics, *warnings)


@dataclass(slots=True)
class Lowerer:
    source: Source
    signatures: Mapping[str, Signature]
    variables: dict[str, VariableSpec]
    factors: list[FactorSpec] = field(default_factory=list)
    spans: dict[str, Span] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    name_numbers: dict[str, int] = field(default_factory=dict)
    incomplete: set[str] = field(default_factory=set)

    def statement(self, statement: CheckedFactor) -> None:
        if not self.variables:
            return
        generative = False
        for leaf, exponent in flatten(statement.product):
            if isinstance(exponent, Const) and exponent.value == 0:
                message = "this factor has the exponent 0, which leaves nothing of it"
                self.diagnostics.append(Diagnostic("P0804", message, leaf.span, "warning"))
                continue
            if problem := too_large(leaf, MOST_NODES) or too_large(exponent, MOST_NODES):
                self.diagnostics.append(Diagnostic("P0506", f"this {problem}", leaf.span))
                self.incomplete |= self.concerned(statement, leaf)
                continue
            factor = self.factor(statement, leaf, exponent)
            if isinstance(factor.exponent, Const) and not finite(factor.exponent.value):
                message = "this has no value: the exponents multiply to more than a number holds"
                self.diagnostics.append(Diagnostic("P0306", message, exponent.span))
                self.incomplete |= self.concerned(statement, leaf)
                continue
            generative = generative or factor.kind in GENERATIVE
            self.factors.append(factor)
            self.spans[factor.name] = leaf.span
            self.diagnostics += lints(factor, leaf, self.variables)
        if statement.given is not None and not generative:
            message = "`given` conditions an expert that generates, and this statement has none"
            self.diagnostics.append(Diagnostic("P0412", message, statement.given))

    def concerned(self, statement: CheckedFactor, leaf: Apply) -> set[str]:
        """The variables that a factor is about: its own, or where that is data those in it."""
        if statement.observed is None:
            return {statement.variable}
        return set(names(leaf) & self.variables.keys())

    def factor(self, statement: CheckedFactor, leaf: Apply, exponent: Term) -> FactorSpec:
        others = names(leaf) & self.variables.keys()
        if statement.observed is None:
            variable = self.variables[statement.variable]
            kind = self.kind(leaf, variable)
        else:
            variable = self.variables[min(others, default=next(iter(self.variables)))]
            kind = data_kind(leaf)
        line, column = self.source.location(leaf.span.start)
        exponent, mask = unmasked(exponent)
        return FactorSpec(
            name=unique(base_name(leaf, kind, self.signatures), self.name_numbers),
            kind=kind,
            variables=(variable.name, *sorted(others - {variable.name})),
            term=leaf.args[0] if kind in ("reward", "where") else leaf,
            exponent=exponent,
            place=f"{self.source.name}:{line}:{column}",
            part=statement.part if kind in (*GENERATIVE, "density") else None,
            given=variable.name if statement.given and kind in GENERATIVE else "",
            mask=mask,
            loops=statement.loops,
            observed=statement.observed if kind == "likelihood" else None,
        )

    def kind(self, leaf: Apply, variable: VariableSpec) -> Kind:
        if leaf.function == "exp":
            return "reward"
        if leaf.function == "where":
            return "where"
        if leaf.function == "mixture":
            parts = [p for p in leaf.args[1::2] if isinstance(p, Apply)]
            kinds = {self.kind(part, variable) for part in parts}
            return "gaussian" if kinds == {"gaussian"} else "density"
        signature = self.signatures[leaf.function]
        if signature.family == "flow":
            return "flow"
        if signature.family == "tokens":
            return "tokens"
        closed = "noised" in signature.capabilities and not variable.space
        return "gaussian" if closed and not names(leaf) & self.variables.keys() else "density"

    def orphans(
        self, statements: tuple[CheckedFactor, ...], incomplete: frozenset[str]
    ) -> set[str]:
        """The variables that are conditioned on parents and have none."""
        out: set[str] = set()
        parents = {f.variables[0] for f in self.factors if f.is_parent}
        for statement in statements:
            name = statement.variable
            accounted = parents | incomplete | out
            if statement.given is None or statement.observed is not None or name in accounted:
                continue
            out.add(name)
            self.diagnostics.append(
                Diagnostic(
                    "P0412",
                    f"`{name}` has no parent: no statement on the whole of it without `given`",
                    statement.given,
                    notes=(
                        "`given x` conditions an expert on those that see the whole of x "
                        "(Zhang et al., Eq. 6)",
                        f"a parent is a statement such as `{name} ~ flux(prompt)`",
                    ),
                )
            )
        return out


def data_kind(leaf: Apply) -> Kind:
    """How a factor over data takes part."""
    return {"exp": "reward", "where": "where"}.get(leaf.function, "likelihood")  # type: ignore[return-value]


def unmasked(exponent: Term) -> tuple[Term, bool]:
    """An exponent, and whether it holds a mask."""
    if not isinstance(exponent, Apply):
        return exponent, False
    if exponent.function == "mask":
        return exponent.args[0], True
    parts = [unmasked(a) for a in exponent.args]
    args = tuple(term for term, _ in parts)
    whole = Apply(exponent.function, args, exponent.kwargs, exponent.span)
    folded = reduce(times, args) if exponent.function == "*" else whole
    return folded, any(m for _, m in parts)


def flatten(product: Term) -> list[tuple[Apply, Term]]:
    """The leaves of a product with their exponents, left to right."""
    out: list[tuple[Apply, Term]] = []
    pending: list[tuple[Term, Term]] = [(product, Const(1))]
    while pending:
        term, exponent = pending.pop()
        assert isinstance(term, Apply)
        if term.function in ("*", "/"):
            right = times(exponent, Const(-1)) if term.function == "/" else exponent
            pending += [(term.args[1], right), (term.args[0], exponent)]
        elif term.function == "^":
            pending.append((term.args[0], times(exponent, term.args[1])))
        else:
            out.append((term, exponent))
    return out


def times(a: Term, b: Term) -> Term:
    if isinstance(a, Const) and isinstance(b, Const):
        return Const(operate("*", a.value, b.value), b.span if b.span.end else a.span)
    return b if a == Const(1) else applied("*", a, b, b.span if b.span.end else a.span)


def base_name(leaf: Apply, kind: Kind, signatures: Mapping[str, Signature]) -> str:
    """A factor's name: its expert's, or that of the only reward under its `exp`."""
    if kind != "reward":
        return leaf.function
    calls = {t.function for t in walk(leaf) if isinstance(t, Apply) and t.function in signatures}
    rewards = {name for name in calls if signatures[name].family == "reward"}
    return rewards.pop() if len(rewards) == 1 else "exp"


def unique(name: str, name_numbers: dict[str, int]) -> str:
    """The name, with the lowest number that makes it unique.

    Args:
        name_numbers: the names in use, each with the highest number in use; updated.
    """
    result, number = name, name_numbers.get(name, 1)
    while result in name_numbers:
        number += 1
        result = f"{name}_{number}"
    name_numbers[name] = number
    name_numbers.setdefault(result, 1)
    return result
