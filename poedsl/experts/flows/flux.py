"""The FLUX.1 family on the bare transformer: text to image, with depth, and inpainting.

One call of the network is one velocity of latents in 32-bit floats, differentiable, whatever the
network computes in (Labs, FLUX.1, 2024; a rectified flow, Esser et al. 2024).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.loading import diffusers_parts
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, unfit
from poedsl.experts.loading.schedulers import FlowScheduler

#: The network multiplies its time by this.
TIMES = 1000


class FluxFlow(RectifiedFlow):
    """A velocity of latents (c, h, w), by the transformer in a folder of diffusers.

    Args:
        prompt: what the image shows. folder: of a FluxPipeline, FluxControlPipeline or
            FluxFillPipeline. shape: (c, h, w) of the latents it sees, h and w even. guidance: the
            distilled scale, for guidance-distilled models. depth: (H, W) relative inverse depth
            in [0, 1]. mask: (H, W), 1 where it repaints. image: (3, H, W) in [0, 1], kept
            outside the mask. Conditions of another size are resized to the pixels it sees.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        guidance: float = 3.5,
        depth: Float[Tensor, "H W"] | None = None,
        mask: Float[Tensor, "H W"] | None = None,
        image: Float[Tensor, "3 H W"] | None = None,
    ) -> None:
        self.device = torch.device(profile.device) if profile.device else device
        self.shape = shape
        self.codec = Codec(folder, device, profile)
        self.scheduler = FlowScheduler(folder)
        if self.scheduler.time_scale != TIMES:
            reason = f"`num_train_timesteps` of its scheduler is not {TIMES}"
            raise unfit("", folder, reason)
        self.extra = self.conditions(depth, mask, image, device)
        dtype = network_dtype(profile, self.device)
        self.net = diffusers_parts.transformer(folder, self.device, profile)
        self.expect(folder, depth is not None, mask is not None)
        self.tokens, self.pooled = diffusers_parts.prompt(folder, prompt, self.device, dtype)
        self.dtype, self.guidance, self.folder = dtype, guidance, folder
        self.snaps = dtype == torch.bfloat16
        self.inference_mode = profile.quantize == "none" and profile.offload == "none"
        _, h, w = shape
        self.positions = positions(h, w).to(self.device)
        count = self.tokens.shape[1]
        self.text_positions = torch.zeros(count, 3, dtype=torch.float32, device=self.device)

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        count, (_, h, w) = len(z), self.shape
        packed = pack(z.reshape(count, *self.shape).to(self.device))
        if self.extra is not None:
            packed = torch.cat([packed, self.extra.to(packed).expand(count, -1, -1)], 2)
        time = torch.full((count,), s, dtype=torch.float32, device=self.device)
        guidance = torch.full((count,), self.guidance, dtype=torch.float32, device=self.device)
        with evaluating("", self.folder):
            out = self.net(
                hidden_states=packed.to(self.dtype),
                timestep=time.to(self.dtype),
                guidance=guidance if self.net.config.guidance_embeds else None,
                pooled_projections=self.pooled.expand(count, -1),
                encoder_hidden_states=self.tokens.expand(count, -1, -1),
                txt_ids=self.text_positions,
                img_ids=self.positions,
                return_dict=False,
            )[0]
            return unpack(out.to(z), h, w).reshape(z.shape)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The times of its pipeline, with more steps near the noise for larger images (Esser et al.
        2024, 5.3.2).

        Raises:
            PoeError: its scheduler gives no times in so many steps (P0206).
        """
        times = self.scheduler.times(steps, shape[-2] * shape[-1] // 4)
        return [*map(snapped, times)] if snaps else times

    def conditions(
        self,
        depth: Float[Tensor, "H W"] | None,
        mask: Float[Tensor, "H W"] | None,
        image: Float[Tensor, "3 H W"] | None,
        device: torch.device,
    ) -> Float[Tensor, "1 N k"] | None:
        """The packed conditions beside the latents; masked pixels are grey (0.5)."""
        if depth is not None:
            grey = self.sized(depth.to(device)[None].expand(3, -1, -1))
            return pack(self.codec.encode(grey))
        if mask is None:
            return None
        assert image is not None
        hole = (self.sized(mask.to(device)[None]) >= 0.5).float()
        latents = self.codec.encode(torch.where(hole > 0, 0.5, self.sized(image.to(device))))
        shown = F.pixel_unshuffle(hole, self.codec.factor)
        return torch.cat([pack(latents), pack(shown)], 2)

    def sized(self, image: Float[Tensor, "c H W"]) -> Float[Tensor, "1 c H2 W2"]:
        """Resize to the size in pixels of the latents."""
        size = tuple(n * self.codec.factor for n in self.shape[1:])
        whole = image[None].float()
        if image.shape[-2:] == size:
            return whole
        return F.interpolate(whole, size, mode="bilinear", antialias=True, align_corners=False)

    def expect(self, folder: str, depth: bool, mask: bool) -> None:
        """Check that the transformer has the input channels of this expert.

        Raises:
            PoeError: it has others (P0206).
        """
        latent = 4 * self.shape[0]
        fill = latent + 4 * self.codec.factor**2
        takes = self.net.config.in_channels
        kinds = {
            latent: "no picture",
            2 * latent: "a depth map",
            latent + fill: "a picture and its mask",
        }
        expected = latent + (latent if depth else fill if mask else 0)
        if takes != expected:
            actual = kinds.get(takes, f"{takes} channels")
            reason = f"its transformer takes {actual}, and this expert has {kinds[expected]}"
            raise unfit("", folder, reason)


def pack(z: Float[Tensor, "L c h w"]) -> Float[Tensor, "L N k"]:
    """Patches of 2 x 2 latents as tokens, row by row; k = 4 c."""
    return F.pixel_unshuffle(z, 2).flatten(2).transpose(1, 2)


def unpack(tokens: Float[Tensor, "L N k"], h: int, w: int) -> Float[Tensor, "L c h w"]:
    return F.pixel_shuffle(tokens.transpose(1, 2).reshape(len(tokens), -1, h // 2, w // 2), 2)


def positions(h: int, w: int) -> Float[Tensor, "N 3"]:
    """The position of each token: 0, its row and its column."""
    down, across = (torch.arange(n // 2, device="cpu") for n in (h, w))
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3).float()


def snapped(s: float) -> float:
    """The time that a network in bfloat16 gets: it rounds s, and then 1000 s."""
    rounded = torch.tensor(s, dtype=torch.float32, device="cpu").bfloat16() * 1000
    return float(rounded.bfloat16()) / 1000
