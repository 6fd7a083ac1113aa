"""The reward `digit_score`: log-probability of a class by an image classifier."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.weights import model_folder
from poedsl.experts.loading.model_errors import evaluating, loading
from poedsl.experts.loading.transformers_models import network


class ClassifierScore:
    """log p(label | image) by a transformers image classifier, differentiable.

    Args:
        folder: in transformers' format; the network sees images scaled to [-1, 1].
        label: the class whose log-probability is the score.

    Raises:
        PoeError: the folder or the library is missing, or the folder holds no such classifier.
    """

    def __init__(self, folder: str, label: int, device: torch.device) -> None:
        self.folder = str(model_folder(folder))
        with loading("", self.folder):
            kind = "AutoModelForImageClassification"
            self.model = network(kind, self.folder, device, torch.float32)
        self.label = label

    def __call__(self, x: Float[Tensor, "L C H W"]) -> Float[Tensor, " L"]:
        with evaluating("", self.folder):
            logits = self.model(pixel_values=2 * x.float() - 1).logits
            return torch.log_softmax(logits, -1)[:, self.label].to(x)
