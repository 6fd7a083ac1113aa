"""The reward `siglip`: whether image and prompt belong together, by SigLIP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.transformers_models import expect, network
from poedsl.experts.rewards.clip import cosine, text_direction
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.learned_reward import LearnedReward


class SiglipScore(LearnedReward):
    """Log-probability that image and prompt are a pair, log sigmoid(t cos + b), where t and b are
    learned with the two encoders (Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023).

    Args:
        prompt: what the image shows; in lower case, and cut or padded to the tokens that SigLIP
            reads, as in its training. folder: of a SiglipModel with its processor, which is SigLIP,
            or SigLIP 2 at a fixed size of images.

    Raises:
        PoeError: the folder holds something else, or the library is missing.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__("siglip", folder, device, profile, gradient, frames)
        expect(self.name, folder, ("siglip",))
        with loading(self.name, folder):
            self.net = network("SiglipModel", folder, self.device, self.dtype)
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            self.text = text_direction(
                self.name, self.net, folder, prompt.lower(), padding="max_length"
            )

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        similarity = cosine(self.net, self.preprocess(x).to(self.dtype), self.text)
        scale, bias = self.net.logit_scale.float().exp(), self.net.logit_bias.float()
        return F.logsigmoid(scale * similarity + bias)
