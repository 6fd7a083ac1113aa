"""The base of rewards that are neural networks: batches of images, and the frames of videos.

Such a reward is built from the folder of its weights. It is called with images (L, 3, H, W) or
videos (L, F, 3, H, W) with values in [0, 1], and returns (L,).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: Images in one evaluation of a network, where the profile does not set it.
BATCH = 8


class LearnedReward(ABC):
    """The score of an image, or the mean score of evenly spaced frames of a video.

    With a gradient, the activations of each batch are recomputed in the backward pass unless the
    profile turns checkpointing off.

    Args:
        name, folder: of the reward and its model, for messages. gradient: whether `score` is
            differentiated.
        frames: the number of frames of a video that are scored, from the first to the last.

    Attributes:
        device, dtype: of its network.

    Raises:
        PoeError: ``frames`` is below 1 (P0307); when called: the network cannot be evaluated
            (P0206).
    """

    def __init__(
        self,
        name: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool,
        frames: int,
    ) -> None:
        if frames < 1:
            message = f"`frames` of `{name}` is above 0, and this is {frames}"
            raise PoeError((Diagnostic("P0307", message),))
        self.name, self.folder, self.gradient, self.frames = name, folder, gradient, frames
        self.device = torch.device(profile.device) if profile.device else device
        self.dtype = network_dtype(profile, self.device)
        self.batch = profile.microbatch or BATCH
        self.checkpointing = profile.checkpointing

    def __call__(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, " L"]:
        images = self.sampled(x).to(self.device, torch.float32)
        differentiate = self.gradient and torch.is_grad_enabled() and x.requires_grad
        parts = torch.split(images, self.batch)
        with evaluating(self.name, self.folder), torch.set_grad_enabled(differentiate):
            if differentiate and self.checkpointing:
                scores = [checkpoint(self.score, part, use_reentrant=False) for part in parts]
            else:
                scores = [self.score(part) for part in parts]
        return torch.cat(scores).view(len(x), -1).mean(1).to(x)

    def sampled(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, "N 3 H W"]:
        """The images to score; frames of one video after the other."""
        if x.dim() == 4:
            return x
        last = x.shape[1] - 1
        count = min(self.frames, last + 1)
        chosen = torch.linspace(0, last, count, dtype=torch.float32, device="cpu").round().long()
        return x[:, chosen.to(x.device)].flatten(0, 1)

    @abstractmethod
    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        """The score of each image."""
