"""The coordinates of a run: all variables side by side, each component centred and scaled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from poedsl.experts.flows.latents import LatentSpace
from poedsl.runtime.space.bijections import Bijection, far_out

AnySpace = TypeVar("AnySpace", bound="Space")

#: Pictures are in [0, 1] for people and in [-1, 1] for the networks that learned them.
PICTURE_CENTRE, PICTURE_SCALE = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class GaussianMoments:
    """Moments of a Gaussian on the components that it sees, and the size of its exponent."""

    index: slice | Int[Tensor, " d"]
    weight: Float[Tensor, " d"]
    mean: Float[Tensor, " d"]
    variance: Float[Tensor, " d"]


@dataclass(frozen=True, slots=True)
class Space:
    """x = loc + scale z; z is what the path noises.

    Attributes:
        shapes: of each variable, in the order they stand; of its latents where it has a codec.
        bijections: of components that a density constrains, where loc is 0 and scale 1: x = y(z).
        codecs: of variables that are sampled as latents.
    """

    shapes: dict[str, tuple[int, ...]]
    loc: Float[Tensor, " D"]
    scale: Float[Tensor, " D"]
    bijections: tuple[Bijection, ...] = ()
    codecs: Mapping[str, LatentSpace] = field(default_factory=dict)

    @classmethod
    def of(
        cls: type[AnySpace],
        shapes: Mapping[str, tuple[int, ...]],
        device: torch.device,
        codecs: Mapping[str, LatentSpace] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> AnySpace:
        """Coordinates as they are: centre 0, scale 1.

        Args:
            shapes: of the variables, as people see them.
        """
        codecs = codecs or {}
        encoded_shapes = {n: codecs[n].shape(s) if n in codecs else s for n, s in shapes.items()}
        size = sum(math.prod(s) for s in encoded_shapes.values())
        loc = torch.zeros(size, dtype=dtype, device=device)
        return cls(encoded_shapes, loc, torch.ones_like(loc), codecs=codecs)

    @property
    def size(self) -> int:
        return len(self.loc)

    def decoded_shape(self, variable: str) -> tuple[int, ...]:
        """The shape of a variable as people see it."""
        shape, codec = self.shapes[variable], self.codecs.get(variable)
        return shape if codec is None else codec.decoded_shape(shape)

    def slice(self, variable: str) -> slice:
        """Where a variable's components stand."""
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            if name == variable:
                return slice(start, stop)
            start = stop
        raise KeyError(variable)

    def values(self, z: Float[Tensor, "L D"]) -> dict[str, Float[Tensor, L * shape]]:
        """Each variable in its own units and shape."""
        return self.shaped(self.supported(z)[0])

    def supported(
        self, z: Float[Tensor, "L D"]
    ) -> tuple[Float[Tensor, "L D"], Float[Tensor, " L"]]:
        """z with constrained components inside their supports, and log |det| of what put them
        there.
        """
        log_det = torch.zeros(len(z), dtype=self.loc.dtype, device=z.device)
        if not self.bijections:
            return z, log_det
        y = z.clone()
        for bijection in self.bijections:
            y[:, bijection.index], part_log_det = bijection.forward(z[:, bijection.index])
            log_det = log_det + part_log_det
        return y, log_det

    def near_limits(self, z: Float[Tensor, "L D"]) -> Bool[Tensor, "L D"]:
        """Which components are about as near to an end, or as far out, as numbers can be, so that
        what lies beyond is out of reach.
        """
        y, _ = self.supported(z)
        near = far_out(y)
        for bijection in self.bijections:
            near[:, bijection.index] = bijection.near_limits(y[:, bijection.index])
        return near

    def share_at_limits(self, x: Shaped[Tensor, "L D"], log_weights: Float[Tensor, " L"]) -> float:
        """The share of the weight where numbers end; 0 of symbols."""
        if not x.is_floating_point():
            return 0.0
        return float(log_weights[self.near_limits(x).any(1)].exp().sum())

    def placed(self, x: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
        """The coordinates of points that are given in the variables' own units."""
        z = (x - self.loc) / self.scale
        for bijection in self.bijections:
            z[:, bijection.index] = (
                bijection.inverse(z[:, bijection.index]) - bijection.loc
            ) / bijection.scale
        return z

    def shaped(self, y: Float[Tensor, "L D"]) -> dict[str, Float[Tensor, L * shape]]:
        """Each variable in its own units and shape, from what `supported` returns."""
        x = self.loc + self.scale * y
        encoded = {
            name: x[:, self.slice(name)].view(-1, *shape) for name, shape in self.shapes.items()
        }
        return {n: self.codecs[n].decode(v) if n in self.codecs else v for n, v in encoded.items()}

    def standardised(self, moments: Sequence[GaussianMoments], fixed: Bool[Tensor, " D"]) -> Space:
        """Centred and scaled as the Gaussians are: their precision-weighted mean, and the
        geometric mean of their spreads about it, at most a hundred times that of their product.

        Args:
            moments: what the Gaussians say of the components that they see.
            fixed: the components that stay as they are, since something was learned of them.
        """
        precision, first, logs, total = (torch.zeros_like(self.loc) for _ in range(4))
        for k in moments:
            precision[k.index] += k.weight / k.variance
            first[k.index] += k.weight * k.mean / k.variance
            total[k.index] += k.weight
        free = (total > 0) & ~fixed
        loc = torch.where(free, first / precision.where(free, 1.0), self.loc)
        for k in moments:
            spread = k.variance + (k.mean - loc[k.index]).square()
            logs[k.index] += k.weight * spread.log()
        spread = (0.5 * logs / total.where(free, 1.0)).exp()
        spread = torch.minimum(spread, 100 * precision.where(free, 1.0).rsqrt())
        scale = torch.where(free, spread, self.scale)
        return replace(self, loc=loc, scale=scale)
