"""The densities of the language, with the names and parameters of `pyro.distributions`."""

from __future__ import annotations

import math

from poedsl.catalog.signatures import (
    REQUIRED,
    Capability,
    Default,
    Signature,
    SignatureParameter,
    Support,
)


def _location(default: Default = REQUIRED) -> SignatureParameter:
    return SignatureParameter("loc", None, "location", default, "where it is centred")


def _scale(default: Default = REQUIRED) -> SignatureParameter:
    return SignatureParameter("scale", None, "positive", default, "standard deviation or spread")


_CLOSED: frozenset[Capability] = frozenset({"log_prob", "noised", "score", "sample", "gradient"})
_DENSITY: frozenset[Capability] = frozenset({"log_prob", "sample", "gradient"})
_PYRO = "poedsl.experts.densities.pyro_densities:pyro_density"


def _positive(name: str, summary: str) -> SignatureParameter:
    return SignatureParameter(name, None, "positive", REQUIRED, summary)


def _constrained(
    name: str,
    summary: str,
    parameters: tuple[SignatureParameter, ...],
    support: Support,
    event_rank: int = 0,
) -> Signature:
    """A density of Pyro's that is zero somewhere."""
    return Signature(
        name,
        "density",
        summary,
        parameters,
        event_rank=event_rank,
        capabilities=_DENSITY,
        implementation=_PYRO,
        support=support,
    )


_POSITIVE = Support(low=0.0)
#: Where the density may be zero or infinite at the ends.
_ABOVE_ZERO = Support(low=0.0, open=True)
_UNIT = Support(low=0.0, high=1.0, open=True)
_CONCENTRATION = _positive("concentration", "shape")
_RATE = _positive("rate", "inverse of the scale")

_MATRICES = tuple(
    SignatureParameter(name, None, "matrix", None, summary, alternative="covariance")
    for name, summary in (
        ("covariance_matrix", "positive definite"),
        ("precision_matrix", "positive definite"),
        ("scale_tril", "lower triangular, positive diagonal"),
    )
)

DENSITIES = (
    Signature(
        "Normal",
        "density",
        "Gaussian, independent in each component",
        (_location(), _scale()),
        capabilities=_CLOSED,
        implementation="poedsl.experts.densities.gaussian_mixtures:gaussian",
    ),
    Signature(
        "MultivariateNormal",
        "density",
        "Gaussian with a full covariance",
        (_location(), *_MATRICES),
        event_rank=1,
        capabilities=_CLOSED,
        implementation="poedsl.experts.densities.gaussian_mixtures:gaussian",
    ),
    Signature(
        "StudentT",
        "density",
        "Student's t, independent in each component",
        (
            SignatureParameter("df", None, "positive", REQUIRED, "degrees of freedom"),
            _location(0),
            _scale(1),
        ),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Laplace",
        "density",
        "Laplace, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Logistic",
        "density",
        "logistic, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Cauchy",
        "density",
        "Cauchy, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    Signature(
        "Gumbel",
        "density",
        "Gumbel, independent in each component",
        (_location(), _scale()),
        capabilities=_DENSITY,
        implementation=_PYRO,
    ),
    _constrained(
        "LogNormal",
        "log-normal: its logarithm is Gaussian",
        (_location(), _scale()),
        _ABOVE_ZERO,
    ),
    _constrained("Exponential", "exponential, above zero", (_RATE,), _POSITIVE),
    _constrained("Gamma", "gamma, above zero", (_CONCENTRATION, _RATE), _ABOVE_ZERO),
    _constrained(
        "InverseGamma",
        "inverse gamma: its inverse is a gamma",
        (_CONCENTRATION, _positive("rate", "rate of that gamma")),
        _ABOVE_ZERO,
    ),
    _constrained("Chi2", "chi-squared", (_positive("df", "degrees of freedom"),), _ABOVE_ZERO),
    _constrained("HalfNormal", "upper half of a Gaussian around zero", (_scale(),), _POSITIVE),
    _constrained("HalfCauchy", "upper half of a Cauchy around zero", (_scale(),), _POSITIVE),
    _constrained("Weibull", "Weibull, above zero", (_scale(), _CONCENTRATION), _ABOVE_ZERO),
    _constrained(
        "Pareto",
        "Pareto, a power law above its scale",
        (_positive("scale", "where it begins"), _positive("alpha", "power of the tail")),
        Support(low="scale"),
    ),
    _constrained(
        "Beta",
        "beta, between zero and one",
        (
            _positive("concentration1", "weight towards one"),
            _positive("concentration0", "weight towards zero"),
        ),
        _UNIT,
    ),
    _constrained(
        "Uniform",
        "the same between two ends",
        (
            SignatureParameter("low", None, "location", REQUIRED, "lower end"),
            SignatureParameter("high", None, "location", REQUIRED, "upper end"),
        ),
        Support(low="low", high="high"),
    ),
    _constrained(
        "VonMises",
        "von Mises, an angle from -pi to pi",
        (_location(), _positive("concentration", "sharpness about its centre")),
        Support(low=-math.pi, high=math.pi),
    ),
    _constrained(
        "Dirichlet",
        "Dirichlet, over vectors of shares that sum to one",
        (_positive("concentration", "weight of each share"),),
        Support(low=0.0, high=1.0, event="simplex", open=True),
        event_rank=1,
    ),
    Signature(
        "LKJCholesky",
        "density",
        "LKJ, over Cholesky factors of correlation matrices",
        (
            SignatureParameter(
                "concentration",
                None,
                "positive",
                REQUIRED,
                "1 for all matrices alike, above 1 for correlations near zero",
                trailing=-2,
            ),
        ),
        event_rank=2,
        capabilities=frozenset({"log_prob", "gradient"}),
        citation="Lewandowski, Kurowicka and Joe 2009",
        implementation=_PYRO,
        support=Support(low=-1.0, high=1.0, event="corr_cholesky", open=True),
    ),
)
