"""Terms on tensors: every value has a row for each particle (or one for all) in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.functions import flatten
from poedsl.compiler.terms import Apply, Const, Ref, Term
from poedsl.experts.protocol import Reward

Operator = Callable[[Tensor, Tensor], Tensor]

_ARITHMETIC: dict[str, Operator] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
}
_COMPARISONS: dict[str, Operator] = {
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
}
_ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "neg": torch.neg,
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "not": torch.logical_not,
}
_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: x.sum(-1),
    "mean": lambda x: x.mean(-1),
    "norm": lambda x: x.norm(dim=-1),
    "min": lambda x: x.amin(-1),
    "max": lambda x: x.amax(-1),
}


@dataclass(frozen=True, slots=True)
class Environment:
    """Values of names, (L, ...) for variables and (1, ...) for inputs, and the judges behind calls.

    Attributes:
        rewards: a judge for each call of a reward, by the call itself.
    """

    values: dict[str, Tensor]
    rewards: dict[Term, Reward]
    device: torch.device

    def with_values(self, values: dict[str, Tensor]) -> Environment:
        return Environment({**self.values, **values}, self.rewards, self.device)


def evaluate(term: Term, env: Environment) -> Float[Tensor, L * shape]:
    """The value of a term of numbers or conditions."""
    match term:
        case Const(value):
            return tensor(value, env.device)
        case Ref(name):
            return env.values[name]
        case Apply(function, args) if term in env.rewards:
            subject = dict(term.kwargs)["subject"]
            return env.rewards[term](evaluate(subject, env))
        case Apply(function, args) if function in _ARITHMETIC or function in _COMPARISONS:
            f = _ARITHMETIC.get(function) or _COMPARISONS[function]
            return f(*aligned([evaluate(a, env) for a in args]))
        case Apply("min" | "max" as function, (a, b)):
            f = torch.minimum if function == "min" else torch.maximum
            return f(*aligned([evaluate(a, env), evaluate(b, env)]))
        case Apply(function, (a,)) if function in _REDUCTIONS:
            whole = evaluate(a, env)
            return _REDUCTIONS[function](whole.reshape(len(whole), -1))
        case Apply(function, (a,)) if function in _ELEMENTWISE:
            return _ELEMENTWISE[function](evaluate(a, env))
        case Apply("list", args):
            items = [evaluate(a, env) for a in args]
            rows = max(i.shape[0] for i in items)
            return torch.stack([i.expand(rows, *i.shape[1:]) for i in items], 1)
        case Apply("index", (inner, *items)):
            return part(evaluate(inner, env), items)
        case _:
            raise ValueError(f"no value for {term}")


def tensor(value: object, device: torch.device) -> Float[Tensor, 1 * shape]:
    """A constant with a leading row of one."""
    kind = torch.bool if isinstance(value, bool) else torch.float32
    return torch.tensor(_plain(value), dtype=kind, device=device)[None]


def _plain(value: object) -> object:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def aligned(values: list[Tensor]) -> list[Tensor]:
    """Own shapes aligned at their ends, as NumPy would, the row of particles staying in front."""
    rank = max(v.dim() for v in values)
    return [v.view(v.shape[0], *(1,) * (rank - v.dim()), *v.shape[1:]) for v in values]


def part(value: Float[Tensor, L * shape], items: list[Term]) -> Float[Tensor, L * part]:
    """Indices, slices, or a box in fractions of width and height."""
    if len(items) == 1 and isinstance(items[0], Apply) and items[0].function == "box":
        sides = flatten(tuple(a.value for a in items[0].args if isinstance(a, Const)))
        left, top, right, bottom = (float(s) for s in sides)
        height, width = value.shape[-2:]
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        return value[..., rows, columns]
    index: list[slice | int] = [slice(None)]
    for item in items:
        if isinstance(item, Apply):
            start, stop = (a.value for a in item.args if isinstance(a, Const))
            index.append(slice(start, stop))
        elif isinstance(item, Const) and isinstance(item.value, int):
            index.append(item.value)
    return value[tuple(index)]


def margins(term: Term, env: Environment) -> list[Float[Tensor, L * shape]] | None:
    """A condition as inequalities that must all hold, each by a margin positive where it does.

    None where the condition is not a conjunction of inequalities.
    """
    match term:
        case Apply("and", (a, b)):
            left, right = margins(a, env), margins(b, env)
            return None if left is None or right is None else left + right
        case Apply("<" | "<=", (a, b)):
            low, high = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case Apply(">" | ">=", (a, b)):
            high, low = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case _:
            return None
