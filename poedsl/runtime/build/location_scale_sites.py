"""Which components of a plan have non-centred coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Term, names, walk
from poedsl.runtime.kernels.non_centred import PARAMETERS, LocationScale, NonCentred
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import locate
from poedsl.runtime.terms.evaluate import Environment


def non_centred(factors: Sequence[FactorSpec], space: Space, env: Environment) -> NonCentred | None:
    """Coordinates in which densities whose scale is a variable are standardised; None without any.

    Components that a bijection constrains stay as they are, and so do those whose location or
    scale depends on their own variable, on each other, or on what costs as much as a reward.
    """
    constrained = torch.zeros(space.size, dtype=torch.bool, device=space.loc.device)
    for bijection in space.bijections:
        constrained[bijection.index.flatten()] = True
    variables = space.shapes.keys()
    numbers = torch.arange(space.size, device=space.loc.device)
    waiting: list[tuple[str, LocationScale]] = []
    for factor in factors:
        density, variable = _location_and_scale(factor), factor.variables[0]
        if density is None or variable in space.codecs or variable in names(density):
            continue
        if _rewarded(density, env) or not names(dict(density.kwargs)["scale"]) & variables:
            continue
        part = locate(factor, space, env)
        index = numbers[part.index]
        if not bool(constrained[index].any()):
            constrained[index] = True
            waiting.append((variable, LocationScale(index, part.shape, density)))
    levels = []
    while waiting:
        later = {variable for variable, _ in waiting}
        free = [w for w in waiting if not names(w[1].density) & later]
        if not free:
            break
        levels.append(tuple(site for _, site in free))
        waiting = [w for w in waiting if w not in free]
    return NonCentred(tuple(levels), space, env) if levels else None


def _location_and_scale(factor: FactorSpec) -> Apply | None:
    """The density of a factor with its location and scale alone; None where it has no such."""
    call = factor.term
    if factor.kind not in ("gaussian", "density") or not isinstance(call, Apply) or factor.mask:
        return None
    kwargs = tuple((name, term) for name, term in call.kwargs if name in PARAMETERS)
    return replace(call, kwargs=kwargs) if len(kwargs) == len(PARAMETERS) else None


def _rewarded(term: Term, env: Environment) -> bool:
    """Whether a term calls a reward."""
    return any(inner in env.rewards for inner in walk(term))
