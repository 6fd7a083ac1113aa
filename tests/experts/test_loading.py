"""What is loaded from a folder is what its files say, or it is refused or warned of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.unet import VariancePreservingUNet
from poedsl.experts.loading.load_warnings import LoadWarning, collected
from poedsl.experts.rewards.classifier import ClassifierScore
from poedsl.experts.sequences.language_model import LanguageModel
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_words
from tests.experts.test_rewards import KINDS

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
FLUX_PARTS = {
    "text_encoder": "model.safetensors",
    "text_encoder_2": "model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def copy(source: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "model"))


def edit(path: Path, **values: Any) -> None:
    """Change values of a JSON file; None removes one."""
    merged = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in merged.items() if v is not None}))


def rewrite(path: Path, change: Callable[[dict[str, Tensor]], object]) -> str:
    """Change the weights in a file; the name of the one in the middle."""
    weights = load_file(path)
    name = sorted(weights)[len(weights) // 2]
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})
    return name


def drop(weights: dict[str, Tensor]) -> None:
    del weights[sorted(weights)[len(weights) // 2]]


def enlarge(weights: dict[str, Tensor]) -> None:
    weights[sorted(weights)[len(weights) // 2]] = torch.zeros(7)


def add(weights: dict[str, Tensor]) -> None:
    weights["another.weight"] = torch.zeros(2)


def flux(folder: Path) -> FluxFlow:
    return FluxFlow("a red cat", str(folder), (tiny.LATENTS, 8, 8), CPU, PROFILE)


def unet(folder: Path) -> VariancePreservingUNet:
    return VariancePreservingUNet(str(folder), (3, 8, 8), CPU, PROFILE, label=0)


def words(folder: Path, prompt: str = "ab") -> LanguageModel:
    return LanguageModel(prompt, folder=str(folder), profile=PROFILE, device=CPU)


def warnings_of(make: Callable[[], object]) -> list[LoadWarning]:
    with collected() as found:
        make()
    return found


# Weights.


@pytest.mark.parametrize("part", FLUX_PARTS)
@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_flux_that_is_not_as_it_should_be_is_named(
    part: str, change: Callable[[dict[str, Tensor]], None], place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    name = rewrite(folder / part / FLUX_PARTS[part], change)
    with refused("P0206") as errors:
        flux(folder)
    assert name in quoted(errors[0]) and f"{part}/" in errors[0].message


@pytest.mark.parametrize("part", FLUX_PARTS)
def test_weights_without_use_are_warned_of_each_time(
    part: str, place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    rewrite(folder / part / FLUX_PARTS[part], add)
    for _ in range(2):
        (found,) = warnings_of(lambda: flux(folder))
        assert found.code == "P1030" and "another.weight" in found.message
        assert str(folder / part) in found.message


@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_a_unet_that_is_not_as_it_should_be_is_named(
    change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    folder = Path(tiny.unet_folder(tmp_path))
    name = rewrite(folder / "unet" / "diffusion_pytorch_model.safetensors", change)
    with refused("P0206") as errors:
        unet(folder)
    assert name in quoted(errors[0])


def judged(kind: str, folder: Path) -> Any:
    make, _, own, _ = KINDS[kind]
    return make(**own, folder=str(folder), device=CPU, profile=PROFILE)


@pytest.mark.parametrize("change", [drop, enlarge])
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_a_judge_that_is_not_as_it_should_be_is_named(
    kind: str, change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    KINDS[kind][1](tmp_path / "judge")
    assert not warnings_of(lambda: judged(kind, tmp_path / "judge"))
    for path in sorted((tmp_path / "judge").rglob("*.safetensors")):
        before = path.read_bytes()
        name = rewrite(path, change)
        with refused("P0206") as errors:
            judged(kind, tmp_path / "judge")
        if "ImageReward" not in path.name:
            last = name.rpartition(".")[0].rpartition(".")[2]
            assert last in errors[0].message
        path.write_bytes(before)


@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_a_language_model_or_classifier_that_is_not_as_it_should_be_is_named(
    change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    name = rewrite(folder / "model.safetensors", change)
    with refused("P0206") as errors:
        words(folder)
    assert name in quoted(errors[0])
    classifier = copy("models/digit_score", tmp_path)
    name = rewrite(classifier / "model.safetensors", change)
    with refused("P0206") as errors:
        ClassifierScore(str(classifier), 3, CPU)
    assert name in quoted(errors[0])


def test_tied_weights_may_be_absent(tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "gpt2", kind="gpt2", layers=1, width=8))
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert not warnings_of(lambda: words(folder))
    edit(folder / "config.json", tie_word_embeddings=False)
    with refused("P0206") as errors:
        words(folder)
    assert "lm_head.weight" in quoted(errors[0])


def shard(path: Path) -> Path:
    """Split a file of weights in two, with an index; the path of the index."""
    weights = load_file(path)
    names = sorted(weights)
    stem = path.name.removesuffix(".safetensors")
    halves = {f"{stem}-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
    for file, own in halves.items():
        save_file({k: weights[k] for k in own}, path.parent / file, metadata={"format": "pt"})
    path.unlink()
    index = path.parent / f"{path.name}.index.json"
    listed = {k: file for file, own in halves.items() for k in own}
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}))
    return index


@pytest.mark.parametrize("part", FLUX_PARTS)
def test_an_index_that_lists_what_its_files_lack_is_refused(
    part: str, place: Path, tmp_path: Path
) -> None:
    source = tiny.folder("flux", place)
    folder = copy(source, tmp_path)
    index = shard(folder / part / FLUX_PARTS[part])
    z = torch.randn(1, 256, generator=torch.Generator().manual_seed(1))
    whole = flux(Path(source)).velocity(z, 0.5)
    torch.testing.assert_close(flux(folder).velocity(z, 0.5), whole, rtol=0, atol=0)
    name = rewrite(next(index.parent.glob("*00001-of*.safetensors")), drop)
    with refused("P0206") as errors:
        flux(folder)
    assert name in quoted(errors[0])


# Options of networks and schedulers.


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("vae/config.json", {"latents_mean": [0.0, 0.0, 0.0, 0.0]}),
        ("vae/config.json", {"mystery": 1}),
        ("vae/config.json", {"_class_name": "AutoencoderTiny"}),
        ("transformer/config.json", {"mystery": 1}),
        ("transformer/config.json", {"joint_attention_dim": 16}),
        ("scheduler/scheduler_config.json", {"mystery": 1}),
        ("scheduler/scheduler_config.json", {"invert_sigmas": True}),
        ("scheduler/scheduler_config.json", {"stochastic_sampling": True}),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 500}),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchHeunDiscreteScheduler"}),
        ("model_index.json", {"scheduler": ["diffusers", "UniPCMultistepScheduler"]}),
    ],
)
def test_options_of_flux_that_are_not_followed_are_refused(
    part: str, values: dict[str, Any], place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    edit(folder / part, **values)
    with refused("P0206"):
        flux(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"shift_terminal": 0.1},
        {"time_shift_type": "linear"},
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
        {"use_dynamic_shifting": False, "shift": 2.5},
        {"base_shift": 0.2, "max_shift": 2.0, "base_image_seq_len": 16},
    ],
)
def test_times_are_those_of_the_pipelines_scheduler(
    values: dict[str, Any], place: Path, tmp_path: Path
) -> None:
    from diffusers import FluxPipeline

    folder = copy(tiny.folder("flux", place), tmp_path)
    edit(folder / "scheduler" / "scheduler_config.json", **values)
    own = FluxPipeline.from_pretrained(folder, local_files_only=True)
    own.set_progress_bar_config(disable=True)
    own("a", height=32, width=48, num_inference_steps=5, output_type="latent")
    times = flux(folder).times(5, (tiny.LATENTS, 8, 12), snaps=False)
    torch.testing.assert_close(torch.tensor(times), own.scheduler.sigmas, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "values",
    [
        {"num_train_timesteps": 500},
        {"beta_start": 0.001, "beta_end": 0.03},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"rescale_betas_zero_snr": False},
        {"prediction_type": "epsilon", "rescale_betas_zero_snr": False},
        {"prediction_type": "sample"},
        {"clip_sample": True, "clip_sample_range": 0.3},
        {"prediction_type": "epsilon", "clip_sample": True, "rescale_betas_zero_snr": False},
    ],
)
def test_scores_are_those_of_the_scheduler(values: dict[str, Any], tmp_path: Path) -> None:
    from diffusers import DDPMScheduler, UNet2DModel

    folder = Path(tiny.unet_folder(tmp_path))
    edit(folder / "scheduler" / "scheduler_config.json", **values)
    flow = unet(folder)
    scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    own = UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for time in (10, 250, 450):
        kept = float(scheduler.alphas_cumprod[time])
        alpha, sigma = kept**0.5, (1 - kept) ** 0.5
        with torch.no_grad():
            out = own(x, time, class_labels=torch.tensor([0, 0])).sample
            data = scheduler.step(out, time, x).pred_original_sample
            score = flow.noised(x.flatten(1), alpha, sigma).score.view_as(x)
        expected = (alpha * data - x) / sigma**2
        torch.testing.assert_close(score, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "values",
    [
        {"thresholding": True},
        {"variance_type": "learned"},
        {"prediction_type": "flow"},
        {"mystery": 1},
        {"_class_name": "EDMEulerScheduler"},
        {"beta_schedule": "none"},
    ],
)
def test_options_of_a_diffusion_that_are_not_followed_are_refused(
    values: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(tiny.unet_folder(tmp_path))
    edit(folder / "scheduler" / "scheduler_config.json", **values)
    with refused("P0206"):
        unet(folder)


def test_the_spacing_of_steps_is_said_to_have_no_effect(tmp_path: Path) -> None:
    folder = Path(tiny.unet_folder(tmp_path))
    assert not warnings_of(lambda: unet(folder))
    edit(folder / "scheduler" / "scheduler_config.json", timestep_spacing="trailing")
    (found,) = warnings_of(lambda: unet(folder))
    assert found.code == "P1033" and "trailing" in found.message


def test_a_rectified_flow_has_the_times_of_its_scheduler(tmp_path: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    from poedsl.experts.flows.unet import unet_flow
    from poedsl.experts.protocol import Scheduled

    folder = copy("models/digits", tmp_path)
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))

    def built() -> Any:
        return unet_flow(str(folder), 3, (1, 8, 8), CPU)

    plain = built()
    assert not isinstance(plain, Scheduled)
    edit(folder / "scheduler" / "scheduler_config.json", num_train_timesteps=500, shift=3.0)
    shifted = built()
    assert isinstance(shifted, Scheduled)
    torch.testing.assert_close(shifted.velocity(z, 0.8), plain.velocity(z, 0.4))
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    times = torch.tensor(shifted.times(4, (1, 8, 8), snaps=False))
    torch.testing.assert_close(times, scheduler.sigmas, rtol=0, atol=1e-7)
    edit(folder / "scheduler" / "scheduler_config.json", use_dynamic_shifting=True)
    with refused("P0206"):
        built()


# Tokenizers, processors, adapters.


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
def test_flux_without_a_tokenizer_is_refused(part: str, place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    (folder / part / "tokenizer.json").unlink()
    with refused("P0206") as errors:
        flux(folder)
    assert str(folder / part) in errors[0].message
    shutil.rmtree(folder / part)
    with refused("P0206"):
        flux(folder)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_language_model_without_a_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", kind=kind, layers=1, width=8, end="<end>"))
    for path in folder.glob("*token*"):
        path.unlink()
    for prompt in ("", "ab"):
        with refused("P0206"):
            words(folder, prompt)


@pytest.mark.parametrize("kind", sorted(KINDS.keys()))
def test_a_judge_without_a_processor_is_refused(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    KINDS[kind][1](tmp_path / "judge")
    names = ("preprocessor_config.json", "processor_config.json")
    found = [p for name in names for p in (tmp_path / "judge").rglob(name)]
    assert found
    for path in found:
        path.unlink()
    with refused("P0206"):
        judged(kind, tmp_path / "judge")


def test_adapters_are_said(place: Path, tmp_path: Path) -> None:
    low_rank = {"transformer.x.lora_A.weight": torch.zeros(4, 8)}
    folder = copy(tiny.folder("flux", place), tmp_path)
    save_file(low_rank, folder / "style.safetensors")
    (found,) = set(warnings_of(lambda: flux(folder)))
    assert found.code == "P1031" and "style.safetensors" in found.message
    model = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    (model / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with refused("P0206") as errors:
        words(model)
    assert "adapter_config.json" in errors[0].message


def test_warnings_of_loading_are_in_every_result(place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    rewrite(folder / "vae" / FLUX_PARTS["vae"], add)
    program = (
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{folder}")\n'
        "sample x by anneal(particles = 2, steps = 2, kernel = none, move = ode(), "
        "correct = none())\n"
    )
    for _ in range(2):
        result = poedsl.compile(program).run()
        assert [w.code for w in result.warnings].count("P1030") == 1
        assert result.verdict.name == "DOUBTFUL"
