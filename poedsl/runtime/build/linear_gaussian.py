"""Gaussian data around linear functions of variables, by as many numbers as there are variables.

With the mean c + M theta of data y the sum of squares is that of a triangular system,

    |y - c - M theta|^2 = |R (-theta, 1)|^2,    where Q R = [M, y - c]

(Golub and Van Loan 2013, section 5.3). R has a row for each component of theta and one more, so
that the cost of an evaluation does not depend on the number of data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.analysis.linear import is_linear
from poedsl.compiler.plan.terms import Apply, Ref, Term, names
from poedsl.runtime.terms.environment import Environment
from poedsl.runtime.terms.evaluate import evaluate
from poedsl.runtime.terms.log_densities import event_logs

#: Data are reduced where there are so many times more of them than of numbers that replace them.
FEWER = 4
#: The most elements of [M, y - c].
MOST_ELEMENTS = 2**25
#: The error of M at random points, relative to the size of the mean.
TOLERANCE = 1e-9
_RESIDUAL, _SCALE = Ref("residual"), Ref("scale")


@dataclass(frozen=True, slots=True)
class LinearGaussian:
    """A Gaussian likelihood whose mean is linear in variables.

    Attributes:
        variables: theta, in the order of the columns of M.
        triangle: R.
        scale: of all data alike; None where it is known, by which R is divided.
        count: of the data.
        constant: of the log density.
    """

    variables: tuple[str, ...]
    triangle: Float[Tensor, "K D_and_one"]
    scale: Term | None
    count: int
    constant: float

    @property
    def rows(self) -> int:
        """The numbers that an evaluation takes for each particle."""
        return len(self.triangle)

    def log_value(self, env: Environment) -> Float[Tensor, "#L"]:
        """The log density of all data, nan where the scale is not positive."""
        values = [env.values[name].double() for name in self.variables]
        count = max(map(len, values))
        theta = torch.cat([v.reshape(len(v), -1).expand(count, -1) for v in values], 1)
        ones = theta.new_ones(count, 1)
        residuals = torch.cat([-theta, ones], 1) @ self.triangle.T
        residuals = torch.cat([residuals, torch.zeros_like(ones)], 1)
        scale = ones[:1] if self.scale is None else evaluate(self.scale, env).double()
        parameters: dict[Term, Tensor] = {_RESIDUAL: residuals, _SCALE: scale.view(-1, 1)}
        term = Apply("Normal", (), (("loc", _RESIDUAL), ("scale", _SCALE)))
        zeros = torch.zeros_like(residuals[:1])
        logs = event_logs(term, zeros, lambda inner: parameters[inner])
        return logs[:, :-1].sum(-1) + (self.count - self.rows) * logs[:, -1] + self.constant


def linear_gaussian(
    term: Term, data: Float[Tensor, "1 *shape"], variables: frozenset[str], at: Environment
) -> LinearGaussian | None:
    """The reduced likelihood of data; None where it is none of these, or would not be shorter.

    Args:
        term: the density of the data.
        at: with values of all variables, of which the sizes count.
    """
    if not isinstance(term, Apply) or term.function != "Normal":
        return None
    parameters = dict(term.kwargs)
    mean, scale = parameters["loc"], parameters["scale"]
    coefficients = tuple(sorted(names(mean) & variables))
    if not coefficients or not is_linear(mean, variables):
        return None
    count, size = data.numel(), sum(at.values[name][0].numel() for name in coefficients)
    if count < FEWER * (size + 2) or count * (size + 1) > MOST_ELEMENTS:
        return None
    fixed_scale = not names(scale) & variables
    width = evaluate(scale, at).double()
    if not fixed_scale and width[0].numel() != 1:
        return None

    def means(theta: Float[Tensor, "n D"]) -> Float[Tensor, "n N"]:
        parts = torch.split(theta.to(at.dtype), [at.values[n][0].numel() for n in coefficients], 1)
        values = {
            name: part.reshape(len(part), *at.values[name].shape[1:])
            for name, part in zip(coefficients, parts, strict=True)
        }
        mean_of = evaluate(mean, at.with_values(values)).double()
        ones = (1,) * (data.dim() - mean_of.dim())
        rows = mean_of.view(len(mean_of), *ones, *mean_of.shape[1:])
        return rows.expand(len(theta), *data.shape[1:]).reshape(len(theta), -1)

    unit = torch.eye(size, dtype=torch.float64, device=data.device)
    with torch.no_grad():
        start = means(torch.zeros_like(unit[:1]))
        slopes = means(unit) - start
        if not _agree(means, start, slopes):
            return None
        columns = torch.cat([slopes, data.reshape(1, -1) - start]).T
        if not bool(columns.isfinite().all()):
            return None
        constant = 0.0
        if fixed_scale:
            each = width.expand(data.shape).reshape(-1, 1)
            if not bool((each > 0).all()):
                return None
            columns, constant = columns / each, -float(each.log().sum())
        triangle = torch.linalg.qr(columns, mode="r")[1]
    return LinearGaussian(coefficients, triangle, None if fixed_scale else scale, count, constant)


def _agree(
    means: Callable[[Tensor], Tensor], start: Float[Tensor, "1 N"], slopes: Float[Tensor, "D N"]
) -> bool:
    """Whether the mean at random points is what its slopes say."""
    generator = torch.Generator("cpu").manual_seed(0)
    points = torch.randn(2, len(slopes), generator=generator, dtype=torch.float64, device="cpu")
    points = points.to(slopes.device)
    linear = start + points @ slopes
    size = start.abs() + points.abs() @ slopes.abs()
    limit = max(TOLERANCE, 16 * torch.finfo(start.dtype).eps)
    return bool(
        ((means(points) - linear).abs() <= limit * size + torch.finfo(size.dtype).tiny).all()
    )
