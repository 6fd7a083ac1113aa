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
#: Values that no option has.
_ODD: tuple[Any, ...] = (
    *([[]], {"a": {"b": []}}, [[1], [2, 3]], 10**30, -(2**63), 1e308, float("nan"), float("inf")),
    *("\x00", "\ud800", "x" * 10_000, "../../x", "__class__", "os.system", "0", "1e3", "None"),
)
#: Names of classes that are not those of the part whose class they replace.
_CLASSES = (
    *("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "EulerDiscreteScheduler"),
    *("EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "LCMScheduler"),
    *("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "FlowMatchHeunDiscreteScheduler"),
    *("FlowMatchEulerDiscreteScheduler", "UNet2DModel", "UNet2DConditionModel", "AutoencoderTiny"),
    *("AutoencoderKL", "VQModel", "AutoencoderKLWan", "FluxTransformer2DModel", "T5EncoderModel"),
    *("CLIPTextModel", "CLIPTextModelWithProjection", "UMT5EncoderModel", "LlamaForCausalLM"),
    *("BertModel", "CLIPVisionModel", "StableDiffusionPipeline", "StableDiffusionXLPipeline"),
    *("FluxPipeline", "FluxImg2ImgPipeline", "DiffusionPipeline", "WanPipeline", "LTXPipeline"),
    *("CLIPTokenizer", "T5TokenizerFast", "AutoTokenizer", "AutoModel", "Qwen2Tokenizer", "object"),
)
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion", "os", "flux", "onnxruntime", None)
_MODEL_TYPES = ("bert", "llama", "gpt2", "clip", "t5", "qwen2", "mistral", "vit", "siglip", "mamba")
#: Options of schedulers, and values that some of them have.
_SCHEDULING: dict[str, tuple[Any, ...]] = {
    "use_karras_sigmas": (True,),
    "use_exponential_sigmas": (True,),
    "use_beta_sigmas": (True,),
    "use_flow_sigmas": (True, False),
    "use_dynamic_shifting": (True, False),
    "time_shift_type": ("linear", "exponential", "x"),
    "shift": (1.0, 3.0, 0.0, -1.0, "3"),
    "shift_terminal": (0.02, 0.5, 1.0, -1),
    "base_shift": (0.1, 2.0),
    "max_image_seq_len": (256, 16, 8192),
    "invert_sigmas": (True,),
    "stochastic_sampling": (True,),
    "num_train_timesteps": (10, 100, 999, 1000.0, 2000),
    "timestep_spacing": ("leading", "trailing", "linspace", "x"),
    "steps_offset": (0, 1, 5),
    "prediction_type": ("epsilon", "v_prediction", "sample", "flow_prediction", "x"),
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "x"),
    "beta_start": (1e-4, 0.00085, 0.0, -1.0),
    "beta_end": (0.02, 0.012, 1.0),
    "trained_betas": ([0.1, 0.2, 0.3], []),
    "rescale_betas_zero_snr": (True, False),
    "clip_sample": (True, False),
    "clip_sample_range": (0.5, 2.0),
    "thresholding": (True,),
    "final_sigmas_type": ("zero", "sigma_min", "x"),
    "sigma_min": (0.01,),
    "sigma_max": (10.0,),
    "variance_type": ("fixed_large", "learned", "learned_range"),
    "interpolation_type": ("log_linear",),
    "timestep_type": ("continuous",),
    "set_alpha_to_one": (True, False),
    "skip_prk_steps": (True, False),
    "solver_order": (1, 2, 3, 9),
    "algorithm_type": ("sde-dpmsolver++", "dpmsolver"),
    "lower_order_final": (False,),
    "original_inference_steps": (20,),
}


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
    if r.random() < 0.1:
        choices = files(folder, ".json") or choices
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
        return r.choice([None, True, 0, "x", [], {}, -1, *_ODD])
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


def flip_header(r: random.Random, folder: Path) -> str:
    """Bits of the part of a file that says what is in it."""
    choices = files(folder, ".safetensors", ".gguf")
    if not choices:
        return flip_bits(r, folder)
    path = own(r.choice(choices))
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little") + 8 if path.suffix == ".safetensors" else 2000
    for _ in range(r.choice([1, 1, 2, 8]) if data else 0):
        data[r.randrange(min(len(data), length))] ^= 1 << r.randrange(8)
    path.write_bytes(data)
    return f"flip bits of the header of {path.relative_to(folder)}"


def change_header(r: random.Random, folder: Path) -> str:
    """What the header of a file says of one of its weights."""
    choices = [p for p in files(folder, ".safetensors") if p.stat().st_size > 8]
    if not choices:
        return flip_header(r, folder)
    path = own(r.choice(choices))
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:end])
    except ValueError:
        return f"look at {path.name}"
    names = sorted(n for n in header if n != "__metadata__")
    if not names:
        return f"look at {path.name}"
    name, other = r.choice(names), r.choice(names)
    entry = header[name]
    what = r.choice(["type", "shape", "offsets", "exchange", "metadata", "entry"])
    match what:
        case "type":
            entry["dtype"] = r.choice(["F16", "BF16", "I32", "F64", "F8_E4M3", "U8", "x", None])
        case "shape":
            size = list(entry["shape"])
            entry["shape"] = r.choice([size[::-1], [*size, 1], [1, *size], [-1], [2**62, 4], []])
        case "offsets":
            first, last = entry["data_offsets"]
            entry["data_offsets"] = r.choice([[first, last + 4], [last, first], [0, 0], [first]])
        case "exchange":
            first = entry["data_offsets"]
            entry["data_offsets"] = header[other]["data_offsets"]
            header[other]["data_offsets"] = first
        case "metadata":
            odd: list[Any] = [{"format": "tf"}, {"format": 1}, {}, [], {"format": "flax"}]
            header["__metadata__"] = r.choice(odd)
        case _:
            header[name] = r.choice([None, [], {}, "x", {"dtype": "F32"}])
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    return f"{what} of {name} in the header of {path.relative_to(folder)}"


