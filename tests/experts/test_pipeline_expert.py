"""Any pipeline of diffusers as an expert: its picture is the one that the library draws."""

from __future__ import annotations

import gc
import inspect
import json
import math
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
)
from diffusers.pipelines.ddim import pipeline_ddim
from diffusers.pipelines.flux import pipeline_flux_kontext
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

import poedsl
from poedsl.catalog import pipeline_calls
from poedsl.catalog.profiles import Profile
from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.text import parse_plan
from poedsl.experts.flows import pipeline as experts_pipeline
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.packing import pack, unpack
from poedsl.experts.flows.pipeline import pipeline_flow
from poedsl.experts.flows.pipeline_codec import PipelineCodec
from poedsl.experts.flows.pipeline_view import as_given
from poedsl.grammar.source import Source
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_pipelines

CPU = torch.device("cpu")
PROFILE = Profile(dtype="float32")
SIZE, STEPS, COUNT = 32, 3, 2
PROMPT = "a red cat"
#: Pipelines whose points are packed into tokens.
PACKED = (
    *("flux", "flux_fill", "flux_control", "flux_controlnet", "kontext", "chroma"),
    *("qwen", "qwen_controlnet"),
)
#: Arguments beside the prompt, as the language and the library take them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "sd": {"guidance_scale": 3.0, "negative_prompt": "a dog"},
    "sdxl": {"guidance_scale": 3.0},
    "qwen": {"true_cfg_scale": 3.0, "negative_prompt": "a dog"},
    "flux": {"guidance_scale": 2.5, "max_sequence_length": 16},
    "flux_fill": {"max_sequence_length": 16},
    "flux_control": {"max_sequence_length": 16},
    "kontext": {"max_sequence_length": 16},
    "klein": {"guidance_scale": 2.0},
    "edited": {"image_guidance_scale": 1.5},
    "cogview4": {"negative_prompt": "a dog"},
    "controlnet": {"controlnet_conditioning_scale": 0.5},
    "pixart": {"clean_caption": False},
    "pixart_sigma": {"clean_caption": False},
    "flux_controlnet": {"max_sequence_length": 16},
    "qwen_controlnet": {"true_cfg_scale": 3.0, "negative_prompt": "a dog"},
    "sdxl_controlnet": {"guidance_scale": 3.0},
    "ddpm": {},
    "pixel_ddim": {},
}
#: The pictures that a pipeline sees.
PICTURES = {
    "flux_fill": ("image", "mask_image"),
    "flux_control": ("control_image",),
    "kontext": ("image",),
    "edited": ("image",),
    "controlnet": ("image",),
    "sd3_controlnet": ("control_image",),
    "flux_controlnet": ("control_image",),
    "sdxl_controlnet": ("image",),
    "qwen_controlnet": ("control_image",),
}
PIXELS = ("ddpm", "pixel_ddim")
#: Where the score of predicted data divides rounding errors by a small variance.
ROUNDING = {"pixel_ddim": 1e-3}


@pytest.fixture(autouse=True, scope="module")
def modes() -> Any:
    """Pipelines draw one sample of the encoder of a condition; experts take its mode."""
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Encoded

    drawn = Encoded.sample
    Encoded.sample = lambda self, generator=None: self.mode()
    yield
    Encoded.sample = drawn


class FixedEuler(FlowMatchEulerDiscreteScheduler):
    """The library's Euler steps on given times."""

    grid: list[float]

    def set_timesteps(
        self,
        num_inference_steps: Any = None,
        device: Any = None,
        sigmas: Any = None,
        mu: Any = None,
        timesteps: Any = None,
    ) -> None:
        self.sigmas = torch.tensor(self.grid, dtype=torch.float32)
        self.timesteps = 1000 * self.sigmas[:-1]
        self.num_inference_steps = len(self.timesteps)
        self._step_index = self._begin_index = None


def pictures(kind: str) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(7)
    image = (255 * torch.rand(3, SIZE, SIZE, generator=g)).round() / 255
    mask = torch.zeros(SIZE, SIZE)
    mask[8:24, 4:20] = 1
    return {n: mask if "mask" in n else image for n in PICTURES.get(kind, ())}


