"""Rectified flows over latents by a transformer of diffusers: what all families share.

One call of the network is one velocity of latents in 32-bit floats, differentiable, whatever the
network computes in (Esser et al., Scaling Rectified Flow Transformers, 2024).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import PATCH, Codec
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, unfit
from poedsl.experts.loading.schedulers import FLOWS, FlowScheduler

#: Pure noise in the times of schedulers; networks take s times this.
TIMES = 1000


class LatentFlow(RectifiedFlow):
    """A velocity of latents (c, h, w), as a `Scheduled`.

    Args:
        folder: of a pipeline of diffusers. shape: (c, h, w) of the latents it sees, h and w even.
            loras: low-rank adapters of the transformer, which may give it more inputs.

    Attributes:
        network: the name of the class of its transformer. uniform_steps: whether the steps of its
            pipeline are equal before its scheduler shifts them. schedulers: the classes of
            schedulers whose times are followed. device: of the network. dtype: that it
            computes in.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    network: ClassVar[str]
    uniform_steps: ClassVar[bool] = True
    schedulers: ClassVar[tuple[str, ...]] = FLOWS

    def __init__(
        self,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        self.folder, self.shape = folder, shape
        self.device = torch.device(profile.device) if profile.device else device
        self.codec = self.opened(folder, device, profile)
        self.scheduler = FlowScheduler(folder, self.schedulers)
        if self.scheduler.time_scale != TIMES:
            reason = f"`num_train_timesteps` of its scheduler is not {TIMES}"
            raise unfit("", folder, reason)
        self.dtype = network_dtype(profile, self.device)
        self.snaps = self.dtype == torch.bfloat16
        self.inference_mode = profile.quantize == "none" and profile.offload == "none"
        self.net = shared_networks.denoiser(
            self.network, folder, "transformer", self.device, profile, loras
        )
        self.expect(self.net.config.in_channels)

    def opened(self, folder: str, device: torch.device, profile: Profile) -> Codec:
        """The autoencoder of the model."""
        return Codec(folder, device, profile)

    @abstractmethod
    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        """The velocity of latents in 32-bit floats on the network's device."""

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        latents = z.reshape(len(z), *self.shape).to(self.device)
        with evaluating("", self.folder):
            return self.predicted(latents, s).to(z).reshape(z.shape)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The times of its pipeline, with more steps near the noise for larger images (Esser et al.
        2024, 5.3.2).

        Raises:
            PoeError: its scheduler gives no times in so many steps (P0206).
        """
        tokens = shape[-2] * shape[-1] // PATCH**2
        times = self.scheduler.times(
            steps, tokens, self.shift(steps, tokens), uniform_steps=self.uniform_steps
        )
        return [*map(self.snapped, times)] if snaps else times

    def shift(self, steps: int, tokens: int) -> float | None:
        """By how much the pipeline shifts times, where its scheduler does not say."""
        return None

    def snapped(self, s: float) -> float:
        """The time that its network in bfloat16 gets."""
        return snapped(s)

    def time(self, count: int, s: float) -> Float[Tensor, " L"]:
        """A time for each of so many latents."""
        return torch.full((count,), s, dtype=torch.float32, device=self.device)

    def channels(self) -> int:
        """The input channels of the transformer that this expert has, by default in patches."""
        return PATCH**2 * self.shape[0]

    def expect(self, takes: int) -> None:
        """Check that the transformer has the input channels of this expert.

        Args:
            takes: its input channels.

        Raises:
            PoeError: they are others (P0206).
        """
        if takes != self.channels():
            actual = f"its transformer takes {takes} channels"
            raise unfit("", self.folder, f"{actual}, and the latents of its vae {self.channels()}")


def snapped(s: float) -> float:
    """The time that a network in bfloat16 gets which rounds s, and then 1000 s."""
    rounded = torch.tensor(s, dtype=torch.float32, device="cpu").bfloat16() * TIMES
    return float(rounded.bfloat16()) / TIMES
