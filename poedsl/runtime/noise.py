"""Random numbers as a function of where they are used, not of when.

The noise of a particle's slot depends on (seed, swarm, slot, stage, kernel step, purpose) alone:
each such place but the slot keys a Philox stream (Salmon et al., SC 2011), in which slot ``i``
owns the numbers ``i D`` to ``(i + 1) D - 1``, transformed one by one. So results depend neither
on micro-batches nor on observers, and a particle does not depend on how many others there are.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """The streams of one run: ``swarms`` populations of ``size`` particles."""

    seed: int
    swarms: int
    size: int
    device: torch.device

    def normal(self, width: int, stage: int, purpose: str) -> Float[Tensor, "L {width}"]:
        """Standard normals, single precision, one row a slot."""
        return _normal(self._symmetric(self.size, width, stage, purpose)).to(self.device)

    def proposals(
        self, width: int, stage: int, steps: int
    ) -> tuple[Float[Tensor, "{steps} L {width}"], Float[Tensor, "{steps} L"]]:
        """What the kernel steps of a stage draw: standard normals, and uniforms to accept by."""
        normal = _normal(self._symmetric(self.size, steps * width, stage, "kernel"))
        normal = normal.view(-1, steps, width).transpose(0, 1).contiguous()
        uniform = self._symmetric(self.size, steps, stage, "accept")
        uniform = uniform.add_(1.0).mul_(0.5).float().T.contiguous()
        return normal.to(self.device), uniform.to(self.device)

    def shared(self, stage: int, purpose: str) -> Float[Tensor, " swarms"]:
        """One uniform in (0, 1) for each swarm, as systematic resampling wants."""
        return self._symmetric(1, 1, stage, purpose)[:, 0].add(1.0).mul_(0.5).to(self.device)

    def _symmetric(self, rows: int, width: int, stage: int, purpose: str) -> Float[Tensor, "L D"]:
        """Uniforms in (-1, 1), double precision: 52 random bits under the exponent of [1, 2)."""
        count = rows * width
        streams = [
            np.random.Philox(key=_key(self.seed, swarm, stage, purpose)).random_raw(count)
            for swarm in range(self.swarms)
        ]
        raw = streams[0] if len(streams) == 1 else np.concatenate(streams)
        raw >>= np.uint64(12)
        raw |= np.uint64(0x3FF << 52)
        uniform = raw.view(np.float64)
        uniform *= 2.0
        uniform -= 3.0 - 2.0**-52
        return torch.from_numpy(uniform).view(-1, width)


def _normal(symmetric: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
    """By inversion, one number at a time."""
    return torch.erfinv(symmetric).mul_(math.sqrt(2.0)).float()


def _key(*place: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(place).encode(), digest_size=16).digest(), "little")
