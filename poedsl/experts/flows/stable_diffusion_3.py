"""Stable Diffusion 3 and 3.5 on the bare transformer (a rectified flow, Esser et al. 2024)."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading import diffusers_parts
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, unfit
from poedsl.experts.loading.schedulers import FlowScheduler
from poedsl.experts.loading.stable_diffusion_prompts import sd3_prompt


class StableDiffusion3(RectifiedFlow):
    """A velocity of latents (c, h, w), by the transformer in a folder of diffusers.

    Args:
        prompt: what the image shows. folder: of a StableDiffusion3Pipeline; T5 may be absent, as
            its ``model_index.json`` says. shape: (c, h, w) of the latents it sees. negative: what
            the image is guided away from. guidance: the scale of classifier-free guidance, 1 for
            none.

    Raises:
        PoeError: the folder holds another model, or options that are not followed (P0206), or the
            library is missing (P0703).
    """

    snaps = False

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 7.0,
    ) -> None:
        self.device = torch.device(profile.device) if profile.device else device
        self.folder, self.shape = folder, shape
        self.codec = Codec(folder, device, profile)
        self.scheduler = FlowScheduler(folder)
        self.dtype = network_dtype(profile, self.device)
        kind, part = "SD3Transformer2DModel", "transformer"
        self.net = diffusers_parts.denoiser(kind, folder, part, self.device, profile)
        if self.net.config.in_channels != shape[0]:
            takes = self.net.config.in_channels
            raise unfit("", folder, f"its transformer takes {takes} channels, not {shape[0]}")
        self.guidance = Guidance.of(self.encode, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls
        self.inference_mode = profile.quantize == "none" and profile.offload == "none"

    def encode(self, text: str) -> Condition:
        """What the network is conditioned on for a prompt."""
        width = int(self.net.config.joint_attention_dim)
        return sd3_prompt(self.folder, text, self.device, self.dtype, width)

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        latents = z.reshape(-1, *self.shape).to(self.device)
        with evaluating("", self.folder):
            return self.guidance(partial(self.predicted, s), latents).reshape(z.shape).to(z)

    def predicted(
        self, s: float, z: Float[Tensor, "L c h w"], condition: Condition
    ) -> Float[Tensor, "L c h w"]:
        """The network's own velocity under conditions of as many rows."""
        tokens, pooled = condition
        time = self.scheduler.time_scale * s
        out: Tensor = self.net(
            hidden_states=z.to(self.dtype),
            timestep=torch.full((len(z),), time, dtype=torch.float32, device=self.device),
            encoder_hidden_states=tokens,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        return out.to(z)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The times of its pipeline.

        Raises:
            PoeError: its scheduler gives no times in so many steps (P0206).
        """
        patches = shape[-2] * shape[-1] // self.net.config.patch_size**2
        return self.scheduler.times(steps, patches, even=False)
