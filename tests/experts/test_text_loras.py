"""LoRAs of text encoders, against `load_lora_weights` of diffusers, with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from poedsl.catalog.adapters import Lora, find_loras
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.stable_diffusion import StableDiffusion, StableDiffusionXL
from poedsl.experts.loading.load_warnings import LoadWarning, collected
from tests.diagnostics import refused
from tests.experts import tiny
from tests.experts import tiny_stable_diffusion as tiny_sd
from tests.experts.model_folders import CPU, PROFILE
from tests.experts.test_lora import low_rank, of_pipeline

pytest.importorskip("peft")
TEXT = "a red cat"
LAYERS = ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")
UNET = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
FLUX = "transformer_blocks.0.attn.to_q"
KINDS: dict[str, tuple[type[Any], Callable[[Path], str], Callable[[], Any]]] = {
    "flux": (FluxFlow, lambda place: tiny.folder("flux", place), lambda: tiny.pipeline("flux")),
    "sd": (
        StableDiffusion,
        lambda place: tiny_sd.folder("sd", place),
        lambda: tiny_sd.pipeline("sd"),
    ),
    "sdxl": (
        StableDiffusionXL,
        lambda place: tiny_sd.folder("sdxl", place),
        lambda: tiny_sd.pipeline("sdxl"),
    ),
}


def weights_for(pipeline: Any, seed: int) -> dict[str, Tensor]:
    """A LoRA of the denoiser and of every text encoder that the library adds one to."""
    flux = hasattr(pipeline, "transformer")
    net = pipeline.transformer if flux else pipeline.unet
    part, place = ("transformer", FLUX) if flux else ("unet", UNET)
    out = of_pipeline(low_rank(net, seed, (place,)), part)
    encoders = ("text_encoder", "text_encoder_2")
    for name in encoders[: 2 if not flux and hasattr(pipeline, "text_encoder_2") else 1]:
        encoder = getattr(pipeline, name)
        inner = getattr(encoder, "text_model", encoder)
        places = tuple(f"encoder.layers.0.{layer}" for layer in LAYERS)
        own = low_rank(inner, seed + 1, places)
        out |= {f"{name}.text_model.{n}": w for n, w in own.items()}
    return out


def flow(kind: str, place: Path, loras: tuple[Lora, ...]) -> Any:
    made, folder, _ = KINDS[kind]
    return made(TEXT, folder(place), (4, 8, 8), CPU, PROFILE, loras=loras)


def conditions(made: Any) -> tuple[Tensor, ...]:
    if hasattr(made, "tokens"):
        return made.tokens, made.pooled
    return tuple(made.encoded(TEXT))


def by_library(pipeline: Any) -> tuple[Tensor, ...]:
    """The embeddings of the prompt, without those of the empty one."""
    if hasattr(pipeline, "transformer"):
        return tuple(pipeline.encode_prompt(TEXT, TEXT, max_sequence_length=16)[:2])
    if not hasattr(pipeline, "text_encoder_2"):
        return (pipeline.encode_prompt(TEXT, CPU, 1, do_classifier_free_guidance=False)[0],)
    out = pipeline.encode_prompt(TEXT, device=CPU, do_classifier_free_guidance=False)
    return out[0], out[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_prompts_are_the_library_s(kind: str, place: Path, tmp_path: Path) -> None:
    pipeline = KINDS[kind][2]()
    for seed, name in ((1, "a"), (5, "b")):
        save_file(weights_for(pipeline, seed), tmp_path / f"{name}.safetensors")
    loras = find_loras(kind, "a.safetensors:0.7, b.safetensors:-0.4", tmp_path)
    with collected() as found:
        ours, plain = (conditions(flow(kind, place, used)) for used in (loras, ()))
    assert not found
    for name in "ab":
        pipeline.load_lora_weights(
            str(tmp_path), weight_name=f"{name}.safetensors", adapter_name=name
        )
    pipeline.set_adapters(["a", "b"], [0.7, -0.4])
    with torch.no_grad():
        theirs = by_library(pipeline)
    for mine, own in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, own)
    assert not torch.allclose(ours[-1], plain[-1], rtol=0.01)


def one_of(tmp_path: Path, change: Callable[[dict[str, Tensor]], object]) -> tuple[Lora, ...]:
    path = tmp_path / "x.safetensors"
    save_file(weights_for(KINDS["sd"][2](), 1), path)
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    return find_loras("sd", "x.safetensors", tmp_path)


def test_an_encoder_without_a_lora_is_shared(place: Path, tmp_path: Path) -> None:
    def without(weights: dict[str, Tensor]) -> None:
        for name in [n for n in weights if n.startswith("text_encoder")]:
            del weights[name]

    made = flow("sd", place, one_of(tmp_path, without))
    assert made.loras == () and conditions(made)[0] is conditions(flow("sd", place, ()))[0]


@pytest.mark.parametrize("last", ["lora_A", "lora_B"])
@pytest.mark.parametrize("lost", [True, False])
def test_weights_of_an_encoder_that_are_not_as_they_should_be(
    last: str, lost: bool, place: Path, tmp_path: Path
) -> None:
    name = f"text_encoder.text_model.encoder.layers.0.mlp.fc1.{last}.weight"

    def damage(weights: dict[str, Tensor]) -> None:
        weight = weights.pop(name)
        if not lost:
            weights[name] = weight[:, :-1].contiguous()

    with refused("P0206"):
        flow("sd", place, one_of(tmp_path, damage))


def test_weights_of_layers_that_an_encoder_lacks_are_warned_of(place: Path, tmp_path: Path) -> None:
    name = "text_encoder.text_model.encoder.layers.7.mlp.fc1.lora_{}.weight"

    def add(weights: dict[str, Tensor]) -> None:
        weights[name.format("A")] = torch.zeros(4, 32)
        weights[name.format("B")] = torch.zeros(32, 4)

    def found() -> list[LoadWarning]:
        with collected() as warnings:
            flow("sd", place, loras)
        return warnings

    loras = one_of(tmp_path, add)
    (warning,) = set(found())
    assert warning.code == "P1020" and "layers.7" in warning.message
