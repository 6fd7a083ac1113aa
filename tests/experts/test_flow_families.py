"""Every family of flows in programs: products, parts, masks, parents and rewards."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.embeddings import Timesteps
from diffusers.models.transformers.transformer_z_image import TimestepEmbedder
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows import flux2 as flux2_module
from poedsl.experts.flows.flux2 import Flux2Klein
from poedsl.experts.flows.latents import Codec
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_transformers
from tests.experts.flow_families import (
    CPU,
    DISTINCT,
    EULER,
    FAMILIES,
    NETWORKS,
    PROFILE,
    SIZE,
    compiled,
    expert,
)
from tests.experts.model_folders import copy, drop, edit, rewrite

#: Families, of which one of each kind of network is among the quick tests.
each = [pytest.param(n, marks=() if n in DISTINCT else pytest.mark.slow) for n in FAMILIES]


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Encoders of pipelines give their modes, and references have the size of the pictures."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded
    from diffusers.pipelines.flux import pipeline_flux_kontext as kontext

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Encoded, "sample", lambda self, generator=None: self.mode())
        patch.setattr(kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SIZE, SIZE)])
        yield


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_times_are_those_of_the_pipeline(name: str, place: Path) -> None:
    family, flow = FAMILIES[name], expert(name, place)
    own, steps = family.pipeline(), 3
    common = {"height": SIZE, "width": SIZE, "num_inference_steps": steps, "output_type": "pt"}
    family.library(own, torch.zeros(1, *flow.shape), {"prompt": "a red cat", **common})
    times = torch.tensor(flow.times(steps, flow.shape, snaps=False))
    torch.testing.assert_close(own.scheduler.sigmas, times, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_velocities_are_of_rows_and_have_gradients(name: str, place: Path) -> None:
    """Also after evaluations without gradients, whose intermediate results a network might keep."""
    flow = expert(name, place)
    g = torch.Generator().manual_seed(2)
    z = torch.randn(3, math.prod(flow.shape), generator=g)
    with torch.inference_mode() if flow.inference_mode else torch.no_grad():
        whole = flow.velocity(z, 0.6)
        rows = torch.cat([flow.velocity(row[None], 0.6) for row in z])
    torch.testing.assert_close(whole, rows, atol=1e-5, rtol=1e-5)
    point = z[:1].clone().requires_grad_()
    value = flow.velocity(point, 0.6).square().sum()
    (gradient,) = torch.autograd.grad(value, point)
    direction = torch.nn.functional.normalize(torch.randn(1, z.shape[1], generator=g))
    step = 1e-2
    with torch.no_grad():
        ends = [flow.velocity(z[:1] + h * direction, 0.6).square().sum() for h in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), slope, atol=5e-3, rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_round_time_see_the_times_of_stages(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = expert(name, place, Profile(dtype="bfloat16"))
    seen: list[float] = []

    def forward(self: Timesteps, timesteps: Tensor) -> Tensor:
        seen.append(float(timesteps[0]) * self.scale)
        return inner(self, timesteps)

    def embedding(t: Tensor, *args: Any) -> Tensor:
        seen.append(1000 - float(t[0]))
        return inner_embedding(t, *args)

    inner, inner_embedding = Timesteps.forward, TimestepEmbedder.timestep_embedding
    monkeypatch.setattr(Timesteps, "forward", forward)
    monkeypatch.setattr(TimestepEmbedder, "timestep_embedding", staticmethod(embedding))
    for s in flow.times(5, flow.shape, snaps=flow.snaps)[:-1]:
        seen.clear()
        with torch.no_grad():
            flow.velocity(torch.zeros(1, math.prod(flow.shape)), s)
        assert seen and seen[0] == pytest.approx(1000 * s, abs=1e-3)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "controlnet"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_that_is_missing_is_named(
    name: str, part: str, place: Path, tmp_path: Path
) -> None:
    folder = copy(FAMILIES[name].folder(place), tmp_path)
    if not (folder / part).exists():
        return
    (path,) = (folder / part).glob("*.safetensors")
    lost = rewrite(path, drop)
    plan = compiled(name, place, f"x ~ WHOLE\n{EULER}", str(folder))
    with refused("P0206") as errors:
        plan.run()
    ending = ".".join(lost.split(".")[-3:])
    assert any(n.endswith(ending) for n in quoted(errors[0]))


@pytest.mark.slow
@pytest.mark.parametrize("name", each)
def test_a_prompt_that_is_cut_is_warned_of(name: str, place: Path) -> None:
    for prompt, cut in (("a red cat", False), ("a red cat " * 60, True)):
        sampled = "sample x by anneal(particles = 1, steps = 2, kernel = none)"
        plan = compiled(name, place, f"x ~ WHOLE\n{sampled}", prompt=prompt)
        assert any(w.code == "P1022" for w in plan.run().warnings) == cut


@pytest.mark.slow
@pytest.mark.parametrize("name", each)
def test_parts_with_parents_masks_and_rewards_run(name: str, place: Path) -> None:
    plan = compiled(
        name,
        place,
        "x ~ WHOLE ^ (1 - 0.5 * m) * exp(9 * mean(x[0]))\n"
        "x[box(0, 0, 0.5, 1)] ~ PART given x\n"
        "sample x by anneal(particles = 1, steps = 2)",
    )
    found = plan.run(seed=4)
    assert bool(torch.isfinite(found.particles["x"]).all())
    assert bool(torch.isfinite(found.log_weights).all())
    plain = compiled(name, place, "x ~ WHOLE\nsample x by anneal(particles = 1, steps = 2)")
    assert not torch.equal(plain.run(seed=4).particles["x"], found.particles["x"])


def test_a_distilled_model_is_not_guided(place: Path) -> None:
    folder = tiny_transformers.folder("flux2_distilled", place)
    program = f'use k from "{folder}"\nx : Image[3, 32, 32]\nx ~ k("a red cat"{{}})\n{EULER}'
    poedsl.compile(program.format("")).run()
    with refused("P0206") as errors:
        poedsl.compile(program.format(", guidance = 2")).run()
    assert "guidance = 1" in quoted(errors[0]) | {n.split("`")[1] for n in errors[0].notes}


def test_references_are_read_at_their_size_down_to_whole_tokens(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_transformers.folder("flux2_klein", place)

    def tokens(height: int, width: int) -> int:
        image = torch.rand(1, height, width, generator=torch.Generator().manual_seed(8))
        flow = Flux2Klein("a", folder, (4, 8, 8), CPU, PROFILE, guidance=1, image=image)
        assert flow.behind is not None and flow.positions.shape == (16 + flow.behind.shape[1], 4)
        assert bool((flow.positions[16:, 0] == 10).all())
        return flow.behind.shape[1]

    assert tokens(17, 31) == 2 * 3
    monkeypatch.setattr(flux2_module, "AREA", 16 * 64)
    assert tokens(64, 256) == 2 * 8


@pytest.mark.slow
def test_images_of_normalised_patches_are_encoded_as_by_the_pipeline(place: Path) -> None:
    codec = Codec(tiny_transformers.folder("flux2", place), CPU, PROFILE)
    own = tiny_transformers.pipeline("flux2")
    images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        theirs = F.pixel_shuffle(own._encode_vae_image(2 * images - 1, None), 2)
    torch.testing.assert_close(codec.encode(images), theirs, atol=1e-5, rtol=0)


def test_options_of_transformers_that_are_for_other_pipelines_are_refused(
    place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny_transformers.folder("qwen_image", place), tmp_path)
    edit(folder / "transformer" / "config.json", use_layer3d_rope=True)
    with refused("P0206") as errors:
        compiled("qwen_image", place, f"x ~ WHOLE\n{EULER}", str(folder)).run()
    assert "use_layer3d_rope" in quoted(errors[0])


@pytest.mark.parametrize(
    ("name", "other"), [("qwen_fill", "qwen_controlnet"), ("qwen_controlnet", "qwen_fill")]
)
def test_a_controlnet_for_something_else_is_refused(name: str, other: str, place: Path) -> None:
    controlnet = tiny_transformers.folder(other, place) + "/controlnet"
    own = FAMILIES[name].folder(place)
    whole = FAMILIES[name].whole.replace("MODEL/controlnet", controlnet)
    with refused("P0206") as errors:
        compiled(name, place, f"x ~ {whole}\n{EULER}", own).run()
    assert controlnet in errors[0].message


@pytest.mark.slow
def test_families_with_one_autoencoder_are_multiplied(place: Path, tmp_path: Path) -> None:
    """Their networks see the times of the first one, rounded where one of them rounds."""
    flux = tiny.folder("flux", place)
    other = copy(tiny_transformers.folder("z_image", place), tmp_path)
    program = (
        f'x : Image[3, 32, 32]\nx ~ z_image("a red cat", model = "{other}")^0.5 '
        f'* flux("a red cat", model = "{flux}")^0.5\n{EULER}'
    )
    with refused("P0313"):
        poedsl.compile(program).run()
    shutil.rmtree(other / "vae")
    shutil.copytree(Path(flux) / "vae", other / "vae")
    spec = poedsl.compile(program).bound().spec
    job = Run(spec, RunSettings(profile=Profile(dtype="bfloat16")))
    times = [s.sigma / (s.alpha + s.sigma) for s in job.model.stages[1:-1]]
    for s in times:
        assert float((torch.tensor(s).bfloat16() * 1000).bfloat16()) == pytest.approx(1000 * s)
    assert bool(torch.isfinite(poedsl.compile(program).run().particles["x"]).all())


def test_families_of_different_spaces_are_refused_before_anything_is_loaded() -> None:
    with refused("P0313") as errors:
        poedsl.compile('x ~ qwen_image("a")^0.5 * flux("a")^0.5')
    assert "Qwen-Image" in errors[0].message and "FLUX.1" in errors[0].message
