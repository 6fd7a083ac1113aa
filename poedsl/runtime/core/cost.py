"""What a run costs: tried on its first stage, and measured at its end."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch

from poedsl.compiler.plan.costs import format_duration


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run takes.

    Attributes:
        nfe: evaluations of all experts over all particles (Zhang et al., E.1).
        seconds: wall time.
        memory: at its height, in bytes; None where the system does not say.
    """

    nfe: int
    seconds: float
    memory: int | None

    def __str__(self) -> str:
        memory = "" if self.memory is None else f", {in_words(self.memory)} of memory"
        return (
            f"{self.nfe} evaluations of all experts, about {format_duration(self.seconds)}{memory}"
        )


def peak_memory(device: torch.device) -> int | None:
    """The most memory that was taken so far: of a GPU by tensors, else by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used


def in_words(size: int) -> str:
    """Bytes as a person reads them."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