def link(r: random.Random, folder: Path) -> str:
    """A link in the place of a file, mostly to nothing; or a folder of its name."""
    path = r.choice(files(folder))
    what = r.choice(["nothing", "itself", "folder", "copy", "directory"])
    data = path.read_bytes()
    path.unlink()
    match what:
        case "nothing":
            path.symlink_to("gone")
        case "itself":
            path.symlink_to(path.name)
        case "folder":
            path.symlink_to(folder)
        case "directory":
            path.mkdir()
        case _:
            # As in the cache of the hub, whose files have no endings.
            blob = folder / ".blobs" / "0123"
            blob.parent.mkdir()
            blob.write_bytes(data)
            path.symlink_to(blob)
    return f"{path.relative_to(folder)} is a link to: {what}"


def change_class(r: random.Random, folder: Path) -> str:
    """Another class of a part, or of the whole."""
    records = {p: _record(p) for p in files(folder, ".json") if p.name != "tokenizer.json"}
    places = [
        (path, key)
        for path, record in sorted(records.items())
        for key, value in record.items()
        if key in ("_class_name", "model_type", "architectures", "tokenizer_class")
        or (path.name == "model_index.json" and isinstance(value, list))
        or key.endswith("processor_type")
    ]
    if not places:
        return change_json(r, folder)
    path, key = r.choice(places)
    record, value = records[path], records[path][key]
    new: Any = r.choice(_CLASSES)
    if key == "model_type":
        new = r.choice(_MODEL_TYPES)
    elif isinstance(value, list) and len(value) == 2:
        new = r.choice([[value[0], new], [value[0], new], [r.choice(_LIBRARIES), value[1]], [], 1])
    elif isinstance(value, list):
        new = [new]
    record[key] = new
    own(path).write_text(json.dumps(record))
    return f"{path.relative_to(folder)}:{key} is {new}"


def change_scheduler(r: random.Random, folder: Path) -> str:
    choices = [p for p in files(folder, ".json") if p.name == "scheduler_config.json"]
    if not choices:
        return change_class(r, folder)
    path = own(r.choice(choices))
    record = _record(path)
    for _ in range(r.choice([1, 1, 2])):
        key = r.choice(sorted(_SCHEDULING))
        record[key] = r.choice(_SCHEDULING[key])
    path.write_text(json.dumps(record))
    return f"scheduler options {record}"


def change_text(r: random.Random, folder: Path) -> str:
    """JSON that is written in an odd way."""
    choices = files(folder, ".json")
    if not choices:
        return truncate(r, folder)
    path = own(r.choice(choices))
    text = path.read_text()
    what = r.choice(["mark", "utf-16", "twice", "nan", "deep", "comma", "large", "latin"])
    coding = {"mark": "utf-8-sig", "utf-16": "utf-16", "latin": "latin-1"}.get(what, "utf-8")
    match what:
        case "twice" | "nan" | "large" | "deep" if text.lstrip().startswith("{"):
            key = r.choice(sorted(_record(path)) or ["x"])
            odd = {"nan": "NaN", "large": "1e999", "deep": "[" * 5000 + "]" * 5000}
            value = odd.get(what, r.choice(["1", "null", "[]"]))
            text = text.rstrip()[:-1] + f", {json.dumps(key)}: {value}}}"
        case "comma":
            text = text.rstrip()[:-1] + "," + text.rstrip()[-1:]
        case "latin":
            text = text.rstrip()[:-1] + ', "name": "\xe9"}'
    path.write_bytes(text.encode(coding, "replace"))
    return f"{what} in {path.relative_to(folder)}"


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


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
    (flip_header, 2),
    (change_header, 3),
    (link, 2),
    (change_class, 3),
    (change_scheduler, 4),
    (change_text, 2),
)


def mutate(r: random.Random, folder: Path) -> str:
    """Change a folder, whose files may be links to another's, in one way; what was done."""
    changes, weights = zip(*CHANGES, strict=True)
    (change,) = r.choices(changes, weights)
    return change(r, folder)
