"""The reward `depth_agreement`: the correlation of estimated and given depth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.transformers_models import expect, network
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.learned_reward import LearnedReward


class DepthAgreement(LearnedReward):
    """Pearson's correlation of an image's estimated depth with the depth ``depth``, in [-1, 1].

    It is invariant to the scale and shift of depth. Every frame of a video is compared with the
    same ``depth``. The correlation with a constant is 0.

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
        super().__init__("depth_agreement", folder, device, profile, gradient, frames)
        expect(self.name, folder, ("depth_anything", "dpt"))
        with loading(self.name, folder):
            self.net = network("AutoModelForDepthEstimation", folder, self.device, self.dtype)
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            if getattr(self.net.config, "depth_estimation_type", "relative") != "relative":
                raise ValueError("it estimates metres, not relative inverse depth")
        self.depth = depth.to(self.device, torch.float32)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        return correlation(self.estimated(x), self.depth)

    def estimated(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N h w"]:
        """Estimated relative inverse depth, resized to the size of ``depth``."""
        predicted = self.net(pixel_values=self.preprocess(x).to(self.dtype)).predicted_depth.float()
        size = tuple(self.depth.shape)
        return F.interpolate(predicted[:, None], size, mode="bicubic", align_corners=False)[:, 0]


def correlation(a: Float[Tensor, "N h w"], b: Float[Tensor, "h w"]) -> Float[Tensor, " N"]:
    """Pearson's correlation of each (h, w) of ``a`` with ``b``."""
    one, other = (v.flatten(-2) - v.mean((-2, -1))[..., None] for v in (a, b))
    return F.cosine_similarity(one, other, dim=-1)
