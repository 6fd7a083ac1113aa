"""What models of text to image have in common that are sampled in the latents of an autoencoder."""

from __future__ import annotations

from poedsl.catalog.parameters import LORA, RGB_IMAGE
from poedsl.catalog.signatures import Signature, SignatureParameter


def latent_flow(
    name: str,
    summary: str,
    kind: str,
    *parameters: SignatureParameter,
    space: str,
    cost: float,
    citation: str,
) -> Signature:
    """The signature of an expert over pictures by a pipeline of diffusers, which takes LoRAs.

    Args:
        kind: ``module:class`` in `poedsl.experts.flows`. space: the latent space. cost: of an
            evaluation, in milliseconds.
    """
    return Signature(
        name,
        "flow",
        summary,
        (*parameters, LORA),
        domain=RGB_IMAGE,
        capabilities=frozenset({"score", "sample", "gradient"}),
        cost=cost,
        citation=citation,
        implementation=f"poedsl.experts.flows.{kind}",
        requires="diffusers",
        space=space,
    )
