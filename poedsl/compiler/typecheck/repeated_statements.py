"""Statements that a loop over a constant repeats, as one statement with the element in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value, applied, as_loop, names, walk
from poedsl.compiler.typecheck.bound_names import fresh_name
from poedsl.compiler.typecheck.checked import CheckedFactor
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.vectorised_loops import OF_A_SIZE, at_once
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type


def merged(
    factors: Sequence[CheckedFactor], element: str, checker: ProgramChecker
) -> list[CheckedFactor]:
    """The factors of a loop over a constant, with one in place of all that a statement makes where
    `at_once` takes them together.

    Args:
        element: the name of the loop's element.
    """
    by_statement: dict[Span, list[CheckedFactor]] = {}
    for factor in factors:
        by_statement.setdefault(factor.span, []).append(factor)
    wholes = {span: _merged(each, element, checker) for span, each in by_statement.items()}
    out: list[CheckedFactor] = []
    for factor in factors:
        whole = wholes[factor.span]
        if whole is None:
            out.append(factor)
        elif factor is by_statement[factor.span][0]:
            out.append(whole)
    return out


def _merged(
    repeated: Sequence[CheckedFactor], element: str, checker: ProgramChecker
) -> CheckedFactor | None:
    first = repeated[0]
    subjects = [f.part if f.observed is None else f.observed for f in repeated]
    if len(repeated) == 1 or any(f.loops or f.given for f in repeated):
        return None
    positions = _positions(subjects, checker.environment[first.variable].type)
    if positions is None:
        return None
    bound = (n for f in repeated for n in _bound(f.product))
    common = _Common(fresh_name(checker, element, bound), positions)
    product = common.of([f.product for f in repeated])
    subject = common.of([s for s in subjects if s is not None])
    if product is None or subject is None or names(subject) & names(product) - {common.name}:
        return None
    over = Apply("range", (Const(positions.start), Const(positions.stop)))
    factor = replace(first, product=product, loops=((common.name, over),))
    on_data = first.observed is not None
    factor = replace(factor, observed=subject) if on_data else replace(factor, part=subject)
    whole = at_once(factor, Type("Real"), checker)
    return None if whole.loops else whole


def _positions(subjects: Sequence[Term | None], over: Type) -> range | None:
    """The indices of single components next to each other; None of other parts."""
    indices: list[tuple[int, ...]] = []
    for subject in subjects:
        if not isinstance(subject, Apply) or subject.function != "index":
            return None
        items = [i.value for i in subject.args[1:] if isinstance(i, Const)]
        numbers = tuple(i for i in items if isinstance(i, int))
        if not len(numbers) == len(subject.args) - 1 == len(over.sizes):
            return None
        indices.append(numbers)
    differing = [column for column in zip(*indices, strict=True) if len(set(column)) > 1]
    if len(differing) != 1:
        return None
    (column,) = differing
    expected = range(column[0], column[0] + len(column))
    return expected if column[0] >= 0 and column == tuple(expected) else None


def _bound(term: Term) -> set[str]:
    """The names that loops in a term bind."""
    loops = (as_loop(t) for t in walk(term))
    return {name for loop in loops if loop is not None for name in loop.bound}


@dataclass(frozen=True, slots=True)
class _Common:
    """What terms at the elements of a loop have in common.

    Attributes:
        name: what stands for the element.
        positions: its values.
    """

    name: str
    positions: range

    def of(self, terms: Sequence[Term]) -> Term | None:
        """One term that has the value of each at its element; None if there is none."""
        first = terms[0]
        if all(t == first for t in terms):
            return first
        constants = [t.value for t in terms if isinstance(t, Const)]
        if len(constants) == len(terms):
            return self._constant(constants)
        calls = [t for t in terms if isinstance(t, Apply)]
        if len(calls) < len(terms) or len({self._form(c) for c in calls}) > 1:
            return None
        call = calls[0]
        if call.function in OF_A_SIZE:
            return None
        args = [self.of(column) for column in zip(*(c.args for c in calls), strict=True)]
        values = [
            self.of([v for _, v in column])
            for column in zip(*(c.kwargs for c in calls), strict=True)
        ]
        whole_args = tuple(a for a in args if a is not None)
        whole_values = tuple(v for v in values if v is not None)
        if len(whole_args) + len(whole_values) < len(args) + len(values):
            return None
        kwargs = tuple((k, v) for (k, _), v in zip(call.kwargs, whole_values, strict=True))
        return replace(call, args=whole_args, kwargs=kwargs)

    @staticmethod
    def _form(call: Apply) -> tuple[str, int, tuple[str, ...]]:
        return call.function, len(call.args), tuple(name for name, _ in call.kwargs)

    def _constant(self, values: Sequence[Value]) -> Term | None:
        if not all(type(v) in (int, float) for v in values):
            return None
        whole = [v for v in values if isinstance(v, int)]
        shift = whole[0] - self.positions.start if len(whole) == len(values) else 0
        if whole == [p + shift for p in self.positions]:
            return self._shifted(shift)
        return Apply("index", (Const(tuple(values)), self._shifted(-self.positions.start)))

    def _shifted(self, shift: int) -> Term:
        element = Ref(self.name)
        if shift == 0:
            return element
        return applied("+" if shift > 0 else "-", element, Const(abs(shift)))
