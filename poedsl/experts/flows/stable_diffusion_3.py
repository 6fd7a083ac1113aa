"""Stable Diffusion 3 and 3.5 on the bare transformer (a rectified flow, Esser et al. 2024)."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import TIMES, LatentFlow
from poedsl.experts.loading import diffusers_parts
from poedsl.experts.loading.stable_diffusion_prompts import sd3_prompt


class StableDiffusion3(LatentFlow):
    """Text to image, by a StableDiffusion3Pipeline.

    Args:
        prompt: what the image shows. folder: of the pipeline; T5 may be absent, as its
            ``model_index.json`` says. shape: (c, h, w) of the latents it sees, h and w even.
            negative: what the image is guided away from. guidance: the scale of classifier-free
            guidance; 1 for none.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 7.0,
    ) -> None:
        super().__init__(folder, shape, device, profile)
        self.expect(shape[0])
        # The network embeds time in 32-bit floats.
        self.snaps = False
        kind = "SD3Transformer2DModel"
        self.net = diffusers_parts.transformer(folder, self.device, profile, kind)
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls

    def encoded(self, text: str) -> Condition:
        width = int(self.net.config.joint_attention_dim)
        return sd3_prompt(self.folder, text, self.device, self.dtype, width)

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        return self.guidance(partial(self.of_network, s), latents)

    def of_network(
        self, s: float, latents: Float[Tensor, "L c h w"], condition: Condition
    ) -> Float[Tensor, "L c h w"]:
        """The velocity under conditions of as many rows."""
        tokens, pooled = condition
        out: Tensor = self.net(
            hidden_states=latents.to(self.dtype),
            timestep=self.time(len(latents), TIMES * s),
            encoder_hidden_states=tokens,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        return out.to(latents)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        patches = shape[-2] * shape[-1] // self.net.config.patch_size**2
        times = self.scheduler.times(steps, patches, even=False)
        return [*map(self.snapped, times)] if snaps else times
