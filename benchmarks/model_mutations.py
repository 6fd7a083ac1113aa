"""Changes of the folder of a model, as accidents and hands make them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Change = Callable[[random.Random, Path], str]
_WORDS = ("", "x", "linear", "v_prediction", "epsilon", "gelu", "silu", "exponential", "float16")


def files(folder: Path, *suffixes: str) -> list[Path]:
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != "README.md")
    return sorted(p for p in found if not suffixes or p.suffix in suffixes)


def own(path: Path) -> Path:
    """The file as one of its own, where it was a link to that of another folder."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return path


def delete(r: random.Random, folder: Path) -> str:
    path = r.choice(files(folder))
    path.unlink()
    return f"delete {path.name}"


def delete_part(r: random.Random, folder: Path) -> str:
    parts = [p for p in folder.iterdir() if p.is_dir()]
    if not parts:
        return delete(r, folder)
    part = r.choice(sorted(parts))
    shutil.rmtree(part)
    return f"delete {part.name}/"


def rename(r: random.Random, folder: Path) -> str:
    path = r.choice(files(folder))
    new = r.choice([f"{path.stem}.fp16{path.suffix}", f"{path.stem}.bin", f"_{path.name}"])
    path.rename(path.parent / new)
    return f"rename {path.name} to {new}"


def truncate(r: random.Random, folder: Path) -> str:
    path = own(r.choice(files(folder)))
    data = path.read_bytes()
    keep = r.randrange(len(data) + 1) if r.random() < 0.8 else 0
    path.write_bytes(data[:keep])
    return f"truncate {path.name} to {keep} bytes"


def flip_bits(r: random.Random, folder: Path) -> str:
    path = own(r.choice(files(folder)))
    data = bytearray(path.read_bytes())
    for _ in range(r.choice([1, 1, 2, 8]) if data else 0):
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    path.write_bytes(data)
    return f"flip bits of {path.name}"


def swap(r: random.Random, folder: Path) -> str:
    first = r.choice(files(folder))
    others = [p for p in files(folder, first.suffix) if p != first]
    if not others:
        return flip_bits(r, folder)
    second = r.choice(others)
    one, other = first.read_bytes(), second.read_bytes()
    own(first).write_bytes(other)
    own(second).write_bytes(one)
    return f"swap {first.relative_to(folder)} and {second.relative_to(folder)}"


def add_file(r: random.Random, folder: Path) -> str:
    place = r.choice([folder, *(p for p in sorted(folder.iterdir()) if p.is_dir())])
    name = r.choice(
        [
            "adapter_config.json",
            "lora.safetensors",
            "pytorch_model.bin",
            "model.safetensors.index.json",
            "diffusion_pytorch_model.safetensors.index.json",
            "diffusion_pytorch_model.fp16.safetensors",
            "model.fp16.safetensors",
        ]
    )
    if name.endswith(".safetensors"):
        save_file({"a.lora_A.weight": torch.zeros(2, 2)}, place / name)
    else:
        (place / name).write_text('{"weight_map": {}}' if "index" in name else "{}")
    return f"add {(place / name).relative_to(folder)}"


def change_weight(r: random.Random, folder: Path) -> str:
    choices = files(folder, ".safetensors")
    if not choices:
        return flip_bits(r, folder)
    path = own(r.choice(choices))
    weights = load_file(path)
    name = r.choice(sorted(weights))
    what = r.choice(["drop", "add", "rename", "flatten", "cut", "type", "scale"])
    weight = weights[name]
    match what:
        case "drop":
            del weights[name]
        case "add":
            weights[f"{name}.{r.choice(['extra', 'bias', 'weight'])}"] = torch.zeros(2)
        case "rename":
            weights[name + r.choice(["_", ".weight", "s"])] = weights.pop(name)
        case "flatten":
            weights[name] = weight.reshape(-1, 1).contiguous()
        case "cut":
            weights[name] = weight[:-1].contiguous() if weight.dim() else weight[None]
        case "type":
            kinds = [torch.float16, torch.bfloat16, torch.float64, torch.int32]
            weights[name] = weight.to(r.choice(kinds))
        case _:
            weights[name] = weight * r.choice([0.0, -1.0, 2.0, 1e30])
    save_file(weights, path, metadata={"format": "pt"})
    return f"{what} {name} in {path.relative_to(folder)}"


def change_json(r: random.Random, folder: Path) -> str:
    choices = [p for p in files(folder, ".json") if p.name != "tokenizer.json"] or files(folder)
    path = own(r.choice(choices))
    try:
        record = json.loads(path.read_text())
    except ValueError:
        return f"look at {path.name}"
    if r.random() < 0.05:
        path.write_text(r.choice(["[]", "null", "3", '"x"', "{}"]))
        return f"replace all of {path.relative_to(folder)}"
    at, where = record, path.relative_to(folder).as_posix()
    key: Any = None
    while isinstance(at, dict) and at:
        key = r.choice(sorted(at))
        if not (isinstance(at[key], dict) and at[key] and r.random() < 0.8):
            break
        at, where = at[key], f"{where}:{key}"
    if not isinstance(at, dict) or key is None:
        return f"look at {path.name}"
    what = r.choice(["value", "value", "value", "value", "drop", "add"])
    if what == "drop":
        del at[key]
    elif what == "add":
        key = r.choice(["mystery", "_mystery", "use_karras_sigmas", "quantization_config", "rope"])
        at[key] = r.choice([1, True, None, {}])
    else:
        at[key] = _another(r, at[key])
    path.write_text(json.dumps(record))
    return f"{what} {where}:{key} {at.get(key, '')!r}"[:160]


def _another(r: random.Random, value: Any) -> Any:
    """Another value, mostly of the same type."""
    if r.random() < 0.1:
        return r.choice([None, True, 0, "x", [], {}, -1])
    match value:
        case bool():
            return not value
        case int():
            return r.choice([0, 1, -1, 2, value + 1, value - 1, 2 * abs(value)])
        case float():
            return r.choice([0.0, 1.0, -value, 2 * value, value + 0.1])
        case str():
            return r.choice([*_WORDS, value + "x", value[:-1]])
        case list() if value:
            return r.choice([value[:-1], [*value, value[-1]], value[::-1]])
        case _:
            return r.choice([1, 0.5, True, "x"])


CHANGES: tuple[tuple[Change, int], ...] = (
    (delete, 2),
    (delete_part, 1),
    (rename, 2),
    (truncate, 2),
    (flip_bits, 3),
    (swap, 2),
    (add_file, 2),
    (change_weight, 6),
    (change_json, 10),
)


def mutate(r: random.Random, folder: Path) -> str:
    """Change a folder, whose files may be links to another's, in one way; what was done."""
    changes, weights = zip(*CHANGES, strict=True)
    (change,) = r.choices(changes, weights)
    return change(r, folder)
