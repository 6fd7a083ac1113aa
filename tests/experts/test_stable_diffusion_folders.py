"""Folders of Stable Diffusion are loaded as they are written, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.catalog.folder_signatures import read_folder
from poedsl.catalog.pipeline_signatures import IMPLEMENTATION
from poedsl.experts.flows.latents import Codec
from poedsl.experts.loading.schedulers import SOLVERS, DiffusionScheduler
from tests.diagnostics import quoted, refused
from tests.experts import tiny as tiny_flux
from tests.experts import tiny_stable_diffusion as tiny
from tests.experts.model_folders import (
    CPU,
    PROFILE,
    copy,
    drop,
    edit,
    enlarge,
    rename_weights,
    rewrite,
    warnings_of,
)
from tests.experts.test_stable_diffusion import SHAPE, expert, noise

NETWORK = "diffusion_pytorch_model.safetensors"
PARTS = [
    ("sd", "unet", NETWORK),
    ("sd", "text_encoder", "model.safetensors"),
    ("sd_controlnet", "controlnet", NETWORK),
    ("sdxl", "text_encoder_2", "model.safetensors"),
    ("sd3", "transformer", NETWORK),
    ("sd3", "text_encoder_3", "model.safetensors"),
]


def score(flow: Any) -> Tensor:
    with torch.no_grad():
        return flow.noised(noise(8).flatten(1), 0.6, 0.8).score


@pytest.mark.parametrize(("kind", "part", "file"), PARTS)
@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_that_is_not_as_it_should_be_is_named(
    kind: str,
    part: str,
    file: str,
    change: Callable[[dict[str, Tensor]], None],
    place: Path,
    tmp_path: Path,
) -> None:
    folder = copy(tiny.folder(kind, place), tmp_path)
    name = rewrite(folder / part / file, change)
    with refused("P0206") as errors:
        expert(kind, str(folder))
    assert name in quoted(errors[0]) and part in errors[0].message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "file", "values"),
    [
        ("sd", "unet/config.json", {"in_channels": 9}),
        ("sd", "unet/config.json", {"time_cond_proj_dim": 16}),
        ("sd", "unet/config.json", {"num_class_embeds": 3}),
        ("sd", "unet/config.json", {"addition_embed_type": "text_time"}),
        ("sd", "unet/config.json", {"mystery": 1}),
        ("sd", "scheduler/scheduler_config.json", {"clip_sample": True}),
        ("sd", "scheduler/scheduler_config.json", {"thresholding": True}),
        ("sd", "model_index.json", {"scheduler": ["diffusers", "LCMScheduler"]}),
        ("sdxl", "unet/config.json", {"addition_embed_type": None}),
        ("sdxl", "scheduler/scheduler_config.json", {"timestep_type": "continuous"}),
        ("sdxl", "scheduler/scheduler_config.json", {"interpolation_type": "log_linear"}),
        ("sdxl", "vae/config.json", {"latents_mean": [0.0] * 4}),
        ("sd_controlnet", "controlnet/config.json", {"global_pool_conditions": True}),
        ("sd_controlnet", "controlnet/config.json", {"_class_name": "ControlNetUnionModel"}),
        ("sd3", "scheduler/scheduler_config.json", {"invert_sigmas": True}),
        ("sd3", "transformer/config.json", {"mystery": 1}),
    ],
)
def test_options_that_are_not_followed_are_refused(
    kind: str, file: str, values: dict[str, Any], place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder(kind, place), tmp_path)
    edit(folder / file, **values)
    with refused("P0206"):
        expert(kind, str(folder))


SPACED: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in SOLVERS),
    *(("DDIMScheduler", {"timestep_spacing": k}) for k in ("leading", "linspace", "trailing")),
    *(("EulerDiscreteScheduler", {k: True}) for k in ("use_karras_sigmas", "use_beta_sigmas")),
    ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False}),
    ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True, "timestep_spacing": "leading"}),
    ("UniPCMultistepScheduler", {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"}),
]


@pytest.mark.parametrize(("kind", "options"), SPACED)
def test_steps_are_where_the_library_has_them(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """The network's time at each step is the library's, but for what rounds it to a whole one."""
    if kind == "PNDMScheduler":
        options = {"skip_prk_steps": True, **options}
    made = getattr(diffusers, kind)
    known = inspect.signature(made.__init__).parameters
    scheduler = made(**{k: v for k, v in tiny.NOISE.items() if k in known}, **options)
    scheduler.save_pretrained(tmp_path / "scheduler")
    own = DiffusionScheduler(str(tmp_path), SOLVERS)
    times = own.times(7)
    assert len(times) == 8 and times[-1] == 0
    scheduler.set_timesteps(7)
    expected = list(dict.fromkeys(scheduler.timesteps.tolist()))
    found = [own.time(s / (s**2 + (1 - s) ** 2) ** 0.5) for s in times[:-1]]
    close = 0.6 if any("sigmas" in k or "lambdas" in k for k in options) else 0.05
    assert found == pytest.approx(expected, abs=close)


def test_steps_of_runge_and_kutta_are_refused(tmp_path: Path) -> None:
    diffusers.PNDMScheduler(**tiny.NOISE).save_pretrained(tmp_path / "scheduler")
    with refused("P0206") as errors:
        DiffusionScheduler(str(tmp_path), SOLVERS)
    assert "skip_prk_steps" in quoted(errors[0])


#: Options of other schedulers in the files of Stable Diffusion 1.5 and of XL.
EXCHANGED: list[tuple[str, dict[str, Any]]] = [
    ("PNDMScheduler", {"clip_sample": True, "skip_prk_steps": True, "set_alpha_to_one": False}),
    (
        "EulerDiscreteScheduler",
        {"clip_sample": True, "sample_max_value": 1.0, "skip_prk_steps": True},
    ),
]


@pytest.mark.parametrize(("kind", "options"), EXCHANGED)
def test_options_of_exchanged_schedulers_have_no_effect(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    made = getattr(diffusers, kind)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    made.from_config({**tiny.NOISE, "skip_prk_steps": True}).save_pretrained(file.parent)
    plain = DiffusionScheduler(str(tmp_path), SOLVERS)
    edit(file, **options)
    found = DiffusionScheduler(str(tmp_path), SOLVERS)
    assert found.clip is None and found.times(5) == plain.times(5)
    edit(file, mystery=1)
    with refused("P0206"):
        DiffusionScheduler(str(tmp_path), SOLVERS)


def test_more_steps_than_there_are_times_are_refused(tmp_path: Path) -> None:
    options = {**tiny.NOISE, "num_train_timesteps": 10, "steps_offset": 0}
    diffusers.DDIMScheduler(**options).save_pretrained(tmp_path / "scheduler")
    own = DiffusionScheduler(str(tmp_path))
    assert len(own.times(10)) == 11
    with refused("P0206"):
        own.times(20)


@pytest.mark.slow
def test_a_controlnet_of_a_folder_of_its_own(place: Path, tmp_path: Path) -> None:
    tiny.pipeline("sd_controlnet").controlnet.save_pretrained(tmp_path / "edges")
    folder = tiny.folder("sd_controlnet", place)
    beside = expert("sd_controlnet", folder, controlnet=str(tmp_path / "edges"))
    torch.testing.assert_close(score(beside), score(expert("sd_controlnet", folder)))
    program = (
        "input picture : Image[3, 32, 32]\nx : Image[3, 32, 32]\n"
        f'x ~ sd_controlnet(picture, "a cat", controlnet = "{{}}", model = "{folder}")\n'
        "sample x by anneal(particles = 1, steps = 1)\n"
    )
    file, picture = tmp_path / "edges.poe", torch.rand(3, 32, 32)
    file.write_text(program.format("edges"))
    plan = poedsl.compile(file).bind(picture=picture)
    assert plan.run().particles["x"].shape == (1, 3, 32, 32)
    file.write_text(program.format("nowhere/edges"))
    with refused("P0701") as errors:
        poedsl.compile(file).bind(picture=picture).run()
    assert "nowhere/edges" in errors[0].message
    with refused("P0206"):
        expert("sd_controlnet", tiny.folder("sd", place))


def test_a_pipelines_own_controlnet_is_the_default_of_use(place: Path) -> None:
    plan = poedsl.compile(
        f'use edges from "{tiny.folder("sd_controlnet", place)}"\n'
        "input picture : Image[3, 32, 32]\nx : Image[3, 32, 32]\n"
        'x ~ edges(picture, "a cat")\nsample x by anneal(particles = 1, steps = 1)\n'
    )
    result = plan.bind(picture=torch.rand(3, 32, 32)).run()
    assert result.particles["x"].shape == (1, 3, 32, 32)


@pytest.mark.slow
def test_parts_of_the_third_that_its_folder_names_are_there(place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("sd3", place, t5=False), tmp_path)
    assert not warnings_of(lambda: expert("sd3", str(folder)))
    edit(folder / "model_index.json", text_encoder_3=["transformers", "T5EncoderModel"])
    with refused("P0206") as errors:
        expert("sd3", str(folder))
    assert "text_encoder_3" in errors[0].message


@pytest.mark.parametrize(("kind", "readers"), [("sd", 1), ("sdxl", 2), ("sd3", 3)])
def test_prompts_that_are_cut_are_said_and_nothing_is_printed(
    kind: str, readers: int, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from poedsl.experts.loading import shared_networks

    folder = tiny.folder(kind, place)
    shared_networks.free_encoders()
    capfd.readouterr()
    long = "cat " * 80
    found = warnings_of(lambda: expert(kind, folder, negative=long))
    assert [w.code for w in found] == ["P1022"] * readers
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_weights_of_one_precision_alone_are_read(place: Path, tmp_path: Path) -> None:
    source = tiny.folder("sd", place)
    folder = copy(source, tmp_path)
    rename_weights(folder, ".fp16.safetensors")
    torch.testing.assert_close(score(expert("sd", str(folder))), score(expert("sd", source)))


def test_autoencoders_that_differ_in_their_training_share_a_space(
    place: Path, tmp_path: Path
) -> None:
    source = tiny.folder("sd", place)
    folder = copy(source, tmp_path)
    edit(folder / "vae" / "config.json", sample_size=64, force_upcast=False)
    key = Codec(source, CPU, PROFILE).key
    assert Codec(str(folder), CPU, PROFILE).key == key
    edit(folder / "vae" / "config.json", scaling_factor=0.5)
    assert Codec(str(folder), CPU, PROFILE).key != key


def test_latents_are_those_of_the_pipelines(place: Path) -> None:
    codec = Codec(tiny.folder("sd", place), CPU, PROFILE)
    own = tiny.pipeline("sd").vae
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    encoded = own.encode(2 * pictures - 1).latent_dist.mode()
    torch.testing.assert_close(codec.encode(pictures), encoded * own.config.scaling_factor)
    assert codec.shape((3, 32, 32)) == SHAPE


def test_families_are_not_multiplied(place: Path) -> None:
    calls = {kind: f'{kind}("a", model = "{tiny.folder(kind, place)}")' for kind in ("sd", "sdxl")}
    calls["flux"] = f'flux("a", model = "{tiny_flux.folder("flux", place)}")'
    for first, second in (("sd", "flux"), ("sdxl", "sd"), ("flux", "sdxl")):
        with refused("P0313"):
            poedsl.compile(f"x : Image[3, 32, 32]\nx ~ {calls[first]} * {calls[second]}\n")


def test_models_of_one_family_with_other_autoencoders_are_not_multiplied(
    place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("sd", place), tmp_path)
    edit(folder / "vae" / "config.json", scaling_factor=0.5)
    plan = poedsl.compile(
        f'x : Image[3, 32, 32]\nx ~ sd("a", model = "{folder}", guidance = 1) '
        f'* sd("b", model = "{tiny.folder("sd", place)}", guidance = 1)\n'
    )
    with refused("P0313"):
        plan.run()


@pytest.mark.parametrize("kind", tiny.PIPELINES)
def test_use_names_the_expert_of_a_folder(kind: str, place: Path) -> None:
    folder = tiny.folder(kind, place)
    signature = read_folder(folder, Path())
    assert signature.name == kind
    model = signature.parameter("model")
    assert model is not None and model.default == folder


def test_other_pipelines_of_the_library_are_experts_by_their_call(
    place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("sdxl", place), tmp_path)
    edit(folder / "model_index.json", _class_name="StableDiffusionXLInstructPix2PixPipeline")
    signature = read_folder(str(folder), Path())
    assert signature.implementation == IMPLEMENTATION
    assert signature.parameter("image_guidance_scale") is not None


def test_a_controlnet_alone_is_no_expert(place: Path) -> None:
    folder = f"{tiny.folder('sd_controlnet', place)}/controlnet"
    with refused("P0206") as errors:
        poedsl.compile(f'use e from "{folder}"\nx ~ e("a")\n')
    assert any("controlnet = " in note for note in errors[0].notes)
