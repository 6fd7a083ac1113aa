"""The FLUX.2 family on the bare transformer (Labs, FLUX.2, 2025)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.guidance import Condition, Guidance
from poedsl.experts.flows.latent_flow import LatentFlow
from poedsl.experts.flows.latents import PATCH, resized
from poedsl.experts.flows.packing import pack, positions, unpack
from poedsl.experts.loading import language_encoders
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.weight_files import read_config

#: The most pixels of a reference.
AREA = 1024**2
#: The number of the first reference among images, and the distance of the next one.
REFERENCE = 10
#: A picture (c, H, W) in [0, 1] that the text refers to; None for none.
Reference = Float[Tensor, "c H W"] | None


class Flux2Network(LatentFlow):
    """What FLUX.2 [dev] and [klein] share.

    The position of a token has four numbers: that of its image, its row, its column, and for texts
    its place in the text.

    Args:
        references: in the order in which the text counts them. Each is read at its own size, down
            to whole tokens, or at `AREA` pixels if it has more.

    Attributes:
        pipeline: the class of diffusers that encodes prompts. behind: the tokens of all references.
    """

    network = "Flux2Transformer2DModel"
    pipeline: ClassVar[str]

    def __init__(
        self,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        references: tuple[Reference, ...],
        loras: tuple[Lora, ...],
    ) -> None:
        super().__init__(folder, shape, device, profile, loras)
        _, h, w = shape
        places, read = [positions(h, w)], list[Tensor]()
        for image in references:
            if image is not None:
                read.append(self.read(image))
                _, _, h, w = read[-1].shape
                places.append(positions(h, w, REFERENCE * len(read)))
        self.behind: Float[Tensor, "1 M k"] | None = None
        if read:
            self.behind = torch.cat([pack(latents) for latents in read], 1)
        self.positions = F.pad(torch.cat(places), (0, 1)).to(self.device)

    def read(self, image: Float[Tensor, "c H W"]) -> Float[Tensor, "1 c h w"]:
        """The latents of a reference."""
        unit = PATCH * self.codec.factor
        shrunk = min(1.0, math.sqrt(AREA / (image.shape[1] * image.shape[2])))
        height, width = (max(unit, int(n * shrunk) // unit * unit) for n in image.shape[1:])
        return self.codec.encode(resized(image.expand(3, -1, -1), height, width))

    def encoded(self, text: str) -> Condition:
        return (
            language_encoders.prompt(self.pipeline, self.folder, text, self.device, self.dtype),
        )

    def predict(
        self,
        packed: Float[Tensor, "L N k"],
        condition: Condition,
        s: float,
        scale: Float[Tensor, " L"] | None = None,
    ) -> Float[Tensor, "L N k"]:
        """The velocity of tokens.

        Args:
            scale: that of guidance, for a network that takes it.
        """
        (texts,) = condition
        length = packed.shape[1]
        if self.behind is not None:
            behind = self.behind.to(packed).expand(len(packed), -1, -1)
            packed = torch.cat([packed, behind], 1)
        places = torch.arange(texts.shape[1], dtype=torch.float32, device=self.device)
        out: Tensor = self.net(
            hidden_states=packed.to(self.dtype),
            timestep=self.time(len(packed), s).to(self.dtype),
            guidance=scale,
            encoder_hidden_states=texts,
            txt_ids=F.pad(places[:, None], (3, 0)),
            img_ids=self.positions,
            return_dict=False,
        )[0]
        return out[:, :length].to(packed)

    def shift(self, steps: int, tokens: int) -> float:
        from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu

        return float(compute_empirical_mu(tokens, steps))


class Flux2Flow(Flux2Network):
    """Text to image, by a Flux2Pipeline.

    Args:
        prompt: what the image shows. folder: of the pipeline. shape: (c, h, w) of the latents it
            sees, h and w even. guidance: the distilled scale. image, image_2, image_3,
            image_4: the references of `Flux2Network`.

    Raises:
        PoeError: the folder holds another model (P0206), or the library is missing (P0703).
    """

    pipeline = "Flux2Pipeline"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        guidance: float = 4.0,
        image: Reference = None,
        image_2: Reference = None,
        image_3: Reference = None,
        image_4: Reference = None,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        references = (image, image_2, image_3, image_4)
        super().__init__(folder, shape, device, profile, references, loras)
        self.condition, self.guidance = self.encoded(prompt), guidance

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        count, _, h, w = latents.shape
        condition = tuple(t.expand(count, -1, -1) for t in self.condition)
        scale = torch.full((count,), self.guidance, dtype=torch.float32, device=self.device)
        return unpack(self.predict(pack(latents), condition, s, scale), h, w)


class Flux2Klein(Flux2Network):
    """Text to image, by a Flux2KleinPipeline, guided unless it is distilled.

    Args:
        prompt, folder, shape: as of `Flux2Flow`. negative: what is guided away from. guidance: the
            scale of classifier-free guidance; 1 for none. image, image_2, image_3,
            image_4: the references of `Flux2Network`.

    Raises:
        PoeError: the folder holds another model, or one that is distilled and would be guided
            (P0206), or the library is missing (P0703).
    """

    pipeline = "Flux2KleinPipeline"

    def __init__(
        self,
        prompt: str,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        negative: str = "",
        guidance: float = 4.0,
        image: Reference = None,
        image_2: Reference = None,
        image_3: Reference = None,
        image_4: Reference = None,
        loras: tuple[Lora, ...] = (),
    ) -> None:
        if guidance != 1 and read_config(folder, "model_index.json").get("is_distilled"):
            reason = "it is distilled (`is_distilled` in model_index.json), and is not guided"
            raise unfit("", folder, reason, "`guidance = 1` leaves guidance out")
        references = (image, image_2, image_3, image_4)
        super().__init__(folder, shape, device, profile, references, loras)
        self.guidance = Guidance.of(self.encoded, prompt, negative, guidance)
        self.calls_per_evaluation = self.guidance.calls

    def predicted(self, latents: Float[Tensor, "L c h w"], s: float) -> Float[Tensor, "L c h w"]:
        _, _, h, w = latents.shape

        def predict(packed: Tensor, condition: Condition) -> Tensor:
            return self.predict(packed, condition, s)

        return unpack(self.guidance(predict, pack(latents)), h, w)
