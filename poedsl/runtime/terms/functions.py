"""The functions of the language on tensors, by the names of their rows in the compiler.

Every value has a row for each particle (or one for all) in front of its own shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

OPERATORS: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
    "neg": torch.neg,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
}


def aligned(values: list[Tensor]) -> list[Tensor]:
    """Shapes aligned at their ends as in NumPy, behind the dimension of particles."""
    rank = max(v.dim() for v in values)
    return [v.view(v.shape[0], *(1,) * (rank - v.dim()), *v.shape[1:]) for v in values]


def with_equal_rows(values: Sequence[Tensor]) -> list[Tensor]:
    """Values expanded to the same number of rows."""
    rows = max(len(v) for v in values)
    return [v.expand(rows, *v.shape[1:]) for v in values]


def _elementwise(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: f(*aligned(list(args)))


def _reduction(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A function of all components of each row."""
    return lambda x: f(x.reshape(len(x), -1))


def _extreme(
    reduce: Callable[[Tensor], Tensor], compare: Callable[[Tensor, Tensor], Tensor]
) -> Callable[..., Tensor]:
    """Of all components, or component by component of two values."""
    reduced, compared = _reduction(reduce), _elementwise(compare)
    return lambda *args: reduced(*args) if len(args) == 1 else compared(*args)


def _as_numbers(x: Tensor) -> Tensor:
    """Conditions as ones and zeros."""
    return x.float() if x.dtype == torch.bool else x


def concat(x: Tensor, y: Tensor) -> Float[Tensor, L * shape]:
    return torch.cat(with_equal_rows((x, y)), 1)


def dot(x: Float[Tensor, "#L n"], y: Float[Tensor, "#L n"]) -> Float[Tensor, " _"]:
    return (x * y).sum(-1)


def blur(x: Float[Tensor, "*rest h w"], radius: Tensor) -> Float[Tensor, "*rest h w"]:
    """Gaussian of a standard deviation in pixels, cut at four of them; edges are replicated."""
    deviation = float(radius)
    if not 0 <= deviation < math.inf:
        raise ValueError(f"the radius of a blur is at least 0, and this is {deviation:g}")
    if deviation == 0:
        return x
    reach = math.ceil(4 * deviation)
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    weights = (-0.5 * (offsets / deviation).square()).softmax(0)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), "replicate"), weights.view(1, 1, -1, 1))
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), "replicate"), weights.view(1, 1, 1, -1))
    return _within(planes.view_as(x), x)


def resize(
    x: Float[Tensor, "*rest h w"], height: Tensor, width: Tensor
) -> Float[Tensor, "*rest height width"]:
    """Bilinear, with a wider filter where it shrinks."""
    sizes = (int(height), int(width))
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = F.interpolate(planes, sizes, mode="bilinear", antialias=True)
    return _within(planes.view(*x.shape[:-2], *sizes), x)


def _within(
    y: Float[Tensor, "*rest height width"], x: Float[Tensor, "*rest h w"]
) -> Float[Tensor, "*rest height width"]:
    """Averages of ``x`` without what rounding put outside of its range."""
    return y.clamp(x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True))


def grey(x: Float[Tensor, "*rest c h w"]) -> Float[Tensor, "*rest 1 h w"]:
    """The luma of ITU-R 601."""
    if x.shape[-3] == 1:
        return x
    luma = x.new_tensor([0.299, 0.587, 0.114])
    return (x * luma.view(3, 1, 1)).sum(-3, keepdim=True)


TENSOR_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": _elementwise(torch.abs),
    "sign": _elementwise(torch.sign),
    "floor": _elementwise(torch.floor),
    "round": _elementwise(torch.round),
    "clamp": _elementwise(torch.clamp),
    "sqrt": _elementwise(torch.sqrt),
    "exp": _elementwise(torch.exp),
    "log": _elementwise(torch.log),
    "lgamma": _elementwise(torch.lgamma),
    "sin": _elementwise(torch.sin),
    "cos": _elementwise(torch.cos),
    "tan": _elementwise(torch.tan),
    "tanh": _elementwise(torch.tanh),
    "sigmoid": _elementwise(torch.sigmoid),
    "softplus": _elementwise(F.softplus),
    "sum": _reduction(lambda x: _as_numbers(x).sum(-1)),
    "prod": _reduction(lambda x: x.prod(-1)),
    "mean": _reduction(lambda x: _as_numbers(x).mean(-1)),
    "var": _reduction(lambda x: x.var(-1, correction=0)),
    "std": _reduction(lambda x: x.std(-1, correction=0)),
    "norm": _reduction(lambda x: x.norm(dim=-1)),
    "min": _extreme(lambda x: x.amin(-1), torch.minimum),
    "max": _extreme(lambda x: x.amax(-1), torch.maximum),
    "all": _reduction(lambda x: x.all(-1)),
    "any": _reduction(lambda x: x.any(-1)),
    "concat": concat,
    "dot": dot,
    "blur": blur,
    "resize": resize,
    "grey": grey,
}
#: Functions of regions and texts, which `evaluate` reads from the term.
READ_FROM_TERMS = frozenset({"box", "frames", "crop", "contains", "matches", "length"})
#: Functions whose calls are always constants.
ALWAYS_FOLDED = frozenset({"linspace", "range"})
