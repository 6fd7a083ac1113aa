"""Learned flows in diffusers' folder format, as experts on the bare network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.models import missing_extra, model_folder
from poedsl.experts.protocol import Noised


class UNetFlow:
    """A rectified flow over pictures: a diffusers ``UNet2DModel`` that predicts v = eps - x_1.

    The network sees z = (1 - s) x_1 + s eps at time 1000 s, with x_1 in [-1, 1] and s from 1
    (noise) to 0 (data). A point of the variance-preserving path maps to it by s = sigma / (alpha
    + sigma), z = x / (alpha + sigma); then eps = z + (1 - s) v and the score is -eps / sigma
    (Zhang et al., C.1).

    Args:
        folder: with ``unet/`` in diffusers' format; classes run from 0, the last one is the null
            class. label: the class, or None for the unconditional flow. shape: (channels, height,
            width) of the variable.

    Raises:
        PoeError: the folder or the library is missing, or there is no such class.
    """

    has_density = False
    terminal = False
    calls_per_evaluation = 1

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

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """As if its data had variance one, which is the scale they were trained at."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        s, z = sigma / (alpha + sigma), x / (alpha + sigma)
        noise = z + (1 - s) * self.velocity(z, s)
        return Noised(-noise / sigma)
