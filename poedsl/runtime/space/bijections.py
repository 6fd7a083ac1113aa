"""Constrained components in unconstrained coordinates, by the bijections that Pyro uses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.transforms import StickBreakingTransform

#: From this share of the range of exponents on, a number is near the limit of its type.
OF_THE_RANGE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """y = f(loc + scale z) on components between two ends, of which one may be infinite.

    What single precision cannot hold within the ends is put to the next number that is; beyond the
    greatest number there is no density.
    """

    index: Int[Tensor, " d"]
    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]
    loc: Float[Tensor, " d"]
    scale: Float[Tensor, " d"]
    bijection: Any

    @classmethod
    def between(
        cls, index: Int[Tensor, " d"], low: Float[Tensor, " d"], high: Float[Tensor, " d"]
    ) -> Interval:
        """The components of one kind: all with a lower end, all with an upper one, or both."""
        constraint: constraints.Constraint
        if not bool(low.isfinite().all()):
            constraint = constraints.less_than(high)  # type: ignore[no-untyped-call]
        elif not bool(high.isfinite().all()):
            constraint = constraints.greater_than(low)  # type: ignore[no-untyped-call]
        else:
            constraint = constraints.interval(low, high)  # type: ignore[no-untyped-call]
        centre, scale = torch.zeros_like(low), torch.ones_like(low)
        return cls(index, low, high, centre, scale, biject_to(constraint))

    def forward(self, z: Float[Tensor, "L d"]) -> tuple[Float[Tensor, "L d"], Float[Tensor, " L"]]:
        """The components, and log |det dy/dz|."""
        free = self.loc + self.scale * z
        y = self.bijection(free)
        log_det = self.bijection.log_abs_det_jacobian(free, y) + self.scale.log()
        log_det = torch.where(y.isfinite(), log_det, -math.inf).sum(-1)
        return y.clamp(_above(self.low), -_above(-self.high)), log_det

    def near_limits(self, y: Float[Tensor, "L d"]) -> Bool[Tensor, "L d"]:
        """Where points are about as near to an end, or as far out, as numbers can be."""
        below, above = _above(self.low) - self.low, self.high + _above(-self.high)
        near = (y - self.low < below**OF_THE_RANGE) | (self.high - y < above**OF_THE_RANGE)
        return near | far_out(y)

    def inverse(self, y: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """loc + scale z of points; nan outside of the support."""
        inside = (y > self.low) & (y < self.high)
        free: Tensor = self.bijection.inv(y)
        return free.where(inside, math.nan)


@dataclass(frozen=True, slots=True)
class Simplex:
    """Vectors of K shares by breaking a stick K - 1 times.

    The last coordinate of each has nothing to say: it is N(0, 1) in the target as in the base, and
    so leaves the evidence alone.
    """

    index: Int[Tensor, "n K"]
    loc: Float[Tensor, "n K"]
    scale: Float[Tensor, "n K"]
    bijection: Any

    @classmethod
    def over(cls, index: Int[Tensor, "n K"], dtype: torch.dtype = torch.float32) -> Simplex:
        zeros = torch.zeros(index.shape, dtype=dtype, device=index.device)
        return cls(index, zeros, torch.ones_like(zeros), StickBreakingTransform())

    def forward(
        self, z: Float[Tensor, "L n K"]
    ) -> tuple[Float[Tensor, "L n K"], Float[Tensor, " L"]]:
        """The shares, and log |det| of all but the last of each with respect to z."""
        free = (self.loc + self.scale * z)[..., :-1]
        y = self.bijection(free).clamp(min=torch.finfo(free.dtype).tiny)
        log_det = self.bijection.log_abs_det_jacobian(free, y).sum(-1) + self.scale.log().sum()
        idle = -0.5 * (z[..., -1].square() + math.log(2 * math.pi))
        return y, log_det + idle.sum(-1)

    def near_limits(self, y: Float[Tensor, "L n K"]) -> Bool[Tensor, "L n K"]:
        """Where shares are about as small as numbers can be."""
        near: Tensor = y < torch.finfo(y.dtype).tiny ** OF_THE_RANGE
        return near

    def inverse(self, y: Float[Tensor, "L n K"]) -> Float[Tensor, "L n K"]:
        """loc + scale z of points; nan outside of the support, and for the last of each vector."""
        inside = (y > 0).all(-1, keepdim=True) & ((y.sum(-1, keepdim=True) - 1).abs() < 1e-3)
        free: Tensor = self.bijection.inv(y)
        return F.pad(free, (0, 1), value=math.nan).where(inside, math.nan)


Bijection = Interval | Simplex


def far_out(y: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """Where numbers are about as large as they can be."""
    far: Tensor = y.abs() > torch.finfo(y.dtype).max ** OF_THE_RANGE
    return far


def _above(low: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The next number above; the least with full precision above zero."""
    after = torch.nextafter(low, torch.full_like(low, math.inf))
    finite = torch.finfo(low.dtype)
    return torch.where(low == 0, finite.tiny, after.clamp(min=finite.min))