def program(kind: str, folder: str, factors: str = "{0}^0.5 * {0}^0.5") -> str:
    given = dict(ARGUMENTS.get(kind, {}))
    if kind not in PIXELS:
        given = {"prompt": PROMPT, **given}
    written = [f"{k} = {shown(v)}" for k, v in given.items()]
    written += [f"{n} = {n}" for n in PICTURES.get(kind, ())]
    call = f"pipeline({', '.join([chr(34) + folder + chr(34), *written])})"
    size = 8 if kind in PIXELS else SIZE
    return f"x : Image[3, {size}, {size}]\nx ~ {factors.format(call)}\n"


def shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def drawn(
    text: str, kind: str, inputs: Mapping[str, Tensor] | None = None, **options: Any
) -> tuple[Run, Tensor, list[float]]:
    """A run by Euler steps, with the noise that it began with and its times."""
    inputs = pictures(kind) if inputs is None else inputs
    plan = poedsl.compile(text).with_options(
        **{
            "particles": COUNT,
            "steps": STEPS,
            "kernel": "none",
            "move": "ode()",
            "correct": "none()",
            **options,
        }
    )
    job = Run(plan.bind(**inputs).bound().spec, RunSettings(seed=3))
    stages = job.stages()
    next(stages)
    assert job.population is not None
    start = job.population.particles.x.clone()
    for _ in stages:
        pass
    path = [(s.alpha, s.sigma) for s in job.model.stages]
    return job, start, [sigma / (alpha + sigma) for alpha, sigma in path]


def library(kind: str, start: Tensor, times: list[float]) -> Tensor:
    """The pictures that the library draws from the same noise at the same times."""
    own = tiny_pipelines.pipeline(kind)
    if kind in PIXELS:
        return drawn_from(own, start)
    if isinstance(own.scheduler, FlowMatchEulerDiscreteScheduler):
        start = start * ((1 - times[0]) ** 2 + times[0] ** 2) ** 0.5
        own.scheduler = FixedEuler.from_config(own.scheduler.config)
        own.scheduler.grid = times
    z = start.view(COUNT, *latent_shape(kind))
    return own(
        prompt=PROMPT,
        num_images_per_prompt=COUNT,
        num_inference_steps=STEPS,
        latents=laid_out(kind, z),
        output_type="pt",
        return_dict=False,
        **called(own, height=SIZE, width=SIZE, max_area=SIZE**2, use_resolution_binning=False),
        **ARGUMENTS.get(kind, {}),
        **{n: as_given(p) for n, p in pictures(kind).items()},
    )[0]


def laid_out(kind: str, z: Tensor) -> Tensor:
    """Latents as a pipeline takes them."""
    if kind == "klein":
        return pixel_unshuffle(z, 2)
    return pack(z) if kind in PACKED else z


def called(own: Any, **given: Any) -> dict[str, Any]:
    """The arguments that a pipeline takes."""
    takes = inspect.signature(type(own).__call__).parameters
    return {k: v for k, v in given.items() if k in takes}


def drawn_from(own: Any, start: Tensor) -> Tensor:
    """Pictures that DDIM draws from given noise."""
    noise = start.view(COUNT, 3, 8, 8)
    ddim = DDIMPipeline(own.unet, DDIMScheduler.from_config(own.scheduler.config))
    ddim.set_progress_bar_config(disable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_ddim, "randn_tensor", lambda *args, **kwargs: noise)
        out = ddim(batch_size=COUNT, num_inference_steps=STEPS, output_type="np").images
    return torch.tensor(out).permute(0, 3, 1, 2)


def latent_shape(kind: str) -> tuple[int, int, int]:
    return (4, 16, 16) if kind == "sana" else (4, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny_pipelines.KINDS)
def test_a_product_to_the_powers_of_one_half_is_the_librarys_picture(
    kind: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(SIZE, SIZE)])
    job, start, times = drawn(program(kind, tiny_pipelines.folder(kind, place)), kind)
    mine = job.result().particles["x"].clamp(0, 1)
    theirs = library(kind, start, times)
    assert float(mine.std()) > 0.01
    torch.testing.assert_close(mine, theirs, atol=ROUNDING.get(kind, 1e-4), rtol=0)


