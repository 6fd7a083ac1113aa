"""The FLUX family against diffusers' own pipelines, with random weights."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxControl, FluxFill, FluxFlow, FluxKontext
from poedsl.experts.flows.flux_controlnet import FluxControlNet
from poedsl.experts.flows.latents import Codec
from poedsl.experts.flows.packing import pack, positions, unpack
from poedsl.experts.loading import shared_networks
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.path.noising_path import LATEST
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused
from tests.experts import tiny

CPU = torch.device("cpu")
PROFILE = Profile(dtype="float32")
SIZE, COUNT = 32, 3
SHAPE = (tiny.LATENTS, SIZE // tiny.FACTOR, SIZE // tiny.FACTOR)


#: Sizes (width, height) that references are resized to; those of these tests have the first.
REFERENCES = [(40, 24), (SIZE, SIZE)]
CLASSES = {
    "flux": FluxFlow,
    "flux_schnell": FluxFlow,
    "flux_depth": FluxControl,
    "flux_canny": FluxControl,
    "flux_fill": FluxFill,
    "flux_kontext": FluxKontext,
    "flux_controlnet": FluxControlNet,
}


@pytest.fixture(autouse=True, scope="module")
def modes() -> Any:
    """Pipelines draw one sample of the encoder of a condition, and experts take its mode; both take
    references of small sizes.
    """
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded
    from diffusers.pipelines.flux import pipeline_flux_kontext as kontext

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoded, "sample", lambda self, generator=None: self.mode())
        patch.setattr(kontext, "PREFERRED_KONTEXT_RESOLUTIONS", REFERENCES)
        yield


def conditions(kind: str) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(7)
    mask = torch.zeros(SIZE, SIZE)
    mask[8:24, 4:20] = 1
    image = torch.rand(3, SIZE, SIZE, generator=g)
    depth = torch.rand(SIZE, SIZE, generator=g)
    width, height = REFERENCES[0]
    return {
        "flux_depth": {"depth": depth},
        "flux_canny": {"edges": (depth > 0.8).float()},
        "flux_fill": {"mask": mask, "image": image},
        "flux_kontext": {"image": torch.rand(3, height, width, generator=g)},
        "flux_controlnet": {"control": image},
    }.get(kind, {})


def piped(kind: str) -> dict[str, Tensor]:
    """The same conditions as a pipeline takes them: control pictures as they are, in [-1, 1]."""
    c = conditions(kind)
    match kind:
        case "flux_depth" | "flux_canny":
            (control,) = c.values()
            return {"control_image": 2 * control.expand(1, 3, -1, -1) - 1}
        case "flux_fill":
            return {"image": c["image"][None], "mask_image": c["mask"][None, None]}
        case "flux_kontext":
            return {"image": c["image"][None], "max_area": SIZE**2}
        case "flux_controlnet":
            return {"control_image": 2 * c["control"][None] - 1}
        case _:
            return {}


def expert(kind: str, place: Path, profile: Profile = PROFILE, **more: Any) -> FluxFlow:
    over = {} if kind == "flux_schnell" else {"guidance": 2.5}
    folder = tiny.folder(kind, place)
    if kind == "flux_controlnet":
        more = {"controlnet": f"{folder}/controlnet"} | more
    given = conditions(kind) | over | more
    return CLASSES[kind]("a red cat", folder, SHAPE, CPU, profile, **given)


def sampled(own: Any, z: Tensor, steps: int, **more: Any) -> Tensor:
    """The packed latents that a pipeline makes of noise."""
    with torch.no_grad():
        return own(
            prompt="a red cat",
            num_images_per_prompt=COUNT,
            height=SIZE,
            width=SIZE,
            num_inference_steps=steps,
            guidance_scale=2.5,
            latents=pack(z),
            output_type="latent",
            max_sequence_length=16,
            **more,
        ).images


def stepped(flow: FluxFlow, z: Tensor, steps: int) -> Tensor:
    """The same by Euler steps of an expert."""
    x = z.flatten(1)
    with torch.no_grad():
        for s, after in pairwise(flow.times(steps, SHAPE, snaps=False)):
            x = x + (after - s) * flow.velocity(x, s)
    return pack(x.view(-1, *SHAPE))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_euler_steps_are_the_pipelines(kind: str, steps: int, place: Path) -> None:
    z = torch.randn(COUNT, *SHAPE, generator=torch.Generator().manual_seed(1))
    own, flow = tiny.pipeline(kind), expert(kind, place)
    theirs = sampled(own, z, steps, **piped(kind))
    times = torch.tensor(flow.times(steps, SHAPE, snaps=False))
    torch.testing.assert_close(own.scheduler.sigmas, times, atol=1e-6, rtol=0)
    torch.testing.assert_close(stepped(flow, z, steps), theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", tiny.CONTROLNETS)
def test_controlnets_of_every_kind_are_the_pipelines(kind: str, place: Path) -> None:
    z = torch.randn(COUNT, *SHAPE, generator=torch.Generator().manual_seed(1))
    own = tiny.pipeline("flux_controlnet")
    own.register_modules(controlnet=tiny.controlnet(kind))
    mode = {"union": 2}.get(kind)
    strength = {"controlnet_conditioning_scale": 0.7, "control_mode": mode}
    theirs = sampled(own, z, 2, **piped("flux_controlnet"), **strength)
    folder = tiny.controlnet_folder(kind, place)
    flow = expert("flux_controlnet", place, controlnet=folder, scale=0.7, mode=mode)
    torch.testing.assert_close(stepped(flow, z, 2), theirs, atol=1e-5, rtol=0)
    plain = stepped(expert("flux", place), z, 2)
    assert float((theirs - plain).abs().max()) > 1e-2


@pytest.mark.parametrize(
    ("kind", "mode"), [("union", None), ("union", 3), ("union", -1), ("single", 0)]
)
def test_modes_that_a_controlnet_does_not_have_are_refused(
    kind: str, mode: int | None, place: Path
) -> None:
    with refused("P0206") as errors:
        expert("flux_controlnet", place, controlnet=tiny.controlnet_folder(kind, place), mode=mode)
    assert "mode" in quoted(errors[0])


def test_a_folder_without_a_controlnet_is_refused(place: Path) -> None:
    with refused("P0206"):
        expert("flux_controlnet", place, controlnet=tiny.folder("flux", place))


@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_a_batch_is_its_rows(kind: str, place: Path) -> None:
    z = torch.randn(COUNT, 256, generator=torch.Generator().manual_seed(2))
    flow = expert(kind, place)
    rows = torch.cat([flow.velocity(row[None], 0.6) for row in z])
    torch.testing.assert_close(flow.velocity(z, 0.6), rows, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["flux", "flux_depth"])
def test_gradients_reach_the_input_through_checkpoints(kind: str, place: Path) -> None:
    z = torch.randn(1, 256, generator=torch.Generator().manual_seed(3))
    found = []
    for checkpointing in (True, False):
        flow = expert(kind, place, Profile(dtype="float32", checkpointing=checkpointing))
        point = z.clone().requires_grad_()
        value = flow.velocity(point, 0.5).square().sum()
        found.append(torch.autograd.grad(value, point)[0])
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
    direction = torch.randn(1, 256, generator=torch.Generator().manual_seed(4))
    direction = direction / direction.norm()
    step = 1e-2
    with torch.no_grad():
        ends = [flow.velocity(z + h * direction, 0.5).square().sum() for h in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close((found[0] * direction).sum(), slope, atol=2e-3, rtol=2e-2)


def test_one_expert_alone_draws_its_pipelines_picture(place: Path) -> None:
    """L = 1, K = 0, no rewards: the pipeline's picture, from the same noise on the same grid."""
    folder = tiny.folder("flux", place)
    plan = poedsl.compile(
        f'x : Image[3, {SIZE}, {SIZE}]\nx ~ flux("a red cat", model = "{folder}")\n'
        "sample x by anneal(particles = 1, steps = 6, kernel = none, move = ode(), "
        "correct = none())\n"
    )
    job = Run(plan.bound().spec, RunSettings(seed=11))
    stages = job.stages()
    next(stages)
    first = job.model.stages[0]
    z = job.population.particles.x / (first.alpha + first.sigma)
    for _ in stages:
        pass
    mine = job.result().particles["x"]
    own = tiny.pipeline("flux")
    s = [st.sigma / (st.alpha + st.sigma) for st in job.model.stages[:-1]]
    assert s[0] == pytest.approx(LATEST)
    own.scheduler.register_to_config(use_dynamic_shifting=False, shift=1.0)
    own.scheduler.set_shift(1.0)
    theirs = own(
        "a red cat",
        height=SIZE,
        width=SIZE,
        sigmas=s,
        latents=pack(z.view(1, *SHAPE)),
        guidance_scale=3.5,
        output_type="pt",
        max_sequence_length=16,
    ).images
    torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)


