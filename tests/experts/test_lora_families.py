"""LoRAs of every family: experts have the network of the library after `load_lora_weights`."""

from __future__ import annotations

import copy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_kontext
from safetensors.torch import save_file
from torch import Tensor

from poedsl.catalog.adapters import find_loras
from poedsl.catalog.profiles import Profile
from poedsl.catalog.registry import SIGNATURES
from poedsl.experts.loading.load_warnings import collected
from tests.experts import tiny, tiny_stable_diffusion, tiny_transformers
from tests.experts.test_lora import low_rank, merged, of_pipeline

pytest.importorskip("peft")

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
SHAPE = (4, 8, 8)
POINT = torch.randn(2, 256, generator=torch.Generator().manual_seed(1))
_IMAGE = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2))
_MASKED = {"mask": (_IMAGE[0] > 0.5).float(), "image": _IMAGE}
#: The conditions of experts.
CONDITIONS: dict[str, dict[str, Tensor]] = {
    "flux_canny": {"edges": _MASKED["mask"]},
    "flux_controlnet": {"control": _IMAGE},
    "flux_kontext": {"image": _IMAGE},
    "qwen_controlnet": {"control": _IMAGE},
    "qwen_fill": _MASKED,
    "sd_controlnet": {"control": _IMAGE},
    "sd_inpaint": _MASKED,
    "sdxl_controlnet": {"control": _IMAGE},
    "sdxl_inpaint": _MASKED,
}
FAMILIES: tuple[Any, ...] = (tiny, tiny_transformers, tiny_stable_diffusion)
#: One expert of each pipeline, but for those of other tests.
KINDS = [
    (family, kind)
    for family in FAMILIES
    for kind in family.PIPELINES
    if kind not in ("flux", "flux_schnell", "flux_depth", "flux_fill")
]


@pytest.fixture(autouse=True)
def small_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(32, 32)])


def expert(kind: str, folder: str, lora: Path | None = None) -> Any:
    name = kind.replace("distilled", "klein")
    module, _, made = SIGNATURES[name].implementation.partition(":")
    options: dict[str, Any] = dict(CONDITIONS.get(kind, {}))
    if kind == "flux2_distilled":
        options["guidance"] = 1.0
    if lora is not None:
        options["loras"] = find_loras(name, f"{lora}:0.8")
    return getattr(import_module(module), made)("a cat", folder, SHAPE, CPU, PROFILE, **options)


@torch.no_grad()
@pytest.mark.parametrize(("family", "kind"), KINDS, ids=[kind for _, kind in KINDS])
def test_scores_are_those_of_the_library_s_network(
    family: Any, kind: str, place: Path, tmp_path: Path
) -> None:
    own, folder = family.pipeline(kind), family.folder(kind, place)
    part = "unet" if hasattr(own, "unet") else "transformer"
    network = getattr(own, part)
    layers = tuple(n for n, _ in network.named_modules() if n.endswith((".to_k", ".to_out.0")))
    weights = of_pipeline(low_rank(network, 3, layers), part)
    save_file(weights, tmp_path / "style.safetensors")
    plain = expert(kind, folder).noised(POINT, 0.6, 0.8).score
    with collected() as warnings:
        found = expert(kind, folder, tmp_path / "style.safetensors")
    assert warnings == []
    own.load_lora_weights(tmp_path, weight_name="style.safetensors", adapter_name="style")
    own.set_adapters(["style"], [0.8])
    library = copy.copy(found)
    library.net = getattr(own, part)
    expected = library.noised(POINT, 0.6, 0.8).score
    torch.testing.assert_close(found.noised(POINT, 0.6, 0.8).score, expected, atol=1e-5, rtol=1e-5)
    assert float((expected - plain).abs().max()) > 1e-2


@torch.no_grad()
@pytest.mark.parametrize(("kind", "encoder"), [("sd", "lora_te"), ("sdxl", "lora_te1")])
def test_what_kohya_s_scripts_train_is_applied(
    kind: str, encoder: str, place: Path, tmp_path: Path
) -> None:
    unet = tiny_stable_diffusion.pipeline(kind).unet
    layers = tuple(n for n, _ in unet.named_modules() if n.endswith(".to_k"))
    weights, kohya = low_rank(unet, 8, layers), {}
    for name, weight in weights.items():
        layer, end = name.replace(".", "_").rsplit("_lora_", 1)
        side = "down" if end.startswith("A") else "up"
        kohya[f"lora_unet_{layer}.lora_{side}.weight"] = weight
        kohya[f"lora_unet_{layer}.alpha"] = torch.tensor(2.0)
    for layer in ("q_proj", "out_proj"):
        beside = f"{encoder}_text_model_encoder_layers_0_self_attn_{layer}"
        kohya[f"{beside}.lora_down.weight"] = torch.ones(4, 32)
        kohya[f"{beside}.lora_up.weight"] = torch.ones(32, 4)
        kohya[f"{beside}.alpha"] = torch.tensor(4.0)
    save_file(kohya, tmp_path / "style.safetensors")
    folder = tiny_stable_diffusion.folder(kind, place)
    with collected() as warnings:
        found = expert(kind, folder, tmp_path / "style.safetensors")
    assert not warnings
    own = copy.copy(found)
    own.net = merged(unet, weights, 0.8 * 2 / 4)
    expected = own.noised(POINT, 0.6, 0.8).score
    torch.testing.assert_close(found.noised(POINT, 0.6, 0.8).score, expected, atol=1e-4, rtol=1e-4)


def test_every_model_in_a_latent_space_takes_loras() -> None:
    latent = [s for s in SIGNATURES.values() if s.requires == "diffusers" and s.space]
    assert {s.name for s in latent if s.parameter("lora") is None} == {
        "wan_t2v",
        "wan_i2v",
        "wan_depth",
        "framepack",
    }
