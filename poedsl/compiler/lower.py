"""Pass 3, factors: products are flattened to named factors, each with one exponent."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.check import Checked
from poedsl.compiler.functions import operate
from poedsl.compiler.plan import FactorSpec, InputSpec, Kind, VariableSpec
from poedsl.compiler.terms import Apply, Const, Term, names, walk
from poedsl.experts.signatures import SIGNATURES
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source, Span


@dataclass(frozen=True, slots=True)
class Lowered:
    """Factors over variables: what is to be sampled, before how.

    Attributes:
        spans: where each factor stands.
        options: those given, each with its place (`NOWHERE` for what did not come from the text).
        places: where each variable got its type.
        incomplete: variables of which a statement is left out, so that nothing is said of them.
    """

    inputs: tuple[InputSpec, ...]
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


def lower(checked: Checked, source: Source) -> tuple[Lowered, tuple[Diagnostic, ...]]:
    taken: dict[str, int] = {}
    factors: list[FactorSpec] = []
    spans: dict[str, Span] = {}
    diagnostics: list[Diagnostic] = []
    variables = frozenset(v.name for v in checked.variables)
    for statement in checked.factors:
        for leaf, exponent in flatten(statement.product):
            if isinstance(exponent, Const) and exponent.value == 0:
                diagnostics.append(
                    Diagnostic(
                        "P0804",
                        "this factor has the exponent 0, which leaves nothing of it",
                        leaf.span,
                        "warning",
                    )
                )
                continue
            kind = kind_of(leaf)
            name = unique(site(leaf, kind), taken)
            line, column = source.location(leaf.span.start)
            spoken = names(leaf) & variables
            spans[name] = leaf.span
            factors.append(
                FactorSpec(
                    name=name,
                    kind=kind,
                    variables=tuple(sorted({statement.variable, *spoken})),
                    term=leaf.args[0] if kind in ("reward", "where") else leaf,
                    exponent=exponent,
                    place=f"{source.name}:{line}:{column}",
                )
            )
            diagnostics += lints(factors[-1], leaf, variables)
    lowered = Lowered(
        checked.inputs,
        checked.variables,
        tuple(factors),
        spans,
        checked.options,
        checked.places,
        checked.incomplete,
    )
    return lowered, tuple(diagnostics)


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
        return Const(operate("*", a.value, b.value))
    return b if a == Const(1) else Apply("*", (a, b))


def kind_of(leaf: Apply) -> Kind:
    if leaf.function == "exp":
        return "reward"
    if leaf.function == "where":
        return "where"
    if leaf.function == "mixture":
        kinds = {kind_of(part) for part in leaf.args[1::2] if isinstance(part, Apply)}
        return "gaussian" if kinds == {"gaussian"} else "density"
    signature = SIGNATURES[leaf.function]
    if signature.family == "flow":
        return "flow"
    if signature.family == "tokens":
        return "tokens"
    return "gaussian" if "noised" in signature.capabilities else "density"


def site(leaf: Apply, kind: Kind) -> str:
    """A factor's name: its expert's, or that of the only reward under its `exp`."""
    if kind != "reward":
        return leaf.function
    rewards = {t.function for t in walk(leaf) if isinstance(t, Apply) and t.function in SIGNATURES}
    return rewards.pop() if len(rewards) == 1 else "exp"


def unique(name: str, taken: dict[str, int]) -> str:
    taken[name] = taken.get(name, 0) + 1
    return name if taken[name] == 1 else f"{name}_{taken[name]}"


def lints(factor: FactorSpec, leaf: Apply, variables: frozenset[str]) -> list[Diagnostic]:
    negative = isinstance(factor.exponent, Const) and _number(factor.exponent) < 0
    if factor.kind == "where" and negative:
        return [
            Diagnostic(
                "P0409", "a condition has no negative power: it would divide by zero", leaf.span
            )
        ]
    if factor.kind in ("reward", "where") and not names(leaf) & variables:
        what = "reward" if factor.kind == "reward" else "condition"
        return [
            Diagnostic(
                "P0803", f"this {what} does not depend on the variable", leaf.span, "warning"
            )
        ]
    return []


def _number(term: Const) -> float:
    assert isinstance(term.value, (int, float))
    return float(term.value)
