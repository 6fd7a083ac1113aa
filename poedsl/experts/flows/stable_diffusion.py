"""Stable Diffusion 1.x, 2.x and XL on the bare network: text to image, ControlNets, inpainting.

A ``UNet2DConditionModel`` predicts noise, data or v at latents of the variance-preserving path
(Rombach et al. 2022; Podell et al. 2024). One call of the network, or two with classifier-free
guidance, is one score of latents in 32-bit floats, differentiable, whatever the network computes
in.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.variance_preserving import VariancePreserving
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, unfit
from poedsl.experts.loading.schedulers import SOLVERS, DiffusionScheduler
from poedsl.experts.loading.stable_diffusion_prompts import sd_prompt, sdxl_prompt
from poedsl.experts.loading.text_loras import textual
from poedsl.experts.loading.weight_files import read_config

#: Options under which the network takes inputs beside text, which experts do not have.
INPUTS = ("class_embed_type", "num_class_embeds", "encoder_hid_dim_type", "time_cond_proj_dim")


class StableDiffusion(VariancePreserving):
    """A score of latents (c, h, w), by the UNet in a folder of diffusers.

    Its times are the places of the steps of its scheduler; in between, time is interpolated.

    Args:
        prompt: what the image shows. folder: of a StableDiffusionPipeline, or of its pipelines for
            inpainting or with a ControlNet. shape: (c, h, w) of the latents it sees. negative: what
            the image is guided away from. guidance: the scale of classifier-free guidance, 1 for
            none. mask: (H, W), 1 where it repaints. image: (3, H, W) in [0, 1], kept outside the
            mask. control: (1 or 3, H, W) in [0, 1], what a ControlNet reads. scale: factor of what
            it adds. controlnet: its folder; None for ``controlnet/`` of the model's. Conditions of
            another size are resized to the pixels it sees. loras: low-rank adapters of the network.

    Raises:
        PoeError: the folder holds another model, or options that are not followed (P0206), or the
            library is missing (P0703).
    """

    snaps = False
    #: What the network embeds beside time (`addition_embed_type`).
    added: ClassVar[str | None] = None

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 7.5,
        mask: Float[Tensor, "H W"] | None = None,
        image: Float[Tensor, "3 H W"] | None = None,
        control: Float[Tensor, "k H W"] | None = None,
        scale: float = 1.0,
        controlnet: str | None = None,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        self.device = torch.device(profile.device) if profile.device else device
        self.folder, self.shape, self.scale = folder, shape, scale
        self.codec = Codec(folder, device, profile)
        self.scheduler = DiffusionScheduler(folder, SOLVERS)
        if self.scheduler.clip is not None:
            reason = "`clip_sample` is set in its scheduler, and latents are not clipped"
            raise unfit("", folder, reason)
        self.expect(mask is not None)
        self.dtype = network_dtype(profile, self.device)
        self.net = shared_networks.denoiser(
            "UNet2DConditionModel", folder, "unet", self.device, profile, loras
        )
        self.loras = textual(folder, loras)
        self.masked: Tensor | None = None
        if mask is not None and image is not None:
            hole, latents = self.codec.masked(image.to(device), mask.to(device), shape)
            hole = torch.nn.functional.interpolate(hole, shape[-2:])
            self.masked = torch.cat([hole, latents], 1).to(self.device)
        self.control: Tensor | None = None
        if control is not None:
            self.control = self.codec.sized(control.expand(3, -1, -1), shape).to(self.device)
            self.controlnet = self.network_beside(controlnet, profile)
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls
        self.inference_mode = profile.quantize == "none" and profile.offload == "none"

    def encoded(self, text: str) -> Condition:
        """What the network is conditioned on for a prompt."""
        return sd_prompt(self.folder, text, self.device, self.dtype, self.loras)

    def further(self, pooled: Condition) -> dict[str, Tensor]:
        """What the network embeds beside time, for conditions of so many rows."""
        return {}

    def predict(self, x: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        z = x.reshape(-1, *self.shape).to(self.device)
        with evaluating("", self.folder):
            return self.guidance(partial(self.of_network, time), z).reshape(x.shape).to(x)

    def of_network(
        self, time: float, z: Float[Tensor, "L c h w"], condition: Condition
    ) -> Float[Tensor, "L c h w"]:
        """The network's own prediction under conditions of as many rows."""
        tokens, *pooled = condition
        inputs: dict[str, Any] = {
            "timestep": torch.full((len(z),), time, dtype=torch.float32, device=self.device),
            "encoder_hidden_states": tokens,
            "added_cond_kwargs": self.further(tuple(pooled)),
            "return_dict": False,
        }
        sample = z.to(self.dtype)
        if self.control is not None:
            down, middle = self.controlnet(
                sample,
                controlnet_cond=self.control.to(sample).expand(len(z), -1, -1, -1),
                conditioning_scale=self.scale,
                **inputs,
            )
            inputs["down_block_additional_residuals"] = down
            inputs["mid_block_additional_residual"] = middle
        if self.masked is not None:
            beside = self.masked.to(sample).expand(len(z), -1, -1, -1)
            sample = torch.cat([sample, beside], 1)
        out: Tensor = self.net(sample, **inputs)[0]
        return out.to(z)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The places of its scheduler's steps.

        Raises:
            PoeError: its scheduler gives no so many steps (P0206).
        """
        return self.scheduler.times(steps)

    def expect(self, masked: bool) -> None:
        """Check that the network has the inputs of this expert.

        Raises:
            PoeError: it has others (P0206).
        """
        config = read_config(self.folder, "unet")
        latent = self.codec.channels
        kinds = {latent: "no picture", 2 * latent + 1: "a picture and its mask"}
        expected = 2 * latent + 1 if masked else latent
        takes = config.get("in_channels", 4)
        if takes != expected:
            actual = kinds.get(takes, f"{takes} channels")
            reason = f"its unet takes {actual}, and this expert has {kinds[expected]}"
            raise unfit("", self.folder, reason)
        if config.get("addition_embed_type") != self.added:
            condition = "what SDXL adds to text" if self.added else "text alone"
            raise unfit("", self.folder, f"its unet is not conditioned on {condition}")
        unsupported = next((name for name in INPUTS if config.get(name) is not None), None)
        if unsupported is not None:
            reason = f"`{unsupported}` is set in unet/config.json, which is not followed"
            raise unfit("", self.folder, reason)

    def network_beside(self, controlnet: str | None, profile: Profile) -> Any:
        """The ControlNet.

        Raises:
            PoeError: its folder holds another network, or options that are not followed (P0206).
        """
        folder = controlnet or self.folder
        net = shared_networks.controlnet(
            "ControlNetModel", self.folder, controlnet, self.device, profile
        )
        if net.config.global_pool_conditions:
            raise unfit("", folder, "`global_pool_conditions` is set, which is not followed")
        if net.config.conditioning_channels != 3:
            count = net.config.conditioning_channels
            raise unfit("", folder, f"its ControlNet reads {count} channels, not 3")
        return net


class StableDiffusionXL(StableDiffusion):
    """The same of XL, with the pooled embedding of its second encoder, and the size of what it
    sees as the size of the original and of the target, uncropped.
    """

    added: ClassVar[str | None] = "text_time"

    def encoded(self, text: str) -> Condition:
        return sdxl_prompt(self.folder, text, self.device, self.dtype, self.loras)

    def further(self, pooled: Condition) -> dict[str, Tensor]:
        (texts,) = pooled
        height, width = (n * self.codec.factor for n in self.shape[1:])
        numbers = [height, width, 0, 0, height, width]
        times = torch.tensor([numbers], dtype=torch.float32, device=self.device)
        return {"text_embeds": texts, "time_ids": times.expand(len(texts), -1)}
