"""Pipelines of films by their own call: the film is the one that the library draws."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import CogVideoXPipeline, FlowMatchEulerDiscreteScheduler
from torch import Tensor

import poedsl
from poedsl.compiler.compile import compile_source
from poedsl.experts.flows.pipeline import pipeline_flow
from poedsl.experts.flows.pipeline_codec import PipelineFilmCodec, film_space
from poedsl.experts.flows.pipeline_view import as_given
from poedsl.grammar.source import Source
from tests.diagnostics import quoted, refused
from tests.experts import tiny_films, tiny_wan
from tests.experts.model_folders import CPU, PROFILE, edit
from tests.experts.test_pipeline_expert import COUNT, PROMPT, STEPS, FixedEuler, drawn, modes

__all__ = ["modes"]
SIDE, FRAMES = tiny_films.SIDE, tiny_films.FRAMES
ARGUMENTS: dict[str, dict[str, Any]] = {
    "wan": {"guidance_scale": 2.0, "negative_prompt": "a dog"},
    "ltx": {"guidance_scale": 2.0, "negative_prompt": "a dog", "max_sequence_length": 16},
    "hunyuan": {"guidance_scale": 4.0, "max_sequence_length": 16},
    "skyreels": {"guidance_scale": 1.0, "max_sequence_length": 16},
}
SEEN = ("skyreels",)


def frame() -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return (255 * torch.rand(3, SIDE, SIDE, generator=generator)).round() / 255


def program(kind: str, folder: str, factors: str = "{0}^0.5 * {0}^0.5") -> str:
    written = [f"{k} = {json.dumps(v)}" for k, v in {"prompt": PROMPT, **ARGUMENTS[kind]}.items()]
    seen = kind in SEEN
    call = f'pipeline("{folder}", {", ".join([*written, *(["image = first"] if seen else [])])})'
    declared = f"input first : Image[3, {SIDE}, {SIDE}]\n" if seen else ""
    return f"{declared}x : Video[{FRAMES}, 3, {SIDE}, {SIDE}]\nx ~ {factors.format(call)}\n"


def library(kind: str, start: Tensor, times: list[float]) -> Tensor:
    """The films that the library draws from the same noise at the same times."""
    own = tiny_films.pipeline(kind)
    own.scheduler = FixedEuler.from_config(own.scheduler.config)
    own.scheduler.grid = times
    z = start.view(-1, *tiny_films.LATENTS[kind])
    z = z * ((1 - times[0]) ** 2 + times[0] ** 2) ** 0.5
    films: Tensor = own(
        prompt=PROMPT,
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_videos_per_prompt=len(z),
        num_inference_steps=STEPS,
        latents=own._pack_latents(z, 1, 1) if kind == "ltx" else z,
        output_type="pt",
        return_dict=False,
        **({"image": as_given(frame())} if kind in SEEN else {}),
        **ARGUMENTS[kind],
    )[0]
    return films


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny_films.LATENTS)
def test_a_product_to_the_powers_of_one_half_is_the_librarys_film(kind: str, place: Path) -> None:
    text = program(kind, tiny_films.folder(kind, place))
    seen = {"first": frame()} if kind in SEEN else {}
    # The library's own call takes one film at a time where it sees a frame.
    count = 1 if seen else COUNT
    job, start, times = drawn(text, kind, seen, particles=count)
    mine = job.result().particles["x"].clamp(0, 1)
    assert mine.shape == (count, FRAMES, 3, SIDE, SIDE) and float(mine.std()) > 0.01
    torch.testing.assert_close(mine, library(kind, start, times), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["wan", "ltx"])
def test_a_batch_of_films_is_its_rows_with_gradients(kind: str, place: Path) -> None:
    shape = tiny_films.LATENTS[kind]
    given = {"prompt": PROMPT, **ARGUMENTS[kind]}
    expert: Any = pipeline_flow(tiny_films.folder(kind, place), shape, CPU, PROFILE, **given)
    z = torch.randn(2, math.prod(shape), generator=torch.Generator().manual_seed(4))
    rows = torch.cat([expert.velocity(row[None], 0.6) for row in z])
    torch.testing.assert_close(expert.velocity(z, 0.6), rows, atol=1e-4, rtol=1e-4)
    point = z[:1].clone().requires_grad_()
    (slope,) = torch.autograd.grad(expert.velocity(point, 0.6).sum(), point)
    assert float(slope.abs().max()) > 0


def test_times_are_those_of_the_call_for_a_film_of_its_length(place: Path) -> None:
    """The scheduler of LTX shifts times by the number of tokens of the whole film."""
    shape = tiny_films.LATENTS["ltx"]
    expert: Any = pipeline_flow(
        tiny_films.folder("ltx", place), shape, CPU, PROFILE, prompt=PROMPT, max_sequence_length=16
    )
    own = tiny_films.pipeline("ltx")
    own(
        prompt=PROMPT,
        height=SIDE,
        width=SIDE,
        num_frames=FRAMES,
        num_inference_steps=STEPS,
        max_sequence_length=16,
        output_type="latent",
    )
    expected = own.scheduler.sigmas.tolist()
    assert expert.times(STEPS, shape, snaps=False) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["ltx", "hunyuan"])
def test_latents_are_decoded_by_the_call(kind: str, place: Path) -> None:
    space = film_space(tiny_films.folder(kind, place), CPU, PROFILE)
    assert isinstance(space, PipelineFilmCodec)
    shape = tiny_films.LATENTS[kind]
    assert space.shape((FRAMES, 3, SIDE, SIDE)) == shape
    assert space.decoded_shape(shape) == (FRAMES, 3, SIDE, SIDE)
    assert space.whole((FRAMES + 1, 3, SIDE + 1, SIDE)) == (FRAMES, 3, SIDE, SIDE)
    films = space.decode(torch.randn(2, *shape, generator=torch.Generator().manual_seed(3)))
    assert films.shape == (2, FRAMES, 3, SIDE, SIDE)
    assert 0 <= float(films.min()) < float(films.max()) <= 1


def test_rewards_and_constraints_on_films(place: Path) -> None:
    folder = tiny_films.folder("ltx", place)
    text = program("ltx", folder, "{0} * exp(3 * mean(x))")
    result = poedsl.compile(text).run(particles=2, steps=2, kernel="none", correct="none()")
    assert result.particles["x"].shape == (2, FRAMES, 3, SIDE, SIDE)
    assert bool(result.particles["x"].isfinite().all())


def test_a_call_whose_points_are_not_the_whole_film_is_refused(place: Path) -> None:
    """The step of LTX's pipeline with a first frame gets the frames after it."""
    folder = tiny_films.folder("ltx_image", place)
    with refused("P0206") as errors:
        pipeline_flow(
            folder, (8, 3, 8, 8), CPU, PROFILE, prompt="a", image=frame(), max_sequence_length=16
        )
    assert "film" in errors[0].message


