"""Every expert, reward and source of the language by its name."""

from __future__ import annotations

from poedsl.catalog.densities import DENSITIES
from poedsl.catalog.flows import FLOWS
from poedsl.catalog.language_models import LANGUAGE_MODELS
from poedsl.catalog.rewards import REWARDS
from poedsl.catalog.signatures import Signature
from poedsl.catalog.sources import SOURCES
from poedsl.catalog.stable_diffusion import STABLE_DIFFUSION
from poedsl.catalog.transformer_flows import TRANSFORMER_FLOWS

_IMAGE_FLOWS = (*FLOWS, *TRANSFORMER_FLOWS, *STABLE_DIFFUSION)
SIGNATURES: dict[str, Signature] = {
    s.name: s for s in (*DENSITIES, *_IMAGE_FLOWS, *LANGUAGE_MODELS, *REWARDS, *SOURCES)
}
