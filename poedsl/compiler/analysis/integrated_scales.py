"""What is left of scales once what they scale is integrated out.

The integral of a density of location and scale s over n components is one, and that of its power w
is s^(n (1 - w)) times a constant. A product over a scale that others multiply by such a power may
have no integral although each of its densities has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from poedsl.catalog.signatures import Signature
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.functions.values_at import UnknownValue
from poedsl.compiler.plan.plan_parts import FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, names

#: Densities on the whole line that are one function of (x - loc) / scale, over the scale.
LOCATION_SCALE = frozenset(
    {"Cauchy", "Gumbel", "Laplace", "Logistic", "Normal", "SkewNormal", "StudentT"}
)


class Powers(NamedTuple):
    """Powers of a scale in the integral over what it scales.

    Attributes:
        at_zero: in the limit of a scale of zero.
        far_out: in that of an infinite one; what the integral has at least.
    """

    at_zero: float = 0.0
    far_out: float = 0.0


def integrated(
    scale: VariableSpec,
    variables: Mapping[str, VariableSpec],
    of: Mapping[str, list[FactorSpec]],
    signatures: Mapping[str, Signature],
) -> Powers:
    """The powers that the factors of a scale and of other variables leave of it.

    Args:
        of: the factors of each variable.

    Raises:
        UnknownValue: a factor has the scale elsewhere, or what it scales has factors that may be
            zero where its density is highest.
    """
    scaled: dict[str, list[FactorSpec]] = {}
    for factor in of[scale.name]:
        if len(factor.variables) > 1:
            scaled.setdefault(factor.variables[0], []).append(factor)
    powers = Powers()
    for name, factors in scaled.items():
        count = variables[name].type.count
        first = factors[0].term
        if name == scale.name or not count or any(f.term != first for f in factors):
            raise UnknownValue
        exponent = sum(_exponent(f, scale.name) for f in factors)
        if exponent <= 0:
            raise UnknownValue
        others = [f for f in of[name] if f not in factors]
        if not all(_free(f, signatures) for f in others):
            raise UnknownValue
        alone = count * (1 - exponent)
        far_out = -count * exponent if others else alone
        powers = Powers(powers.at_zero + alone, powers.far_out + far_out)
    return powers


def _exponent(factor: FactorSpec, scale: str) -> float:
    """The exponent of a density that has the scale as its own."""
    term, exponent = factor.term, factor.exponent
    if (
        factor.kind not in ("gaussian", "density")
        or factor.part is not None
        or factor.loops
        or factor.mask
        or not isinstance(term, Apply)
        or term.function not in LOCATION_SCALE
        or not isinstance(exponent, Const)
        or not isinstance(exponent.value, (int, float))
    ):
        raise UnknownValue
    arguments = dict(term.kwargs)
    scale_argument = arguments.pop("scale")
    if scale_argument != Ref(scale) or any(scale in names(value) for value in arguments.values()):
        raise UnknownValue
    return exponent.value


def _free(factor: FactorSpec, signatures: Mapping[str, Signature]) -> bool:
    """Whether a factor is positive wherever what is scaled may be."""
    if factor.kind in ("reward", "likelihood"):
        return True
    if factor.kind not in ("gaussian", "density"):
        return False
    return not ends(factor.term, signatures.__getitem__).constrained
