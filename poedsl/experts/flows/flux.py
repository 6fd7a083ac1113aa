"""The FLUX.1 family on the bare transformer: text to image, and with conditions (Labs, FLUX.1,
2024).

Conditions stand beside the latents, in further channels of each token: a depth map, edges, or a
picture to fill in with its mask. The reference image of FLUX.1 Kontext (Labs et al., 2025) stands
behind them, in further tokens.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latent_flow import LatentFlow
from poedsl.experts.flows.latents import PATCH, resized
from poedsl.experts.flows.packing import pack, positions, unpack
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.text_loras import textual


class FluxFlow(LatentFlow):
    """Text to image, by a FluxPipeline.

    Args:
        prompt: what the image shows. folder: of the pipeline. shape: (c, h, w) of the latents it
            sees, h and w even. guidance: the distilled scale, for guidance-distilled models.

    Attributes:
        beside: conditions (1, N, k) in further channels of the N tokens of latents. behind:
            conditions (1, M, 4 c) in further tokens.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    beside: Float[Tensor, "1 N k"] | None = None
    behind: Float[Tensor, "1 M k"] | None = None
    network = "FluxTransformer2DModel"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        guidance: float = 3.5,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(folder, shape, device, profile, loras)
        default = inspect.signature(type(self).__init__).parameters["guidance"].default
        if not self.net.config.guidance_embeds and guidance != default:
            reason = "its transformer takes no guidance (`guidance_embeds` in its config.json)"
            raise unfit("", folder, reason, "`guidance` is left out for such models")
        self.guidance = guidance
        self.tokens, self.pooled = shared_networks.prompt(
            folder, prompt, self.device, self.dtype, textual(folder, loras)
        )
        _, h, w = shape
        self.positions = positions(h, w).to(self.device)
        count = self.tokens.shape[1]
        self.text_positions = torch.zeros(count, 3, dtype=torch.float32, device=self.device)

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        (count, _, h, w), packed = latents.shape, pack(latents)
        length = packed.shape[1]
        if self.beside is not None:
            packed = torch.cat([packed, self.beside.to(packed).expand(count, -1, -1)], 2)
        if self.behind is not None:
            packed = torch.cat([packed, self.behind.to(packed).expand(count, -1, -1)], 1)
        seen = packed.to(self.dtype)
        arguments = {
            "timestep": self.time(count, s).to(self.dtype),
            "pooled_projections": self.pooled.expand(count, -1),
            "encoder_hidden_states": self.tokens.expand(count, -1, -1),
            "txt_ids": self.text_positions,
            "img_ids": self.positions,
        }
        out = self.net(
            hidden_states=seen,
            guidance=self.scale(self.net, count),
            **arguments,
            **self.residuals(seen, arguments),
            return_dict=False,
        )[0]
        return unpack(out[:, :length], h, w)

    def scale(self, net: Any, count: int) -> Float[Tensor, " L"] | None:
        """The guidance scale as a network takes it; None where it takes none."""
        if not net.config.guidance_embeds:
            return None
        return torch.full((count,), self.guidance, dtype=torch.float32, device=self.device)

    def residuals(self, seen: Float[Tensor, "L N k"], arguments: dict[str, Any]) -> dict[str, Any]:
        """What other networks add to the activations of the transformer.

        Args:
            seen: the tokens that the transformer sees. arguments: its other arguments.
        """
        return {}

    def channels(self) -> int:
        return super().channels() + self.channels_beside()

    def channels_beside(self) -> int:
        """How many channels of each token are conditions."""
        return 0

    def expect(self, takes: int) -> None:
        latent = super().channels()
        kinds = {
            latent: "no picture",
            2 * latent: "a depth map or edges",
            2 * latent + 4 * self.codec.factor**2: "a picture and its mask",
        }
        if takes != self.channels():
            actual, expected = kinds.get(takes, f"{takes} channels"), kinds[self.channels()]
            reason = f"its transformer takes {actual}, and this expert has {expected}"
            raise unfit("", self.folder, reason)


class FluxControl(FluxFlow):
    """Text and a map of the image, by a FluxControlPipeline.

    Args:
        depth: (H, W) relative inverse depth in [0, 1]. edges: (H, W), 1 on edges, as Canny's
            detector draws them. One of the two, by the model; of another size, it is resized.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        guidance: float = 10.0,
        depth: Float[Tensor, "H W"] | None = None,
        edges: Float[Tensor, "H W"] | None = None,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, guidance, loras)
        control = edges if depth is None else depth
        assert control is not None
        picture = self.codec.sized(control[None].expand(3, -1, -1), shape)
        self.beside = pack(self.codec.encode(picture))

    def channels_beside(self) -> int:
        return 4 * self.shape[0]


class FluxFill(FluxFlow):
    """Text and a picture to fill in, by a FluxFillPipeline.

    Args:
        mask: (H, W), 1 where it repaints. image: (3, H, W) in [0, 1], kept outside the mask. Of
            other sizes, they are resized.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        mask: Float[Tensor, "H W"],
        image: Float[Tensor, "3 H W"],
        guidance: float = 30.0,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, guidance, loras)
        hole, latents = self.codec.masked(image, mask, shape)
        shown = F.pixel_unshuffle(hole, self.codec.factor).to(latents)
        self.beside = torch.cat([pack(latents), pack(shown)], 2)

    def channels_beside(self) -> int:
        return 4 * self.shape[0] + 4 * self.codec.factor**2


class FluxKontext(FluxFlow):
    """Text and a reference image that the text refers to, by a FluxKontextPipeline.

    Args:
        image: (c, H, W) in [0, 1]; it is resized to the size nearest in proportions of those that
            the model was trained on, whatever the size of the latents.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        image: Float[Tensor, "c H W"],
        guidance: float = 2.5,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        from diffusers.pipelines.flux.pipeline_flux_kontext import PREFERRED_KONTEXT_RESOLUTIONS

        super().__init__(prompt, folder, shape, device, profile, guidance, loras)
        ratio = image.shape[2] / image.shape[1]
        sizes = ((abs(ratio - w / h), w, h) for w, h in PREFERRED_KONTEXT_RESOLUTIONS)
        unit = PATCH * self.codec.factor
        width, height = (n // unit * unit for n in min(sizes)[1:])
        reference = self.codec.encode(resized(image.expand(3, -1, -1), height, width))
        self.behind = pack(reference)
        h, w = reference.shape[2:]
        behind = positions(h, w, image=1).to(self.positions)
        self.positions = torch.cat([self.positions, behind])
