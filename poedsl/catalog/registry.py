"""Every expert, reward and source of the language by its name."""

from __future__ import annotations

from poedsl.catalog.densities import DENSITIES
from poedsl.catalog.discrete_densities import DISCRETE_DENSITIES
from poedsl.catalog.films import FILMS
from poedsl.catalog.flows import FLOWS
from poedsl.catalog.flux import FLUX
from poedsl.catalog.language_models import LANGUAGE_MODELS
from poedsl.catalog.rewards import REWARDS
from poedsl.catalog.signatures import Signature
from poedsl.catalog.sources import SOURCES
from poedsl.catalog.stable_diffusion import STABLE_DIFFUSION
from poedsl.catalog.transformer_flows import TRANSFORMER_FLOWS
from poedsl.catalog.truncated_densities import TRUNCATED_DENSITIES

SIGNATURES: dict[str, Signature] = {
    s.name: s
    for s in (
        *DENSITIES,
        *TRUNCATED_DENSITIES,
        *DISCRETE_DENSITIES,
        *FLOWS,
        *FILMS,
        *FLUX,
        *STABLE_DIFFUSION,
        *TRANSFORMER_FLOWS,
        *LANGUAGE_MODELS,
        *REWARDS,
        *SOURCES,
    )
}
