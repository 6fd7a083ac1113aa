"""Qwen-Image on the bare transformer (Wu et al., Qwen-Image Technical Report, 2025)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import LatentFlow
from poedsl.experts.flows.packing import pack, unpack
from poedsl.experts.loading import language_encoders
from poedsl.experts.loading.model_errors import unfit

#: Options of transformers that are for other pipelines.
_OTHERS = ("guidance_embeds", "use_additional_t_cond", "use_layer3d_rope")


class QwenImageFlow(LatentFlow):
    """Text to image, by a QwenImagePipeline.

    Its guided velocity is rescaled to the norm of the conditional one, token by token.

    Args:
        prompt: what the image shows. folder: of the pipeline. shape: (c, h, w) of the latents it
            sees, h and w even. negative: what is guided away from. guidance: the scale of
            classifier-free guidance; 1 for none.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    network = "QwenImageTransformer2DModel"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = " ",
        guidance: float = 4.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(folder, shape, device, profile, loras)
        if unsupported := [name for name in _OTHERS if self.net.config.get(name)]:
            reason = f"`{unsupported[0]}` is set in transformer/config.json, which is not followed"
            raise unfit("", folder, reason)
        # On a GPU the network keeps the angles of its first positions, for later gradients too.
        self.inference_mode = False
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance, keep_norm=True)
        self.calls_per_evaluation = self.guidance.calls

    def encoded(self, text: str) -> Condition:
        kind = "QwenImagePipeline"
        return (language_encoders.prompt(kind, self.folder, text, self.device, self.dtype),)

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        count, _, h, w = latents.shape
        residuals = self.residuals(pack(latents).to(self.dtype), s)

        def predict(packed: Tensor, condition: Condition) -> Tensor:
            rows = len(packed)
            added = {
                name: [r.repeat(rows // count, 1, 1) for r in values]
                for name, values in residuals.items()
            }
            out: Tensor = self.net(
                hidden_states=packed.to(self.dtype),
                **self.condition_arguments(rows, s, condition),
                **added,
            )[0]
            return out.to(packed)

        return unpack(self.guidance(predict, pack(latents)), h, w)

    def condition_arguments(self, count: int, s: float, condition: Condition) -> dict[str, Any]:
        """The arguments of the networks other than the tokens."""
        _, h, w = self.shape
        return {
            "timestep": self.time(count, s).to(self.dtype),
            "encoder_hidden_states": condition[0],
            "img_shapes": [[(1, h // 2, w // 2)]] * count,
            "return_dict": False,
        }

    def residuals(self, seen: Float[Tensor, "L N k"], s: float) -> dict[str, list[Tensor]]:
        """What other networks add to the activations of the transformer.

        Args:
            seen: the tokens that the transformer sees.
        """
        return {}

    def snapped(self, s: float) -> float:
        return float(torch.tensor(s, dtype=torch.float32, device="cpu").bfloat16())
