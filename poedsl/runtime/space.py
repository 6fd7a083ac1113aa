"""The coordinates of a run: all variables side by side, each component centred and scaled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan import VariableSpec


@dataclass(frozen=True, slots=True)
class Space:
    """x = loc + scale z; z is what the path noises.

    Attributes:
        shapes: of each variable, in the order they stand.
    """

    shapes: dict[str, tuple[int, ...]]
    loc: Float[Tensor, " D"]
    scale: Float[Tensor, " D"]

    @classmethod
    def of(cls, variables: tuple[VariableSpec, ...], device: torch.device) -> Space:
        """Coordinates as they are: centre 0, scale 1."""
        shapes = {v.name: tuple(int(s or 0) for s in v.type.sizes) for v in variables}
        size = sum(math.prod(s) for s in shapes.values())
        return cls(shapes, torch.zeros(size, device=device), torch.ones(size, device=device))

    @property
    def size(self) -> int:
        return len(self.loc)

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
        x = self.loc + self.scale * z
        return {
            name: x[:, self.slice(name)].view(-1, *shape) for name, shape in self.shapes.items()
        }
