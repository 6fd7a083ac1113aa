"""The reward `digit_score`: log-probability of a class by an image classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.weights import model_folder
from poedsl.experts.loading.folder_loader import PROCESSORS
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import evaluating, loading, unfit
from poedsl.experts.loading.transformers_models import network
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor


class ClassifierScore:
    """log p(label | image) by a transformers image classifier, differentiable.

    Args:
        folder: in transformers' format. The network sees colour pictures as the image processor in
            the folder prepares them; others, and where there is none, scaled to [-1, 1].
        label: the class whose log-probability is the score.

    Raises:
        PoeError: the folder or the library is missing, or the folder holds no such classifier, or
            one whose labels do not exclude each other (P0206).
    """

    def __init__(self, folder: str, label: int, device: torch.device) -> None:
        self.folder = str(model_folder(folder))
        with loading("", self.folder):
            kind = "AutoModelForImageClassification"
            self.model = network(kind, self.folder, device, torch.float32)
        problem = self.model.config.problem_type
        if problem not in (None, "single_label_classification"):
            reason = f"`problem_type` in config.json is {problem}, not single_label_classification"
            raise unfit("", self.folder, reason)
        self.preprocess: Callable[[Tensor], Tensor] = _within_one
        if any((Path(self.folder) / name).is_file() for name in PROCESSORS):
            if self.model.config.num_channels == 3:
                self.preprocess = ImagePreprocessor.from_folder("", self.folder)
            else:
                message = f"the image processor in {self.folder} has no effect: pictures without "
                warn("P1023", message + "three channels are scaled to [-1, 1]", folder=self.folder)
        self.label = label

    def __call__(self, x: Float[Tensor, "L C H W"]) -> Float[Tensor, " L"]:
        with evaluating("", self.folder):
            logits = self.model(pixel_values=self.preprocess(x.float())).logits
            return torch.log_softmax(logits, -1)[:, self.label].to(x)


def _within_one(x: Float[Tensor, "L C H W"]) -> Float[Tensor, "L C H W"]:
    """Pictures scaled to [-1, 1]."""
    return 2 * x - 1
