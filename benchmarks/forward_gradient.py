"""How far forward differences agree with gradients through an expert that is given its parents.

    python benchmarks/forward_gradient.py [--scenes 8]

`guide(gradient = forward())` takes J u for J^T u, with J the Jacobian of the velocity of an expert
and u its gap to that of its parents. For the playroom's depth expert beside its inpainting expert,
at held-out pictures with noise sigma, the cosine of the two and the ratio of their lengths, with
differences of three lengths: medians over scenes.
"""

from __future__ import annotations

import argparse

import torch
from figures import add_out, write
from playroom import Scene, scenes
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.run import Run
from poedsl.runtime.targets import parent_guidance
from poedsl.runtime.targets.parent_guidance import ParentGuidance, guided_score

PROGRAM = """
x ~ flux_fill(mask, image, prompt)
x ~ flux_depth(depth, prompt) given x
"""
SIGMAS = (0.9, 0.6, 0.3, 0.1)
STEPS = (0.005, 0.02, 0.08)


def corrections(scene: Scene, sigma: float, seed: int) -> list[Tensor]:
    """The change of the score by one update: by gradients, and by differences of each length."""
    values = {
        "prompt": scene.text,
        "depth": scene.depth,
        "mask": scene.mask,
        "image": scene.without,
    }
    plan = poedsl.compile(PROGRAM).bind(**values).with_options(particles=1)
    model = Run(plan.bound().spec, RunSettings(seed=seed, profile=BUILT_IN["small"])).model
    target = model.target
    parent, child = (factor.expert for factor in target.experts)
    stage = NoisingStage(1, 1 - sigma, sigma)
    generator = torch.Generator().manual_seed(seed)
    clean = target.space.codecs["x"].encode(scene.image[None]).flatten(1)
    x = stage.alpha * clean + sigma * torch.randn(clean.shape, generator=generator)
    above = parent.noised(x, stage.alpha, sigma).score
    own = child.noised(x, stage.alpha, sigma).score
    found = [guided_score(child, x, above, ParentGuidance(0.1, 1, ()), stage) - own]
    for step in STEPS:
        parent_guidance.FORWARD_STEP = step
        guide = ParentGuidance(0.1, 1, (), forward=True)
        found.append(guided_score(child, x, above, guide, stage) - own)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8)
    add_out(parser, "forward_gradient")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    print(f"{'sigma':<8}" + "".join(f"{f'cosine, {s}':>15}{'length':>8}" for s in STEPS))
    for sigma in SIGMAS:
        cosines, lengths = [], []
        for seed, scene in enumerate(scenes(args.scenes)):
            exact, *forward = corrections(scene, sigma, seed)
            cosines.append([float(torch.cosine_similarity(exact, f)) for f in forward])
            lengths.append([float(f.norm() / exact.norm()) for f in forward])
        cosine, length = (torch.tensor(v).median(0).values.tolist() for v in (cosines, lengths))
        pairs = zip(cosine, length, strict=True)
        print(f"{sigma:<8}" + "".join(f"{c:>15.3f}{n:>8.2f}" for c, n in pairs), flush=True)
        rows[str(sigma)] = {"cosine": cosine, "length": length}
    write(args, steps=list(STEPS), rows=rows)


if __name__ == "__main__":
    main()