def velocity_by_hand(kind: str) -> tuple[Any, Callable[[Tensor, float], Tensor]]:
    """A pipeline, and its velocity at latents as its network's own calls give it."""
    own = tiny_pipelines.pipeline(kind)
    with torch.no_grad():
        prompts = own.encode_prompt(**called_by(own.encode_prompt, prompt=PROMPT))
    if kind == "sd3":
        tokens, other, pooled, other_pooled = prompts

        def evaluated(z: Tensor, s: float) -> Tensor:
            conditional, unconditional = (
                own.transformer(
                    hidden_states=z,
                    timestep=torch.full((len(z),), 1000 * s),
                    encoder_hidden_states=e.expand(len(z), -1, -1),
                    pooled_projections=p.expand(len(z), -1),
                    return_dict=False,
                )[0]
                for e, p in ((tokens, pooled), (other, other_pooled))
            )
            return unconditional + 7 * (conditional - unconditional)

        return own, evaluated
    tokens, other = prompts[0], own.encode_prompt(prompt="")[0]
    ids = own._prepare_text_ids(tokens)
    places = own._prepare_latent_ids(torch.zeros(1, 16, 4, 4))

    def packed(z: Tensor, s: float) -> Tensor:
        points = pack(z)
        conditional, unconditional = (
            own.transformer(
                hidden_states=points,
                timestep=torch.full((len(z),), s),
                guidance=None,
                encoder_hidden_states=e.expand(len(z), -1, -1),
                txt_ids=ids.expand(len(z), -1, -1),
                img_ids=places.expand(len(z), -1, -1),
                return_dict=False,
            )[0]
            for e in (tokens, other)
        )
        out = unconditional + 4 * (conditional - unconditional)
        return unpack(out, *z.shape[2:])

    return own, packed


def called_by(function: Any, **given: Any) -> dict[str, Any]:
    """Arguments, with a second prompt and a third where a function takes them."""
    takes = inspect.signature(function).parameters
    more = {"prompt_2": PROMPT, "prompt_3": PROMPT}
    return {**given, **{k: v for k, v in more.items() if k in takes}}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sd3", "klein"])
def test_values_and_input_gradients_are_those_of_the_networks_own_calls(
    kind: str, place: Path
) -> None:
    shape = latent_shape(kind)
    expert = expert_of(kind, place)
    _, by_hand = velocity_by_hand(kind)
    z = torch.randn(COUNT, math.prod(shape), generator=torch.Generator().manual_seed(2))
    found = []
    for velocity in (expert.velocity, lambda x, s: by_hand(x.view(-1, *shape), s).flatten(1)):
        point = z.clone().requires_grad_()
        value = velocity(point, 0.55)
        found.append((value.detach(), torch.autograd.grad(value.square().sum(), point)[0]))
    (value, gradient), (wanted, wanted_gradient) = found
    torch.testing.assert_close(value, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, wanted_gradient, atol=1e-4, rtol=1e-4)


def expert_of(kind: str, place: Path, profile: Profile = PROFILE, **given: Any) -> Any:
    folder = tiny_pipelines.folder(kind, place)
    return pipeline_flow(folder, latent_shape(kind), CPU, profile, **{"prompt": PROMPT, **given})


