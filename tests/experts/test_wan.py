"""Wan against the library's own pipelines, and in programs."""

from __future__ import annotations

import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.film_latents import FilmCodec
from poedsl.experts.flows.wan import WanDepth, WanFlow, WanImage
from poedsl.experts.loading.weight_counts import pipeline_parts
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.grids import pil_image
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused
from tests.experts import tiny_wan
from tests.experts.model_folders import copy, edit

PROGRAMS = Path(__file__).parents[2] / "programs"
READ = {"whole": False, "controlnet": False}
CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
FRAMES, SIZE = 5, 16
SHAPE = (tiny_wan.LATENTS, 3, 4, 4)
_G = torch.Generator().manual_seed(5)
IMAGE = torch.randint(0, 256, (3, SIZE, SIZE), generator=_G) / 255
DEPTH = torch.randint(0, 256, (FRAMES, SIZE, SIZE), generator=_G) / 255
LAST = torch.randint(0, 256, (3, SIZE, SIZE), generator=_G) / 255
NOISE = torch.randn(1, *SHAPE, generator=_G)

#: Experts as programs call them, their classes, and what the pipeline takes beside the prompt.
EXPERTS: dict[str, tuple[str, type[WanFlow], dict[str, Any]]] = {
    "wan_t2v": ("wan_t2v(PROMPT)", WanFlow, {}),
    "wan_i2v": ("wan_i2v(image, PROMPT)", WanImage, {"image": IMAGE}),
    "wan_depth": ("wan_depth(depth, PROMPT)", WanDepth, {"depth": DEPTH}),
    "wan_t2v of two": ("wan_t2v(PROMPT)", WanFlow, {}),
    "wan_i2v of two": ("wan_i2v(image, PROMPT)", WanImage, {"image": IMAGE, "last": LAST}),
    "wan_i2v with a last frame": (
        "wan_i2v(image, PROMPT, last = last)",
        WanImage,
        {"image": IMAGE, "last": LAST},
    ),
}
EULER = (
    "sample x by anneal(particles = 1, steps = 4, kernel = none, move = ode(), correct = none())"
)


#: Of which one of each network is among the quick tests.
QUICK = ("wan_t2v of two", "wan_i2v", "wan_depth")
each = [pytest.param(k, marks=() if k in QUICK else pytest.mark.slow) for k in EXPERTS]


def expert(kind: str, place: Path, **more: Any) -> WanFlow:
    _, made, given = EXPERTS[kind]
    folder = tiny_wan.folder(kind, place)
    options = {"negative": "bad", "guidance": 3.0, **given, **more}
    return made("a ball falls", folder, SHAPE, CPU, PROFILE, **options)


def piped(kind: str, image: Tensor | None = None, **more: Any) -> dict[str, Any]:
    """The arguments of the library's pipeline."""
    out: dict[str, Any] = {"height": SIZE, "width": SIZE, "num_frames": FRAMES, **more}
    if kind.startswith("wan_i2v"):
        out["image"] = pil_image(IMAGE)
        if "last" in EXPERTS[kind][2]:
            out["last_image"] = pil_image(LAST)
    if kind == "wan_depth":
        frames = [pil_image(frame.expand(3, -1, -1)) for frame in DEPTH]
        if image is not None:
            frames[0] = pil_image(image)
            kept, guided = torch.zeros(3, SIZE, SIZE), torch.ones(3, SIZE, SIZE)
            out["mask"] = [pil_image(kept if k == 0 else guided) for k in range(FRAMES)]
        out["video"] = frames
    return out


def library(kind: str, image: Tensor | None = None, **more: Any) -> Any:
    """What the library's pipeline makes of `NOISE`; its prompts are encoded by `WanPipeline`, which
    does not need the library `ftfy`.
    """
    own, texts = tiny_wan.pipeline(kind), tiny_wan.pipeline("wan_t2v")
    c, u = texts.encode_prompt("a ball falls", "bad", max_sequence_length=512)
    given = {"prompt_embeds": c, "negative_prompt_embeds": u, "guidance_scale": 3.0}
    found = own(latents=NOISE.clone(), **given, **piped(kind, image, **more)).frames
    return found, own


