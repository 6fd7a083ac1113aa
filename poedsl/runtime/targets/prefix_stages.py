"""The stages of the prefix path: a sequence or sections that grow (Zhang et al., 3.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrefixStage:
    """A prefix of symbols or of sections.

    Attributes:
        t: its number, ``steps`` + 1 (nothing) to 1 (the whole).
        length: how many symbols or sections there are, of ``total``.
    """

    t: int
    length: int
    total: int

    @property
    def beta(self) -> float:
        return self.length / self.total

    @property
    def noise_scale(self) -> float:
        """One: unadjusted kernels take steps of their own size."""
        return 1.0


def prefix_stages(steps: int, length: int) -> tuple[PrefixStage, ...]:
    """A stage for each of ``steps`` groups of nearly as many symbols or sections."""
    ends = [round(k * length / steps) for k in range(steps + 1)]
    return tuple(PrefixStage(steps + 1 - k, end, length) for k, end in enumerate(ends))
