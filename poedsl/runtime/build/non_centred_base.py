"""A base near a target in non-centred coordinates.

Of a hierarchy with little data the density in centred coordinates is highest where a scale is
small and its children are all alike, which holds little of the mass. In non-centred coordinates the
mode is in the bulk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.build.laplace_base import GaussianBase, laplace_base
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.kernels.non_centred import NonCentred
from poedsl.runtime.targets.tempering import BaseDistribution, Marginal


@dataclass(frozen=True, slots=True)
class NonCentredBase:
    """A distribution whose density is known in non-centred coordinates.

    Attributes:
        inner: in these coordinates.
    """

    inner: BaseDistribution
    coordinates: NonCentred

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws for the first stage, in the coordinates of the run."""
        return self.coordinates.forward(self.inner.first(noise, t))[0]

    def log_density(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0, normalised, in the coordinates of the run."""
        z, log_det = self.coordinates.inverse(x)
        return self.inner.log_density(z) - log_det

    def marginal(self, variable: str) -> Marginal | None:
        """None: variables depend on each other."""
        return None

    def state(self) -> SavedState:
        return self.inner.state()

    def restored(self, state: SavedState) -> NonCentredBase:
        """With what a search has found in these coordinates."""
        return replace(self, inner=self.inner.restored(state))


def non_centred_base(
    log_product: Callable[[Tensor], Tensor],
    coordinates: NonCentred,
    starts: Callable[[Tensor], Tensor],
    allowed: Callable[[Tensor], Tensor],
) -> NonCentredBase:
    """N(0, I) in non-centred coordinates, with the modes that a product has there.

    Args:
        log_product: in the coordinates of the run, as are the points of the other functions.
        starts: where the search starts, given draws (L, D).
        allowed: whether conditions hold at points (L, D).
    """
    space = coordinates.space

    def log_density(z: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        x, log_det = coordinates.forward(z)
        return log_product(x) + log_det

    inner = laplace_base(
        log_density,
        None,
        space,
        lambda z: coordinates.inverse(starts(coordinates.forward(z)[0]))[0],
        lambda z: allowed(coordinates.forward(z)[0]),
    )
    return NonCentredBase(GaussianBase(space.size) if inner is None else inner, coordinates)
