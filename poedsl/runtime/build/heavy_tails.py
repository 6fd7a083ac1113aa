"""What a tempered path to a product with heavy tails starts from where it cannot be drawn from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.densities.pyro_densities import pyro_density
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.tempering import FixedBase

#: A product that falls by less between these places along some axis has heavy tails: a Gaussian
#: falls by 1350, a Laplace density by 42, a Student's t with 10 degrees of freedom by 8.
TAIL, LEAST_FALL = (30.0, 60.0), 20.0
#: Axes that are looked at, and numbers of points on them at once.
AXES, AT_ONCE = 2**12, 2**24
#: The degrees of freedom that a base may have.
FEWEST, MOST = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class StudentBase(FixedBase):
    """Independent Student's t distributions in the run's coordinates."""

    size: int
    freedom: float

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws by the polar method (Bailey 1994)."""
        radius, angle = noise.uniform(2 * self.size, t, "start").double().chunk(2, 1)
        square = self.freedom * torch.expm1(-2 / self.freedom * radius.log())
        return (square.sqrt() * torch.cos(2 * math.pi * angle)).to(noise.dtype)

    def log_density(self, z: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0 in the run's coordinates."""
        zero = z.new_zeros(())
        arguments = {"df": zero + self.freedom, "loc": zero, "scale": zero + 1}
        return pyro_density("StudentT", arguments, (self.size,))(z)


def slowest_fall(log_product: Callable[[Tensor], Tensor], space: Space) -> float:
    """By how much a product falls far out, along the axis on which it falls least; infinite where
    code of the program cannot be evaluated there.

    Of more than `AXES` axes so many are looked at, evenly spaced.
    """
    device, count = space.loc.device, min(space.size, AXES)
    places = torch.linspace(0, space.size - 1, count, dtype=torch.float64, device=device)
    numbers = places.round().long()
    least = math.inf
    for block in torch.split(numbers, max(1, AT_ONCE // space.size)):
        axes = space.loc.new_zeros(len(block), space.size)
        axes[torch.arange(len(block), device=device), block] = 1
        lines = torch.cat([axes, -axes])
        try:
            with torch.no_grad():
                near, far = (log_product(place * lines) for place in TAIL)
        except PoeError:
            return math.inf
        least = min(least, float((near - far).nan_to_num(nan=math.inf).min()))
    return least


def student_base(fall: float, space: Space) -> StudentBase:
    """Tails as heavy as those of a product that falls by so much between the places far out."""
    power = fall / math.log(TAIL[1] / TAIL[0])
    return StudentBase(space.size, min(max(power - 1, FEWEST), MOST))
