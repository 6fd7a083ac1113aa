"""Measure the saved experts of ``digits.py`` on the held-out digits; draw samples and an input.

Prints the figures of the model cards, and writes ``digits/samples.png`` and, with ``--input``, one
held-out three as an 8x8 8-bit greyscale PNG.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from digits import (
    NULL_CLASS,
    blurred,
    flow_loss,
    load_images,
    predicted_endpoints,
    velocity,
)
from PIL import Image, ImageDraw
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC
from torch import Tensor
from transformers import ResNetForImageClassification

INPUT_IMAGE = 705


@torch.no_grad()
def sample(flow: UNet2DModel, labels: Tensor, steps: int = 100) -> Tensor:
    """One image for each label by Euler steps of equal size from noise to data."""
    z = torch.randn(len(labels), 1, 8, 8)
    for step in range(steps, 0, -1):
        z = z - velocity(flow, z, torch.full((len(labels),), step / steps), labels) / steps
    return z


def grey(images: Tensor) -> np.ndarray:
    """Flat images, (batch, 64), on the data's scale 0..16."""
    return ((images.clamp(-1, 1) + 1) * 8).flatten(1).numpy()


def nearest(images: Tensor, others: Tensor) -> Tensor:
    """Euclidean distance on the 0..16 scale from each image to the closest of the others."""
    return torch.cdist(torch.tensor(grey(images)), torch.tensor(grey(others))).min(dim=1).values


def report_loss(
    flow: UNet2DModel, seen: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]
) -> None:
    print("\nflow loss per pixel:      s    train free  given   held out free  given")
    for s in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        row = []
        for images, labels in (seen, held):
            repeats = 2 if len(images) > 1000 else 8
            null = torch.full_like(labels, NULL_CLASS)
            row += [flow_loss(flow, images, given, s, repeats) for given in (null, labels)]
        print(f"{s:27.2f}  {row[0]:12.4f} {row[1]:6.4f} {row[2]:15.4f} {row[3]:6.4f}", flush=True)


def report_samples(flow: UNet2DModel, classifier: SVC, train: Tensor, held: Tensor) -> None:
    labels = torch.arange(10).repeat_interleave(60)
    given = sample(flow, labels)
    hits = classifier.predict(grey(given)) == labels.numpy()
    print(f"\nSVC agrees with the class of {hits.mean():.3f} of {len(labels)} conditional samples")
    print("  by class:", np.round(hits.reshape(10, -1).mean(axis=1), 3).tolist())
    free = sample(flow, torch.full((600,), NULL_CLASS))
    print(
        "unconditional classes:", np.bincount(classifier.predict(grey(free)), minlength=10).tolist()
    )
    print(f"values of unconditional samples: {free.min():.3f} .. {free.max():.3f}")
    for name, images in (("held out", held), ("free samples", free), ("given samples", given)):
        distance = nearest(images, train)
        low, middle, high = distance.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
        print(
            f"distance to the nearest training image, {name}: mean {distance.mean():.2f}, "
            f"5/50/95 % {low:.2f} / {middle:.2f} / {high:.2f}, least {distance.min():.2f}"
        )
    print(f"distance from held-out to nearest free sample: mean {nearest(held, free).mean():.2f}")
    fewer = train[torch.randperm(len(train))[: len(free)]]
    print(
        f"distance from held-out to nearest of 600 training images: "
        f"{nearest(held, fewer).mean():.2f}"
    )


@torch.no_grad()
def report_score(
    score: ResNetForImageClassification, flow: UNet2DModel, images: Tensor, labels: Tensor
) -> None:
    """Accuracy, mean negative log-probability of the label, and mean of the highest probability."""
    count = len(labels)
    degraded: dict[str, Tensor] = {"clean": images}
    for width in (0.5, 1.0, 1.5):
        degraded[f"blur {width}"] = blurred(images, torch.full((count,), width))
    for deviation in (0.1, 0.3, 0.5, 1.0):
        degraded[f"noise {deviation}"] = images + deviation * torch.randn_like(images)
    for s in (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0):
        degraded[f"endpoint {s}"] = predicted_endpoints(flow, images, torch.full((count,), s))
    print("\nscore on held out:  accuracy  nll     confidence")
    for name, seen in degraded.items():
        answer = score(pixel_values=seen).logits.log_softmax(dim=-1)
        accuracy = (answer.argmax(dim=-1) == labels).float().mean()
        confidence = answer.exp().max(dim=-1).values.mean()
        print(f"{name:18s}  {accuracy:.4f}    {F.nll_loss(answer, labels):.4f}  {confidence:.4f}")


