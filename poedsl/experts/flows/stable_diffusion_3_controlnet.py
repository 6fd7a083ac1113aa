"""Stable Diffusion 3 and 3.5 with a ControlNet, which adds to the activations of the transformer
(Zhang, Rao and Agrawala, Adding Conditional Control to Text-to-Image Diffusion Models, 2023).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition
from poedsl.experts.flows.latent_flow import TIMES
from poedsl.experts.flows.stable_diffusion_3 import StableDiffusion3
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.model_errors import evaluating, loading, unfit

#: What ControlNets see, by the number of channels beside latents.
_SEEN = ("a control picture", "a hole to fill")


class ControlledStableDiffusion3(StableDiffusion3):
    """A `StableDiffusion3` whose activations a ControlNet adds to.

    Args:
        controlnet: its folder; None for ``controlnet/`` of the model's. scale: by which its
            activations are multiplied.

    Raises:
        PoeError: a folder holds another model, or the ControlNet sees something else (P0206).
    """

    #: Channels that its ControlNet sees beside latents.
    extra: ClassVar[int] = 0
    #: What it sees, as latents.
    control: Float[Tensor, "1 k h w"]

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        controlnet: str | None,
        scale: float,
        negative: str,
        guidance: float,
        loras: tuple[Lora, ...],
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, negative, guidance, loras)
        self.place, self.strength = controlnet or folder, scale
        self.controlnet = shared_networks.controlnet(
            "SD3ControlNetModel", self.folder, controlnet, self.device, profile
        )
        config = self.controlnet.config
        channels = config.extra_conditioning_channels
        if channels != self.extra:
            seen = _SEEN[channels] if channels in (0, 1) else f"{channels} further channels"
            expected = _SEEN[self.extra]
            reason = f"its ControlNet takes {seen}, and this expert has {expected}"
            raise unfit("", self.place, reason)
        if config.in_channels != self.shape[0]:
            reason = f"its ControlNet takes {config.in_channels} channels of latents"
            raise unfit("", self.place, f"{reason}, and its model has {self.shape[0]}")
        #: The ControlNets of Stability AI take tokens of the transformer's first layer, no latents.
        self.embed: Any = None
        if not config.use_pos_embed:
            with loading("", self.place):
                embed = self.controlnet._get_pos_embed_from_transformer(self.net)
            self.embed = embed.to(self.device, self.dtype).requires_grad_(False)

    def residuals(
        self, z: Float[Tensor, "L c h w"], s: float, condition: Condition
    ) -> dict[str, Any]:
        tokens, pooled = condition
        config, seen = self.controlnet.config, z.to(self.dtype)
        without_texts = self.extra or config.force_zeros_for_pooled_projection
        with evaluating("", self.place):
            samples = self.controlnet(
                hidden_states=seen if self.embed is None else self.embed(seen),
                timestep=self.time(len(z), TIMES * s),
                encoder_hidden_states=None if config.joint_attention_dim is None else tokens,
                pooled_projections=torch.zeros_like(pooled) if without_texts else pooled,
                controlnet_cond=self.control.to(seen).expand(len(z), -1, -1, -1),
                conditioning_scale=self.strength,
                return_dict=False,
            )[0]
        return {"block_controlnet_hidden_states": samples}


class StableDiffusion3ControlNet(ControlledStableDiffusion3):
    """Text and a control picture, by a StableDiffusion3Pipeline and an SD3ControlNetModel.

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
        negative: str = "",
        guidance: float = 7.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        common = (prompt, folder, shape, device, profile)
        super().__init__(*common, controlnet, scale, negative, guidance, loras)
        self.control = self.codec.encode(self.codec.sized(control.expand(3, -1, -1), shape))
        if self.controlnet.config.force_zeros_for_pooled_projection:
            # Those of InstantX see latents without the shift of the autoencoder.
            vae = self.codec.vae.config
            self.control = self.control + (vae.shift_factor or 0.0) * vae.scaling_factor


class StableDiffusion3Fill(ControlledStableDiffusion3):
    """Text and a picture to fill in, by a StableDiffusion3Pipeline and an SD3ControlNetModel for
    inpainting.

    Args:
        mask: (H, W), 1 where it repaints. image: (3, H, W) in [0, 1], kept outside the mask. Of
            other sizes, they are resized. scale, controlnet: as in `StableDiffusion3ControlNet`.

    Raises:
        PoeError: a folder holds another model (P0206).
    """

    extra = 1

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
        negative: str = "",
        guidance: float = 7.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        common = (prompt, folder, shape, device, profile)
        super().__init__(*common, controlnet, scale, negative, guidance, loras)
        hole, latents = self.codec.masked(image, mask, shape, grey=0.0)
        kept = 1 - F.interpolate(hole, latents.shape[-2:]).to(latents)
        self.control = torch.cat([latents, kept], 1)
