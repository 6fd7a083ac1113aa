"""Wan 2.1 and 2.2 on the bare transformers: text, a first frame or depth to film (Wan Team, Wan:
Open and Advanced Large-Scale Video Generative Models, 2025; Jiang et al., VACE, ICCV 2025).

Wan 2.2 has two transformers, one for times near the noise and one for the others; which is
evaluated follows from the time (``boundary_ratio`` of its pipeline). That with 5B parameters has a
time for each token (``expand_timesteps``), by which it knows that a first frame is given.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.film_latents import FilmCodec
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import TIMES, LatentFlow
from poedsl.experts.flows.latents import PATCH
from poedsl.experts.loading import shared_networks, wan_conditions
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.schedulers import FLOWS, UNIPC
from poedsl.experts.loading.weight_files import read_config

_INDEX = "model_index.json"
#: The least time by which the velocity to a known frame is divided.
LEAST = 1e-6


class WanFlow(LatentFlow):
    """Text to film, by a WanPipeline.

    Args:
        prompt: what the film shows. folder: of the pipeline. shape: (c, T, h, w) of the latents it
            sees, h and w even. negative: what is guided away from. guidance: the scale of
            classifier-free guidance; 1 for none.

    Attributes:
        beside: conditions (1, k, T, h, w) in further channels of latents.
        first_frame_latents: (1, c, 1, h, w), where the network has a time for each token and the
            first frame is a condition.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    network = "WanTransformer3DModel"
    uniform_steps = False
    schedulers: ClassVar[tuple[str, ...]] = (*FLOWS, UNIPC)
    codec: FilmCodec
    beside: Float[Tensor, "1 k T h w"] | None = None
    first_frame_latents: Float[Tensor, "1 c 1 h w"] | None = None

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 5.0,
    ) -> None:
        super().__init__(folder, shape, device, profile)
        self.snaps = False
        self.boundary = float(read_config(folder, _INDEX).get("boundary_ratio") or 0.0)
        self.later: Any = None
        if self.boundary:
            self.later = shared_networks.denoiser(
                self.network, folder, "transformer_2", self.device, profile
            )
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls

    def opened(self, folder: str, device: torch.device, profile: Profile) -> FilmCodec:
        return FilmCodec(folder, device, profile)

    def channels(self) -> int:
        return self.shape[0] + self.channels_beside()

    @cached_property
    def by_token(self) -> bool:
        """Whether its network has a time for each token."""
        return bool(read_config(self.folder, _INDEX).get("expand_timesteps"))

    def channels_beside(self) -> int:
        """How many channels of each latent are conditions."""
        return 0

    def expect(self, takes: int) -> None:
        if takes != self.channels():
            reason = f"its transformer takes {takes} channels, and this expert has"
            raise unfit("", self.folder, f"{reason} {self.channels()}")

    def encoded(self, text: str) -> Condition:
        return (wan_conditions.prompt(self.folder, text, self.device, self.dtype),)

    def predicted(
        self, latents: Float[Tensor, "L c T h w"], s: float
    ) -> Float[Tensor, "L c T h w"]:
        net = self.later if TIMES * s < TIMES * self.boundary else self.net

        def predict(films: Tensor, condition: Condition) -> Tensor:
            count = len(films)
            seen = films
            if self.beside is not None:
                seen = torch.cat([films, self.beside.to(films).expand(count, -1, -1, -1, -1)], 1)
            out: Tensor = net(
                hidden_states=seen.to(self.dtype),
                timestep=self.timesteps(count, s),
                encoder_hidden_states=condition[0],
                **self.conditions(count),
                return_dict=False,
            )[0]
            return out.to(films)

        if self.first_frame_latents is None:
            return self.guidance(predict, latents)
        first = self.first_frame_latents.to(latents).expand(len(latents), -1, -1, -1, -1)
        field = self.guidance(predict, torch.cat([first, latents[:, :, 1:]], 2))
        # The velocity to a point that is known: (z - x_1) / s.
        return torch.cat([(latents[:, :, :1] - first) / max(s, LEAST), field[:, :, 1:]], 2)

    def timesteps(self, count: int, s: float) -> Float[Tensor, "L"] | Float[Tensor, "L N"]:
        """The times that the network gets of so many films, of which a given frame has none."""
        if not self.by_token:
            return self.time(count, TIMES * s)
        _, times, h, w = self.shape
        tokens = h // PATCH * (w // PATCH)
        each = self.time(times * tokens, TIMES * s)
        if self.first_frame_latents is not None:
            each[:tokens] = 0
        return each.expand(count, -1)

    def conditions(self, count: int) -> dict[str, Any]:
        """Further arguments of the network, for so many films."""
        return {}


