"""Which expert sees which component, to what power: W, on which the path's start rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.grammar.errors import PoeError
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import PlacedFactor
from poedsl.runtime.terms.refusals import factor_at, refused

#: Components that an error names.
NAMED = 4


def exponents(placed: Sequence[PlacedFactor], size: int, like: Tensor) -> Float[Tensor, " D"]:
    """W, the sum of the exponents at each component, of the type and on the device of ``like``."""
    total = like.new_zeros(size)
    for site in placed:
        total[site.part.index] += site.exponent
    return total


def covered(placed: Sequence[PlacedFactor], space: Space) -> Float[Tensor, " D"]:
    """W, where every component has an expert, and the path a start.

    Raises:
        PoeError: naming the components that have none, or whose exponents do not sum to more than
            zero.
    """
    refuse_unseen(placed, space)
    total = exponents(placed, space.size, space.loc)
    for variable in space.shapes:
        on_variable = [s for s in placed if s.factor.variables[0] == variable]
        columns = space.slice(variable)
        if not bool((total[columns] > 0).all()):
            raise _sunk(
                variable, (~(total[columns] > 0)).nonzero().flatten(), on_variable, total, space
            )
    return total


def refuse_unseen(placed: Sequence[PlacedFactor], space: Space) -> None:
    """Refuse components that no expert or density sees.

    Raises:
        PoeError: naming them.
    """
    has_expert = torch.zeros(space.size, dtype=torch.bool, device=space.loc.device)
    for site in placed:
        has_expert[site.part.index] = True
    for variable in space.shapes:
        missing = ~has_expert[space.slice(variable)]
        if bool(missing.any()):
            on_variable = [s for s in placed if s.factor.variables[0] == variable]
            raise _unseen(variable, missing.nonzero().flatten(), on_variable, space)


def normalised(placed: Sequence[PlacedFactor], total: Float[Tensor, " D"]) -> list[PlacedFactor]:
    """Exponents scaled to sum to one at every component."""
    out = []
    for site in placed:
        scaled = site.exponent / total[site.part.index]
        uniform = bool((scaled == scaled[0]).all())
        out.append(replace(site, exponent=float(scaled[0]) if uniform else scaled))
    return out


def _unseen(
    variable: str, missing: Int[Tensor, " m"], placed: Sequence[PlacedFactor], space: Space
) -> PoeError:
    shape = space.shapes[variable]
    return refused(
        "P0408",
        f"nothing generates {_spoken(variable, missing, shape)}: no expert sees it",
        *(f"{factor_at(s.factor)} sees {_extent(s.part.shape)}" for s in placed[:NAMED]),
    )


def _sunk(
    variable: str,
    low: Int[Tensor, " m"],
    placed: Sequence[PlacedFactor],
    total: Float[Tensor, " D"],
    space: Space,
) -> PoeError:
    at = space.slice(variable).start + int(low[0])
    notes = []
    for site in placed:
        numbers = torch.arange(space.size, device=total.device)[site.part.index]
        positions = (numbers == at).nonzero()
        if len(positions):
            w = site.exponent
            exponent = float(w[int(positions[0])]) if isinstance(w, Tensor) else w
            notes.append(f"{factor_at(site.factor)} has the exponent {exponent:g} there")
    everywhere = len(low) == len(total)
    where = "" if everywhere else f" at {_spoken(variable, low, space.shapes[variable])}"
    message = f"the exponents sum to {float(total[at]):g}{where}: the path has no start"
    return refused("P0407", message, *notes[:NAMED])


def _spoken(variable: str, components: Int[Tensor, " m"], shape: tuple[int, ...]) -> str:
    """`x[0, 3]`, and how many more."""
    if not shape:
        return f"`{variable}`"
    index = ", ".join(str(int(i)) for i in torch.unravel_index(components[0], shape))
    if len(components) == 1:
        return f"`{variable}[{index}]`"
    more, count = len(components) - 1, torch.Size(shape).numel()
    return f"`{variable}[{index}]` and {more} more of the {count} components of `{variable}`"


def _extent(shape: tuple[int, ...]) -> str:
    count = torch.Size(shape).numel()
    return "one component" if count == 1 else f"{count} components"
