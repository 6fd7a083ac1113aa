"""Two contents over a shared base: rooms in and out of distribution (Soiffer et al., 5.3).

    python benchmarks/rooms.py [--seeds 2] [--particles 1 8] [--out FILE.json]

Products of the class-conditional flow over rooms, without correction (`ode`) and with it (`fkc`,
one draw from each island of K). `wanted` is the share of draws that hold what the product asks for,
as the same network tells when it is used as a classifier: which class predicts the noise in a
picture best, over noise levels (Li et al., Your Diffusion Model is Secretly a Zero-Shot Classifier,
2023).
No expert of the first two products has seen a couch and a painting in one room. `warned` says
whether the composition report doubted the product.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from figures import add_out, write
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.catalog.weights import model_folder
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.unet import VariancePreservingUNet

CONTENTS = ("empty", "couch", "painting", "both")
SETTINGS = {
    "couch x painting / empty, out": ('room("couch") * room("painting") / room("empty")', "both"),
    "couch x painting / any, out": ('room("couch") * room("painting") / room()', "both"),
    "both^2 / any, in": ('room("both") ^ 2 / room()', "both"),
    "couch^2 / any, in": ('room("couch") ^ 2 / room()', "couch"),
}
DRAWS, STEPS = 16, 50
LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8)


class Classifier:
    """Which contents predict the noise in a room best."""

    def __init__(self) -> None:
        device, profile = torch.device("cpu"), BUILT_IN["small"]
        folder = str(model_folder("playroom/rooms"))
        self.codec = Codec(folder, device, profile)
        shape = self.codec.shape((3, 64, 64))
        self.experts = [
            VariancePreservingUNet(folder, shape, device, profile, contents=c) for c in CONTENTS
        ]

    def __call__(self, pictures: Tensor) -> list[str]:
        latents = self.codec.encode(pictures).flatten(1)
        generator = torch.Generator().manual_seed(0)
        errors = torch.zeros(len(CONTENTS), len(latents))
        with torch.no_grad():
            for sigma in LEVELS:
                alpha = (1 - sigma**2) ** 0.5
                noise = torch.randn(latents.shape, generator=generator)
                for k, expert in enumerate(self.experts):
                    score = expert.noised(alpha * latents + sigma * noise, alpha, sigma).score
                    errors[k] += (-sigma * score - noise).square().mean(1)
        return [CONTENTS[int(k)] for k in errors.argmin(0)]


def draws(product: str, seed: int, particles: int | None) -> tuple[Tensor, bool]:
    """A picture from each island; without a correction all particles are draws."""
    plan = poedsl.compile(f"x : Image[3, 64, 64]\nx ~ {product}")
    if particles is None:
        options: dict[str, Any] = {"move": "ode()", "correct": "none()", "kernel": "none"}
        result = plan.run(seed=seed, particles=DRAWS, steps=STEPS, **options)
        return result.particles["x"], doubted(result)
    options = {"move": "sde()", "correct": "fkc()", "kernel": "none", "islands": DRAWS}
    result = plan.run(seed=seed, particles=DRAWS * particles, steps=STEPS, **options)
    weights = result.log_weights.view(DRAWS, particles).softmax(1)
    generator = torch.Generator().manual_seed(seed)
    index = torch.multinomial(weights, 1, generator=generator)[:, 0]
    chosen = index + particles * torch.arange(DRAWS)
    return result.particles["x"][chosen], doubted(result)


def doubted(result: poedsl.Result) -> bool:
    return result.composition is not None and bool(result.composition.warnings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--particles", type=int, nargs="+", default=[1, 8])
    add_out(parser, "rooms")
    args = parser.parse_args()
    torch.set_num_threads(1)
    classify = Classifier()
    columns: list[int | None] = [None, *args.particles]
    names = ["ode", *(f"fkc, {k}" for k in args.particles)]
    print(f"{'':<32}" + "".join(f"{n:>10}" for n in names) + f"{'warned':>10}")
    rows: dict[str, dict[str, Any]] = {}
    for name, (product, wanted) in SETTINGS.items():
        shares, warned = [], 0
        for particles in columns:
            found: list[str] = []
            for seed in range(args.seeds):
                pictures, doubt = draws(product, seed, particles)
                found += classify(pictures)
                warned += doubt
            shares.append(sum(f == wanted for f in found) / len(found))
        runs = len(columns) * args.seeds
        print(f"{name:<32}" + "".join(f"{s:>10.2f}" for s in shares) + f"{warned:>7}/{runs}")
        rows[name] = {"wanted": dict(zip(names, shares, strict=True)), "warned": warned}
    write(args, rows=rows)


if __name__ == "__main__":
    main()
