"""Pass 4, factors: products are flattened to named factors, each with one exponent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from poedsl.catalog.signatures import Signature
from poedsl.compiler.analysis.conditions import oddity
from poedsl.compiler.analysis.regions import overlap
from poedsl.compiler.functions.table import operate
from poedsl.compiler.plan.plan import GENERATIVE, FactorSpec, InputSpec, Kind, LetSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, applied, names, too_large, walk
from poedsl.compiler.typecheck.check import MOST_NODES, Checked, CheckedFactor
from poedsl.compiler.typecheck.typed import finite
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.types import Sizes


@dataclass(frozen=True, slots=True)
class Lowered:
    """Factors over variables: what is sampled, before it is decided how.

    Attributes:
        spans: the place of each factor.
        options: those that are set, each with its place (`NOWHERE` if it is not in the text).
        places: where each variable's type was determined.
        incomplete: variables with a statement in error, which later passes do not diagnose.
    """

    inputs: tuple[InputSpec, ...]
    lets: tuple[LetSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[FactorSpec, ...]
    spans: dict[str, Span]
    options: dict[str, tuple[Term, Span]]
    places: dict[str, Span]
    incomplete: frozenset[str]

    @property
    def complete(self) -> tuple[VariableSpec, ...]:
        return tuple(v for v in self.variables if v.name not in self.incomplete)

    def by_variable(self) -> dict[str, list[FactorSpec]]:
        """The factors of each variable."""
        out: dict[str, list[FactorSpec]] = {v.name: [] for v in self.variables}
        for factor in self.factors:
            for name in factor.variables:
                out[name].append(factor)
        return out


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
    )
    return lowered, (*lowerer.diagnostics, *overlaps(lowered))


@dataclass(slots=True)
class Lowerer:
    source: Source
    signatures: Mapping[str, Signature]
    variables: dict[str, VariableSpec]
    factors: list[FactorSpec] = field(default_factory=list)
    spans: dict[str, Span] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    taken: dict[str, int] = field(default_factory=dict)
    incomplete: set[str] = field(default_factory=set)

    def statement(self, statement: CheckedFactor) -> None:
        generative = False
        for leaf, exponent in flatten(statement.product):
            if isinstance(exponent, Const) and exponent.value == 0:
                message = "this factor has the exponent 0, which leaves nothing of it"
                self.diagnostics.append(Diagnostic("P0804", message, leaf.span, "warning"))
                continue
            if problem := too_large(leaf, MOST_NODES) or too_large(exponent, MOST_NODES):
                self.diagnostics.append(Diagnostic("P0506", f"this {problem}", leaf.span))
                self.incomplete.add(statement.variable)
                continue
            factor = self.factor(statement, leaf, exponent)
            if isinstance(factor.exponent, Const) and not finite(factor.exponent.value):
                message = "this has no value: the exponents multiply to more than a number holds"
                self.diagnostics.append(Diagnostic("P0306", message, exponent.span))
                self.incomplete.add(statement.variable)
                continue
            generative = generative or factor.kind in GENERATIVE
            self.factors.append(factor)
            self.spans[factor.name] = leaf.span
            self.diagnostics += lints(factor, leaf, self.variables)
        if statement.given is not None and not generative:
            message = "`given` conditions an expert that generates, and this statement has none"
            self.diagnostics.append(Diagnostic("P0412", message, statement.given))

    def factor(self, statement: CheckedFactor, leaf: Apply, exponent: Term) -> FactorSpec:
        variable = self.variables[statement.variable]
        kind = self.kind(leaf, variable)
        others = (names(leaf) & self.variables.keys()) - {variable.name}
        line, column = self.source.location(leaf.span.start)
        exponent, mask = unmasked(exponent)
        return FactorSpec(
            name=unique(site(leaf, kind, self.signatures), self.taken),
            kind=kind,
            variables=(variable.name, *sorted(others)),
            term=leaf.args[0] if kind in ("reward", "where") else leaf,
            exponent=exponent,
            place=f"{self.source.name}:{line}:{column}",
            part=statement.part if kind in (*GENERATIVE, "density") else None,
            given=variable.name if statement.given and kind in GENERATIVE else "",
            mask=mask,
            loops=statement.loops,
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
        parents = {
            f.variables[0]
            for f in self.factors
            if f.kind in GENERATIVE and f.part is None and not f.given
        }
        for statement in statements:
            name = statement.variable
            if statement.given is None or name in parents | incomplete | out:
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


#: Above this many parts of one variable, pairs of them are not compared.
MOST_PARTS = 64


def overlaps(lowered: Lowered) -> list[Diagnostic]:
    """Overlapping parts whose experts have different prompts, or are the same expert."""
    out: list[Diagnostic] = []
    sizes = {v.name: v.type.sizes for v in lowered.variables}
    for name, factors in lowered.by_variable().items():
        models = [f for f in factors if f.kind == "flow" and not f.loops and not f.mask]
        for i, later in enumerate(models[:MOST_PARTS]):
            for earlier in models[:i]:
                conflict = _overlap(earlier, later, sizes[name])
                if conflict is not None:
                    code, message = conflict
                    labels = (Label(lowered.spans[earlier.name], "the other one"),)
                    span = lowered.spans[later.name]
                    out.append(Diagnostic(code, message, span, "warning", labels=labels))
                    break
    return out


def _overlap(earlier: FactorSpec, later: FactorSpec, sizes: Sizes) -> tuple[str, str] | None:
    """The code and message of a conflict between two models with components in common."""
    whole = earlier.part is None or later.part is None
    if not (whole or overlap(earlier.part, later.part, sizes)):
        return None
    exponents = [_number(earlier.exponent), _number(later.exponent)]
    if earlier.term == later.term:
        counted = min(exponents) > 0 and max(exponents) <= 1 < sum(exponents)
        if counted and earlier.part != later.part:
            total = sum(exponents)
            return "P0806", f"where the two overlap, this expert has the exponent {total:g}"
        return None
    prompts = [
        dict(f.term.kwargs).get("prompt") for f in (earlier, later) if isinstance(f.term, Apply)
    ]
    differ = all(isinstance(p, Const) for p in prompts) and prompts[0] != prompts[1]
    if differ and earlier.part is not None and later.part is not None:
        return "P0805", "two parts that overlap have different prompts"
    return None


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


def site(leaf: Apply, kind: Kind, signatures: Mapping[str, Signature]) -> str:
    """A factor's name: its expert's, or that of the only reward under its `exp`."""
    if kind != "reward":
        return leaf.function
    calls = {t.function for t in walk(leaf) if isinstance(t, Apply) and t.function in signatures}
    rewards = {name for name in calls if signatures[name].family == "reward"}
    return rewards.pop() if len(rewards) == 1 else "exp"


def unique(name: str, taken: dict[str, int]) -> str:
    """The name, with the lowest number that makes it unique.

    Args:
        taken: the names in use, each with the highest number in use; updated.
    """
    result, number = name, taken.get(name, 1)
    while result in taken:
        number += 1
        result = f"{name}_{number}"
    taken[name] = number
    taken.setdefault(result, 1)
    return result


def lints(
    factor: FactorSpec, leaf: Apply, variables: Mapping[str, VariableSpec]
) -> list[Diagnostic]:
    negative = _number(factor.exponent) < 0
    if factor.kind == "where" and negative:
        return [
            Diagnostic(
                "P0409", "a condition has no negative power: it would divide by zero", leaf.span
            )
        ]
    if factor.mask and factor.kind not in GENERATIVE:
        message = "a mask as exponent goes with an expert that generates, and this is none"
        return [Diagnostic("P0409", message, leaf.span)]
    if factor.kind == "where" and (odd := oddity(factor.term, variables)):
        return [Diagnostic("P0807", odd, leaf.span, "warning")]
    if factor.kind in ("reward", "where") and not names(leaf) & variables.keys():
        what = "reward" if factor.kind == "reward" else "condition"
        return [
            Diagnostic(
                "P0803", f"this {what} does not depend on the variable", leaf.span, "warning"
            )
        ]
    return []


def _number(term: Term) -> float:
    """The value of a constant number; nan of all else."""
    value = term.value if isinstance(term, Const) else None
    return float(value) if isinstance(value, (int, float)) else math.nan
