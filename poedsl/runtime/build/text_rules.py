"""Conditions on text, kept on every prefix: no particle grows into a dead end."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import reduce

from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names
from poedsl.experts.sequences.acceptor import Acceptor
from poedsl.experts.sequences.automata import Automaton, AutomatonError, shorter
from poedsl.experts.sequences.regular_expressions import searching
from poedsl.runtime.core.warnings import WarningLog, of_factors
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.prefixes import TextRule
from poedsl.runtime.terms.evaluate import Environment, value_of
from poedsl.runtime.terms.refusals import factor_at

#: The length that a text must be shorter than, for each comparison of it with a number, and whether
#: it then must not be.
_LENGTHS = {
    "<": ((0, False),),
    "<=": ((1, False),),
    ">": ((1, True),),
    ">=": ((0, True),),
    "==": ((1, False), (0, True)),
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


def text_rules(
    plan_factors: Sequence[FactorSpec],
    space: Space,
    env: Environment,
    foreseen: Callable[[], Float[Tensor, "n V"]],
    warnings: WarningLog,
) -> tuple[TextRule, ...]:
    """The rules of every variable that has a text, together where that takes few states.

    Args:
        foreseen: log of the probability of each symbol at each place, as the experts have it.
        warnings: takes what will not come true, and what weighs at the end alone.
    """
    rules: list[TextRule] = []
    for variable in env.vocabularies:
        automata: list[tuple[FactorSpec, Automaton]] = []
        for factor in plan_factors:
            if factor.kind != "where" or variable not in factor.variables:
                continue
            try:
                automaton = necessary(factor.term, variable, env)
            except AutomatonError as error:
                _warn_of_late_rule(warnings, (factor,), error)
                continue
            if automaton is not None:
                automata.append((factor, automaton))
        for factors, automaton in joined(automata):
            columns = space.slice(variable)
            vocabulary = env.vocabularies[variable]
            guess = foreseen()[columns, : len(vocabulary)]
            try:
                acceptor = Acceptor(automaton, vocabulary, guess, normalised=False)
            except AutomatonError as error:
                _warn_of_late_rule(warnings, factors, error)
                continue
            name, named = _all_at(factors), tuple((f.name, f.place) for f in factors)
            if not acceptor.possible:
                length = columns.stop - columns.start
                message = f"no text of {length} tokens meets {name}"
                warnings.add("P1012", message, **of_factors(named), tokens=length)
            rules.append(TextRule(name, named, acceptor, columns.start, columns.stop))
    return tuple(rules)


def _warn_of_late_rule(
    warnings: WarningLog, factors: Sequence[FactorSpec], error: AutomatonError
) -> None:
    warnings.add(
        "P1011",
        f"{_all_at(factors)} weighs at the end alone: {error}",
        **of_factors((f.name, f.place) for f in factors),
    )


def _all_at(factors: Sequence[FactorSpec]) -> str:
    return " and ".join(map(factor_at, factors))


def joined(
    automata: list[tuple[FactorSpec, Automaton]],
) -> Iterator[tuple[tuple[FactorSpec, ...], Automaton]]:
    """One automaton for all, or each by itself where that takes too many states."""
    try:
        if automata:
            together = reduce(Automaton.both, [a for _, a in automata])
            yield tuple(f for f, _ in automata), together
    except AutomatonError:
        yield from (((factor,), automaton) for factor, automaton in automata)


def necessary(term: Term, variable: str, env: Environment) -> Automaton | None:
    """Texts without which a condition does not hold; None where it does not speak of text.

    Raises:
        AutomatonError: it speaks of text as no automaton can.
    """
    match term:
        case Apply("and", args):
            parts = [necessary(a, variable, env) for a in args]
            automata = [p for p in parts if p is not None]
            return reduce(Automaton.both, automata) if automata else None
        case _:
            return exact(term, variable, env)


def exact(term: Term, variable: str, env: Environment) -> Automaton | None:
    """Texts of which a condition holds; None where it speaks of anything else."""
    match term:
        case Apply("and" | "or" as function, args):
            parts = [exact(a, variable, env) for a in args]
            join = Automaton.both if function == "and" else Automaton.either
            whole = [p for p in parts if p is not None]
            return reduce(join, whole) if len(whole) == len(parts) else None
        case Apply("not", (inner,)):
            automaton = exact(inner, variable, env)
            return None if automaton is None else automaton.negated()
        case Apply("contains" | "matches" as function, (Ref(name), argument)) if name == variable:
            text = _constant(argument, env)
            if not isinstance(text, str):
                return None
            return searching(re.escape(text) if function == "contains" else text)
        case Apply(function, (Apply("length", (Ref(name),)), argument)) if name == variable:
            return _length(function, _constant(argument, env))
        case Apply(function, (argument, Apply("length", (Ref(name),)))) if name == variable:
            return _length(_TURNED.get(function, ""), _constant(argument, env))
        case _:
            return None


def _constant(term: Term, env: Environment) -> object:
    """What a term without variables is; None where it has some."""
    if isinstance(term, Const):
        return term.value
    if not names(term) <= env.values.keys():
        return None
    value = value_of(term, env)
    if isinstance(value, Tensor):
        number = float(value.flatten()[0]) if value.numel() == 1 else math.nan
        return int(number) if number.is_integer() else None
    return value


def _length(comparison: str, count: object) -> Automaton | None:
    if isinstance(count, bool) or not isinstance(count, int) or comparison not in _LENGTHS:
        return None
    if count > 10_000:
        raise AutomatonError(f"{count} characters are too many to count")
    bounds = [(shorter(count + more), turned) for more, turned in _LENGTHS[comparison]]
    return reduce(Automaton.both, [a.negated() if turned else a for a, turned in bounds])
