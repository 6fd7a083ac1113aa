"""A stage of a run as user interfaces see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.experts.sequences.vocabulary import Vocabulary, vocabulary_of
from poedsl.runtime.results.result import Result
from poedsl.runtime.smc.records import StageRecord
from poedsl.runtime.space.coordinates import Space


@dataclass(frozen=True)
class StageView:
    """A stage as it is done, for progress and user interfaces.

    Attributes:
        record: of the stage.
        total: how many stages there are, as far as that is known.
        space: converts the coordinates of the run to values of variables.
        x, endpoint: the particles and the predicted ends of their paths, (L, D), as the path holds
            them.
        log_weights: (L,), not normalised.
        length: how many components are there, all variables side by side; those of a prefix that
            are yet to come are shown as zeros.
        vocabularies: the text of the symbols of each variable that has a text.
        result: of the run, in its last view; else None.
    """

    record: StageRecord
    total: int
    space: Space
    x: Shaped[Tensor, "L D"]
    endpoint: Shaped[Tensor, "L whole"]
    log_weights: Float[Tensor, " L"]
    length: int
    vocabularies: Mapping[str, Vocabulary]
    result: Result | None = None

    def __repr__(self) -> str:
        names = ", ".join(self.space.shapes)
        end = "" if self.result is None else f", {self.result.verdict}"
        return (
            f"StageView(stage {self.record.t} of {self.total}, beta {self.record.beta:.3f}, "
            f"ESS {self.record.ess:.0f}, {len(self.x)} particles of {names}{end})"
        )

    def texts(self, name: str) -> list[str]:
        """The text of each particle of a variable of tokens so far, up to its end.

        Raises:
            PoeError: the variable has no text.
        """
        vocabulary, columns = vocabulary_of(self.vocabularies, name), self.space.slice(name)
        return vocabulary.texts(self.x[:, columns.start : min(columns.stop, self.length)])

    @cached_property
    def particles(self) -> dict[str, Shaped[Tensor, L * shape]]:
        """Each variable, (L, ...)."""
        return self.space.values(self.x)

    @cached_property
    def endpoints(self) -> dict[str, Shaped[Tensor, L * shape]]:
        """The predicted ends of their paths, likewise."""
        return self.space.values(self.endpoint)


def ordinary(x: Tensor) -> Tensor:
    """The tensor as one that gradients may be taken of, if it was made in inference mode."""
    return x.clone() if x.is_inference() else x
