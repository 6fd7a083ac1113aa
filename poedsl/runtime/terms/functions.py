"""The functions of the language on tensors, by the names of their rows in the compiler.

Every value has a row for each particle (or one for all) in front of its own shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import CHAINS
from poedsl.runtime.terms import matrices, vector_constructors
from poedsl.runtime.terms.matrices import matrix_product

OPERATORS: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "@": matrix_product,
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
    ranks = {v.dim() for v in values}
    if len(ranks) == 1:
        return values
    rank = max(ranks)
    return [v.view(v.shape[0], *(1,) * (rank - v.dim()), *v.shape[1:]) for v in values]


def with_equal_rows(values: Sequence[Tensor]) -> list[Tensor]:
    """Values expanded to the same number of rows."""
    rows = max(len(v) for v in values)
    return [v.expand(rows, *v.shape[1:]) for v in values]


def _elementwise(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *args: f(*aligned(list(args)))


def dimension(axis: int) -> int:
    """The dimension of an axis, behind that of particles."""
    return axis + 1 if axis >= 0 else axis


def _reduction(f: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """A function of all components of each row, or of those along an axis."""

    def reduced(x: Tensor, axis: int | None = None) -> Tensor:
        return f(x.reshape(len(x), -1), -1) if axis is None else f(x, dimension(axis))

    return reduced


def _along(f: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """A function of the vectors along an axis."""
    return lambda x, axis: f(x, dimension(axis))


def _extreme(
    reduce: Callable[[Tensor, int], Tensor], compare: Callable[[Tensor, Tensor], Tensor]
) -> Callable[..., Tensor]:
    """Of all components or those along an axis, or component by component of two values."""
    reduced, compared = _reduction(reduce), _elementwise(compare)

    def extreme(x: Tensor, y: Tensor | None = None, axis: int | None = None) -> Tensor:
        return reduced(x, axis) if y is None else compared(x, y)

    return extreme


def normal_cdf(x: Tensor) -> Tensor:
    """By the complementary error function, which is exact in the lower tail."""
    return 0.5 * torch.erfc(-x / math.sqrt(2))


def logsumexp(x: Tensor, dim: int) -> Tensor:
    """log(sum(exp(x))); where all are minus infinity it is that, with gradients of zero."""
    most = x.detach().amax(dim, keepdim=True)
    most = torch.where(most.isfinite(), most, 0.0)
    total = (x - most).exp().sum(dim)
    some = total > 0
    return torch.where(some, torch.where(some, total, 1.0).log() + most.squeeze(dim), -math.inf)


def quantile(
    x: Float[Tensor, "#L *shape"], q: Float[Tensor, "#L"], axis: int | None = None
) -> Float[Tensor, "L *rest"]:
    """Of all components or those along an axis, linear between the order statistics; nan where one
    of the components is, and of an order outside of 0 to 1.
    """
    along = x.reshape(len(x), -1) if axis is None else x.movedim(dimension(axis), -1)
    ordered, order = with_equal_rows((along.sort(-1).values, q))
    order = order.view(-1, *(1,) * (ordered.dim() - 1)).expand(*ordered.shape[:-1], 1)
    valid = (order >= 0) & (order <= 1) & ~ordered.isnan().any(-1, keepdim=True)
    place = torch.where(valid, order, 0.0) * (ordered.shape[-1] - 1)
    ends = (place.detach().floor(), place.detach().ceil())
    below, above = (ordered.gather(-1, end.long()) for end in ends)
    value = torch.lerp(below, above, place - ends[0])
    return torch.where(valid, value, torch.nan)[..., 0]


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
    x: Float[Tensor, "*rest h w"], height: int, width: int
) -> Float[Tensor, "*rest height width"]:
    """Bilinear, with a wider filter where it shrinks."""
    sizes = (height, width)
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
    "ceil": _elementwise(torch.ceil),
    "mod": _elementwise(torch.remainder),
    "square": _elementwise(torch.square),
    "expm1": _elementwise(torch.expm1),
    "log1p": _elementwise(torch.log1p),
    "log2": _elementwise(torch.log2),
    "log10": _elementwise(torch.log10),
    "logit": _elementwise(torch.logit),
    "log_sigmoid": _elementwise(F.logsigmoid),
    "sinh": _elementwise(torch.sinh),
    "cosh": _elementwise(torch.cosh),
    "arcsin": _elementwise(torch.asin),
    "arccos": _elementwise(torch.acos),
    "arctan": _elementwise(torch.atan),
    "arctan2": _elementwise(torch.atan2),
    "erf": _elementwise(torch.erf),
    "erfinv": _elementwise(torch.erfinv),
    "erfc": _elementwise(torch.erfc),
    "normal_cdf": _elementwise(normal_cdf),
    "normal_icdf": _elementwise(torch.special.ndtri),
    "log_normal_cdf": _elementwise(torch.special.log_ndtr),
    "digamma": _elementwise(torch.digamma),
    "arcsinh": _elementwise(torch.asinh),
    "arccosh": _elementwise(torch.acosh),
    "arctanh": _elementwise(torch.atanh),
    "lbeta": _elementwise(lambda a, b: a.lgamma() + b.lgamma() - (a + b).lgamma()),
    "lchoose": _elementwise(
        lambda n, k: (n + 1).lgamma() - (k + 1).lgamma() - (n - k + 1).lgamma()
    ),
    "logaddexp": _elementwise(torch.logaddexp),
    "sum": _reduction(lambda x, dim: _as_numbers(x).sum(dim)),
    "prod": _reduction(lambda x, dim: x.prod(dim)),
    "mean": _reduction(lambda x, dim: _as_numbers(x).mean(dim)),
    "var": _reduction(lambda x, dim: x.var(dim, correction=0)),
    "std": _reduction(lambda x, dim: x.std(dim, correction=0)),
    "norm": _reduction(lambda x, dim: x.norm(dim=dim)),
    "logsumexp": _reduction(logsumexp),
    "min": _extreme(lambda x, dim: x.amin(dim), torch.minimum),
    "max": _extreme(lambda x, dim: x.amax(dim), torch.maximum),
    "all": _reduction(lambda x, dim: x.all(dim)),
    "any": _reduction(lambda x, dim: x.any(dim)),
    "softmax": _along(torch.softmax),
    "log_softmax": _along(torch.log_softmax),
    "cumsum": _along(torch.cumsum),
    "cumprod": _along(torch.cumprod),
    "diff": _along(lambda x, dim: x.diff(dim=dim)),
    "median": lambda x, axis=None: quantile(x, x.new_full((1,), 0.5), axis),
    "quantile": quantile,
    "sort": _along(lambda x, dim: x.sort(dim).values),
    "transpose": matrices.transpose,
    "cholesky": matrices.cholesky,
    "solve": matrices.solve,
    "inverse": matrices.inverse,
    "det": matrices.det,
    "logdet": matrices.logdet,
    "diag": matrices.diag,
    "outer": matrices.outer,
    "concat": concat,
    "range": vector_constructors.range_of,
    "linspace": vector_constructors.linspace,
    "identity": vector_constructors.identity,
    "zeros": vector_constructors.zeros,
    "ones": vector_constructors.ones,
    "dot": dot,
    "blur": blur,
    "resize": resize,
    "grey": grey,
}
#: Functions of regions, texts and branches, which `evaluate` reads from the term.
READ_FROM_TERMS = frozenset({"box", "frames", "crop", "contains", "matches", "length", "where"})
#: The arguments, by their place or name, that are whole numbers and not tensors.
WHOLE_NUMBERS = frozenset(
    (f.name, place)
    for f in FUNCTIONS.values()
    for i, parameter in enumerate(f.parameters)
    if parameter.takes == "whole number"
    for place in (i, parameter.name)
)
NO_NAMES: Mapping[str, Any] = {}


def apply(
    function: str, args: list[Any], kwargs: Mapping[str, Any] = NO_NAMES
) -> Float[Tensor, L * shape]:
    """A function of evaluated arguments."""
    if function in CHAINS:
        return reduce(OPERATORS[function], aligned(args))
    if function == "@":
        return matrix_product(*args)
    if function in OPERATORS:
        return OPERATORS[function](*aligned(args))
    if function in TENSOR_FUNCTIONS:
        return TENSOR_FUNCTIONS[function](*args, **kwargs)
    if function == "list":
        return torch.stack(with_equal_rows(args), 1)
    raise ValueError(f"`{function}` has no value here")
