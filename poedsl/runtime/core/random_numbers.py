"""Random numbers as a function of where they are used, not of when.

The noise of a particle's slot depends on (seed, island, slot, stage, kernel step, purpose) alone:
seed and island key a Philox generator (Salmon et al., SC 2011), stage and purpose are words of its
counter, and slot ``i`` owns the numbers ``i D`` to ``(i + 1) D - 1`` from there, transformed one by
one. So results depend neither on micro-batches nor on observers, and a particle does not depend on
how many others there are. NumPy computes the bits for runs on the CPU, and torch the same bits on
other devices.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.runtime.core.philox import philox

#: What numbers are drawn for.
PURPOSES = {
    "start": 0,
    "move": 1,
    "kernel": 2,
    "resample": 3,
    "last resampling": 4,
    "sample": 5,
    "block": 6,
    "signs": 7,
    "even draws": 8,
    "component": 9,
    "mode": 10,
}
#: Takes integers of 32 bits into (-1, 1), with none rounded to one in single precision.
UNIT = 2.0**-31 * (1 - 2.0**-23)


class Stream:
    """The numbers of one island, read from any place."""

    def __init__(self, key: int) -> None:
        self.key, self.philox = key, np.random.Philox(key=key)
        self.state: Any = self.philox.state
        self.counter = self.state["state"]["counter"]

    def bits(self, stage: int, purpose: int, count: int, block: int = 0) -> np.ndarray:
        """``count`` integers of 32 bits."""
        self.counter[1], self.counter[2], self.counter[3] = stage, purpose, block
        self.philox.state = self.state
        return self.philox.random_raw((count + 1) // 2).view(np.int32)[:count]


@dataclass(frozen=True, slots=True)
class Noise:
    """The streams of one run: ``islands`` populations of ``size`` particles."""

    seed: int
    islands: int
    size: int
    device: torch.device
    dtype: torch.dtype = field(default=torch.float32, kw_only=True)
    streams: list[Stream] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = (_key(self.seed, island) for island in range(self.islands))
        object.__setattr__(self, "streams", [Stream(key) for key in keys])

    def normal(self, width: int, stage: int, purpose: str) -> Float[Tensor, "L {width}"]:
        """Standard normals, one row a slot."""
        return _normal(self._symmetric(width, stage, purpose)).to(self.device)

    def signs(self, width: int, stage: int) -> Float[Tensor, "L {width}"]:
        """Ones of random sign, one row a slot."""
        uniforms = self._symmetric(width, stage, "signs")
        return torch.ones_like(uniforms).where(uniforms >= 0, -1.0).to(self.device)

    def proposals(
        self, width: int, stage: int, steps: int, *, accepting: bool = True, block: int = 0
    ) -> tuple[Float[Tensor, "{steps} L {width}"], Float[Tensor, "{steps} L"] | None]:
        """What the kernel steps of a stage draw: standard normals, and uniforms to accept by,
        where those are wanted.

        Args:
            block: numbers the draws of a stage that draws more than once.
        """
        drawn = self._symmetric(steps * (width + 1), stage, "kernel", block)
        drawn = drawn.view(-1, steps, width + 1)
        normal = _normal(drawn[..., :width].transpose(0, 1).contiguous()).to(self.device)
        if not accepting:
            return normal, None
        return normal, drawn[..., width].T.mul(0.5).add_(0.5).to(self.device)

    def uniform(self, width: int, stage: int, purpose: str) -> Float[Tensor, "L {width}"]:
        """Uniforms in (0, 1), one row a slot."""
        return self._symmetric(width, stage, purpose).mul_(0.5).add_(0.5).to(self.device)

    def blocks(self, width: int, stage: int, steps: int) -> Float[Tensor, "{steps} L {width}"]:
        """Uniforms in (0, 1) for the kernel steps of a stage."""
        drawn = self.uniform(steps * width, stage, "kernel")
        return drawn.view(-1, steps, width).transpose(0, 1)

    def shared(self, stage: int, purpose: str, count: int = 1) -> Float[Tensor, "islands {count}"]:
        """Uniforms in (0, 1) of each island, as resampling wants; double precision."""
        bits = self._bits(count, stage, purpose).view(-1, count)
        return bits.double().add_(0.5).mul_(2.0**-32).add_(0.5).to(self.device)

    def _symmetric(
        self, width: int, stage: int, purpose: str, block: int = 0
    ) -> Float[Tensor, "L {width}"]:
        """Uniforms in (-1, 1), one row a slot."""
        bits = self._bits(self.size * width, stage, purpose, block)
        return bits.to(self.dtype).mul_(UNIT).view(-1, width)

    def _bits(self, count: int, stage: int, purpose: str, block: int = 0) -> Int[Tensor, " bits"]:
        """Integers of 32 bits, ``count`` from each island."""
        if self.device.type != "cpu":
            keys = [stream.key for stream in self.streams]
            return philox(keys, (stage, PURPOSES[purpose], block), count, self.device).flatten()
        bits = (s.bits(stage, PURPOSES[purpose], count, block) for s in self.streams)
        by_island = [torch.from_numpy(b) for b in bits]
        return by_island[0] if len(by_island) == 1 else torch.cat(by_island)


def _normal(symmetric: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """By inversion, one number at a time, in place."""
    return symmetric.erfinv_().mul_(math.sqrt(2.0))


def _key(*place: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(place).encode(), digest_size=16).digest(), "little")