def diagnosed(folder: Path, arguments: str = 'prompt = "a"') -> Any:
    text = f'x : Video[5, 3, 32, 32]\nx ~ pipeline("{folder}", {arguments})'
    (found,) = compile_source(Source(text)).diagnostics
    return found


def test_a_first_frame_that_is_not_sampled_has_its_own_expert(tmp_path: Path) -> None:
    folder = Path(tiny_wan.folder("wan_i2v by token", tmp_path))
    found = diagnosed(folder, 'prompt = "a", image = 0')
    assert found.code == "P0211" and "expand_timesteps" in quoted(found)
    assert any("wan_i2v" in note for note in found.notes)


def test_guidance_that_depends_on_the_step_is_no_argument(tmp_path: Path) -> None:
    takes = CogVideoXPipeline.__call__.__annotations__
    assert "use_dynamic_cfg" in takes
    index = {"_class_name": "CogVideoXPipeline", "vae": ["diffusers", "AutoencoderKLCogVideoX"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    assert diagnosed(tmp_path).code == "P0211"


def test_inverted_schedulers_are_refused(place: Path, tmp_path: Path) -> None:
    """As that of Mochi, whose times rise from 0."""
    folder = Path(shutil.copytree(tiny_films.folder("hunyuan", place), tmp_path / "film"))
    edit(folder / "scheduler" / "scheduler_config.json", invert_sigmas=True)
    with refused("P0206") as errors:
        pipeline_flow(str(folder), tiny_films.LATENTS["hunyuan"], CPU, PROFILE, prompt="a")
    assert "invert_sigmas" in quoted(errors[0])
    assert FlowMatchEulerDiscreteScheduler(invert_sigmas=True).config.invert_sigmas
