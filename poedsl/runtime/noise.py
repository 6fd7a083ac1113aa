"""Random numbers as a function of where they are used, not of when.

The noise of a particle's slot depends on (seed, swarm, slot, stage, kernel step, purpose) alone:
seed and swarm key a Philox generator (Salmon et al., SC 2011), stage and purpose say where its
counter begins, and slot ``i`` owns the numbers ``i D`` to ``(i + 1) D - 1`` from there, transformed
one by one. So results depend neither on micro-batches nor on observers, and a particle does not
depend on how many others there are.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

#: What numbers are drawn for; each has a stretch of the counter to itself at every stage.
PURPOSES = ("start", "move", "kernel", "accept", "resample", "settle", "sample")
#: Length of such a stretch, in blocks of four numbers of 64 bits.
STRETCH = 2**64


@dataclass(slots=True)
class Stream:
    """The numbers of one swarm, read from any place; ``counter`` is where it stands."""

    philox: np.random.Philox
    counter: int = 0

    def bits(self, place: int, count: int) -> np.ndarray:
        """``count`` integers of 32 bits from a place on."""
        self.philox.advance((place - self.counter) % 2**256)
        half = (count + 1) // 2
        self.counter = place + (half + 3) // 4
        return self.philox.random_raw(half).view(np.int32)[:count]


@dataclass(frozen=True, slots=True)
class Noise:
    """The streams of one run: ``swarms`` populations of ``size`` particles."""

    seed: int
    swarms: int
    size: int
    device: torch.device
    streams: list[Stream] = field(init=False, repr=False, compare=False)
    buffers: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = (_key(self.seed, swarm) for swarm in range(self.swarms))
        object.__setattr__(self, "streams", [Stream(np.random.Philox(key=key)) for key in keys])

    def normal(self, width: int, stage: int, purpose: str) -> Float[Tensor, "L {width}"]:
        """Standard normals, single precision, one row a slot."""
        return _normal(self._symmetric(self.size, width, stage, purpose)).to(self.device)

    def proposals(
        self, width: int, stage: int, steps: int
    ) -> tuple[Float[Tensor, "{steps} L {width}"], Float[Tensor, "{steps} L"]]:
        """What the kernel steps of a stage draw: standard normals, and uniforms to accept by."""
        normal = _normal(self._symmetric(self.size, steps * width, stage, "kernel"))
        normal = normal.view(-1, steps, width).transpose(0, 1).contiguous()
        uniform = _uniform(self._symmetric(self.size, steps, stage, "accept"))
        return normal.to(self.device), uniform.float().T.contiguous().to(self.device)

    def shared(self, stage: int, purpose: str, count: int = 1) -> Float[Tensor, "swarms {count}"]:
        """Uniforms in (0, 1) of each swarm, as resampling wants."""
        return _uniform(self._symmetric(1, count, stage, purpose)).clone().to(self.device)

    def _symmetric(self, rows: int, width: int, stage: int, purpose: str) -> Float[Tensor, "L D"]:
        """Uniforms in (-1, 1) of 32 bits, double precision; valid until the next call."""
        count = rows * width
        total = count * self.swarms
        if total not in self.buffers:
            self.buffers[total] = np.empty(total)
        buffer = self.buffers[total]
        place = (stage * len(PURPOSES) + PURPOSES.index(purpose)) * STRETCH
        for swarm, stream in enumerate(self.streams):
            bits = stream.bits(place, count)
            np.multiply(bits, 2.0**-31, out=buffer[swarm * count : (swarm + 1) * count])
        buffer += 2.0**-32
        return torch.from_numpy(buffer).view(-1, width)


def _normal(symmetric: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
    """By inversion, one number at a time, in place up to the change of precision."""
    return symmetric.erfinv_().mul_(math.sqrt(2.0)).float()


def _uniform(symmetric: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
    return symmetric.add_(1.0).mul_(0.5)


def _key(*place: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(place).encode(), digest_size=16).digest(), "little")
