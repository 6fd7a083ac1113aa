"""Densities between bounds, `TruncatedNormal` and the like, and others that Pyro has not."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.densities import DENSITIES
from poedsl.catalog.signatures import REQUIRED, Capability, Signature, SignatureParameter, Support

PREFIX = "Truncated"
#: Densities of one number whose distribution function is known, tails included.
WITH_TAILS = (
    "Normal",
    "Laplace",
    "Logistic",
    "Cauchy",
    "Gumbel",
    "LogNormal",
    "Exponential",
    "Weibull",
    "HalfNormal",
    "HalfCauchy",
    "Gamma",
    "InverseGamma",
    "Chi2",
    "Beta",
    "StudentT",
)
#: Parameters in which the gradient of the mass between bounds is not known.
SHAPES = {
    "Gamma": ("concentration",),
    "InverseGamma": ("concentration",),
    "Chi2": ("df",),
    "Beta": ("concentration1", "concentration0"),
    "StudentT": ("df",),
}
_IMPLEMENTATION = "poedsl.experts.densities.pyro_densities:pyro_density"
_DENSITY: frozenset[Capability] = frozenset({"log_prob", "sample", "gradient"})


def _truncated(base: Signature) -> Signature:
    """The density of a signature, restricted and renormalised between two bounds."""
    begin, end = base.support.low, base.support.high
    assert not isinstance(begin, str) and not isinstance(end, str)
    bounds = (
        SignatureParameter("low", None, "location", begin, "lower bound"),
        SignatureParameter("high", None, "location", end, "upper bound"),
    )
    shapes = SHAPES.get(base.name, ())
    parameters = (
        replace(p, fixed=True, summary=f"{p.summary}; depends on no variable")
        if p.name in shapes
        else p
        for p in base.parameters
    )
    return replace(
        base,
        name=f"{PREFIX}{base.name}",
        summary=f"{base.name} between two bounds, renormalised",
        parameters=(*parameters, *bounds),
        capabilities=_DENSITY,
        implementation=_IMPLEMENTATION,
        support=Support(low="low", high="high"),
    )


def _not_in_pyro(
    name: str, summary: str, parameters: tuple[SignatureParameter, ...], support: Support
) -> Signature:
    return Signature(
        name,
        "density",
        summary,
        parameters,
        capabilities=_DENSITY if name != "Flat" else frozenset({"log_prob", "gradient"}),
        implementation=_IMPLEMENTATION,
        support=support,
    )


_SCALE = SignatureParameter("scale", None, "positive", REQUIRED, "standard deviation or spread")

TRUNCATED_DENSITIES = (
    *(_truncated(s) for name in WITH_TAILS for s in DENSITIES if s.name == name),
    _not_in_pyro(
        "HalfStudentT",
        "upper half of a Student's t around zero",
        (SignatureParameter("df", None, "positive", REQUIRED, "degrees of freedom"), _SCALE),
        Support(low=0.0),
    ),
    _not_in_pyro(
        "SkewNormal",
        "skew normal of Azzalini",
        (
            SignatureParameter("loc", None, "location", REQUIRED, "where it is centred"),
            _SCALE,
            SignatureParameter("alpha", None, "location", REQUIRED, "skewness; 0 for a Gaussian"),
        ),
        Support(),
    ),
    _not_in_pyro("Flat", "one everywhere, which is no density: improper by itself", (), Support()),
)
