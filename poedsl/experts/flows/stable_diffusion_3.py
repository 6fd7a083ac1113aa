"""Stable Diffusion 3 and 3.5 on the bare transformer (a rectified flow, Esser et al. 2024)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import TIMES, LatentFlow
from poedsl.experts.flows.latents import PATCH
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.stable_diffusion_prompts import sd3_prompt


class StableDiffusion3(LatentFlow):
    """Text to image, by a StableDiffusion3Pipeline.

    The network takes latents as they are, and does not round time.

    Args:
        prompt: what the image shows. folder: of the pipeline; T5 may be absent, as its
            ``model_index.json`` says. shape: (c, h, w) of the latents it sees, h and w even.
            negative: what is guided away from. guidance: the scale of classifier-free guidance, 1
            for none.

    Raises:
        PoeError: the folder holds another model, or options that are not followed (P0206), or the
            library is missing (P0703).
    """

    network = "SD3Transformer2DModel"
    uniform_steps = False

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 7.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(folder, shape, device, profile, loras)
        self.snaps = False
        if self.net.config.patch_size != PATCH:
            raise unfit("", folder, f"`patch_size` of its transformer is not {PATCH}")
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls

    def channels(self) -> int:
        return self.shape[0]

    def encoded(self, text: str) -> Condition:
        width = int(self.net.config.joint_attention_dim)
        return sd3_prompt(self.folder, text, self.device, self.dtype, width)

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        def predict(z: Tensor, condition: Condition) -> Tensor:
            tokens, pooled = condition
            out: Tensor = self.net(
                hidden_states=z.to(self.dtype),
                timestep=self.time(len(z), TIMES * s),
                encoder_hidden_states=tokens,
                pooled_projections=pooled,
                return_dict=False,
                **self.residuals(z, s, condition),
            )[0]
            return out.to(z)

        return self.guidance(predict, latents)

    def residuals(
        self, z: Float[Tensor, "L c h w"], s: float, condition: Condition
    ) -> dict[str, Any]:
        """What other networks add to the activations of the transformer, as its arguments."""
        return {}
