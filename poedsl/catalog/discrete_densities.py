"""The discrete densities of the language, with the names and parameters of `pyro.distributions`."""

from __future__ import annotations

from poedsl.catalog.signatures import (
    REQUIRED,
    Capability,
    Default,
    Role,
    Signature,
    SignatureParameter,
    Support,
)

_DISCRETE: frozenset[Capability] = frozenset({"log_prob", "sample", "gradient"})
#: The end of a support that is the last category.
CATEGORIES = "categories"
_PYRO = "poedsl.experts.densities.pyro_densities:pyro_density"


def _discrete(
    name: str,
    summary: str,
    parameters: tuple[SignatureParameter, ...],
    high: float | str | None = None,
    event_rank: int = 0,
) -> Signature:
    return Signature(
        name,
        "density",
        summary,
        parameters,
        event_rank=event_rank,
        capabilities=_DISCRETE,
        implementation=_PYRO,
        support=Support(low=0.0, high=high, whole=True),
    )


def _alternatives(
    role: Role, probs: str, logits: str, trailing: int
) -> tuple[SignatureParameter, ...]:
    """Probabilities, or numbers without bounds that stand for them."""
    alternative = "chances"
    return (
        SignatureParameter(
            "probs", None, role, None, probs, alternative=alternative, trailing=trailing
        ),
        SignatureParameter(
            "logits", None, "number", None, logits, alternative=alternative, trailing=trailing
        ),
    )


def _chance(outcome: str) -> tuple[SignatureParameter, ...]:
    return _alternatives("probability", f"probability of {outcome}", "its log odds", 0)


def shares(trailing: int) -> tuple[SignatureParameter, ...]:
    summaries = "probability of each category", "their logarithms, up to a constant"
    return _alternatives("shares", *summaries, trailing)


def _total(default: Default = REQUIRED, trailing: int = 0) -> SignatureParameter:
    return SignatureParameter(
        "total_count", None, "count", default, "number of trials", trailing=trailing
    )


DISCRETE_DENSITIES = (
    _discrete("Bernoulli", "zero or one", _chance("one"), 1.0),
    _discrete(
        "Binomial",
        "number of successes among trials",
        (_total(1), *_chance("a success")),
        "total_count",
    ),
    _discrete(
        "Poisson",
        "number of events at a rate",
        (SignatureParameter("rate", None, "positive", REQUIRED, "mean"),),
    ),
    _discrete(
        "NegativeBinomial",
        "number of successes before a number of failures",
        (
            SignatureParameter(
                "total_count", None, "positive", REQUIRED, "number of failures, any above 0"
            ),
            *_chance("a success"),
        ),
    ),
    _discrete("Geometric", "number of failures before a success", _chance("a success")),
    _discrete(
        "Multinomial",
        "numbers of each category among trials",
        (_total(1, trailing=-1), *shares(trailing=0)),
        "total_count",
        event_rank=1,
    ),
    _discrete(
        "BetaBinomial",
        "number of successes among trials whose chance is drawn from a beta",
        (
            SignatureParameter(
                "concentration1", None, "positive", REQUIRED, "weight towards success"
            ),
            SignatureParameter(
                "concentration0", None, "positive", REQUIRED, "weight towards failure"
            ),
            _total(1),
        ),
        "total_count",
    ),
)
