"""Judges of what is where in a picture: a detector of phrases, and an estimator of depth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.transformers_models import (
    Judge,
    Sight,
    expect,
    loading,
    network,
    processor,
    unfit,
)
from poedsl.grammar.boxes import Box


class Detected(Judge):
    """How surely a phrase is found, in [0, 1]: the most over all detections.

    With ``inside`` each detection counts by its score times the share of its box that lies in that
    region; so it is near 1 where all of the thing is in there, however small it is.

    Args:
        phrase: what to find. folder: of GroundingDINO or OWLv2, with its processor. inside: left,
            top, right and bottom in fractions; None for anywhere.

    Raises:
        PoeError: the folder holds something else, the library is missing, or a gradient is asked of
            GroundingDINO, which detaches the boxes and queries that its decoder starts from.

    Source: Liu et al., Grounding DINO (2024); Minderer et al., Scaling Open-Vocabulary Object
    Detection (2023).
    """

    def __init__(
        self,
        phrase: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        inside: Box | None = None,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__("detected", device, profile, gradient, frames)
        kinds = ("grounding-dino", "mm-grounding-dino", "owlv2")
        kind = expect(self.name, folder, kinds)
        if gradient and kind != "owlv2":
            raise unfit(
                self.name,
                folder,
                "the network of GroundingDINO cuts gradients between its stages",
                'OWLv2 has a gradient: `model = "google/owlv2-base-patch16-ensemble"`',
            )
        self.inside, self.square = inside, kind == "owlv2"
        with loading(self.name, folder):
            self.net = network(
                "AutoModelForZeroShotObjectDetection", folder, self.device, self.dtype
            )
            self.sight = Sight(self.name, folder, processor("AutoImageProcessor", folder))
            words, fill = (phrase, "max_length") if self.square else (f"{phrase.lower()}.", False)
            self.tokens = processor("AutoTokenizer", folder)(
                [words], padding=fill, truncation=True, return_tensors="pt"
            ).to(self.device)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        scores, boxes = self.detections(x)
        if self.inside is not None:
            scores = scores * share_inside(boxes, self.inside)
        return scores.amax(-1)

    def detections(
        self, x: Float[Tensor, "N 3 H W"]
    ) -> tuple[Float[Tensor, "N Q"], Float[Tensor, "N Q 4"]]:
        """Scores in [0, 1], and boxes as left, top, right and bottom in fractions."""
        height, width = x.shape[-2:]
        if self.square:
            side = max(height, width)
            x = F.pad(x, (0, side - width, 0, side - height))
        given = {k: v.expand(len(x), -1) for k, v in self.tokens.items()}
        found = self.net(pixel_values=self.sight(x).to(self.dtype), **given)
        centre, size = found.pred_boxes.float().split(2, -1)
        boxes = torch.cat([centre - size / 2, centre + size / 2], -1)
        if self.square:
            boxes = boxes * boxes.new_tensor([side / width, side / height] * 2)
        return found.logits.float().amax(-1).sigmoid(), boxes.clamp(0, 1)


def share_inside(boxes: Float[Tensor, "*n 4"], region: Box) -> Float[Tensor, "*n"]:
    """The share of each box that lies in a region; none of a box without area."""
    within = boxes.new_tensor(region)
    least = torch.maximum(boxes[..., :2], within[:2])
    most = torch.minimum(boxes[..., 2:], within[2:])
    common = (most - least).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
    return common / area.clamp(min=1e-9)


class DepthAgreement(Judge):
    """Pearson's correlation of a picture's estimated depth with a given one, in [-1, 1].

    It does not see scale and shift, which relative depth leaves open. Of a film each frame is
    compared with the one depth that is given. Where either is the same everywhere it is 0.

    Args:
        depth: relative inverse depth, larger where nearer. folder: of a model that estimates such
            depth, DepthAnything or DPT, with its image processor.

    Raises:
        PoeError: the folder holds something else, or the library is missing.

    Source: Yang et al., Depth Anything V2 (2024).
    """

    def __init__(
        self,
        depth: Float[Tensor, "H W"],
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__("depth_agreement", device, profile, gradient, frames)
        expect(self.name, folder, ("depth_anything", "dpt"))
        with loading(self.name, folder):
            self.net = network("AutoModelForDepthEstimation", folder, self.device, self.dtype)
            self.sight = Sight(self.name, folder, processor("AutoImageProcessor", folder))
            if getattr(self.net.config, "depth_estimation_type", "relative") != "relative":
                raise ValueError("it estimates metres, not relative inverse depth")
        self.depth = depth.to(self.device, torch.float32)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        return correlation(self.estimated(x), self.depth)

    def estimated(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N h w"]:
        """Relative inverse depth, of the size of the given one."""
        found = self.net(pixel_values=self.sight(x).to(self.dtype)).predicted_depth.float()
        size = tuple(self.depth.shape)
        return F.interpolate(found[:, None], size, mode="bicubic", align_corners=False)[:, 0]


def correlation(a: Float[Tensor, "N h w"], b: Float[Tensor, "h w"]) -> Float[Tensor, " N"]:
    """Pearson's, of each with the other."""
    one, other = (v.flatten(-2) - v.mean((-2, -1))[..., None] for v in (a, b))
    return F.cosine_similarity(one, other, dim=-1)
