"""Networks with v-prediction against diffusers' own scheduler, and a Gaussian's closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.unet import VariancePreservingUNet
from tests.diagnostics import refused
from tests.experts import tiny

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny.unet_folder(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("time", [999, 700, 100, 1])
def test_endpoints_are_the_schedulers(time: int, folder: str) -> None:
    flow = VariancePreservingUNet(folder, SHAPE, CPU, PROFILE, contents="couch")
    own = UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
    scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(time))
    kept = float(scheduler.alphas_cumprod[time])
    alpha, sigma = math.sqrt(kept), math.sqrt(1 - kept)
    with torch.no_grad():
        v = own(x, time, class_labels=torch.tensor([1, 1])).sample
        wanted = scheduler.step(v, time, x).pred_original_sample
        score = flow.noised(x.flatten(1), alpha, sigma).score.view(-1, *SHAPE)
    if alpha > 0:
        torch.testing.assert_close((x + sigma**2 * score) / alpha, wanted, atol=2e-4, rtol=0)
    torch.testing.assert_close(score, (alpha * wanted - x) / sigma**2, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.3, 0.8, 0.99995])
def test_scores_of_a_gaussian_are_exact(
    sigma: float, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that knows N(0, 4): v = alpha eps - sigma x_1 with both means given x."""
    flow = VariancePreservingUNet(folder, SHAPE, CPU, PROFILE, label=0)
    levels = torch.tensor(flow.scheduler.sigmas)

    def velocity(x: Tensor, time: Tensor, **_: Any) -> tuple[Tensor]:
        low = int(time[0])
        high = min(low + 1, len(levels) - 1)
        g = float(levels[low] + (time[0] - low) * (levels[high] - levels[low]))
        a = math.sqrt(1 - g**2)
        variance = 4 * a**2 + g**2
        return ((a * g - 4 * a * g) / variance * x,)

    monkeypatch.setattr(flow, "unet", velocity)
    alpha = math.sqrt(1 - sigma**2)
    x = 2 * torch.randn(4, 192, generator=torch.Generator().manual_seed(1))
    wanted = -x / (4 * alpha**2 + sigma**2)
    found = flow.noised(x, alpha, sigma).score
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=2e-3)


def test_classes_have_names(folder: str) -> None:
    def build(**chosen: Any) -> VariancePreservingUNet:
        return VariancePreservingUNet(folder, SHAPE, CPU, PROFILE, **chosen)

    assert build(contents="both").label == 2
    assert build().label == 3
    for chosen, name in (({"contents": "sofa"}, "sofa"), ({"label": 7}, "7")):
        with refused("P0206") as errors:
            build(**chosen)
        assert name in errors[0].message


def test_a_product_of_classes_runs(folder: str) -> None:
    program = (
        f'x ~ room("couch", model = "{folder}") * unet(2, model = "{folder}") '
        f'/ room("empty", model = "{folder}")\n'
        "sample x by anneal(particles = 3, steps = 5, move = sde(), correct = fkc())\n"
    )
    result = poedsl.compile(program).run()
    assert result.particles["x"].shape == (3, 3, 8, 8)
    assert bool(torch.isfinite(result.log_weights).all())