def test_packing_is_undone_and_places_are_rows_and_columns() -> None:
    z = torch.randn(2, 3, 4, 6)
    assert torch.equal(unpack(pack(z), 4, 6), z)
    assert positions(4, 6).tolist()[:4] == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0]]


def test_times_that_networks_round_are_where_they_see_them(place: Path) -> None:
    flow = expert("flux", place)
    for s in (1.0, 0.9773, 0.731, 0.2501, 0.01):
        at = flow.snapped(s)
        assert abs(at - s) < 0.005
        assert flow.snapped(at) == pytest.approx(at, abs=1e-7)
        seen = (torch.tensor(at).bfloat16() * 1000).bfloat16()
        assert float(seen) == pytest.approx(1000 * at, rel=1e-6)


def test_latents_of_pictures_come_back(place: Path) -> None:
    codec = Codec(tiny.folder("flux", place), CPU, PROFILE)
    own = tiny.pipeline("flux").vae
    pictures = torch.rand(9, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))
    encoded = own.encode(2 * pictures - 1).latent_dist.mode()
    latents = codec.encode(pictures)
    torch.testing.assert_close(latents, (encoded - 0.1159) * 0.3611, atol=1e-5, rtol=0)
    decoded = own.decode(encoded).sample
    wanted = (decoded / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(codec.decode(latents), wanted, atol=1e-5, rtol=0)
    assert codec.shape((3, 32, 40)) == (4, 8, 10)


def test_a_folder_of_another_model_is_reported(place: Path) -> None:
    with refused("P0206"):
        FluxControl("a", tiny.folder("flux", place), SHAPE, CPU, PROFILE, depth=torch.rand(8, 8))


def test_prompts_are_encoded_once_and_encoders_freed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.folder("flux", place)
    shared_networks.prompt.cache_clear()
    first = shared_networks.prompt(folder, "a red cat", CPU, torch.float32)
    shared_networks.free_encoders()
    monkeypatch.setattr(shared_networks, "text_encoders", None)
    assert shared_networks.prompt(folder, "a red cat", CPU, torch.float32) is first
