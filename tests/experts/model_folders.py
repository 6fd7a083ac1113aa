"""Folders of tiny models, changes of their files, and what is loaded from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.unet import VariancePreservingUNet
from poedsl.experts.loading.load_warnings import LoadWarning, collected
from poedsl.experts.sequences.language_model import LanguageModel
from tests.experts import tiny
from tests.experts.test_rewards import KINDS

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
FLUX_PARTS = {
    "text_encoder": "model.safetensors",
    "text_encoder_2": "model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
}


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


def judged(kind: str, folder: Path) -> Any:
    make, _, own, _ = KINDS[kind]
    return make(**own, folder=str(folder), device=CPU, profile=PROFILE)


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


def rename_weights(folder: Path, new: str) -> None:
    for path in folder.rglob("*.safetensors"):
        path.rename(path.parent / path.name.replace(".safetensors", new))
