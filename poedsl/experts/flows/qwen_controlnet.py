"""Qwen-Image with a ControlNet, which adds to the activations of the transformer (Zhang, Rao and
Agrawala, Adding Conditional Control to Text-to-Image Diffusion Models, 2023).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.packing import pack
from poedsl.experts.flows.qwen_image import QwenImageFlow
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.model_errors import evaluating, unfit


class ControlledQwenImage(QwenImageFlow):
    """A `QwenImageFlow` whose activations a ControlNet adds to, once for both prompts.

    Args:
        control: what the ControlNet sees, as latents (1, c, h, w), by the autoencoder of the model.
        controlnet: its folder; None for ``controlnet/`` of the model's. scale: by which its
            activations are multiplied.

    Raises:
        PoeError: a folder holds another model, or the ControlNet sees something else (P0206).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        control: Callable[[Codec], Tensor],
        controlnet: str | None,
        scale: float,
        negative: str,
        guidance: float,
        loras: tuple[Lora, ...],
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, negative, guidance, loras)
        self.place, self.strength = controlnet or folder, scale
        self.control = pack(control(self.codec))
        self.controlnet = shared_networks.controlnet(
            "QwenImageControlNetModel", self.folder, controlnet, self.device, profile
        )
        takes = self.controlnet.controlnet_x_embedder.in_features
        if takes != self.control.shape[-1]:
            kinds = {
                4 * self.shape[0]: "a control picture",
                4 * self.shape[0] + 4: "a hole to fill",
            }
            actual = kinds.get(takes, f"{takes} channels")
            expected = kinds[self.control.shape[-1]]
            raise unfit(
                "", self.place, f"its ControlNet takes {actual}, and this expert has {expected}"
            )

    def residuals(self, seen: Float[Tensor, "L N k"], s: float) -> dict[str, list[Tensor]]:
        count = len(seen)
        condition = tuple(t.expand(count, *t.shape[1:]) for t in self.guidance.condition)
        with evaluating("", self.place):
            samples = self.controlnet(
                hidden_states=seen,
                controlnet_cond=self.control.to(seen).expand(count, -1, -1),
                conditioning_scale=self.strength,
                **self.condition_arguments(count, s, condition),
            )
        return {"controlnet_block_samples": samples}


class QwenImageControlNet(ControlledQwenImage):
    """Text and a control picture, by a QwenImagePipeline and a QwenImageControlNetModel.

    Args:
        control: (c, H, W) in [0, 1], what the ControlNet was trained with: edges, depth, a pose. Of
            another size, it is resized. scale: by which its activations are multiplied.
        controlnet: its folder; None for ``controlnet/`` of the model's.

    Raises:
        PoeError: a folder holds another model (P0206).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        control: Float[Tensor, "c H W"],
        controlnet: str | None = None,
        scale: float = 1.0,
        negative: str = " ",
        guidance: float = 4.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        def latents(codec: Codec) -> Tensor:
            return codec.encode(codec.sized(control.expand(3, -1, -1), shape))

        common = (prompt, folder, shape, device, profile)
        super().__init__(*common, latents, controlnet, scale, negative, guidance, loras)


class QwenImageFill(ControlledQwenImage):
    """Text and a picture to fill in, by a QwenImagePipeline and a QwenImageControlNetModel for
    inpainting.

    Args:
        mask: (H, W), 1 where it repaints. image: (3, H, W) in [0, 1], kept outside the mask. Of
            other sizes, they are resized. scale, controlnet: as in `QwenImageControlNet`.

    Raises:
        PoeError: a folder holds another model (P0206).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        mask: Float[Tensor, "H W"],
        image: Float[Tensor, "3 H W"],
        controlnet: str | None = None,
        scale: float = 1.0,
        negative: str = " ",
        guidance: float = 4.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        def seen(codec: Codec) -> Tensor:
            hole, latents = codec.masked(image, mask, shape, grey=0.0)
            kept = 1 - F.interpolate(hole, latents.shape[-2:]).to(latents)
            return torch.cat([latents, kept], 1)

        common = (prompt, folder, shape, device, profile)
        super().__init__(*common, seen, controlnet, scale, negative, guidance, loras)