class WanImage(WanFlow):
    """Text and a first frame to film, by a WanImageToVideoPipeline.

    Args:
        image: the first frame, (3, H, W) in [0, 1]. last: the last one, for models that take it;
            None for none. Of another size, they are resized.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        image: Float[Tensor, "k H W"],
        negative: str = "",
        guidance: float = 5.0,
        last: Float[Tensor, "k H W"] | None = None,
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, negative, guidance)
        ends = [end.expand(3, -1, -1) for end in (image, last) if end is not None]
        self.patches: Float[Tensor, "k N d"] | None = None
        if self.by_token:
            if last is not None:
                raise unfit("", folder, "its pipeline takes a first frame alone")
            frame = self.codec.sized(ends[0], shape)[:, None]
            self.first_frame_latents = self.codec.encode(frame.to(self.device))
            return
        self.beside = self._between(ends)
        if self.net.config.image_dim is not None:
            taken = 1 if self.net.config.pos_embed_seq_len is None else 2
            if len(ends) != taken:
                frames = "a first and a last frame" if taken == 2 else "a first frame alone"
                raise unfit("", folder, f"its transformer takes {frames}")
            seen = [wan_conditions.picture(folder, end, self.device) for end in ends]
            self.patches = torch.cat(seen)

    def channels_beside(self) -> int:
        return 0 if self.by_token else self.codec.span + self.shape[0]

    def conditions(self, count: int) -> dict[str, Any]:
        if self.patches is None:
            return {}
        return {"encoder_hidden_states_image": self.patches.to(self.dtype).repeat(count, 1, 1)}

    def _between(self, ends: list[Float[Tensor, "3 H W"]]) -> Float[Tensor, "1 k T h w"]:
        """A mask that is 1 on the frames that are given, and the latents of a film of these and of
        grey.
        """
        frames, _, height, width = self.codec.decoded_shape(self.shape)
        film = torch.full((1, frames, 3, height, width), 0.5, dtype=torch.float32)
        for frame, end in zip((0, -1), ends, strict=False):
            film[:, frame] = self.codec.sized(end, self.shape).to(film)
        latents = self.codec.encode(film.to(self.device))
        mask = torch.zeros_like(latents[:, :1]).repeat(1, self.codec.span, 1, 1, 1)
        mask[:, :, 0] = 1
        if len(ends) == 2:
            mask[:, -1, -1] = 1
        return torch.cat([mask, latents], 1)


class WanDepth(WanFlow):
    """Text and the depth of every frame to film, by a WanVACEPipeline.

    Args:
        depth: (F, H, W) relative inverse depth in [0, 1]. image: the first frame, (3, H, W); None
            for none, as the pipeline with a mask. Of other sizes, they are resized. scale: how
            strongly the conditions act.
    """

    network = "WanVACETransformer3DModel"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        depth: Float[Tensor, "F H W"],
        image: Float[Tensor, "k H W"] | None = None,
        negative: str = "",
        guidance: float = 5.0,
        scale: float = 1.0,
    ) -> None:
        super().__init__(prompt, folder, shape, device, profile, negative, guidance)
        frames = self.codec.decoded_shape(shape)[0]
        if len(depth) != frames:
            reason = f"`depth` has {len(depth)} frames, and the film that it is for {frames}"
            raise unfit("", folder, reason)
        self.control = self._control(depth, image)
        self.strength = torch.full((len(self.net.config.vace_layers),), scale, device=self.device)

    def conditions(self, count: int) -> dict[str, Any]:
        control = self.control.to(self.dtype)
        return {
            "control_hidden_states": control.expand(count, -1, -1, -1, -1),
            "control_hidden_states_scale": self.strength.to(self.dtype),
        }

    def _control(
        self, depth: Float[Tensor, "F H W"], image: Float[Tensor, "k H W"] | None
    ) -> Float[Tensor, "1 k T h w"]:
        """The latents of what is kept and of what guides, and where the second is, by pixel."""
        film = self.codec.sized(depth, self.shape)[0][:, None].expand(-1, 3, -1, -1).clone()
        guides = torch.ones_like(film[:, 0])
        if image is not None:
            film[0] = self.codec.sized(image.expand(3, -1, -1), self.shape)[0]
            guides[0] = 0
        at = guides[:, None]
        kept, guiding = (
            self.codec.encode(torch.where(chosen > 0, film, 0.5)[None].to(self.device))
            for chosen in (1 - at, at)
        )
        shown = F.pixel_unshuffle(at, self.codec.factor).transpose(0, 1)[None]
        where = F.interpolate(shown, size=tuple(kept.shape[2:]), mode="nearest-exact")
        return torch.cat([kept, guiding, where.to(kept)], 1)
