"""The reward `detected`: how confidently a detector finds a phrase."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.transformers_models import expect, network, processor
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.learned_reward import LearnedReward

#: Left, top, right and bottom, in fractions of width and height.
Box = tuple[float, float, float, float]


class Detected(LearnedReward):
    """The confidence that a phrase is in the image, in [0, 1]: the maximum over detections.

    With ``inside``, the score of a detection is multiplied by the share of its box that lies in
    the region.

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
        super().__init__("detected", folder, device, profile, gradient, frames)
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
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            words, fill = (phrase, "max_length") if self.square else (f"{phrase.lower()}.", False)
            tokenizer = processor("AutoTokenizer", folder)
            length = min(tokenizer.model_max_length, self.longest_text())
            warn_if_cut(self.name, tokenizer, words, length)
            self.tokens = tokenizer(
                [words], padding=fill, truncation=True, max_length=length, return_tensors="pt"
            ).to(self.device)

    def longest_text(self) -> int:
        """The number of tokens that the network reads."""
        config = self.net.config
        positions: int = config.text_config.max_position_embeddings
        return min(positions, getattr(config, "max_text_len", positions))

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
        tokens = {k: v.expand(len(x), -1) for k, v in self.tokens.items()}
        output = self.net(pixel_values=self.preprocess(x).to(self.dtype), **tokens)
        centre, size = output.pred_boxes.float().split(2, -1)
        boxes = torch.cat([centre - size / 2, centre + size / 2], -1)
        if self.square:
            boxes = boxes * boxes.new_tensor([side / width, side / height] * 2)
        return output.logits.float().amax(-1).sigmoid(), boxes.clamp(0, 1)


def share_inside(boxes: Float[Tensor, "*n 4"], region: Box) -> Float[Tensor, "*n"]:
    """The share of the area of each box that lies in a region; 0 for a box without area."""
    within = boxes.new_tensor(region)
    least = torch.maximum(boxes[..., :2], within[:2])
    most = torch.minimum(boxes[..., 2:], within[2:])
    common = (most - least).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
    return common / area.clamp(min=1e-9)