@pytest.mark.parametrize("kind", ["qwen", "sd"])
def test_a_batch_is_its_rows_for_any_number_of_particles(kind: str, place: Path) -> None:
    expert = expert_of(kind, place)
    x = torch.randn(3, math.prod(latent_shape(kind)), generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        batch = expert.noised(x, 0.6, 0.8).score
        for size in (1, 2):
            rows = torch.cat([expert.noised(r, 0.6, 0.8).score for r in x.split(size)])
            torch.testing.assert_close(batch, rows, atol=1e-4, rtol=1e-4)
        again = expert.noised(x, 0.6, 0.8).score
    torch.testing.assert_close(again, batch, atol=1e-6, rtol=0)


def test_gradients_and_values_alternate_in_one_call(place: Path) -> None:
    expert = expert_of("sd3", place)
    z = torch.randn(1, math.prod(latent_shape("sd3")), generator=torch.Generator().manual_seed(5))
    point = z.clone().requires_grad_()
    first = expert.velocity(point, 0.7)
    with torch.no_grad():
        assert not expert.velocity(point, 0.3).requires_grad
    (gradient,) = torch.autograd.grad(first.sum(), point)
    (again,) = torch.autograd.grad(expert.velocity(point, 0.7).sum(), point)
    torch.testing.assert_close(gradient, again, atol=0, rtol=0)


def test_calls_of_the_network_are_counted(place: Path) -> None:
    assert expert_of("sd", place).calls_per_evaluation == 2
    assert expert_of("sd", place, guidance_scale=1.0).calls_per_evaluation == 1


def test_torchs_own_generator_is_left_alone(place: Path) -> None:
    tiny_pipelines.folder("sd3", place)
    state = torch.random.get_rng_state()
    expert = expert_of("sd3", place)
    with torch.no_grad():
        expert.velocity(torch.zeros(2, math.prod(latent_shape("sd3"))), 0.5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_half_precision_is_that_of_the_expert_of_the_language(place: Path) -> None:
    folder, shape = tiny.folder("flux", place), latent_shape("flux")
    profile = Profile(dtype="bfloat16")
    mine = pipeline_flow(folder, shape, CPU, profile, prompt=PROMPT, max_sequence_length=16)
    own = FluxFlow(PROMPT, folder, shape, CPU, profile)
    z = torch.randn(COUNT, math.prod(shape), generator=torch.Generator().manual_seed(6))
    times = mine.times(4, shape, snaps=True)
    assert times == pytest.approx(own.times(4, shape, snaps=True), abs=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(
            mine.velocity(z, times[1]), own.velocity(z, times[1]), atol=2e-2, rtol=2e-2
        )


@pytest.mark.slow
def test_a_call_that_has_made_its_steps_is_begun_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = torch.randn(1, math.prod(latent_shape("sd3")), generator=torch.Generator().manual_seed(8))
    wanted = expert_of("sd3", place).velocity(z, 0.4)
    monkeypatch.setattr(experts_pipeline, "LENGTH", 3)
    expert = expert_of("sd3", place)
    for _ in range(7):
        torch.testing.assert_close(expert.velocity(z, 0.4), wanted, atol=1e-6, rtol=0)


def threads() -> set[threading.Thread]:
    """Those in which pipelines are called."""
    return {t for t in threading.enumerate() if t.name == "poedsl-pipeline"}


def ended(before: set[threading.Thread]) -> bool:
    """Whether no other threads are left; one in which a call was freed ends by itself, and may
    have held others until then.
    """
    for _ in range(100):
        gc.collect()
        for thread in threads() - before:
            thread.join(timeout=0.1)
        if threads() <= before:
            return True
    return False


@pytest.mark.slow
def test_calls_end_with_the_run(place: Path) -> None:
    folder = tiny_pipelines.folder("lumina2", place)
    gc.collect()
    before = threads()
    text = program("lumina2", folder, "{0}")
    poedsl.compile(text).run(particles=2, steps=2, kernel="none")
    assert ended(before)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flux", "qwen", "sd"])
def test_rewards_parts_and_masks_on_latents(kind: str, place: Path) -> None:
    folder = tiny_pipelines.folder(kind, place)
    call = f'pipeline("{folder}", prompt = "{PROMPT}")'
    text = (
        "input hole : Mask[32, 32]\nx : Image[3, 32, 32]\n"
        f"x ~ {call} * {call}^hole * exp(3 * mean(x))\n"
        f"x[box(0, 0, 0.5, 1)] ~ {call} given x\n"
    )
    hole = torch.zeros(32, 32)
    hole[:16] = 1
    plan = poedsl.compile(text).bind(hole=hole)
    result = plan.run(particles=3, steps=2, kernel="none", correct="none()", microbatch=2)
    assert result.particles["x"].shape == (3, 3, 32, 32)
    assert bool(result.particles["x"].isfinite().all())


@pytest.mark.slow
def test_a_reward_raises_what_it_rewards(place: Path) -> None:
    folder = tiny_pipelines.folder("sd3", place)
    means = []
    for factors in ("{0}", "{0} * exp(200 * mean(x))"):
        result = poedsl.compile(program("sd3", folder, factors)).run(
            particles=4, steps=4, kernel="none", correct="none()"
        )
        means.append(float(result.particles["x"].mean()))
    assert means[1] > means[0]


@pytest.mark.slow
def test_a_pipeline_and_an_expert_of_the_language_share_a_latent_space(place: Path) -> None:
    folder = tiny_pipelines.folder("kontext", place)
    flux = tiny.folder("flux", place)
    plan = poedsl.compile(
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{flux}") * pipeline("{folder}", "a")\n'
    )
    assert plan.run(particles=1, steps=2, kernel="none").particles["x"].shape == (1, 3, 32, 32)
    other = tiny_pipelines.folder("sd", place)
    with refused("P0313"):
        poedsl.compile(
            f'x : Image[3, 32, 32]\nx ~ pipeline("{other}", "a") * pipeline("{folder}", "a")\n'
        ).run(particles=1, steps=2)


# What is refused, and what is warned of.


@pytest.mark.slow
def test_a_prompt_that_is_cut_is_warned_of(place: Path) -> None:
    folder = tiny_pipelines.folder("sd", place)
    text = f'x : Image[3, 32, 32]\nx ~ pipeline("{folder}", "{"a red cat " * 20}")\n'
    result = poedsl.compile(text).run(particles=1, steps=2, kernel="none")
    (found,) = [w for w in result.warnings if w.code == "P1022"]
    assert {"tokenizer"} <= quoted(found)


def test_what_the_library_warns_of_is_a_warning_of_the_run(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_pipelines.folder("qwen", place)
    text = f'x : Image[3, 32, 32]\nx ~ pipeline("{folder}", "a", true_cfg_scale = 3)\n'
    capfd.readouterr()
    result = poedsl.compile(text).run(particles=1, steps=2, kernel="none")
    assert [w.code for w in result.warnings].count("P1024") == 1
    assert "true_cfg_scale" not in capfd.readouterr().err


def test_weights_that_are_missing_are_an_error(place: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_pipelines.folder("sd3", place), tmp_path / "sd3")
    file = folder / "text_encoder_2" / "model.safetensors"
    tensors = load_file(file)
    tensors.popitem()
    save_file(tensors, file, {"format": "pt"})
    with refused("P0206") as found:
        expert_of("sd3", tmp_path)
    assert "text_encoder_2" in found[0].message


def test_an_error_in_a_pipeline_names_its_folder(place: Path) -> None:
    with refused("P0206") as found:
        expert_of("sd3", place, max_sequence_length=10_000)
    assert str(place) in found[0].message


@pytest.mark.slow
def test_calls_end_with_a_run_that_fails(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_pipelines.folder("sd3", place)
    plan = poedsl.compile(program("sd3", folder, "{0}"))
    gc.collect()
    before, seen = threads(), []
    forward = SD3Transformer2DModel.forward

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        if len(seen) > 4:
            raise RuntimeError("out of order")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(SD3Transformer2DModel, "forward", failing)
    with refused("P0206") as found:
        plan.run(particles=2, steps=4, kernel="none")
    assert folder in found[0].message and "out of order" in found[0].message
    assert ended(before)


def test_a_pipeline_that_remembers_its_steps_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, seen = SD3Transformer2DModel.forward, []

    def drifting(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return (forward(self, *args, **kwargs)[0] * len(seen),)

    monkeypatch.setattr(SD3Transformer2DModel, "forward", drifting)
    with refused("P0211"):
        expert_of("sd3", place)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scheduler": ["diffusers", "EDMEulerScheduler"]}, "EDMEulerScheduler"),
        ({"wrong": 3}, "wrong"),
        ({"text_encoder": ["some_code", "Encoder"]}, "some_code"),
    ],
)
def test_folders_that_are_not_followed_are_refused(
    options: dict[str, Any], named: str, place: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_pipelines.folder("sd", place), tmp_path / "sd")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, **options}))
    if "scheduler" in options:
        EDMEulerScheduler().save_pretrained(folder / "scheduler")
    with refused("P0206") as found:
        expert_of("sd", tmp_path)
    assert named in found[0].message


def test_options_of_exchanged_schedulers_have_no_effect(place: Path, tmp_path: Path) -> None:
    """As the configuration of SDXL's scheduler has some of PNDM and DDIM."""
    folder = Path(shutil.copytree(tiny_pipelines.folder("sdxl", place), tmp_path / "sdxl"))
    file = folder / "scheduler" / "scheduler_config.json"
    options = {"clip_sample": False, "skip_prk_steps": True, "set_alpha_to_one": False}
    file.write_text(json.dumps({**json.loads(file.read_text()), **options}))
    expert_of("sdxl", tmp_path)
    file.write_text(json.dumps({**json.loads(file.read_text()), "of_none": 1}))
    with refused("P0206") as found:
        expert_of("sdxl", tmp_path)
    assert "of_none" in quoted(found[0])


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("StableDiffusionXLInpaintPipeline", "init_mask"),
        ("FluxImg2ImgPipeline", "starts"),
        ("LTX2Pipeline", "audio_latents"),
        ("HunyuanVideoFramepackPipeline", "loops within each other"),
        ("WanVideoToVideoPipeline", "video"),
        ("CogVideoXPipeline", "more than one"),
        ("TextToVideoSDPipeline", "overwrites"),
        ("AnimateDiffPipeline", "loops within each other"),
        ("MarigoldDepthPipeline", "loops within each other"),
        ("StableUnCLIPPipeline", "several loops"),
        ("KandinskyV22Pipeline", "image_embeds"),
        ("StableDiffusionPAGPipeline", "attn_processors"),
        ("Flux2KleinKVPipeline", "kv_cache"),
        ("LatentConsistencyModelPipeline", "more than one"),
    ],
)
def test_classes_whose_loop_gives_no_velocity_are_refused(
    kind: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "model_index.json").write_text(
        json.dumps({"_class_name": kind, "vae": ["diffusers", "AutoencoderKL"]})
    )
    compiled = compile_source(Source('x ~ pipeline(".")'), base=tmp_path)
    (found,) = compiled.diagnostics
    assert found.code == "P0211"
    assert why in found.message


