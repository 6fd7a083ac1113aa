"""Comprehensions, evaluated for all elements at once, and scans, one element after the other.

What does not depend on the values that a scan carries is evaluated before it begins, for all
elements at once, so that its steps hold the recursion alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.terms import Apply, Const, Loop, Term, as_loop, names
from poedsl.runtime.terms.environment import Environment, Evaluate
from poedsl.runtime.terms.functions import with_equal_rows


@dataclass(slots=True)
class _Parts:
    """The largest parts of the bodies of a loop, by what they depend on.

    Attributes:
        constant: on nothing that the loop binds.
        of_element: on the element, and on no value that is carried.
        repeated: the parts that depend on values that are carried, and occur more than once.
    """

    loop: Loop
    constant: dict[int, Term] = field(default_factory=dict)
    of_element: dict[int, Term] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    _met: set[int] = field(default_factory=set)
    _names: dict[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, loop: Loop) -> _Parts:
        parts = cls(loop)
        for body in loop.bodies:
            parts.divide(body)
        return parts

    def divide(self, term: Term) -> None:
        if not _is_numeric(term):
            return
        if id(term) in self._met:
            self.repeated.add(id(term))
            return
        self._met.add(id(term))
        bound = self.free(term) & self.loop.bound
        if not bound:
            if isinstance(term, Apply | Const):
                self.constant[id(term)] = term
        elif self.loop.carries and bound == {self.loop.element} and isinstance(term, Apply):
            self.of_element[id(term)] = term
        elif isinstance(term, Apply):
            for part in _evaluated_parts(term):
                self.divide(part)

    def free(self, term: Term) -> frozenset[str]:
        if id(term) not in self._names:
            self._names[id(term)] = names(term)
        return self._names[id(term)]


def _is_numeric(term: Term) -> bool:
    """Whether a part is evaluated by itself."""
    match term:
        case Const(value):
            return isinstance(value, float | tuple)
        case Apply("slice" | "range"):
            return False
        case _:
            return True


def _evaluated_parts(term: Apply) -> Iterable[Term]:
    """The arguments that are evaluated whenever the term is, in the same environment."""
    loop = as_loop(term)
    if loop is not None:
        return (loop.over, *(c.start for c in loop.carries))
    if term.function == "log_prob":
        return term.args[1:]
    return term.args[:1] if term.function == "where" else term.args


def elements(over: Term, env: Environment, evaluate: Evaluate) -> Float[Tensor, "rows n *size"]:
    """What a loop runs over."""
    match over:
        case Apply("range", ends) if all(isinstance(e, Const) for e in ends):
            numbers = range(*(e.value for e in ends if isinstance(e, Const)))  # type: ignore[arg-type]
            return torch.tensor(list(numbers), dtype=env.dtype, device=env.device)[None]
        case _:
            values: Tensor = evaluate(over, env)
            return values


def evaluate_loop(loop: Loop, env: Environment, evaluate: Evaluate) -> Any:
    """The list of a comprehension or of a scan's carry; of several carries, each by its name."""
    over = elements(loop.over, env, evaluate)
    parts = _Parts.of(loop)
    constant = {key: evaluate(term, env) for key, term in parts.constant.items()}
    if not loop.carries:
        inside = replace(env, repeated=constant | dict.fromkeys(parts.repeated))
        return at_once(loop, loop.bodies, over, inside, evaluate)[0]
    of_element = _unbound(loop, parts, over, replace(env, repeated=dict(constant)), evaluate)
    carried = [evaluate(c.start, env).to(env.dtype) for c in loop.carries]
    history = [[start] for start in carried]
    labels = [c.name for c in loop.carries]
    changing = parts.repeated - constant.keys() - of_element.keys()
    values, computed = dict(env.values), dict(constant)
    inside = replace(env, values=values, repeated=computed)
    for number, element in enumerate(over.unbind(1)):
        values[loop.element] = element
        values.update(zip(labels, carried, strict=True))
        computed.update((key, each[number]) for key, each in of_element.items())
        computed.update(dict.fromkeys(changing))
        carried = [evaluate(body, inside) for body in loop.bodies]
        for passed, value in zip(history, carried, strict=True):
            passed.append(value)
    lists = [torch.stack(with_equal_rows(values), 1) for values in history]
    return lists[0] if len(lists) == 1 else dict(zip(labels, lists, strict=True))


def _unbound(
    loop: Loop, parts: _Parts, over: Tensor, env: Environment, evaluate: Evaluate
) -> dict[int, tuple[Tensor, ...]]:
    """The values at each element of the parts that depend on it alone."""
    if not parts.of_element:
        return {}
    bodies = tuple(parts.of_element.values())
    lists = at_once(loop, bodies, over, env, evaluate)
    return {key: values.unbind(1) for key, values in zip(parts.of_element, lists, strict=True)}


def at_once(
    loop: Loop, bodies: tuple[Term, ...], over: Tensor, env: Environment, evaluate: Evaluate
) -> tuple[Tensor, ...]:
    """Terms at all elements of a loop, by mapping them over the elements as one operation each."""

    def at(element: Tensor) -> tuple[Tensor, ...]:
        computed = dict(env.repeated or {})
        inside = replace(env.with_values({loop.element: element}), repeated=computed)
        return tuple(evaluate(body, inside) for body in bodies)

    lists = torch.func.vmap(at, in_dims=1)(over)
    return tuple(values.movedim(0, 1) for values in lists)
