"""Learned flows in diffusers' folder format, as experts on the bare network."""

from __future__ import annotations

import bisect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.catalog.weights import model_folder
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading import diffusers_parts
from poedsl.experts.protocol import Noised


class UNetFlow(RectifiedFlow):
    """A rectified flow over images: a diffusers ``UNet2DModel`` that predicts v = eps - x_1.

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
        self.unet = diffusers_parts.unet(str(model_folder(folder)), device)
        self.label = self.unet.config.num_class_embeds - 1 if label is None else label
        self.shape = shape

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        """V = E[eps - x_1 | z], which points from data to noise."""
        images = z.view(-1, *self.shape)
        time = torch.full((len(z),), 1000 * s, dtype=torch.float32, device=z.device)
        labels = torch.full((len(z),), self.label, dtype=torch.long, device=z.device)
        out: Tensor = self.unet(images, time, class_labels=labels, return_dict=False)[0]
        return out.reshape(z.shape)


class VariancePreservingUNet:
    """A diffusers ``UNet2DModel`` that predicts v = alpha eps - sigma x_1 (Salimans and Ho 2022).

    Its own times are those of a ``DDPMScheduler``, whose last one may be pure noise (Lin et al.
    2024): a point of the path is one of its points already, and time is read off sigma. Then eps =
    sigma x + alpha v, and the score is -eps / sigma. Where the path is less noisy than the
    network's first time, the score of that one stands.

    Args:
        folder: with ``unet/`` and ``scheduler/``; classes run from 0, one more is the null class.
            shape: (channels, height, width) that it sees, latents where the folder has a ``vae/``.
        label: the class by its number. contents: the same by its name, of those that
            ``id2label`` of the folder's ``model_index.json`` gives. None for the unconditional
            flow.

    Raises:
        PoeError: the folder holds another model, or there is no such class.
    """

    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True

    def __init__(
        self,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        label: int | None = None,
        contents: str | None = None,
    ) -> None:
        self.shape = shape
        schedule = diffusers_parts.config(folder, "scheduler/scheduler_config.json")
        self.predicts_v(folder, schedule)
        self.sigmas: list[float] = noise_levels(schedule).tolist()
        self.unet = diffusers_parts.unet(folder, device)
        classes = int(self.unet.config.num_class_embeds or 0)
        chosen = label if contents is None else self.numbered(folder, contents)
        self.label = classes - 1 if chosen is None else chosen
        if not 0 <= self.label < classes:
            raise diffusers_parts.unfit(folder, f"it has no class {self.label} of {classes - 1}")

    @staticmethod
    def predicts_v(folder: str, schedule: dict[str, Any]) -> None:
        kind = schedule.get("prediction_type", "epsilon")
        if kind != "v_prediction":
            raise diffusers_parts.unfit(
                folder, f'its network predicts "{kind}", not "v_prediction"'
            )

    @staticmethod
    def numbered(folder: str, contents: str) -> int:
        """The number of a class."""
        names = diffusers_parts.config(folder, "model_index.json").get("id2label", {})
        numbers = {str(name): int(number) for number, name in names.items()}
        if contents not in numbers:
            listed = ", ".join(f'"{n}"' for n in numbers)
            raise diffusers_parts.unfit(
                folder, f'it has no class "{contents}"', f"its classes: {listed}"
            )
        return numbers[contents]

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """The precision of x_1 given x_t if the data are Gaussian with variance 1."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        images = x.float().reshape(-1, *self.shape)
        time = torch.full((len(x),), self.time(sigma), dtype=torch.float32, device=x.device)
        labels = torch.full((len(x),), self.label, dtype=torch.long, device=x.device)
        v: Tensor = self.unet(images, time, class_labels=labels, return_dict=False)[0]
        if sigma < self.sigmas[0]:
            sigma = self.sigmas[0]
            alpha = (1 - sigma**2) ** 0.5
        return Noised(-x - alpha / sigma * v.reshape(x.shape).to(x))

    def time(self, sigma: float) -> float:
        """The network's time of a noise level, by linear interpolation."""
        after = bisect.bisect_left(self.sigmas, sigma)
        if after == 0:
            return 0.0
        if after == len(self.sigmas):
            return float(after - 1)
        low, high = self.sigmas[after - 1], self.sigmas[after]
        return after - 1 + (sigma - low) / (high - low)


def noise_levels(schedule: dict[str, Any]) -> Float[Tensor, " T"]:
    """Sigma at each time of a `DDPMScheduler`, increasing."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_config(schedule)
    signal: Tensor = scheduler.alphas_cumprod
    return (1 - signal.double()).sqrt()
