"""Judges: networks that score what is sampled."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.models import missing_extra, model_folder, quiet_loading


class ClassifierScore:
    """log p(label | picture) by a transformers image classifier, differentiable.

    Args:
        folder: in transformers' format; the network sees pictures scaled to [-1, 1].
        label: the class whose log-probability is the score.

    Raises:
        PoeError: the folder or the library is missing.
    """

    def __init__(self, folder: str, label: int, device: torch.device) -> None:
        try:
            from transformers import AutoModelForImageClassification
        except ImportError as error:
            raise missing_extra("digit_score", "diffusers", error) from error
        with quiet_loading():
            model = AutoModelForImageClassification.from_pretrained(
                model_folder(folder), use_safetensors=True
            )
        self.model = model.to(device).eval().requires_grad_(False)
        self.label = label

    def __call__(self, x: Float[Tensor, "L C H W"]) -> Float[Tensor, " L"]:
        logits = self.model(pixel_values=2 * x - 1).logits
        scores: Tensor = torch.log_softmax(logits, -1)[:, self.label]
        return scores
