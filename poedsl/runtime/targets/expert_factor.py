"""Generative experts as factors of a product."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import Generative
from poedsl.runtime.targets.parent_guidance import ParentGuidance


@dataclass(frozen=True, slots=True)
class ExpertFactor:
    """A generative expert on some components, to a power; a mask has an exponent for each.

    Attributes:
        guidance: how it is conditioned on its parents, where it has any.
    """

    name: str
    place: str
    expert: Generative
    exponent: float | Float[Tensor, " d"]
    part: slice | Int[Tensor, " d"]
    guidance: ParentGuidance | None = None

    @property
    def field(self) -> str:
        """What keeps its scores from being those of a density; empty where nothing does."""
        if isinstance(self.exponent, Tensor):
            return f"a mask as exponent, that of `{self.name}` at {self.place}, leaves no density"
        if self.guidance is not None:
            return f"`{self.name}` at {self.place} is given parents, which leaves no density"
        return ""
