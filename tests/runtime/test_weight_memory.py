"""Weights that are counted before they are loaded are those that are loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.weight_counts import WeightCount, network_parts, pipeline_parts
from poedsl.runtime.build.weight_memory import memory_lines
from poedsl.runtime.core.cost import in_words
from poedsl.runtime.core.run_settings import RunSettings
from tests.experts import tiny, tiny_rewards, tiny_stable_diffusion, tiny_transformers, tiny_words

CPU = torch.device("cpu")
#: Pipelines whose text encoders and networks all have weights.
PIPELINES: dict[str, Callable[[], Any]] = {
    "flux": lambda: tiny.pipeline("flux"),
    "sd": lambda: tiny_stable_diffusion.pipeline("sd"),
    "sdxl": lambda: tiny_stable_diffusion.pipeline("sdxl"),
    "sd3": lambda: tiny_stable_diffusion.pipeline("sd3"),
    "qwen_image": lambda: tiny_transformers.pipeline("qwen_image"),
    "z_image": lambda: tiny_transformers.pipeline("z_image"),
    "flux2": lambda: tiny_transformers.pipeline("flux2"),
}


def numbers(network: Any) -> int:
    """Floats of a network, each tensor once."""
    state = network.state_dict(keep_vars=True).values()
    return sum(v.numel() for v in {id(v): v for v in state}.values() if v.is_floating_point())


@pytest.mark.parametrize("kind", PIPELINES)
def test_parameters_of_a_pipeline_are_those_of_its_networks(kind: str, tmp_path: Path) -> None:
    own = PIPELINES[kind]()
    own.save_pretrained(tmp_path)
    counted = pipeline_parts(tmp_path, whole=False, controlnet=False)
    networks = {n: m for n, m in own.components.items() if isinstance(m, torch.nn.Module)}
    assert {c.name: c.parameters for c in counted} == {n: numbers(m) for n, m in networks.items()}


def test_parameters_of_networks_alone(tmp_path: Path) -> None:
    tiny_words.causal(tmp_path / "words", end="<end>", layers=1, width=8)
    tiny_rewards.clip(tmp_path / "clip")
    from transformers import AutoModelForCausalLM, CLIPModel

    for name, kind in (("words", AutoModelForCausalLM), ("clip", CLIPModel)):
        (counted,) = network_parts(tmp_path / name)
        loaded: Any = kind.from_pretrained(tmp_path / name)
        assert counted.parameters == sum(p.numel() for p in loaded.parameters())


def test_bytes() -> None:
    network = WeightCount(Path(), "vae", matrices=100, vectors=10)
    assert network.size(2) == 220
    assert network.size(2, stored=1) == 120
    assert WeightCount(Path(), "vae", 100, 10, upcast=True).size(2) == 440


def lines(program: str, base: Path, profile: Profile | None = None) -> list[str]:
    settings = RunSettings(folder=base, profile=profile or Profile())
    return list(memory_lines(poedsl.compile(program).spec, settings))


@pytest.fixture
def flux(tmp_path: Path) -> tuple[Path, int, int]:
    """A folder with `m`, and the floats of its networks and of its text encoders."""
    own = tiny.pipeline("flux")
    own.save_pretrained(tmp_path / "m")
    texts = numbers(own.text_encoder) + numbers(own.text_encoder_2)
    return tmp_path, numbers(own.transformer) + numbers(own.vae), texts


def of_all(text: str) -> float:
    """The bytes that a summary states."""
    found = re.search(r"weights on cpu: (?:at least )?([\d.]+) (kB|MB|GB)", text)
    assert found
    return float(found[1]) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}[found[2]]


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2)])
def test_experts_that_share_networks_are_counted_once(
    flux: tuple[Path, int, int], dtype: Any, width: int
) -> None:
    base, networks, texts = flux
    two = 'x : Image[3, 32, 32]\nx ~ flux("a", model = "m") * flux("b", model = "m")'
    first, *rest = lines(two, base, Profile(dtype=dtype))
    assert first.startswith("flux: ")
    assert dtype in first
    assert sum(line.startswith("flux") for line in rest) == 0
    assert abs(of_all(rest[0]) - width * (networks + texts)) <= 0.5e6


def test_weights_that_are_not_here(tmp_path: Path) -> None:
    first, *rest = lines('x : Image[3, 32, 32]\nx ~ flux("a")', tmp_path)
    assert "34 GB" in first
    assert not any("weights on" in line for line in rest)


def test_damaged_files(flux: tuple[Path, int, int]) -> None:
    base, _, _ = flux
    (base / "m/vae/diffusion_pytorch_model.safetensors").write_bytes(b"damaged")
    first, *_ = lines('x : Image[3, 32, 32]\nx ~ flux("a", model = "m")', base)
    assert first.startswith("flux: not counted")


def test_keys_of_particles(tmp_path: Path) -> None:
    tiny_words.causal(tmp_path / "w", end="<end>", layers=3, width=8)
    program = 'y : Tokens[5]\ny ~ lm("w", "ab")\nsample y by anneal(particles = 1000)'
    _, keys, *_ = lines(program, tmp_path)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(tmp_path / "w")
    own = config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
    assert in_words(2 * 3 * own * 4 * 5 * 1000) in keys