def euler(flow: WanFlow, times: list[float]) -> Tensor:
    z = NOISE.flatten(1)
    for s, end in pairwise(times):
        with torch.no_grad():
            z = z + (end - s) * flow.velocity(z, s)
    return z.view(1, *SHAPE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", each)
def test_steps_are_those_of_the_pipeline(kind: str, place: Path) -> None:
    """Those of two transformers pass from one to the other."""
    steps = 3
    theirs, own = library(kind, num_inference_steps=steps, output_type="latent")
    flow = expert(kind, place)
    times = flow.times(steps, SHAPE, snaps=False)
    torch.testing.assert_close(torch.tensor(times), own.scheduler.sigmas, atol=1e-6, rtol=0)
    torch.testing.assert_close(euler(flow, times), theirs, atol=1e-4, rtol=0)


def test_depth_after_a_first_frame(place: Path) -> None:
    theirs, own = library("wan_depth", IMAGE, num_inference_steps=2, output_type="latent")
    flow = expert("wan_depth", place, image=IMAGE)
    ours = euler(flow, own.scheduler.sigmas.tolist())
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    without = euler(expert("wan_depth", place), own.scheduler.sigmas.tolist())
    assert (ours - without).abs().max() > 1e-3


def test_both_transformers_are_used(place: Path) -> None:
    flow, one = expert("wan_t2v of two", place), expert("wan_t2v", place)
    z = NOISE.flatten(1)
    flow.later, before = flow.net, flow.later
    with torch.no_grad():
        early, late = flow.velocity(z, 0.6), flow.velocity(z, 0.59)
        flow.later = before
        assert torch.equal(flow.velocity(z, 0.6), early)
        assert not torch.allclose(flow.velocity(z, 0.59), late)
    assert one.later is None


@pytest.mark.parametrize("kind", ["wan_t2v", "wan_i2v", "wan_depth"])
def test_velocities_are_of_rows_and_have_gradients(kind: str, place: Path) -> None:
    flow = expert(kind, place)
    g = torch.Generator().manual_seed(2)
    z = torch.randn(3, math.prod(SHAPE), generator=g)
    with torch.inference_mode() if flow.inference_mode else torch.no_grad():
        whole = flow.velocity(z, 0.6)
        rows = torch.cat([flow.velocity(row[None], 0.6) for row in z])
    torch.testing.assert_close(whole, rows, atol=1e-5, rtol=1e-5)
    point = z[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(flow.velocity(point, 0.6).square().sum(), point)
    direction = torch.nn.functional.normalize(torch.randn(1, z.shape[1], generator=g))
    with torch.no_grad():
        ends = [flow.velocity(z[:1] + h * direction, 0.6).square().sum() for h in (1e-2, -1e-2)]
    slope = (ends[0] - ends[1]) / 2e-2
    torch.testing.assert_close((gradient * direction).sum(), slope, atol=5e-3, rtol=2e-2)


def test_the_times_of_the_solver_of_its_folder(place: Path, tmp_path: Path) -> None:
    from diffusers import UniPCMultistepScheduler

    folder = copy(tiny_wan.folder("wan_t2v", place), tmp_path)
    solver = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    solver.save_pretrained(folder / "scheduler")
    edit(folder / "model_index.json", scheduler=["diffusers", "UniPCMultistepScheduler"])
    flow = WanFlow("a", str(folder), SHAPE, CPU, PROFILE)
    solver.set_timesteps(6)
    times = torch.tensor(flow.times(6, SHAPE, snaps=False))
    torch.testing.assert_close(times, solver.sigmas, atol=1e-6, rtol=0)
    edit(folder / "scheduler" / "scheduler_config.json", use_flow_sigmas=False)
    with refused("P0206") as errors:
        WanFlow("a", str(folder), SHAPE, CPU, PROFILE)
    assert "use_flow_sigmas" in quoted(errors[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wan_t2v by token", "wan_i2v by token"])
def test_times_by_token(kind: str, place: Path) -> None:
    """The smaller Wan 2.2: a latent is 8 pixels wide, and a given first frame has no time."""
    side = 32
    shape = (tiny_wan.LATENTS, 3, 4, 4)
    folder, own = tiny_wan.folder(kind, place), tiny_wan.pipeline(kind)
    picture = torch.randint(0, 256, (3, side, side), generator=torch.Generator().manual_seed(1))
    image = picture / 255
    texts = tiny_wan.pipeline("wan_t2v by token")
    c, u = texts.encode_prompt("a ball falls", "bad", max_sequence_length=512)
    common: dict[str, Any] = {"height": side, "width": side, "num_frames": FRAMES}
    common |= {"prompt_embeds": c, "negative_prompt_embeds": u, "guidance_scale": 3.0}
    made: type[WanFlow] = WanFlow
    given: dict[str, Any] = {"negative": "bad", "guidance": 3.0}
    if "i2v" in kind:
        common["image"], given["image"], made = pil_image(image), image, WanImage
    theirs = own(
        latents=NOISE.clone(), num_inference_steps=3, output_type="latent", **common
    ).frames
    flow = made("a ball falls", folder, shape, CPU, PROFILE, **given)
    assert flow.codec.shape((FRAMES, 3, side, side)) == shape
    ours = euler(flow, own.scheduler.sigmas.tolist())
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    back = flow.codec.decode(ours)
    assert back.shape == (1, FRAMES, 3, side, side)
    if "i2v" in kind:
        with refused("P0206"):
            made("a", folder, shape, CPU, PROFILE, **given, last=image)


@pytest.mark.parametrize(("kind", "last"), [("wan_i2v", LAST), ("wan_i2v with a last frame", None)])
def test_a_model_of_other_ends_is_refused(kind: str, last: Tensor | None, place: Path) -> None:
    with refused("P0206"):
        expert(kind, place, last=last)


# Latents of films.


def test_latents_of_a_film_and_back(place: Path) -> None:
    codec = FilmCodec(tiny_wan.folder("wan_t2v", place), CPU, PROFILE)
    own = tiny_wan.autoencoder()
    own.load_state_dict(codec.vae.state_dict())
    films = torch.rand(2, FRAMES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    latents = codec.encode(films)
    assert tuple(latents.shape[1:]) == codec.shape(tuple(films.shape[1:])) == SHAPE
    assert codec.decoded_shape(SHAPE) == (FRAMES, 3, SIZE, SIZE)
    mean, std = (
        torch.tensor(v).view(1, -1, 1, 1, 1)
        for v in (own.config.latents_mean, own.config.latents_std)
    )
    with torch.no_grad():
        theirs = (own.encode(2 * films.transpose(1, 2) - 1).latent_dist.mode() - mean) / std
        back = own.decode(theirs * std + mean, return_dict=False)[0].transpose(1, 2) / 2 + 0.5
    torch.testing.assert_close(latents, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(codec.decode(latents), back.clamp(0, 1), atol=1e-5, rtol=0)


def test_earlier_frames_do_not_depend_on_later_latents(place: Path) -> None:
    codec = FilmCodec(tiny_wan.folder("wan_t2v", place), CPU, PROFILE)
    changed = NOISE.clone()
    changed[:, :, 2] += 1
    with torch.no_grad():
        a, b = codec.decode(NOISE), codec.decode(changed)
    assert torch.equal(a[:, :3], b[:, :3]) and not torch.equal(a[:, 3:], b[:, 3:])


def test_gradients_pass_the_decoder(place: Path) -> None:
    codec = FilmCodec(tiny_wan.folder("wan_t2v", place), CPU, PROFILE)
    z = (0.3 * NOISE).requires_grad_()
    (gradient,) = torch.autograd.grad(codec.decode(z)[:, 4].mean(), z)
    assert bool(torch.isfinite(gradient).all()) and float(gradient[:, :, 0].abs().max()) > 0


# Programs.


def compiled(place: Path, product: str, *kinds: str) -> poedsl.Plan:
    text = product
    for kind in kinds:
        call = EXPERTS[kind][0].replace(
            "PROMPT",
            f'"a ball falls", "bad", guidance = 3, model = "{tiny_wan.folder(kind, place)}"',
        )
        text = text.replace(kind.upper(), call)
    values = {"image": IMAGE, "depth": DEPTH, "m": DEPTH.round()}
    types = {"image": "Image", "depth": f"Depth[{FRAMES}, _, _]", "m": f"Mask[{FRAMES}, _, _]"}
    used = [n for n in values if f"({n}" in text or f"{n})" in text]
    heads = [f"input {n} : {types[n]}" for n in used]
    program = "\n".join([*heads, f"x : Video[{FRAMES}, 3, {SIZE}, {SIZE}]", text])
    return poedsl.compile(program).bind(**{n: values[n] for n in used})


@pytest.mark.parametrize(
    "kind",
    ["wan_i2v", *(pytest.param(k, marks=pytest.mark.slow) for k in ("wan_t2v", "wan_depth"))],
)
def test_a_program_draws_the_pipelines_film(kind: str, place: Path) -> None:
    name = kind.upper()
    plan = compiled(place, f"x ~ ({name})^0.5 * ({name})^0.5\n{EULER}", kind)
    job = Run(plan.bound().spec, RunSettings(seed=11))
    stages = job.stages()
    next(stages)
    first = job.model.stages[0]
    noise = job.population.particles.x / (first.alpha + first.sigma)
    for _ in stages:
        pass
    times = [st.sigma / (st.alpha + st.sigma) for st in job.model.stages]
    flow = expert(kind, place)
    z = noise
    for s, end in pairwise(times):
        with torch.no_grad():
            z = z + (end - s) * flow.velocity(z, s)
    found = job.result().particles["x"]
    assert found.shape == (1, FRAMES, 3, SIZE, SIZE)
    torch.testing.assert_close(found, flow.codec.decode(z.view(1, *SHAPE)), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_parents_masks_regions_frames_and_rewards(place: Path) -> None:
    plan = compiled(
        place,
        "x ~ WAN_I2V ^ (1 - 0.5 * m) * exp(9 * mean(x[4]))\nx ~ WAN_DEPTH ^ (0.2 + m) given x\n"
        "x[box(0, 0, 0.5, 1)] ~ WAN_T2V ^ 0.3 given x\nx[frames(0, 3)] ~ WAN_T2V ^ 0.2 given x\n"
        "sample x by anneal(particles = 2, steps = 2)",
        "wan_i2v",
        "wan_depth",
        "wan_t2v",
    )
    found = plan.run(seed=4)
    assert found.particles["x"].shape == (2, FRAMES, 3, SIZE, SIZE)
    assert bool(torch.isfinite(found.particles["x"]).all())
    assert bool(torch.isfinite(found.log_weights).all())


def test_a_mask_acts_where_it_is_one(place: Path) -> None:
    """On latents: the first frame alone, and each pair of the others."""
    plan = compiled(place, "x ~ WAN_T2V ^ (0.5 + m)\n" + EULER, "wan_t2v")
    job = Run(plan.bound().spec, RunSettings(seed=1))
    exponent = job.target.experts[0].exponent
    assert isinstance(exponent, Tensor)
    m = DEPTH.round()
    pooled = torch.nn.functional.avg_pool2d(m, tiny_wan.FACTOR)
    times = torch.stack([pooled[0], pooled[1:3].mean(0), pooled[3:5].mean(0)])
    expected = 0.5 + times.expand(SHAPE)
    torch.testing.assert_close(exponent.view(SHAPE), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sizes", ["4, 3, 16, 16", "5, 3, 12, 16", "5, 3, 16, 20"])
def test_sizes_without_latents_are_refused_with_the_nearest(place: Path, sizes: str) -> None:
    folder = tiny_wan.folder("wan_t2v", place)
    program = f'x : Video[{sizes}]\nx ~ wan_t2v("a", model = "{folder}")\n{EULER}'
    with refused("P0304") as errors:
        poedsl.compile(program).run()
    assert any("5 x 3 x 16 x" in note or "3 x 3 x" in note for note in errors[0].notes)


def test_a_depth_of_another_length_is_refused(place: Path) -> None:
    folder = tiny_wan.folder("wan_depth", place)
    with refused("P0206"):
        WanDepth("a", folder, SHAPE, CPU, PROFILE, depth=DEPTH[:4])
    program = f'input d : Depth[_, _, _]\nx ~ wan_depth(d, "a", model = "{folder}")\n'
    poedsl.compile(program).bind(d=DEPTH).bound()
    sized = f"x : Video[{FRAMES}, 3, {SIZE}, {SIZE}]\n"
    with refused("P0603"):
        poedsl.compile(sized + program).bind(d=DEPTH[:3]).run()


@pytest.mark.parametrize("kind", ["wan_t2v", "wan_i2v", "wan_depth"])
def test_folders_are_used_by_name(kind: str, place: Path) -> None:
    program = f'use w from "{tiny_wan.folder(kind, place)}"\nx : Video[5, 3, 16, 16]\nx ~ w()'
    plan = poedsl.compile(program)
    assert {i.name for i in plan.spec.inputs} >= {"prompt"}


@pytest.mark.parametrize("kind", ["wan_i2v", "wan_depth"])
def test_a_folder_of_another_expert_is_refused(kind: str, place: Path) -> None:
    _, made, given = EXPERTS[kind]
    with refused("P0206"):
        made("a", tiny_wan.folder("wan_t2v", place), SHAPE, CPU, PROFILE, **given)


@pytest.mark.slow
def test_a_simulation_instructs_a_film(place: Path, tmp_path: Path) -> None:
    """`programs/ball.poe`, smaller and by networks with random weights."""
    program = (PROGRAMS / "ball.poe").read_text(encoding="utf-8")
    for large, small in (("81", str(FRAMES)), ("480, 832", f"{SIZE}, {SIZE}")):
        program = program.replace(large, small)
    program += "sample x by anneal(particles = 2, steps = 3)\n"
    (tmp_path / "ball.poe").write_text(program, encoding="utf-8")
    shutil.copy(PROGRAMS / "ball.xml", tmp_path)
    models = {k: tiny_wan.folder(k, place) for k in ("wan_i2v", "wan_depth")}
    profile = Profile(dtype="float32", models=models)
    plan = poedsl.compile(tmp_path / "ball.poe").bind(image=IMAGE, prompt="a ball falls")
    spec = plan.bound().spec
    try:
        job = Run(spec, RunSettings(seed=1, profile=profile, folder=tmp_path))
    except poedsl.PoeError as error:
        assert error.diagnostics[0].code == "P0703"
        pytest.skip("nothing renders here")
    for _ in job.stages():
        pass
    films = job.result().particles["x"]
    assert films.shape == (2, FRAMES, 3, SIZE, SIZE) and bool(torch.isfinite(films).all())
    assert any(isinstance(e.exponent, Tensor) for e in job.target.experts)


def test_memory_counts_every_network(place: Path) -> None:
    counts = {
        kind: {c.name: c for c in pipeline_parts(Path(tiny_wan.folder(kind, place)), **READ)}
        for kind in ("wan_i2v", "wan_t2v of two")
    }
    own = {"transformer", "vae", "text_encoder"}
    assert counts["wan_i2v"].keys() == own | {"image_encoder"}
    assert counts["wan_t2v of two"].keys() == own | {"transformer_2"}
    assert counts["wan_i2v"]["image_encoder"].encodes and counts["wan_i2v"]["vae"].upcast
    net = expert("wan_t2v of two", place).later
    total = sum(p.numel() for p in net.parameters())
    assert counts["wan_t2v of two"]["transformer_2"].parameters == total


def test_a_patch_size_that_is_no_number_is_refused(tmp_path: Path) -> None:
    folder = Path(tiny_wan.folder("wan_t2v", tmp_path))
    edit(folder / "vae" / "config.json", patch_size="x")
    with refused("P0206"):
        FilmCodec(str(folder), CPU, PROFILE)
