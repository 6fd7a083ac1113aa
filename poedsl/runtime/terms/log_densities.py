"""Log densities of the language at values, one for each event."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.parameter_ranges import SHARES_ROUNDING
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.experts.densities.pyro_densities import (
    MATRICES,
    log_prob_inside,
    log_probs,
    proper_matrices,
    trailing,
)

#: What a term stands for: a tensor with a row for each particle, or one row.
Evaluate = Callable[[Term], Tensor]


def parameters(term: Apply, value: Evaluate, sizes: tuple[int, ...]) -> dict[str, Tensor]:
    """The parameters of a density over values of these sizes, in rows.

    Raises:
        RuntimeError: one does not broadcast to the sizes.
    """
    arguments = {}
    for name, inner in parameters_with_value(term):
        argument = value(inner)
        matrix, more = name in MATRICES, trailing(term.function, name)
        ones = (1,) * (1 + len(sizes) + matrix + more - argument.dim())
        argument = argument.view(len(argument), *ones, *argument.shape[1:])
        over = sizes[: len(sizes) + min(more, 0)]
        inner_sizes = argument.shape[argument.dim() - more :] if more > 0 else ()
        arguments[name] = (
            argument if matrix else argument.expand(len(argument), *over, *inner_sizes)
        )
    return arguments


def parameters_with_value(term: Apply) -> tuple[tuple[str, Term], ...]:
    """The parameters of a density that have a value, and are not none."""
    return tuple((name, inner) for name, inner in term.kwargs if inner != Const(None))


def event_logs(
    term: Term, x: Float[Tensor, "#L *shape"], value: Evaluate
) -> Float[Tensor, "#L *events"]:
    """The log density of each event, a mixture being one of each; nan where a parameter has no
    meaning. In double precision.

    Raises:
        ValueError: a parameter does not broadcast to what it is over.
    """
    assert isinstance(term, Apply)
    if term.function == "mixture":
        weights = [value(w).double() for w in term.args[::2]]
        return mixed_events(weights, [event_logs(part, x, value) for part in term.args[1::2]])
    try:
        rows = parameters(term, value, tuple(x.shape[1:]))
    except RuntimeError:
        raise _unfit(term, x, value) from None
    arguments, valid = proper_matrices({name: v.double() for name, v in rows.items()})
    points = x.double()
    logs = log_probs(term.function, arguments, log_prob_inside(term.function, arguments), points)
    valid = valid.view(*valid.shape, *(1,) * (logs.dim() - valid.dim()))
    return torch.where(valid, logs, math.nan)


def mixed_events(weights: Sequence[Tensor], parts: Sequence[Tensor]) -> Float[Tensor, "#L *events"]:
    """The log density of a mixture of each event, which is a vector where some part is over one;
    nan where the weights are no shares.
    """
    rank = min(part.dim() for part in parts)
    total: Tensor | None = None
    sum_of_weights = torch.zeros_like(weights[0])
    proper = torch.ones_like(weights[0], dtype=torch.bool)
    for weight, part in zip(weights, parts, strict=True):
        events = part.reshape(*part.shape[:rank], -1).sum(-1) if part.dim() > rank else part
        beside = weight.view(len(weight), *(1,) * (rank - weight.dim()), *weight.shape[1:])
        weighted = beside.log() + events
        total = weighted if total is None else torch.logaddexp(total, weighted)
        sum_of_weights, proper = sum_of_weights + weight, proper & (weight >= 0)
    proper = proper & ((sum_of_weights - 1).abs() < SHARES_ROUNDING)
    assert total is not None
    proper = proper.view(len(proper), *(1,) * (rank - proper.dim()), *proper.shape[1:])
    return torch.where(proper, total, math.nan)


def wide_enough(term: Term, x: Float[Tensor, "#L *shape"], value: Evaluate) -> Tensor:
    """Values expanded to the sizes of a density's parameters, where these are wider."""
    assert isinstance(term, Apply)
    sizes = tuple(x.shape[1:])
    for name, inner in parameters_with_value(term):
        if name not in MATRICES and trailing(term.function, name) == 0:
            wider: tuple[int, ...] = torch.broadcast_shapes(  # type: ignore[no-untyped-call]
                sizes, tuple(value(inner).shape[1:])
            )
            sizes = tuple(wider)
    ones = (1,) * (len(sizes) + 1 - x.dim())
    return x.view(len(x), *ones, *x.shape[1:]).expand(len(x), *sizes)


def _unfit(term: Apply, x: Tensor, value: Evaluate) -> ValueError:
    """Which parameter does not broadcast."""
    sizes = tuple(x.shape[1:])
    for name, inner in parameters_with_value(term):
        more, shape = trailing(term.function, name), tuple(value(inner).shape[1:])
        over, inner_sizes = sizes[: len(sizes) + min(more, 0)], shape[: len(shape) - max(more, 0)]
        if name not in MATRICES and not fits(inner_sizes, over):
            message = f"`{name}` of `{term.function}` has the shape {list(shape)}"
            return ValueError(f"{message}, and what it is over {list(sizes)}")
    return ValueError(f"the parameters of `{term.function}` do not fit the shape {list(sizes)}")


def fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to another."""
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(a in (1, b) for a, b in pairs)
