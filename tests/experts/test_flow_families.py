"""Every family of flows in programs: products, parts, masks, parents and rewards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.experts.flows.packing import pack
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.experts import tiny

SIZE = 32
_G = torch.Generator().manual_seed(3)
#: Conditions of experts on a whole of 32 x 32, on a part of 32 x 16, and of any size.
INPUTS = {
    "depth": torch.rand(SIZE, SIZE, generator=_G),
    "edges": (torch.rand(SIZE, SIZE, generator=_G) > 0.8).float(),
    "image": torch.rand(3, SIZE, SIZE, generator=_G),
    "left": torch.rand(SIZE, SIZE // 2, generator=_G),
    "m": torch.linspace(0, 1, SIZE).expand(SIZE, SIZE).clone(),
}


@dataclass(frozen=True)
class Family:
    """An expert as a program calls it, with MODEL for its folder, and its pipeline.

    Attributes:
        part: the same expert on the left half. library: the pipeline's pictures (1, 3, 32, 32) of
            noise (1, c, h, w), with the arguments that all pipelines take.
    """

    whole: str
    part: str
    folder: Callable[[Path], str]
    pipeline: Callable[[], Any]
    library: Callable[[Any, Tensor, dict[str, Any]], Tensor]
    more: dict[str, Any] = field(default_factory=dict)


def flux(kind: str, whole: str, part: str, **piped: Any) -> Family:
    def library(own: Any, z: Tensor, common: dict[str, Any]) -> Tensor:
        found: Tensor = own(
            latents=pack(z), guidance_scale=2.5, max_sequence_length=16, **common, **piped
        ).images
        return found

    def folder(place: Path) -> str:
        return tiny.folder(kind, place)

    return Family(whole, part, folder, lambda: tiny.pipeline(kind), library)


FAMILIES = {
    "flux_canny": flux(
        "flux_canny",
        'flux_canny(edges, "a red cat", guidance = 2.5, model = "MODEL")',
        'flux_canny(left, "a dog", model = "MODEL")',
        control_image=2 * INPUTS["edges"].expand(1, 3, -1, -1) - 1,
    ),
    "flux_kontext": flux(
        "flux_kontext",
        'flux_kontext(image, "a red cat", guidance = 2.5, model = "MODEL")',
        'flux_kontext(image, "a dog", model = "MODEL")',
        image=INPUTS["image"][None],
        max_area=SIZE**2,
    ),
    "flux_controlnet": flux(
        "flux_controlnet",
        'flux_controlnet(image, "a red cat", guidance = 2.5, model = "MODEL")',
        'flux_controlnet(crop(image, box(0, 0, 0.5, 1)), "a dog", model = "MODEL")',
        control_image=2 * INPUTS["image"][None] - 1,
    ),
}


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Encoders of pipelines give their modes, and references have the size of the pictures."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded
    from diffusers.pipelines.flux import pipeline_flux_kontext as kontext

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoded, "sample", lambda self, generator=None: self.mode())
        patch.setattr(kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SIZE, SIZE)])
        yield


def compiled(name: str, place: Path, product: str) -> poedsl.Plan:
    family = FAMILIES[name]
    text = product.replace("WHOLE", family.whole).replace("PART", family.part)
    text = f"x : Image[3, {SIZE}, {SIZE}]\n" + text.replace("MODEL", family.folder(place))
    kinds = {"image": "Image", "depth": "Depth"}
    used = {n: v for n, v in INPUTS.items() if re.search(rf"\b{n}\b", re.sub('"[^"]*"', "", text))}
    heads = [f"input {n} : {kinds.get(n, 'Mask')}" for n in used]
    return poedsl.compile("\n".join([*heads, text])).bind(**used)


EULER = (
    "sample x by anneal(particles = 1, steps = 4, kernel = none, move = ode(), correct = none())"
)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_product_of_halves_draws_the_pipelines_picture(name: str, place: Path) -> None:
    """From the same noise on the same grid, without rewards and kernels."""
    plan = compiled(name, place, f"x ~ (WHOLE)^0.5 * (WHOLE)^0.5\n{EULER}")
    job = Run(plan.bound().spec, RunSettings(seed=11))
    stages = job.stages()
    next(stages)
    first = job.model.stages[0]
    z = job.population.particles.x / (first.alpha + first.sigma)
    z = z.view(1, *job.target.space.shapes["x"])
    for _ in stages:
        pass
    family = FAMILIES[name]
    own = family.pipeline()
    own.scheduler.register_to_config(use_dynamic_shifting=False, shift=1.0, shift_terminal=None)
    own.scheduler.set_shift(1.0)
    common = {
        "prompt": "a red cat",
        "height": SIZE,
        "width": SIZE,
        "sigmas": [st.sigma / (st.alpha + st.sigma) for st in job.model.stages[:-1]],
        "output_type": "pt",
    }
    theirs = family.library(own, z, common)
    torch.testing.assert_close(job.result().particles["x"], theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_with_parents_masks_and_rewards_run(name: str, place: Path) -> None:
    plan = compiled(
        name,
        place,
        "x ~ WHOLE ^ (1 - 0.5 * m) * exp(9 * mean(x[0]))\n"
        "x[box(0, 0, 0.5, 1)] ~ PART given x\n"
        "sample x by anneal(particles = 2, steps = 3)",
    )
    found = plan.run(seed=4)
    assert bool(torch.isfinite(found.particles["x"]).all())
    assert bool(torch.isfinite(found.log_weights).all())
    plain = compiled(name, place, "x ~ WHOLE\nsample x by anneal(particles = 2, steps = 3)")
    assert not torch.equal(plain.run(seed=4).particles["x"], found.particles["x"])
