"""Rectified flows over latents by a transformer of diffusers: what all families share.

One call of the network is one velocity of latents in 32-bit floats, differentiable, whatever the
network computes in (Esser et al., Scaling Rectified Flow Transformers, 2024).
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, unfit
from poedsl.experts.loading.model_files import read_config
from poedsl.experts.loading.schedulers import FlowScheduler

#: Pure noise in the times of schedulers; networks take s times this.
TIMES = 1000


class LatentFlow(RectifiedFlow):
    """A velocity of latents (c, h, w), as a `Scheduled`.

    Args:
        folder: of a pipeline of diffusers. shape: (c, h, w) of the latents it sees, h and w even.

    Attributes:
        device: of the network. dtype: that it computes in.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    def __init__(
        self, folder: str, shape: tuple[int, ...], device: torch.device, profile: Profile
    ) -> None:
        self.folder, self.shape = folder, shape
        self.device = torch.device(profile.device) if profile.device else device
        self.codec = Codec(folder, device, profile)
        self.scheduler = FlowScheduler(folder)
        if self.scheduler.time_scale != TIMES:
            reason = f"`num_train_timesteps` of its scheduler is not {TIMES}"
            raise unfit("", folder, reason)
        self.dtype = network_dtype(profile, self.device)
        self.snaps = self.dtype == torch.bfloat16
        self.inference_mode = profile.quantize == "none" and profile.offload == "none"

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
        tokens = shape[-2] * shape[-1] // 4
        times = self.scheduler.times(steps, tokens, self.shift(steps, tokens))
        return [*map(self.snapped, times)] if snaps else times

    def shift(self, steps: int, tokens: int) -> float | None:
        """By how much the pipeline shifts times, where its scheduler does not say."""
        return None

    def snapped(self, s: float) -> float:
        """The time that a network in bfloat16 gets, which rounds s, and then 1000 s."""
        rounded = torch.tensor(s, dtype=torch.float32, device="cpu").bfloat16() * TIMES
        return float(rounded.bfloat16()) / TIMES

    def time(self, count: int, s: float) -> Float[Tensor, " L"]:
        """A time for each of so many latents."""
        return torch.full((count,), s, dtype=torch.float32, device=self.device)

    def expect(self, channels: int) -> None:
        """Check that the transformer has the input channels of this expert.

        Raises:
            PoeError: it has others (P0206).
        """
        takes = self.channels()
        if takes != channels:
            reason = (
                f"its transformer takes {takes} channels, and the latents of its vae {channels}"
            )
            raise unfit("", self.folder, reason)

    def channels(self) -> int:
        """The input channels of the transformer, as its configuration says."""
        count = read_config(self.folder, "transformer").get("in_channels")
        if not isinstance(count, int):
            raise unfit("", self.folder, "transformer/config.json has no `in_channels`")
        return count

    def sized(self, image: Float[Tensor, "c H W"]) -> Float[Tensor, "1 c H2 W2"]:
        """Resize to the size in pixels of the latents."""
        return self.codec.sized(image, self.shape)
