"""A base near the target: Student's t distributions around its modes, beside a wide one.

Around each mode that a search finds stands a t distribution with the mode's curvature, with a share
in proportion to the mass that Laplace's approximation gives it. What was not found the wide base
covers, which has a fixed share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.planner.tempering import MODES_SEARCHED
from poedsl.grammar.errors import PoeError
from poedsl.runtime.build.mode_search import LogDensity, Modes, modes, with_neighbours
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.smc.resampling_schemes import ess_and_log_mean
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.tempering import BaseDistribution, FixedBase, Marginal, log_base

#: The share of the wide base if the ESS of draws is above some share, and otherwise.
NARROW_SHARE, LARGE_ESS_SHARE, WIDE_SHARE = 0.2, 0.3, 0.5
#: The wide base stands alone if that of its own draws is above this share.
EXACT, DRAWS = 0.9, 512
#: So does it if modes have less than this share of the mass that its draws find.
NEGLIGIBLE = 0.01
#: Starts, all of the wide base, if code of the program fails farther out.
NEAR = 32
#: Draws of a mode that say how much of it conditions leave.
ALLOWED = 64
#: The seed of its draws: a search does not depend on that of a run.
SEARCH = -1


@dataclass(frozen=True, slots=True)
class GaussianBase(FixedBase):
    """N(0, I)."""

    size: int

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        return noise.normal(self.size, t, "start")

    def log_density(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0, normalised."""
        return log_base(x)


@dataclass(frozen=True, slots=True)
class LaplaceBase:
    """A mixture of a wide base and of t distributions, whose degrees of freedom grow with the
    dimension: else their radii would vary more than those of a Gaussian.

    Attributes:
        wide_share: of the wide base.
    """

    wide: BaseDistribution
    wide_share: float
    modes: Modes
    log_shares: Float[Tensor, " M"] = field(init=False)
    inverse: Float[Tensor, "M D D"] = field(init=False)

    def __post_init__(self) -> None:
        log_shares = self.modes.log_mass.log_softmax(0) + math.log1p(-self.wide_share)
        object.__setattr__(self, "log_shares", log_shares)
        object.__setattr__(self, "inverse", torch.linalg.inv(self.modes.factor))

    def marginal(self, variable: str) -> Marginal | None:
        """None: around a mode variables depend on each other."""
        return None

    def state(self) -> SavedState:
        modes_state = {
            "loc": self.modes.loc,
            "factor": self.modes.factor,
            "log_mass": self.modes.log_mass,
        }
        return {"wide": self.wide.state(), "wide_share": self.wide_share, **modes_state}

    def restored(self, state: SavedState) -> LaplaceBase:
        """With the modes of a `state` in the place of its own."""
        wide = self.wide.restored(state["wide"])
        restored_modes = Modes(state["loc"], state["factor"], state["log_mass"])
        return replace(self, wide=wide, wide_share=state["wide_share"], modes=restored_modes)

    @property
    def freedom(self) -> float:
        return 4.0 + self.modes.loc.shape[1]

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws: a component for each slot, and a point of it."""
        wide = self.wide.first(noise, t)
        width = wide.shape[1]
        pick = noise.uniform(1, t, "component")[:, 0].double()
        shares = self.log_shares.double().exp().cumsum(0) + self.wide_share
        chosen = torch.searchsorted(shares, pick).clamp(max=len(shares) - 1)
        normals = noise.normal(width + int(self.freedom), t, "mode")
        chi_square = normals[:, width:].square().mean(-1, keepdim=True)
        offset = normals[:, :width] / chi_square.sqrt()
        near = torch.empty_like(wide)
        for k, (loc, factor) in enumerate(zip(self.modes.loc, self.modes.factor, strict=True)):
            near[chosen == k] = loc + offset[chosen == k] @ factor.T
        return torch.where(pick[:, None] < self.wide_share, wide, near)

    def log_density(self, z: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0 in the run's coordinates."""
        width, freedom = z.shape[1], self.freedom
        standard = (z - self.modes.loc[:, None]) @ self.inverse.mT
        normaliser = math.lgamma((freedom + width) / 2) - math.lgamma(freedom / 2)
        normaliser -= 0.5 * width * math.log(freedom * math.pi)
        log_dets = self.modes.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        tails = torch.log1p(standard.square().sum(-1) / freedom)
        levels = (normaliser - log_dets + self.log_shares)[:, None]
        wide = math.log(self.wide_share) + self.wide.log_density(z)
        return torch.cat([levels - 0.5 * (freedom + width) * tails, wide[None]]).logsumexp(0)


def laplace_base(
    log_product: LogDensity,
    wide: BaseDistribution | None,
    space: Space,
    starts: Callable[[Tensor], Tensor],
    allowed: Callable[[Tensor], Tensor],
) -> BaseDistribution | None:
    """The wide base, or N(0, I), with the modes of a product; alone where none are found, and where
    its own draws are almost those of the product and no mode holds more.

    Args:
        starts: where the search starts, given draws (L, D) of the wide base.
        allowed: whether conditions hold at points (L, D).
    """
    if space.size > MODES_SEARCHED:
        return wide
    noise = Noise(SEARCH, 1, DRAWS, space.loc.device, dtype=space.loc.dtype)
    beside = GaussianBase(space.size) if wide is None else wide
    drawn = beside.first(noise, 0)
    normals = noise.normal(space.size, 0, "mode")[:ALLOWED]

    def share(loc: Float[Tensor, "M D"], factor: Float[Tensor, "M D D"]) -> Float[Tensor, " M"]:
        points = loc[:, None] + normals @ factor.mT
        return allowed(points.flatten(0, 1)).view(len(loc), -1).to(loc.dtype).mean(1)

    product_modes = None
    for points in (starts(drawn), drawn[:NEAR]):
        try:
            product_modes = modes(log_product, points, share)
            if product_modes is not None:
                around = noise.normal(space.size, 1, "mode")
                product_modes = with_neighbours(log_product, product_modes, around, share)
            break
        except PoeError:  # code of the program may fail far out
            continue
    if product_modes is None:
        return wide

    def ess_share_and_evidence(
        base: BaseDistribution, draws: Float[Tensor, "L D"]
    ) -> tuple[float, float]:
        """The ESS of a base's draws as a share, and the log evidence by them."""
        with torch.no_grad():
            gain = log_product(draws) - base.log_density(draws)
        size, level = ess_and_log_mean(
            gain.nan_to_num(nan=-math.inf).where(allowed(draws), -math.inf)
        )
        return float(size) / len(gain), float(level)

    ess_share, level = ess_share_and_evidence(beside, drawn)
    mass = float(product_modes.log_mass.logsumexp(0))
    if (ess_share > EXACT and mass < level + 1) or mass < level + math.log(NEGLIGIBLE):
        return wide
    near = LaplaceBase(beside, NARROW_SHARE, product_modes)
    ess_share, _ = ess_share_and_evidence(near, near.first(noise, 0))
    return near if ess_share > LARGE_ESS_SHARE else LaplaceBase(beside, WIDE_SHARE, product_modes)