def milliseconds(work: Callable[[], object], repeats: int = 30) -> float:
    """Median time of one call."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def report_speed(flow: UNet2DModel, score: ResNetForImageClassification) -> None:
    print()
    for batch in (16, 64):
        z = torch.randn(batch, 1, 8, 8)
        tracked = z.clone().requires_grad_()
        s, null = torch.full((batch,), 0.5), torch.full((batch,), NULL_CLASS)

        def forward(z: Tensor = z, s: Tensor = s, null: Tensor = null) -> None:
            with torch.no_grad():
                velocity(flow, z, s, null)

        def backward(z: Tensor = tracked, s: Tensor = s, null: Tensor = null) -> None:
            torch.autograd.grad(velocity(flow, z, s, null).square().sum(), z)

        def score_backward(z: Tensor = tracked) -> None:
            torch.autograd.grad(score(pixel_values=z).logits.log_softmax(-1)[:, 3].sum(), z)

        print(
            f"batch {batch}, one thread: flow {milliseconds(forward):.1f} ms, with the gradient "
            f"to the input {milliseconds(backward):.1f} ms; score with the gradient "
            f"{milliseconds(score_backward):.1f} ms"
        )


def pixels(images: Tensor) -> np.ndarray:
    """Rounded 8-bit values, (batch, 8, 8)."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).squeeze(1).numpy()


def draw_samples(flow: UNet2DModel, held: Tensor, held_labels: Tensor, path: Path) -> None:
    """Three blocks of ten columns: free samples, given samples by class, held-out by class."""
    rows, side, gap, header = 6, 32, 4, 24
    free = sample(flow, torch.full((10 * rows,), NULL_CLASS))
    given = sample(flow, torch.arange(10).repeat(rows))
    order = [torch.nonzero(held_labels == label).flatten()[:rows] for label in range(10)]
    real = held[torch.stack(order, dim=1).flatten()]
    block = 10 * (side + gap) + 12
    canvas = Image.new("L", (3 * block, header + rows * (side + gap)), 90)
    pen = ImageDraw.Draw(canvas)
    titles = ("unconditional samples", "samples of each class", "real held-out digits")
    for column, (title, images) in enumerate(zip(titles, (free, given, real), strict=True)):
        pen.text((column * block + 6, 6), title, fill=255)
        for place, image in enumerate(pixels(images)):
            tile = Image.fromarray(image).resize((side, side), Image.Resampling.NEAREST)
            left = column * block + 6 + place % 10 * (side + gap)
            canvas.paste(tile, (left, header + place // 10 * (side + gap)))
    canvas.save(path)


def write_input(train: tuple[Tensor, Tensor], three: Tensor, path: Path) -> None:
    """Save one held-out three, (1, 1, 8, 8), and print what a calibrated SVC of the left four
    columns makes of its left half.
    """
    half = CalibratedClassifierCV(SVC(gamma=0.002), ensemble=False)
    half.fit(grey(train[0][..., :4]), train[1].numpy())
    doubt = half.predict_proba(grey(three[..., :4]))[0]
    print("left half of the input:", {label: round(float(p), 2) for label, p in enumerate(doubt)})
    Image.fromarray(pixels(three)[0]).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--input", type=Path, help="where to write the held-out three")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    flow = UNet2DModel.from_pretrained(options.models / "digits", subfolder="unet").eval()
    score = ResNetForImageClassification.from_pretrained(options.models / "digit_score").eval()
    images, labels = load_images()
    held_out = np.array(json.loads((options.models / "digits" / "held_out.json").read_text()))
    train = np.setdiff1d(np.arange(len(labels)), held_out)
    seen, held = (images[train], labels[train]), (images[held_out], labels[held_out])
    classifier = SVC(gamma=0.001).fit(grey(seen[0]), seen[1].numpy())
    print(f"SVC on held out: {classifier.score(grey(held[0]), held[1].numpy()):.4f}")

    draw_samples(flow, *held, options.models / "digits" / "samples.png")
    if options.input:
        assert INPUT_IMAGE in held_out
        write_input(seen, images[[INPUT_IMAGE]], options.input)
    report_score(score, flow, *held)
    report_speed(flow, score)
    report_samples(flow, classifier, seen[0], held[0])
    report_loss(flow, seen, held)


if __name__ == "__main__":
    main()
