"""FLUX.1 with a ControlNet, which adds to the activations of the transformer (Zhang, Rao and
Agrawala, Adding Conditional Control to Text-to-Image Diffusion Models, 2023).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.packing import pack
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.model_errors import evaluating, unfit


class FluxControlNet(FluxFlow):
    """Text and a control picture, by a FluxPipeline and a FluxControlNetModel.

    Args:
        control: (c, H, W) in [0, 1], what the ControlNet was trained with: edges, depth, a pose. Of
            another size, it is resized. scale: by which its activations are multiplied.
        controlnet: its folder; None for ``controlnet/`` of the model's. mode: the number of the
            kind of control, for a union of several.

    Raises:
        PoeError: a folder holds another model, or there is no such mode (P0206).
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
        guidance: float = 3.5,
        scale: float = 1.0,
        mode: int | None = None,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, guidance, loras)
        self.strength, self.place = scale, controlnet or folder
        self.controlnet = shared_networks.controlnet(
            "FluxControlNetModel", folder, controlnet, self.device, profile
        )
        self.mode = self.numbered(mode)
        picture = self.codec.sized(control.expand(3, -1, -1), shape)
        #: Whether it reads the picture itself, and not its latents.
        self.reads_pixels = self.controlnet.input_hint_block is not None
        self.control = 2 * picture - 1 if self.reads_pixels else pack(self.codec.encode(picture))

    def numbered(self, mode: int | None) -> Int[Tensor, "1 1"] | None:
        """The kind of control as a union of several takes it; None for a ControlNet of one.

        Raises:
            PoeError: `mode` is missing, or not a kind that the ControlNet knows (P0206).
        """
        count = self.controlnet.config.num_mode
        if count is None and mode is None:
            return None
        if count is None:
            raise unfit("", self.place, "it is for one kind of control, and takes no `mode`")
        if mode is None or not 0 <= mode < count:
            reason = f"it is for {count} kinds of control: `mode` is one from 0 to {count - 1}"
            raise unfit("", self.place, reason)
        return torch.full((1, 1), mode, dtype=torch.long, device=self.device)

    def residuals(self, seen: Float[Tensor, "L N k"], arguments: dict[str, Any]) -> dict[str, Any]:
        count = len(seen)
        control = self.control.to(seen)
        with evaluating("", self.place):
            double, single = self.controlnet(
                hidden_states=seen,
                controlnet_cond=control.expand(count, *control.shape[1:]),
                controlnet_mode=None if self.mode is None else self.mode.expand(count, 1),
                conditioning_scale=self.strength,
                guidance=self.scale(self.controlnet, count),
                **arguments,
                return_dict=False,
            )
        return {
            "controlnet_block_samples": double,
            "controlnet_single_block_samples": single,
            "controlnet_blocks_repeat": self.reads_pixels,
        }
