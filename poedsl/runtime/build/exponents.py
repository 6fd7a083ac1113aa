"""Which expert sees which component, to what power: W, on which the path's start rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.grammar.errors import PoeError
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import Exponent, Part, PlacedFactor, in_latents
from poedsl.runtime.terms.refusals import factor_at, refused

#: Components that an error names.
NAMED = 4


def exponents(placed: Sequence[PlacedFactor], size: int, like: Tensor) -> Float[Tensor, " D"]:
    """W, the sum of the exponents at each component, of the type and on the device of ``like``."""
    total = like.new_zeros(size)
    for placed_factor in placed:
        total[placed_factor.part.index] += placed_factor.exponent
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
    for placed_factor in placed:
        has_expert[placed_factor.part.index] = True
    for variable in space.shapes:
        missing = ~has_expert[space.slice(variable)]
        if bool(missing.any()):
            on_variable = [s for s in placed if s.factor.variables[0] == variable]
            raise _unseen(variable, missing.nonzero().flatten(), on_variable, space)


def normalisers(placed: Sequence[PlacedFactor], space: Space) -> dict[str, Exponent]:
    """What the exponent of each factor is divided by, so that those of all factors over a component
    sum to one.

    Raises:
        PoeError: naming components whose exponents do not sum to more than zero.
    """
    total = covered(placed, space)
    by_name: dict[str, Exponent] = {}
    for placed_factor in placed:
        sums = total[placed_factor.part.index]
        by_name[placed_factor.factor.name] = (
            float(sums[0]) if bool((sums == sums[0]).all()) else sums
        )
    return by_name


def scaled(placed: PlacedFactor, divisor: Exponent) -> PlacedFactor:
    """A factor with its exponent divided by what they sum to."""
    exponent = placed.exponent / divisor
    if isinstance(exponent, Tensor) and bool((exponent == exponent[0]).all()):
        exponent = float(exponent[0])
    return replace(placed, exponent=exponent)


def several_sums(sums: Float[Tensor, " d"], factor: FactorSpec) -> PoeError:
    """The error for a factor with one exponent, where exponents have several sums."""
    low, high = float(sums.min()), float(sums.max())
    message = (
        f"`normalize_exponents` cannot scale its exponent: those over its components sum to {low:g}"
        f" at one and {high:g} at another"
    )
    return refused("P0409", message, factor=factor)


def spread(
    mask: Float[Tensor, "*mask"], part: Part, factor: FactorSpec, space: Space
) -> Float[Tensor, " d"]:
    """A mask as an exponent for each component.

    Raises:
        PoeError: it does not broadcast to what the factor sees.
    """
    if mask.dim() == 3 and len(part.shape) == 4:
        mask = mask[:, None]
    try:
        mask = mask.expand(part.decoded_shape)
        if part.decoded_shape != part.shape:
            mask = in_latents(mask, part.shape, space.codecs[factor.variables[0]].span)
    except RuntimeError:
        raise refused(
            "P0603",
            f"the exponent has the shape {list(mask.shape)}, which does not broadcast to what "
            f"the expert sees, {list(part.decoded_shape)}",
            factor=factor,
        ) from None
    return mask.flatten()


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
    for placed_factor in placed:
        numbers = torch.arange(space.size, device=total.device)[placed_factor.part.index]
        positions = (numbers == at).nonzero()
        if len(positions):
            w = placed_factor.exponent
            exponent = float(w[int(positions[0])]) if isinstance(w, Tensor) else w
            notes.append(f"{factor_at(placed_factor.factor)} has the exponent {exponent:g} there")
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
