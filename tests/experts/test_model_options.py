"""Options of networks and schedulers are followed or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.diagnostics import refused
from tests.experts import tiny
from tests.experts.model_folders import CPU, copy, edit, flux, judged, unet, warnings_of
from tests.experts.test_rewards import KINDS


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


def test_noise_levels_of_ddim_are_followed(tmp_path: Path) -> None:
    from diffusers import DDIMScheduler

    folder = Path(tiny.unet_folder(tmp_path))
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", prediction_type="epsilon", clip_sample=False
    )
    scheduler.save_pretrained(folder / "scheduler")
    with refused("P0206"):
        unet(folder)
    edit(folder / "model_index.json", scheduler=["diffusers", "DDIMScheduler"])
    sigmas = torch.tensor(unet(folder).scheduler.sigmas)
    expected = (1 - scheduler.alphas_cumprod.double()).sqrt().float()
    torch.testing.assert_close(sigmas, expected, rtol=0, atol=1e-7)


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
    assert found.code == "P1023" and found.data["timestep_spacing"] == "trailing"


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


@pytest.mark.parametrize("numbers", [[0.5] * 4, [[0.5] * 3], ["x"] * 3, None])
@pytest.mark.parametrize("option", ["image_mean", "image_std"])
def test_a_judge_that_normalises_other_channels_than_three(
    option: str, numbers: object, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    KINDS["clip_flant5"][1](tmp_path / "judge")
    path = tmp_path / "judge" / "vision" / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {option: numbers}))
    with refused("P0206"):
        judged("clip_flant5", tmp_path / "judge")
