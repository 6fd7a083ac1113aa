"""Train the two small experts on the UCI handwritten digits of scikit-learn.

The data are 1,797 greyscale images of 8x8 pixels with integer values 0..16. One fifth, stratified
by class, is held out of all training; its indices go to ``digits/held_out.json``.

* ``digits/``: a class-conditional rectified flow, a diffusers ``UNet2DModel``.
* ``digit_score/``: a classifier, a transformers ``ResNetForImageClassification``.

Both see an image as ``x1 = 2 * grey / 16 - 1``, shaped (batch, 1, 8, 8), values in [-1, 1].
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler, UNet2DModel
from diffusers import __version__ as diffusers_version
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import ResNetConfig, ResNetForImageClassification

NULL_CLASS = 10


def load_images() -> tuple[Tensor, Tensor]:
    """All images, float32 (1797, 1, 8, 8) in [-1, 1], and their labels, int64 (1797,)."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    return images / 8 - 1, torch.tensor(digits.target, dtype=torch.long)


def split_indices(labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the 1,437 training and the 360 held-out images."""
    train, held_out = train_test_split(
        np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels.numpy()
    )
    return np.sort(train), np.sort(held_out)


def build_flow(dropout: float = 0.05) -> UNet2DModel:
    """A network of the velocity; label 10 asks for the unconditional one."""
    return UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(24, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        dropout=dropout,
        num_class_embeds=NULL_CLASS + 1,
    )


def build_score() -> ResNetForImageClassification:
    """A classifier whose stem (7x7 stride 2, then pooling) takes 8x8 pixels to 2x2 features."""
    return ResNetForImageClassification(
        ResNetConfig(
            num_channels=1,
            embedding_size=48,
            hidden_sizes=[48],
            depths=[1],
            layer_type="basic",
            hidden_act="silu",
            id2label={label: str(label) for label in range(10)},
            label2id={str(label): label for label in range(10)},
        )
    )


def velocity(flow: torch.nn.Module, z: Tensor, s: Tensor, labels: Tensor) -> Tensor:
    """Predicted ``eps - x1`` at ``z = (1 - s) * x1 + s * eps``; s and labels are (batch,)."""
    return flow(z, 1000 * s, class_labels=labels).sample


def mix(x1: Tensor, eps: Tensor, s: Tensor) -> Tensor:
    """The straight path from the image (s = 0) to the noise (s = 1)."""
    weight = s.view(-1, 1, 1, 1)
    return (1 - weight) * x1 + weight * eps


def stratified_uniform(count: int) -> Tensor:
    """One uniform draw in each of ``count`` equal cells of [0, 1)."""
    return (torch.arange(count) + torch.rand(count)) / count


@torch.no_grad()
def flow_loss(
    flow: torch.nn.Module, images: Tensor, labels: Tensor, s: float, repeats: int = 8
) -> float:
    """Mean squared velocity error per pixel at noise level s, over fixed noise."""
    generator = torch.Generator().manual_seed(int(1000 * s))
    total = 0.0
    for _ in range(repeats):
        eps = torch.randn(images.shape, generator=generator)
        level = torch.full((len(images),), s)
        predicted = velocity(flow, mix(images, eps, level), level, labels)
        total += F.mse_loss(predicted, eps - images).item()
    return total / repeats


def mean_flow_loss(flow: torch.nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Unconditional and conditional loss, averaged over s = 0.05, 0.15 .. 0.95."""
    levels = [0.05 + 0.1 * cell for cell in range(10)]
    null = torch.full_like(labels, NULL_CLASS)
    free = sum(flow_loss(flow, images, null, s, repeats=1) for s in levels) / len(levels)
    given = sum(flow_loss(flow, images, labels, s, repeats=1) for s in levels) / len(levels)
    return free, given


def warmup_cosine(
    optimizer: torch.optim.Optimizer, steps: int, warmup: int = 100
) -> torch.optim.lr_scheduler.LambdaLR:
    """Learning rate rising linearly, then falling to zero along a half cosine."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )


def train_flow(
    images: Tensor,
    labels: Tensor,
    held_images: Tensor,
    held_labels: Tensor,
    steps: int,
    batch: int = 64,
    dropout: float = 0.05,
    learning_rate: float = 4e-3,
    report_every: int = 1000,
) -> UNet2DModel:
    """Flow matching with half of the labels dropped; returns the averaged weights.

    The held-out images serve the printed progress alone.
    """
    flow = build_flow(dropout)
    average = AveragedModel(flow, multi_avg_fn=get_ema_multi_avg_fn(0.999)).eval()
    optimizer = torch.optim.AdamW(
        flow.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
    )
    schedule = warmup_cosine(optimizer, steps)
    started = time.perf_counter()
    for step in range(1, steps + 1):
        chosen = torch.randint(len(images), (batch,))
        x1 = images[chosen]
        eps = torch.randn_like(x1)
        s = stratified_uniform(batch)
        given = torch.where(torch.rand(batch) < 0.5, labels[chosen], NULL_CLASS)
        loss = F.mse_loss(velocity(flow, mix(x1, eps, s), s, given), eps - x1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(flow)
        if step % report_every == 0:
            seen = mean_flow_loss(average, images[:360], labels[:360])
            unseen = mean_flow_loss(average, held_images, held_labels)
            print(
                f"flow {step:6d}  {time.perf_counter() - started:5.0f} s  free / given loss: "
                f"train {seen[0]:.4f} / {seen[1]:.4f}  "
                f"held out {unseen[0]:.4f} / {unseen[1]:.4f}",
                flush=True,
            )
    return average.module


def blurred(images: Tensor, width: Tensor) -> Tensor:
    """Gaussian blur of standard deviation width (batch,) in pixels, renormalised at the edges."""
    pixel = torch.arange(images.shape[-1], dtype=images.dtype)
    distance = (pixel.unsqueeze(1) - pixel).square()
    kernel = torch.softmax(-distance / (2 * width.view(-1, 1, 1, 1).square()), dim=-1)
    return kernel @ images @ kernel.mT


@torch.no_grad()
def predicted_endpoints(flow: torch.nn.Module, images: Tensor, s: Tensor) -> Tensor:
    """The unconditional flow's estimate ``z - s * v`` of each image from its noisy version at s."""
    z = mix(images, torch.randn_like(images), s)
    null = torch.full((len(images),), NULL_CLASS)
    return z - s.view(-1, 1, 1, 1) * velocity(flow, z, s, null)


def train_score(
    flow: torch.nn.Module, images: Tensor, labels: Tensor, steps: int, batch: int = 129
) -> ResNetForImageClassification:
    """A classifier of sharp, blurred and noisy images and of the flow's predicted endpoints.

    A third of every batch is each of: images with noise of deviation up to 0.6, images blurred up
    to 1.5 pixels with the same noise, and endpoints predicted from noise levels uniform in (0, 1).
    Since an endpoint keeps its image's label, doubt in it becomes doubt in the answer.
    """
    score = build_score()
    optimizer = torch.optim.AdamW(score.parameters(), lr=3e-3, weight_decay=0.05, fused=True)
    schedule = warmup_cosine(optimizer, steps)
    third = batch // 3
    for step in range(1, steps + 1):
        chosen = torch.randint(len(images), (3 * third,))
        sharp, soft, foggy = images[chosen].split(third)
        clear = torch.cat([sharp, blurred(soft, 0.1 + 1.4 * torch.rand(third))])
        noise = 0.6 * torch.rand(2 * third, 1, 1, 1) * torch.randn_like(clear)
        seen = torch.cat([clear + noise, predicted_endpoints(flow, foggy, torch.rand(third))])
        logits = score(pixel_values=seen).logits
        loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"score {step:5d}  loss {loss.item():.4f}", flush=True)
    return score.eval()


def save_flow(flow: UNet2DModel, held_out: np.ndarray, folder: Path) -> None:
    """Write the folder format of a diffusers pipeline, with the held-out indices beside it."""
    flow.save_pretrained(folder / "unet", safe_serialization=True)
    FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "DiffusionPipeline",
        "_diffusers_version": diffusers_version,
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder / "held_out.json").write_text(json.dumps(held_out.tolist()) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--flow-steps", type=int, default=12000)
    parser.add_argument("--score-steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, labels = load_images()
    train, held_out = split_indices(labels)
    held = images[held_out], labels[held_out]

    flow = train_flow(images[train], labels[train], *held, steps=options.flow_steps)
    save_flow(flow, held_out, options.out / "digits")

    torch.manual_seed(options.seed)
    score = train_score(flow, images[train], labels[train], steps=options.score_steps)
    score.save_pretrained(options.out / "digit_score", safe_serialization=True)


if __name__ == "__main__":
    main()
