"""Which variables are sampled as latents, and where a part of a picture lies among them."""

from __future__ import annotations

from collections.abc import Sequence

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.experts.flows.latents import PATCH, LatentSpace
from poedsl.runtime.build.models import Models
from poedsl.runtime.terms.refusals import factor_at, refused


def codecs(
    factors: Sequence[FactorSpec], shapes: dict[str, tuple[int, ...]], models: Models
) -> dict[str, LatentSpace]:
    """The autoencoder of each variable whose models have one.

    Args:
        shapes: of the variables, as people see them.

    Raises:
        PoeError: models of one variable live in different spaces, or its size is no whole number
            of patches.
    """
    by_variable: dict[str, LatentSpace] = {}
    first: dict[str, FactorSpec] = {}
    for factor in factors:
        if factor.kind != "flow" or not isinstance(factor.term, Apply):
            continue
        name, codec = factor.variables[0], models.codec(factor.term)
        first_factor = first.setdefault(name, factor)
        if first_factor is factor and codec is not None:
            by_variable[name] = codec
            _whole_patches(factor, codec, shapes[name])
        shared = by_variable.get(name)
        if (None if codec is None else codec.key) != (None if shared is None else shared.key):
            raise refused(
                "P0313",
                f"{factor_at(factor)} and {factor_at(first_factor)} live in different spaces: "
                "their scores cannot be added",
                f"{_whose(models, factor)}, {_whose(models, first_factor)}",
                "products of models are taken within one latent space",
            )
    return by_variable


def _whole_patches(factor: FactorSpec, codec: LatentSpace, shape: tuple[int, ...]) -> None:
    nearest = codec.whole(shape)
    if nearest != shape:
        shown = " x ".join(map(str, shape))
        near = " x ".join(map(str, nearest))
        unit = f"height and width are multiples of {PATCH * codec.factor}"
        pictures = f"colour pictures whose {unit}"
        if len(nearest) == 4:
            pictures = f"films in colour with {codec.span} k + 1 frames, whose {unit}"
        raise refused(
            "P0304",
            f"`{factor.variables[0]}` is {shown}, and its models take {pictures}",
            f"the nearest: {near}",
            factor=factor,
        )


def _whose(models: Models, factor: FactorSpec) -> str:
    assert isinstance(factor.term, Apply)
    return f"{factor_at(factor)} has the model {models.folder(factor.term)}"
