"""What is not finite at some points of a run: a `Fault`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from poedsl.runtime.core.warnings import of_factors


@dataclass(frozen=True, slots=True)
class FactorFault:
    """A factor that is not finite.

    Attributes:
        points: the number of points at which it is not.
    """

    name: str
    place: str
    points: int

    def __str__(self) -> str:
        return f"{self.name} at {self.place}"

    @property
    def data(self) -> dict[str, Any]:
        """What warnings have of it."""
        return of_factors([(self.name, self.place)])


@dataclass(frozen=True, slots=True)
class AutoencoderFault:
    """The autoencoder of a variable, whose pictures are not finite.

    Attributes:
        points: the number of points at which they are not.
    """

    variable: str
    folder: str
    points: int

    def __str__(self) -> str:
        return f"the autoencoder of `{self.variable}` at {self.folder}"

    @property
    def data(self) -> dict[str, Any]:
        """What warnings have of it."""
        return {"variable": self.variable, "folder": self.folder}


Fault: TypeAlias = FactorFault | AutoencoderFault
