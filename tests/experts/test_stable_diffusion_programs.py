"""Programs over Stable Diffusion: products, guidance as a product, parts, masks, rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.diagnostics import refused
from tests.experts import tiny_stable_diffusion as tiny

SIZE = 32
PLAIN = "kernel = none, move = ode(), correct = none()"
CONDITIONS = {"controlnet": "picture, ", "inpaint": "mask, picture, "}
VALUES = {"mask": torch.zeros(SIZE, SIZE), "picture": torch.rand(3, SIZE, SIZE)}
VALUES["mask"][8:24, 8:24] = 1


def call(kind: str, place: Path, prompt: str = "a red cat", **options: Any) -> str:
    condition = CONDITIONS.get(kind.partition("_")[2], "")
    folder = tiny.folder(kind, place)
    more = "".join(f", {name} = {value}" for name, value in options.items())
    if "controlnet" in kind:
        more += f', controlnet = "{folder}/controlnet"'
    return f'{kind}({condition}"{prompt}", model = "{folder}"{more})'


def started(product: str, options: str, *others: str) -> Run:
    kinds = {"mask": "Mask", "picture": f"Image[3, {SIZE}, {SIZE}]"}
    text = "\n".join([f"x ~ {product}", *others])
    used = [name for name in kinds if f"{name}," in text or f" {name}" in text]
    inputs = "".join(f"input {name} : {kinds[name]}\n" for name in used)
    plan = poedsl.compile(
        f"{inputs}x : Image[3, {SIZE}, {SIZE}]\n{text}\nsample x by anneal({options})\n"
    )
    bound = plan.bind(**{name: VALUES[name] for name in used})
    return Run(bound.bound().spec, RunSettings(seed=11))


def finished(job: Run) -> Tensor:
    for _ in job.stages():
        pass
    return job.result().particles["x"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd", "sdxl", "sd3"])
def test_a_product_with_itself_draws_its_pipelines_picture(kind: str, place: Path) -> None:
    half = f"{call(kind, place, guidance=3)}^0.5"
    job = started(f"{half} * {half}", f"particles = 1, steps = 6, {PLAIN}")
    stages = job.stages()
    next(stages)
    first = job.model.stages[0]
    x = job.population.particles.x.view(1, 4, 8, 8).clone()
    for _ in stages:
        pass
    mine = job.result().particles["x"]
    own = tiny.pipeline(kind)
    over: dict[str, Any] = {"num_inference_steps": 6}
    if kind == "sd3":
        x = x / (first.alpha + first.sigma)
        s = [stage.sigma / (stage.alpha + stage.sigma) for stage in job.model.stages[:-1]]
        own.scheduler.register_to_config(shift=1.0)
        own.scheduler.set_shift(1.0)
        over = {"sigmas": s}
    theirs = own(
        "a red cat",
        height=SIZE,
        width=SIZE,
        latents=x,
        guidance_scale=3.0,
        output_type="pt",
        **over,
    ).images
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_guidance_is_a_product_of_two_experts_of_one_network(kind: str, place: Path) -> None:
    """e(prompt, guidance = w) has the scores of e(prompt)^w e("")^(1 - w)."""
    w = 3.5
    options = f"particles = 3, steps = 3, {PLAIN}"
    one = started(call(kind, place, guidance=w), options)
    plain, empty = (call(kind, place, text, guidance=1) for text in ("a red cat", ""))
    two = started(f"{plain}^{w} * {empty}^{1 - w}", options)
    first, second = (factor.expert for factor in two.target.experts)
    assert first.net is second.net is one.target.experts[0].expert.net
    counts = [a.expert.calls_per_evaluation for a in (*one.target.experts, *two.target.experts)]
    assert counts == [2, 1, 1]
    x = torch.randn(3, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for stage in one.model.stages[:-1]:
            field, product = (job.target.scores(x, stage) for job in (one, two))
            torch.testing.assert_close(field, product, atol=2e-4, rtol=1e-4)
    alone = first.noised(x, stage.alpha, stage.sigma).score
    assert not torch.allclose(field, alone, atol=1e-2)
    torch.testing.assert_close(finished(one), finished(two), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_parts_parents_masks_and_rewards_run(kind: str, place: Path) -> None:
    base = kind.partition("_")[0]
    job = started(
        f"{call(base, place)} ^ (1 - 0.5 * mask) * exp(50 * mean(x[0]))",
        "particles = 2, steps = 3",
        f"x[box(0.25, 0, 0.75, 0.5)] ~ {crop(call(kind, place, 'a dog'))} given x",
    )
    pictures = finished(job)
    assert pictures.shape == (2, 3, SIZE, SIZE)
    assert bool(torch.isfinite(pictures).all())
    whole, part = job.target.experts
    assert part.expert.shape == (4, 4, 4) and whole.expert.shape == (4, 8, 8)
    assert isinstance(whole.exponent, Tensor) and part.guidance is not None


def crop(call: str) -> str:
    """The call with its conditions cut to the part."""
    for name in ("mask", "picture"):
        call = call.replace(f"{name}, ", f"crop({name}, box(0.25, 0, 0.75, 0.5)), ")
    return call


@pytest.mark.slow
def test_rewards_pull_through_the_decoder(place: Path) -> None:
    options = "particles = 3, steps = 4"
    plain, pulled = (
        finished(started(f"{call('sdxl', place)}{reward}", options))
        for reward in ("", " * exp(2000 * mean(x[0]))")
    )
    assert float(pulled[:, 0].mean()) > float(plain[:, 0].mean()) + 0.005


def test_the_times_of_a_run_are_the_schedulers(place: Path) -> None:
    job = started(call("sdxl", place), f"particles = 1, steps = 5, {PLAIN}")
    own = tiny.pipeline("sdxl").scheduler
    own.set_timesteps(5)
    ratios = torch.tensor([s.sigma / s.alpha for s in job.model.stages])
    torch.testing.assert_close(ratios, own.sigmas, atol=1e-5, rtol=1e-5)


def test_open_sizes_are_those_that_the_network_was_trained_on(place: Path) -> None:
    plan = poedsl.compile(f"x ~ {call('sd3', place)}\nsample x by anneal(particles = 1, steps = 1)")
    assert plan.run().particles["x"].shape == (1, 3, 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sdxl_controlnet", "sd_inpaint", "sd3"])
def test_tensors_name_their_devices(
    kind: str, place: Path, every_tensor_names_its_device: None
) -> None:
    options = "particles = 2, steps = 2"
    finished(started(f"{call(kind, place)} * exp(mean(x))", options))


def test_costs_are_in_the_plan_before_anything_is_loaded() -> None:
    plan = poedsl.compile(
        'x : Image[3, 64, 64]\nx ~ sd("a") * sd("b", guidance = 1)\n'
        "sample x by anneal(particles = 10, steps = 9, kernel = none)\n"
    )
    lines = str(plan).splitlines()
    assert any(line.startswith("# sd: 10 evaluations of 10") and "2 s" in line for line in lines)
    assert any(line.startswith("# sd_2: 10 evaluations of 10") and "1 s" in line for line in lines)
    with refused("P0701") as errors:
        poedsl.compile('x ~ sdxl("a")').run()
    assert any("hf download stabilityai/stable-diffusion-xl" in n for n in errors[0].notes)
