"""What targets and kernels read of a stage."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class StageLike(Protocol):
    """A stage over numbers.

    Attributes:
        t: its number.
        beta: how far along the path it is, from 0 to 1.
        noise_scale: the width of its noise, in which unadjusted kernels measure their steps.
    """

    @property
    def t(self) -> int: ...

    @property
    def beta(self) -> float: ...

    @property
    def noise_scale(self) -> float: ...
