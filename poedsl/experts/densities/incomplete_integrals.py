"""Logarithms of the regularised incomplete gamma and beta functions, and of their complements.

They are accurate where the functions underflow. Their derivatives in the end of the integral are
closed forms; those in the shapes are not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: The most terms of a series or a continued fraction, and the relative change at which it ends,
#: which is above that by rounding.
MOST_TERMS, CONVERGED = 100_000, 2e-15
#: From here on the hazard of a standard gamma is one but for rounding.
FAR_OUT = 1e10


@dataclass(frozen=True, slots=True)
class Integral:
    """The logarithm of an integral of a density up to, or from, its end.

    Attributes:
        log_value: at ends, by shapes of the density.
        log_ratio: the logarithm of density / value, of ends, values and shapes.
        sign: 1 up to the end, -1 from it on.
    """

    log_value: Callable[..., Tensor]
    log_ratio: Callable[..., Tensor]
    sign: float

    def __call__(self, end: Tensor, *shapes: Tensor) -> Tensor:
        """At ends and shapes of one size.

        Raises:
            PoeError: a gradient in a shape is asked for (P0314).
        """
        value: Tensor = _LogIntegral.apply(self, end, *shapes)  # type: ignore[no-untyped-call]
        return value


class _LogIntegral(torch.autograd.Function):
    """An integral with its derivative in the end.

    Under `torch.func.vmap` the values are those of all elements of a loop together.
    """

    @staticmethod
    def forward(integral: Integral, end: Tensor, *shapes: Tensor) -> Tensor:
        doubles = (value.double() for value in (end, *shapes))
        return integral.log_value(*doubles).to(end.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.integral = inputs[0]
        ctx.save_for_backward(*inputs[1:], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        end, *shapes, value = ctx.saved_tensors
        if any(ctx.needs_input_grad[2:]):
            message = "a shape of a truncated density depends on a variable, by a loop over it"
            note = "its gradient is not available; a shape may be a constant or come with the data"
            raise PoeError((Diagnostic("P0314", message, notes=(note,)),))
        slope = ctx.integral.sign * ctx.integral.log_ratio(end, value, *shapes).exp()
        return None, gradient * slope, *(None for _ in shapes)

    @staticmethod
    def vmap(info: Any, in_dims: Any, integral: Integral, *values: Tensor) -> Any:
        moved = [
            v if d is None else v.movedim(d, 0) for v, d in zip(values, in_dims[1:], strict=True)
        ]
        return integral(*torch.broadcast_tensors(*moved)), 0  # type: ignore[no-untyped-call]


def _continued_fraction(
    leading: Tensor, coefficients: Callable[[int], tuple[Tensor, Tensor]]
) -> Tensor:
    """b0 + a1 / (b1 + a2 / (b2 + ...)), by Lentz's method (Thompson and Barnett 1986).

    Args:
        leading: b0. coefficients: from n to a_n and b_n.
    """
    total = numerator = leading
    inverse = torch.zeros_like(leading)
    for n in range(1, MOST_TERMS):
        a, b = coefficients(n)
        inverse = 1 / (b + a * inverse)
        numerator = b + a / numerator
        total = total * inverse * numerator
        if not bool(((inverse * numerator - 1).abs() > CONVERGED).any()):
            break
    return total


def _log_gamma_masses(z: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Below and above: one of them is computed, and the other is its complement."""
    lower = z < a + 1
    common = a * z.log() - z - a.lgamma()
    near, far = torch.where(lower, z, 0.5 * a), torch.where(lower, 2 * a + 1, z)
    total = term = 1 / a
    for n in range(1, MOST_TERMS):
        term = term * near / (a + n)
        total = total + term
        if not bool((term > CONVERGED * total).any()):
            break
    fraction = _continued_fraction(far + 1 - a, lambda n: (n * (a - n), far + (2 * n + 1) - a))
    value = common + torch.where(lower, total.log(), -fraction.log())
    complement = log1mexp(value.clamp(max=-1e-300))
    return torch.where(lower, value, complement), torch.where(lower, complement, value)


def _log_gamma_density(z: Tensor, a: Tensor) -> Tensor:
    return (a - 1) * z.log() - z - a.lgamma()


def _log_gamma_hazard(z: Tensor, value: Tensor, a: Tensor) -> Tensor:
    return torch.where(z < FAR_OUT, _log_gamma_density(z, a) - value, 0.0)


#: Of a standard gamma, at its end and its shape.
GAMMA_BELOW = Integral(
    lambda z, a: _log_gamma_masses(z, a)[0],
    lambda z, value, a: _log_gamma_density(z, a) - value,
    sign=1.0,
)
GAMMA_ABOVE = Integral(lambda z, a: _log_gamma_masses(z, a)[1], _log_gamma_hazard, sign=-1.0)


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


def _log_beta_near(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Up to x = 1 - y, which is at most about the mean."""

    def coefficients(n: int) -> tuple[Tensor, Tensor]:
        m = n // 2
        top = -(a + m) * (a + b + m) if n % 2 else m * (b - m)
        return top * x / ((a + (n - 1)) * (a + n)), torch.ones_like(x)

    fraction = _continued_fraction(torch.ones_like(x), coefficients)
    log_y = torch.where(x < 0.5, torch.log1p(-x), y.log())
    return a * x.log() + b * log_y - log_beta(a, b) - a.log() - fraction.log()


def log_beta_below(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The logarithm of the regularised incomplete beta function at x = 1 - y."""
    near = x * (a + b + 2) <= a + 1
    first, second = torch.where(near, a, b), torch.where(near, b, a)
    value = _log_beta_near(torch.where(near, x, y), torch.where(near, y, x), first, second)
    return torch.where(near, value, log1mexp(value.clamp(max=-1e-300)))


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) of x < 0 (Maechler 2012)."""
    near = x > -math.log(2)
    small, large = torch.where(near, x, -1.0), torch.where(near, -1.0, x)
    return torch.where(near, (-torch.expm1(small)).log(), torch.log1p(-large.exp()))


def _log_beta_density(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return (a - 1) * x.log() + (b - 1) * torch.log1p(-x) - log_beta(a, b)


#: Of a beta, at its end, and its weights towards one and zero.
BETA_BELOW = Integral(
    lambda x, a, b: log_beta_below(x, 1 - x, a, b),
    lambda x, value, a, b: _log_beta_density(x, a, b) - value,
    sign=1.0,
)
BETA_ABOVE = Integral(
    lambda x, a, b: log_beta_below(1 - x, x, b, a),
    lambda x, value, a, b: _log_beta_density(x, a, b) - value,
    sign=-1.0,
)


def _log_student_below(z: Tensor, df: Tensor) -> Tensor:
    square = z.square()
    x, y = df / (df + square), square / (df + square)
    tail = log_beta_below(x, y, df / 2, torch.full_like(df, 0.5)) - math.log(2)
    return torch.where(z < 0, tail, torch.log1p(-tail.exp()))


def _log_student_density(z: Tensor, df: Tensor) -> Tensor:
    constant = ((df + 1) / 2).lgamma() - (df / 2).lgamma() - 0.5 * (math.pi * df).log()
    return constant - (df + 1) / 2 * torch.log1p(z.square() / df)


#: Of a standard Student's t, at its end and its degrees of freedom.
STUDENT_BELOW = Integral(
    _log_student_below, lambda z, value, df: _log_student_density(z, df) - value, sign=1.0
)
