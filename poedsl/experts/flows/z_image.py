"""Z-Image on the bare transformer (Z-Image Team, Z-Image: An Efficient Image Generation Foundation
Model with Single-Stream Diffusion Transformer, 2025).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import LatentFlow
from poedsl.experts.loading import language_encoders


class ZImageFlow(LatentFlow):
    """Text to image, by a ZImagePipeline.

    The network takes the time 1 - s, and predicts x_1 - eps, the negative of the velocity. It does
    not round time.

    Args:
        prompt: what the image shows. folder: of the pipeline. shape: (c, h, w) of the latents it
            sees, h and w even. negative: what is guided away from. guidance: the scale of
            classifier-free guidance, 1 for none; one more than `guidance_scale` of the pipeline.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    network = "ZImageTransformer2DModel"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 5.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(folder, shape, device, profile, loras)
        self.snaps = False
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls

    def channels(self) -> int:
        return self.shape[0]

    def encoded(self, text: str) -> Condition:
        kind = "ZImagePipeline"
        return (language_encoders.prompt(kind, self.folder, text, self.device, self.dtype),)

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        def predict(images: Tensor, condition: Condition) -> Tensor:
            frames = images.to(self.dtype)[:, :, None]
            time = self.time(len(images), 1 - s)
            texts = list(condition[0].unbind())
            out = self.net(list(frames.unbind()), time, texts, return_dict=False)[0]
            return -torch.stack(out)[:, :, 0].to(images)

        return self.guidance(predict, latents)
