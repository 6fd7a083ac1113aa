"""Constrained components in unconstrained coordinates, by the bijections that Pyro uses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributions import biject_to, constraints
from torch.distributions.transforms import CorrCholeskyTransform, StickBreakingTransform

from poedsl.catalog.signatures import Event

#: From this share of the range of exponents on, a number is near the limit of its type.
OF_THE_RANGE = 0.95


@dataclass(frozen=True, slots=True)
class IntervalBijection:
    """y = f(loc + scale z) on components between two ends, of which one may be infinite.

    What single precision cannot hold within the ends is put to the next number that is; beyond the
    greatest number there is no density.

    Attributes:
        least, most: the numbers next to the ends, inside.
    """

    index: Int[Tensor, " d"]
    low: Float[Tensor, " d"]
    high: Float[Tensor, " d"]
    least: Float[Tensor, " d"]
    most: Float[Tensor, " d"]
    loc: Float[Tensor, " d"]
    scale: Float[Tensor, " d"]
    bijection: Any

    @classmethod
    def between(
        cls, index: Int[Tensor, " d"], low: Float[Tensor, " d"], high: Float[Tensor, " d"]
    ) -> IntervalBijection:
        """The components of one kind: all with a lower end, all with an upper one, or both."""
        constraint: constraints.Constraint
        if not bool(low.isfinite().all()):
            constraint = constraints.less_than(high)  # type: ignore[no-untyped-call]
        elif not bool(high.isfinite().all()):
            constraint = constraints.greater_than(low)  # type: ignore[no-untyped-call]
        else:
            constraint = constraints.interval(low, high)  # type: ignore[no-untyped-call]
        centre, scale = torch.zeros_like(low), torch.ones_like(low)
        least, most = _above(low), -_above(-high)
        return cls(index, low, high, least, most, centre, scale, biject_to(constraint))

    @property
    def idle(self) -> Int[Tensor, " 0"]:
        """The components without a coordinate of their own: none."""
        return self.index[:0]

    def within(self, part: slice) -> IntervalBijection | None:
        """Of the components of a part, counted from its first; None where it has none of these."""
        inside = (self.index >= part.start) & (self.index < part.stop)
        if not bool(inside.any()):
            return None
        index = self.index[inside] - part.start
        cut = IntervalBijection.between(index, self.low[inside], self.high[inside])
        return replace(cut, loc=self.loc[inside], scale=self.scale[inside])

    def forward(self, z: Float[Tensor, "L d"]) -> tuple[Float[Tensor, "L d"], Float[Tensor, " L"]]:
        """The components, and log |det dy/dz|."""
        free = self.loc + self.scale * z
        y = self.bijection(free)
        log_det = self.bijection.log_abs_det_jacobian(free, y) + self.scale.log()
        log_det = torch.where(y.isfinite(), log_det, -math.inf).sum(-1)
        return y.clamp(self.least, self.most), log_det

    def near_limits(self, y: Float[Tensor, "L d"]) -> Bool[Tensor, "L d"]:
        """Where points are about as near to an end, or as far out, as numbers can be."""
        below, above = self.least - self.low, self.high - self.most
        near = (y - self.low < below**OF_THE_RANGE) | (self.high - y < above**OF_THE_RANGE)
        return near | far_out(y)

    def inverse(self, y: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """loc + scale z of points; nan outside of the support."""
        inside = (y > self.low) & (y < self.high)
        free: Tensor = self.bijection.inv(y)
        return free.where(inside, math.nan)


@dataclass(frozen=True, slots=True)
class EventBijection:
    """Vectors of shares, by breaking a stick, or Cholesky factors of correlations, by partial
    correlations (Lewandowski, Kurowicka and Joe 2009): fewer coordinates than components.

    The last coordinates of each have nothing to say: they are N(0, 1) in the target as in the base,
    and so leave the evidence alone.

    Attributes:
        index: the K components of each of n events.
        free: the coordinates that have something to say.
    """

    event: Event
    index: Int[Tensor, "n K"]
    free: int
    loc: Float[Tensor, "n K"]
    scale: Float[Tensor, "n K"]
    bijection: Any

    @classmethod
    def over(
        cls, event: Event, index: Int[Tensor, "n K"], dtype: torch.dtype = torch.float32
    ) -> EventBijection:
        zeros = torch.zeros(index.shape, dtype=dtype, device=index.device)
        size = index.shape[1]
        if event == "simplex":
            return cls(
                event, index, size - 1, zeros, torch.ones_like(zeros), StickBreakingTransform()
            )
        rows = math.isqrt(size)
        free, transform = rows * (rows - 1) // 2, CorrCholeskyTransform()
        return cls(event, index, free, zeros, torch.ones_like(zeros), transform)

    @property
    def idle(self) -> Int[Tensor, " m"]:
        """The components without a coordinate of their own."""
        return self.index[:, self.free :].reshape(-1)

    def within(self, part: slice) -> EventBijection | None:
        """Of the events of a part, counted from its first; None where it has none of these."""
        inside = (self.index[:, 0] >= part.start) & (self.index[:, 0] < part.stop)
        if not bool(inside.any()):
            return None
        return replace(
            self,
            index=self.index[inside] - part.start,
            loc=self.loc[inside],
            scale=self.scale[inside],
        )

    def forward(
        self, z: Float[Tensor, "L n K"]
    ) -> tuple[Float[Tensor, "L n K"], Float[Tensor, " L"]]:
        """The components, and log |det| of the coordinates that have something to say."""
        free = (self.loc + self.scale * z)[..., : self.free]
        y = self.bijection(free)
        if self.event == "simplex":
            y = y.clamp(min=torch.finfo(free.dtype).tiny)
        log_det = self.bijection.log_abs_det_jacobian(free, y).sum(-1) + self.scale.log().sum()
        idle = -0.5 * (z[..., self.free :].square() + math.log(2 * math.pi)).sum(-1)
        return y.reshape(z.shape), log_det + idle.sum(-1)

    def near_limits(self, y: Float[Tensor, "L n K"]) -> Bool[Tensor, "L n K"]:
        """Where shares are about as small as numbers can be."""
        if self.event != "simplex":
            return torch.zeros_like(y, dtype=torch.bool)
        near: Tensor = y < torch.finfo(y.dtype).tiny ** OF_THE_RANGE
        return near

    def inverse(self, y: Float[Tensor, "L n K"]) -> Float[Tensor, "L n K"]:
        """loc + scale z of points; nan outside of the support, and for what has nothing to say."""
        rows = y
        if self.event == "simplex":
            inside = (y > 0).all(-1, keepdim=True)
        else:
            rows = y.reshape(*y.shape[:-1], math.isqrt(y.shape[-1]), -1)
            inside = (rows.diagonal(dim1=-2, dim2=-1) > 0).all(-1, keepdim=True)
        sums = rows.sum(-1) if self.event == "simplex" else rows.square().sum(-1)
        inside = inside & ((sums.reshape(*y.shape[:-1], -1) - 1).abs() < 1e-3).all(-1, keepdim=True)
        free: Tensor = self.bijection.inv(rows)
        return F.pad(free, (0, y.shape[-1] - self.free), value=math.nan).where(inside, math.nan)


Bijection = IntervalBijection | EventBijection


def far_out(y: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """Where numbers are about as large as they can be."""
    far: Tensor = y.abs() > torch.finfo(y.dtype).max ** OF_THE_RANGE
    return far


def _above(low: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The next number above; the least with full precision above zero."""
    after = torch.nextafter(low, torch.full_like(low, math.inf))
    finite = torch.finfo(low.dtype)
    return torch.where(low == 0, finite.tiny, after.clamp(min=finite.min))