def test_without_the_library_a_command_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tiny_pipelines.folder("sd", place))
    monkeypatch.setattr(pipeline_calls, "find_spec", lambda name: None)
    (found,) = compile_source(Source(f'x ~ pipeline("{folder}", "a")')).diagnostics
    assert found.code == "P0703"
    assert any("pip install" in note for note in found.notes)


@pytest.mark.slow
def test_use_and_pipeline_name_the_same_expert(place: Path) -> None:
    folder = tiny_pipelines.folder("aura", place)
    results = [
        poedsl.compile(text).run(particles=1, steps=2, kernel="none", seed=1).particles["x"]
        for text in (
            f'x : Image[3, 32, 32]\nx ~ pipeline("{folder}", "a")\n',
            f'use painter from "{folder}"\nx : Image[3, 32, 32]\nx ~ painter(prompt = "a")\n',
        )
    ]
    assert torch.equal(*results)
    plan = poedsl.compile(f'x : Image[3, 32, 32]\nx ~ pipeline("{folder}", "a")\n')
    assert parse_plan(str(plan)) == plan.spec
    assert poedsl.load(plan.to_json()).spec == plan.spec


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("Tried to allocate 2 GiB"), ValueError("an odd size")]
)
def test_why_a_call_decodes_no_latents_is_said(
    error: Exception, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lack of memory is raised as it is."""

    def failing(*_: Any) -> Tensor:
        raise error

    codec = PipelineCodec(tiny_pipelines.folder("sana", place), CPU, PROFILE)
    monkeypatch.setattr(codec, "_pictures", failing)
    latents = torch.zeros(1, codec.channels, 4, 4, dtype=torch.float32)
    if isinstance(error, ValueError):
        with refused("P0206") as errors:
            codec.decode(latents)
        assert any("an odd size" in note for note in errors[0].notes)
    else:
        with pytest.raises(torch.OutOfMemoryError):
            codec.decode(latents)
