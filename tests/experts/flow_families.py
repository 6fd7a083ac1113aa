"""Every family of flows over latents, as programs call it and as its pipeline draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latent_flow import LatentFlow
from poedsl.experts.flows.packing import pack
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.grids import pil_image
from poedsl.runtime.run import Run
from tests.experts import tiny, tiny_stable_diffusion, tiny_transformers

CPU = torch.device("cpu")
SIZE, PROFILE = 32, Profile(dtype="float32")
_G = torch.Generator().manual_seed(3)
#: Conditions of experts on a whole of 32 x 32, on a part of 32 x 16, and of any size.
INPUTS = {
    "depth": torch.rand(SIZE, SIZE, generator=_G),
    "edges": (torch.rand(SIZE, SIZE, generator=_G) > 0.8).float(),
    "image": torch.rand(3, SIZE, SIZE, generator=_G),
    "left": torch.rand(SIZE, SIZE // 2, generator=_G),
    "reference": torch.randint(0, 256, (3, 64, 80), generator=_G) / 255,
    "second": torch.randint(0, 256, (3, 72, 64), generator=_G) / 255,
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


def qwen(kind: str, whole: str, part: str, **piped: Any) -> Family:
    def library(own: Any, z: Tensor, common: dict[str, Any]) -> Tensor:
        guided = {"negative_prompt": "a dog", "true_cfg_scale": 3.0}
        found: Tensor = own(latents=pack(z), **guided, **common, **piped).images
        return found

    def folder(place: Path) -> str:
        return tiny_transformers.folder(kind, place)

    return Family(whole, part, folder, lambda: tiny_transformers.pipeline(kind), library)


def flux2(kind: str, guidance: str, **piped: Any) -> Family:
    def library(own: Any, z: Tensor, common: dict[str, Any]) -> Tensor:
        latents = F.pixel_unshuffle(z, 2)
        found: Tensor = own(latents=latents, guidance_scale=3.0, **common, **piped).images
        return found

    def folder(place: Path) -> str:
        return tiny_transformers.folder(kind, place)

    call = "flux2" if kind == "flux2" else "flux2_klein"
    return Family(
        f'{call}("a red cat", {guidance}, model = "MODEL")',
        f'{call}("a dog", guidance = 1, model = "MODEL")',
        folder,
        lambda: tiny_transformers.pipeline(kind),
        library,
    )


def flux(kind: str, whole: str, part: str, **piped: Any) -> Family:
    def library(own: Any, z: Tensor, common: dict[str, Any]) -> Tensor:
        found: Tensor = own(
            latents=pack(z), guidance_scale=2.5, max_sequence_length=16, **common, **piped
        ).images
        return found

    def folder(place: Path) -> str:
        return tiny.folder(kind, place)

    return Family(whole, part, folder, lambda: tiny.pipeline(kind), library)


def sd3(kind: str, whole: str, part: str, control: str = "instantx", **piped: Any) -> Family:
    def library(own: Any, z: Tensor, common: dict[str, Any]) -> Tensor:
        guided = {"negative_prompt": "a dog", "guidance_scale": 3.0}
        found: Tensor = own(latents=z, **guided, **common, **piped).images
        return found

    def folder(place: Path) -> str:
        return tiny_stable_diffusion.folder(kind, place, control=control)

    def pipeline() -> Any:
        return tiny_stable_diffusion.pipeline(kind, control=control)

    return Family(whole, part, folder, pipeline, library)


def sd3_controlnet(control: str) -> Family:
    called = 'controlnet = "MODEL/controlnet", model = "MODEL")'
    return sd3(
        "sd3_controlnet",
        f'sd3_controlnet(image, "a red cat", "a dog", guidance = 3, scale = 0.7, {called}',
        f'sd3_controlnet(crop(image, box(0, 0, 0.5, 1)), "a dog", {called}',
        control,
        control_image=2 * INPUTS["image"][None] - 1,
        controlnet_conditioning_scale=0.7,
    )


FAMILIES = {
    "sd3_controlnet": sd3_controlnet("instantx"),
    "sd3_controlnet of Stability AI": sd3_controlnet("stability"),
    "sd3_fill": sd3(
        "sd3_fill",
        'sd3_fill(edges, image, "a red cat", "a dog", guidance = 3, '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        'sd3_fill(left, crop(image, box(0, 0, 0.5, 1)), "a dog", '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        control_image=2 * INPUTS["image"][None] - 1,
        control_mask=INPUTS["edges"][None, None],
    ),
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
        'flux_controlnet(image, "a red cat", guidance = 2.5, controlnet = "MODEL/controlnet", '
        'model = "MODEL")',
        'flux_controlnet(crop(image, box(0, 0, 0.5, 1)), "a dog", '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        control_image=2 * INPUTS["image"][None] - 1,
    ),
    "qwen_image": qwen(
        "qwen_image",
        'qwen_image("a red cat", "a dog", guidance = 3, model = "MODEL")',
        'qwen_image("a dog", guidance = 1, model = "MODEL")',
    ),
    "qwen_controlnet": qwen(
        "qwen_controlnet",
        'qwen_controlnet(image, "a red cat", negative = "a dog", guidance = 3, '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        'qwen_controlnet(crop(image, box(0, 0, 0.5, 1)), "a dog", '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        control_image=2 * INPUTS["image"][None] - 1,
    ),
    "qwen_fill": qwen(
        "qwen_fill",
        'qwen_fill(edges, image, "a red cat", negative = "a dog", guidance = 3, '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        'qwen_fill(left, crop(image, box(0, 0, 0.5, 1)), "a dog", '
        'controlnet = "MODEL/controlnet", model = "MODEL")',
        control_image=2 * INPUTS["image"][None] - 1,
        control_mask=INPUTS["edges"][None, None],
    ),
    "z_image": Family(
        'z_image("a red cat", "a dog", guidance = 3, model = "MODEL")',
        'z_image("a dog", guidance = 1, model = "MODEL")',
        lambda place: tiny_transformers.folder("z_image", place),
        lambda: tiny_transformers.pipeline("z_image"),
        lambda own, z, common: (
            own(latents=z, negative_prompt="a dog", guidance_scale=2.0, **common).images
        ),
    ),
    "flux2": flux2("flux2", "guidance = 3.0"),
    "flux2_klein": flux2("flux2_klein", "guidance = 3.0"),
    "flux2_distilled": flux2("flux2_distilled", "guidance = 1"),
    "flux2 with a reference": flux2(
        "flux2", "guidance = 3, image = reference", image=pil_image(INPUTS["reference"])
    ),
    "flux2 with references of several sizes": flux2(
        "flux2",
        "guidance = 3, image = reference, image_3 = second",
        image=[pil_image(INPUTS["reference"]), pil_image(INPUTS["second"])],
    ),
    "flux2_klein with a reference": flux2(
        "flux2_klein", "guidance = 3, image = reference", image=pil_image(INPUTS["reference"])
    ),
}


#: Those that differ by their networks.
NETWORKS = [name for name in FAMILIES if "reference" not in name]
#: One of each kind of network.
DISTINCT = ("flux_controlnet", "sd3_fill", "qwen_fill", "z_image", "flux2_klein")


def compiled(
    name: str, place: Path, product: str, model: str = "", prompt: str = "a red cat"
) -> poedsl.Plan:
    family = FAMILIES[name]
    text = product.replace("WHOLE", family.whole).replace("PART", family.part)
    text = text.replace("MODEL", model or family.folder(place)).replace("a red cat", prompt)
    text = f"x : Image[3, {SIZE}, {SIZE}]\n{text}"
    kinds = {"image": "Image", "reference": "Image", "second": "Image", "depth": "Depth"}
    used = {n: v for n, v in INPUTS.items() if re.search(rf"\b{n}\b", re.sub('"[^"]*"', "", text))}
    heads = [f"input {n} : {kinds.get(n, 'Mask')}" for n in used]
    return poedsl.compile("\n".join([*heads, text])).bind(**used)


EULER = (
    "sample x by anneal(particles = 1, steps = 4, kernel = none, move = ode(), correct = none())"
)


def expert(name: str, place: Path, profile: Profile = PROFILE) -> LatentFlow:
    """The expert of a family on the whole picture."""
    spec = (
        compiled(name, place, "x ~ WHOLE\nsample x by anneal(particles = 1, steps = 2)")
        .bound()
        .spec
    )
    found = Run(spec, RunSettings(profile=profile)).target.experts[0].expert
    assert isinstance(found, LatentFlow)
    return found
