"""Learned flows in diffusers' folder format, as experts on the bare network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.models import missing_extra, model_folder
from poedsl.experts.rectified import RectifiedFlow


class UNetFlow(RectifiedFlow):
    """A rectified flow over pictures: a diffusers ``UNet2DModel`` that predicts v = eps - x_1.

    The network sees z = (1 - s) x_1 + s eps at time 1000 s, with x_1 in [-1, 1].

    Args:
        folder: with ``unet/`` in diffusers' format; classes run from 0, the last one is the null
            class. label: the class, or None for the unconditional flow. shape: (channels, height,
            width) of the variable.

    Raises:
        PoeError: the folder or the library is missing, or there is no such class.
    """

    def __init__(
        self, folder: str, label: int | None, shape: tuple[int, ...], device: torch.device
    ) -> None:
        try:
            from diffusers import UNet2DModel
        except ImportError as error:
            raise missing_extra("digits", "diffusers", error) from error
        unet = UNet2DModel.from_pretrained(
            model_folder(folder), subfolder="unet", use_safetensors=True, low_cpu_mem_usage=False
        )
        self.unet = unet.to(device).eval().requires_grad_(False)
        self.label = unet.config.num_class_embeds - 1 if label is None else label
        self.shape = shape

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        """V = E[eps - x_1 | z], noise-ward."""
        pictures = z.view(-1, *self.shape)
        time = torch.full((len(z),), 1000 * s, device=z.device)
        labels = torch.full((len(z),), self.label, dtype=torch.long, device=z.device)
        out: Tensor = self.unet(pictures, time, class_labels=labels, return_dict=False)[0]
        return out.reshape(z.shape)
