"""How many pictures of a result a person can tell apart."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec

#: Root mean square difference, of values in [0, 1], up to which pictures look alike: 4 of 255
#: levels, a peak signal-to-noise ratio of 36 dB.
ALIKE = 4 / 255
#: Of larger populations pictures are not compared.
MOST = 1024


def distinct_pictures(
    plan: PlanSpec, particles: Mapping[str, Tensor], log_weights: Float[Tensor, " L"]
) -> int | None:
    """The number of particles with weight whose pictures differ visibly from those of all earlier
    ones that are counted; None where the program has variables that are no pictures, or where there
    are more than `MOST` particles.
    """
    if any(v.type.name not in ("Image", "Video") for v in plan.variables):
        return None
    (alive,) = torch.isfinite(log_weights).nonzero(as_tuple=True)
    if not 0 < len(alive) <= MOST:
        return None
    alike = torch.ones(len(alive), len(alive), dtype=torch.bool)
    for x in particles.values():
        columns = x[alive.to(x.device)].flatten(1).clamp(0, 1)
        distance = torch.cdist(columns, columns) / columns.shape[1] ** 0.5
        alike &= (distance <= ALIKE).cpu()
    counted: list[int] = []
    for i, row in enumerate(alike):
        if not bool(row[counted].any()):
            counted.append(i)
    return len(counted)
