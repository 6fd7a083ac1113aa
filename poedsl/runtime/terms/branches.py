"""`where(c, a, b)`: values by a condition, with gradients of the branch that is taken alone.

A branch may have no value where it is not taken, as the logarithm of a negative number, and the
chain rule then multiplies its infinite derivative by zero. So what a branch is computed from is
cut off from the gradients where the branch is not taken.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from poedsl.compiler.functions.table import COMPONENTWISE
from poedsl.compiler.plan.terms import BINARY, UNARY, Apply, Const, Term, walk
from poedsl.runtime.terms.environment import Environment, Evaluate
from poedsl.runtime.terms.functions import aligned, apply

#: What has a finite value and finite derivatives wherever its arguments have.
HARMLESS = frozenset({"+", "-", "*", "neg", "list", "index", "slice", "attribute", "sum", "mean"})
_SHELL = ((BINARY | UNARY.keys()) - {"@"}) | (COMPONENTWISE - {"where"})


def chosen(
    condition: Term, first: Term, second: Term, env: Environment, evaluate: Evaluate
) -> Tensor:
    """The first value where the condition holds, the second elsewhere."""
    holds = evaluate(condition, env)
    branches = [
        _Branch(mask, env, evaluate).value(term)
        for term, mask in ((first, holds), (second, ~holds))
    ]
    return torch.where(*_three(holds, *branches))


def _three(holds: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A condition and two branches, aligned."""
    holds, first, second = aligned([holds, first, second])
    return holds, first, second


def _harmless(term: Term) -> bool:
    return all(t.function in HARMLESS for t in walk(term) if isinstance(t, Apply))


class _Branch:
    """A branch that is taken where a mask holds."""

    def __init__(self, taken: Tensor, env: Environment, evaluate: Evaluate) -> None:
        self.taken, self.env, self.evaluate = taken, env, evaluate
        self.values: dict[int, Tensor] = {}

    def value(self, term: Term) -> Tensor:
        if _harmless(term):
            value: Tensor = self.evaluate(term, self.env)
            return value
        return self.inside(term)

    def inside(self, term: Term) -> Tensor:
        """The value of a part, of what is shared computed once."""
        if id(term) not in self.values:
            self.values[id(term)] = self.computed(term)
        return self.values[id(term)]

    def computed(self, term: Term) -> Tensor:
        match term:
            case Const():
                value: Tensor = self.evaluate(term, self.env)
                return value
            case Apply(function, args, ()) if function in _SHELL:
                return apply(function, [self.inside(a) for a in args])
            case Apply("where", (condition, first, second)):
                holds = self.inside(condition)
                parts = aligned([self.taken, holds])
                masks = [parts[0] & parts[1], parts[0] & ~parts[1]]
                branches = [
                    _Branch(mask, self.env, self.evaluate).value(branch)
                    for mask, branch in zip(masks, (first, second), strict=True)
                ]
                return torch.where(*_three(holds, *branches))
            case _:
                env = self.env if _harmless(term) else self.cut()
                value, taken = aligned([self.evaluate(term, env), self.taken])
                return torch.where(taken, value, value.detach())

    def cut(self) -> Environment:
        """The names, their values cut off for the particles that take the branch nowhere."""
        rows = self.taken.reshape(len(self.taken), -1).any(-1)
        values: dict[str, Any] = {}
        for name, value in self.env.values.items():
            if isinstance(value, Tensor) and value.is_floating_point() and value.dim():
                kept = rows.view(-1, *(1,) * (value.dim() - 1))
                value = torch.where(kept, value, value.detach())
            values[name] = value
        return replace(self.env, values=values, repeated=None)
