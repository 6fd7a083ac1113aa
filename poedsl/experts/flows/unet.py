"""Learned flows in diffusers' folder format, as experts on the bare network."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.catalog.weights import model_folder
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.flows.variance_preserving import VariancePreserving
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.model_errors import evaluating, loading, unfit
from poedsl.experts.loading.schedulers import DiffusionScheduler, FlowScheduler
from poedsl.experts.loading.weight_files import read_config

#: The number of steps in which the times of a scheduler are compared with even ones.
COMPARED = 16


class UNetFlow(RectifiedFlow):
    """A rectified flow over images: a diffusers ``UNet2DModel`` that predicts v = eps - x_1.

    The network sees z = (1 - s) x_1 + s eps at time T s, with x_1 in [-1, 1] and T the number of
    times that its scheduler was trained with.

    Args:
        folder: with ``unet/`` in diffusers' format; classes run from 0, the last one is the null
            class. label: the class, or None for the unconditional flow. shape: (channels, height,
            width) of the variable.

    Raises:
        PoeError: the folder cannot be used, the library is missing, or there is no such class.
    """

    def __init__(
        self, folder: str, label: int | None, shape: tuple[int, ...], device: torch.device
    ) -> None:
        self.folder, self.shape = str(model_folder(folder)), shape
        self.scheduler = FlowScheduler(self.folder)
        if self.scheduler.dynamic:
            reason = "its scheduler shifts times by the size of an image, which is not followed"
            raise unfit("", self.folder, reason)
        self.unet = shared_networks.unet(self.folder, device)
        self.label = classes(self.folder, self.unet) - 1 if label is None else label

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        """V = E[eps - x_1 | z], which points from data to noise."""
        images = z.view(-1, *self.shape)
        time = self.scheduler.time_scale * s
        times = torch.full((len(z),), time, dtype=torch.float32, device=z.device)
        labels = torch.full((len(z),), self.label, dtype=torch.long, device=z.device)
        with evaluating("", self.folder):
            out: Tensor = self.unet(images, times, class_labels=labels, return_dict=False)[0]
            return out.reshape(z.shape)


class ScheduledUNetFlow(UNetFlow):
    """A `UNetFlow` with the times of its scheduler, as a `Scheduled`."""

    snaps = False

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The times of its scheduler from 1 (noise) to 0 (data)."""
        return self.scheduler.times(steps)


def unet_flow(
    folder: str, label: int | None, shape: tuple[int, ...], device: torch.device
) -> UNetFlow:
    """A `UNetFlow`, which is a `Scheduled` one if its scheduler's times are not evenly spaced."""
    flow = UNetFlow(folder, label, shape, device)
    times = flow.scheduler.times(COMPARED)
    if all(abs(s - (1 - k / COMPARED)) < 1e-6 for k, s in enumerate(times)):
        return flow
    return ScheduledUNetFlow(folder, label, shape, device)


class VariancePreservingUNet(VariancePreserving):
    """A diffusers ``UNet2DModel`` as a `VariancePreserving` model of a class of pictures.

    Args:
        folder: with ``unet/`` and ``scheduler/``; classes run from 0, one more is the null class.
            shape: (channels, height, width) that it sees, latents where the folder has a ``vae/``.
        label: the class by its number. contents: the same by its name, of those that
            ``id2label`` of the folder's ``model_index.json`` gives. None for the unconditional
            flow.

    Raises:
        PoeError: the folder holds another model, or there is no such class.
    """

    def __init__(
        self,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        label: int | None = None,
        contents: str | None = None,
    ) -> None:
        self.folder, self.shape = folder, shape
        self.scheduler = DiffusionScheduler(folder)
        self.scheduler.warn_of_spacing()
        self.unet = shared_networks.unet(folder, device)
        count = classes(folder, self.unet)
        chosen = label if contents is None else self.numbered(folder, contents)
        self.label = count - 1 if chosen is None else chosen
        if not 0 <= self.label < count:
            raise unfit("", folder, f"it has no class {self.label} of {count - 1}")

    @staticmethod
    def numbered(folder: str, contents: str) -> int:
        """The number of a class."""
        names = read_config(folder, "model_index.json").get("id2label", {})
        with loading("", folder):
            numbers = {str(name): int(number) for number, name in names.items()}
        if contents not in numbers:
            listed = ", ".join(f'"{n}"' for n in numbers)
            raise unfit("", folder, f'it has no class "{contents}"', f"its classes: {listed}")
        return numbers[contents]

    def predict(self, x: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        images = x.reshape(-1, *self.shape)
        times = torch.full((len(x),), time, dtype=torch.float32, device=x.device)
        labels = torch.full((len(x),), self.label, dtype=torch.long, device=x.device)
        with evaluating("", self.folder):
            out: Tensor = self.unet(images, times, class_labels=labels, return_dict=False)[0]
            return out.reshape(x.shape)


def classes(folder: str, unet: Any) -> int:
    """The number of classes of a UNet, the null class included.

    Raises:
        PoeError: it has none (P0206).
    """
    count: int | None = unet.config.num_class_embeds
    if not count:
        raise unfit("", folder, "its unet has no classes (`num_class_embeds`)")
    return count
