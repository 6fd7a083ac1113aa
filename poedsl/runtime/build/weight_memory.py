"""What the networks of a plan take in memory, before they are loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from poedsl.catalog.adapters import find_loras
from poedsl.catalog.pipeline_signatures import IMPLEMENTATION as BY_ITS_CALL
from poedsl.catalog.signatures import Signature
from poedsl.catalog.single_files import configurations
from poedsl.catalog.weights import HUB_MODELS, find_model
from poedsl.compiler.plan.costs import weighs
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.weight_counts import WeightCount, in_file, network_parts, pipeline_parts
from poedsl.experts.loading.weight_files import read_config
from poedsl.grammar.errors import PoeError, is_out_of_memory
from poedsl.runtime.build.missing_models import runnable
from poedsl.runtime.build.models import Models
from poedsl.runtime.core.cost import in_words
from poedsl.runtime.core.run_settings import RunSettings

#: Modules whose networks are in 32-bit floats, whatever the profile says.
_FULL = ("flows.unet", "flows.points", "rewards.classifier")
#: How configurations of language models name their numbers of layers, heads and features.
_LAYERS, _HEADS = ("num_hidden_layers", "n_layer"), ("num_attention_heads", "n_head")
_WIDTH, _COMPRESSED = ("hidden_size", "n_embd"), ("kv_lora_rank", "linear_num_key_heads")


@dataclass(slots=True)
class WeightBytes:
    """Bytes of weights.

    Attributes:
        on: by device, those that stay. encoders: by device, those of text encoders. uncounted:
            experts whose weights are not counted.
    """

    on: dict[torch.device, int] = field(default_factory=dict)
    encoders: dict[torch.device, int] = field(default_factory=dict)
    uncounted: list[str] = field(default_factory=list)


def memory_lines(plan: PlanSpec, settings: RunSettings, *, complete: bool = False) -> Iterator[str]:
    """The parameters of each expert and their bytes, and what all take of the memory that is free.

    Networks that several experts share are counted once. Weights are counted from the headers of
    their files; nothing is loaded.

    Args:
        complete: whether the plan is going to run, for which nothing may be missing.

    Raises:
        PoeError: there is no such device (P0702), or what a run needs is missing.
    """
    models = Models.of(plan, settings)
    if complete:
        runnable(models)
    counted, total = set[tuple[Path, str]](), WeightBytes()
    lines: list[str] = []
    for call in dict.fromkeys(call for call, _ in plan.calls()):
        signature = plan.find_signature(call.function)
        if signature is not None and weighs(signature):
            lines += _of_expert(models, call, signature, counted, total)
    yield from dict.fromkeys(lines)
    yield from _summary(models, total)


def _of_expert(
    models: Models,
    call: Apply,
    signature: Signature,
    counted: set[tuple[Path, str]],
    total: WeightBytes,
) -> Iterator[str]:
    name = signature.name
    try:
        networks = _networks(models, call, signature)
    except PoeError as error:
        total.uncounted.append(name)
        hub = HUB_MODELS.get(_hub_model(models, call, signature))
        files = "" if hub is None else f"; the download takes about {hub.size:g} GB"
        yield f"{name}: not counted, {error.diagnostics[0].message}{files}"
        return
    except Exception as error:  # libraries raise what they like about damaged files
        if is_out_of_memory(error):
            raise
        total.uncounted.append(name)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        yield f"{name}: not counted, its files cannot be read: {reason}"
        return
    kind = signature.implementation if signature.implementation == BY_ITS_CALL else ""
    uncounted = [n for n in networks if (n.place, kind) not in counted]
    counted |= {(n.place, kind) for n in uncounted}
    shared = "" if len(uncounted) == len(networks) else "; others are shared"
    if uncounted:
        sizes = [_size(n, signature, models) for n in uncounted]
        parts = ", ".join(f"{n.name} {in_numbers(n.parameters)}".strip() for n in uncounted)
        dtype = str(_dtype(signature, models)).removeprefix("torch.")
        how = models.profile.quantize
        stored = "" if how == "none" else f", matrices in {how} where layers allow it"
        yield f"{name}: {parts} parameters, {in_words(sum(sizes))} in {dtype}{stored}{shared}"
        for network, size in zip(uncounted, sizes, strict=True):
            device = _device(network, signature, models)
            table = total.encoders if network.encodes else total.on
            table[device] = table.get(device, 0) + size
    if signature.family == "tokens":
        yield f"{name}: {_keys(models, call, signature)}"


def _networks(models: Models, call: Apply, signature: Signature) -> tuple[WeightCount, ...]:
    """The networks behind a call.

    Raises:
        PoeError: a model is not on this machine, or its configuration cannot be read.
        Exception: files with weights cannot be read.
    """
    arguments = dict(call.kwargs)
    folder = Path(models.folder(call))
    if (configurations(folder) / "model_index.json").is_file():
        whole = signature.implementation == BY_ITS_CALL
        elsewhere = arguments.get("controlnet", Const(None)) != Const(None)
        inside = signature.parameter("controlnet") is not None and not elsewhere
        networks = pipeline_parts(folder, whole=whole, controlnet=inside)
    else:
        networks = network_parts(folder)
    for parameter, place in models.weights(signature, arguments):
        if parameter == "lora":
            loras = find_loras(signature.name, place, models.base)
            networks += tuple(in_file(Path(lora.path), "LoRA") for lora in loras)
        elif parameter != "model":
            beside = find_model(signature.name, place, models.base, parameter)
            networks += tuple(replace(n, name=parameter) for n in network_parts(beside))
    return networks


def _hub_model(models: Models, call: Apply, signature: Signature) -> str:
    parameter = signature.parameter("model")
    return "" if parameter is None else models.chosen(signature, dict(call.kwargs).get("model"))


def _is_full(signature: Signature) -> bool:
    return any(module in signature.implementation for module in _FULL)


def _dtype(signature: Signature, models: Models) -> torch.dtype:
    if _is_full(signature):
        return torch.float32
    return network_dtype(models.profile, _compute_device(signature, models))


def _size(network: WeightCount, signature: Signature, models: Models) -> int:
    plain = network.encodes or network.decodes or signature.family == "reward"
    plain = plain or _is_full(signature)
    stored = None if plain or models.profile.quantize == "none" else 1
    dtype = _dtype(signature, models)
    if dtype != torch.float16:
        network = replace(network, upcast=False)
    return network.size(dtype.itemsize, stored=stored)


def _compute_device(signature: Signature, models: Models) -> torch.device:
    chosen = models.profile.device
    if not chosen or signature.family == "tokens":
        return models.device
    return torch.device(chosen)


def _device(network: WeightCount, signature: Signature, models: Models) -> torch.device:
    """Where the weights of a network stay."""
    offloaded = models.profile.offload == "blocks" and signature.family == "flow"
    if offloaded and not _is_full(signature) and not (network.encodes or network.decodes):
        return torch.device("cpu")
    return _compute_device(signature, models)


def _keys(models: Models, call: Apply, signature: Signature) -> str:
    """What the keys and values of all particles take."""
    plan, config = models.plan, {}
    folder = models.folder(call)
    if (Path(folder) / "config.json").is_file():
        config = read_config(folder, "config.json")
    layers, heads, width = (
        next((config[n] for n in names if isinstance(config.get(n), int)), None)
        for names in (_LAYERS, _HEADS, _WIDTH)
    )
    sizes = [v.type.sizes for v in plan.variables if v.type.name == "Tokens"]
    lengths = [math.prod(s for s in shape if s) for shape in sizes]
    count = plan.option("particles")
    if not (layers and heads and width) or any(config.get(n) for n in _COMPRESSED):
        return "the size of its keys and values is not known"
    if not (isinstance(count, Const) and isinstance(count.value, int)):
        return "the size of its keys and values is not known"
    key_heads = config.get("num_key_value_heads") or heads
    features = key_heads * (config.get("head_dim") or width // heads)
    itemsize = _dtype(signature, models).itemsize
    size = 2 * layers * features * itemsize * sum(lengths) * count.value
    return (
        f"{in_words(size)} for the keys and values of {count.value} particles, prompt not counted"
    )


def _summary(models: Models, total: WeightBytes) -> Iterator[str]:
    """What all weights take on each device, and what is free there."""
    least = "at least " if total.uncounted else ""
    for device in sorted({*total.on, *total.encoders}, key=str):
        stay, encoders = total.on.get(device, 0), total.encoders.get(device, 0)
        for_texts = f", {in_words(encoders)} of it until prompts are read" if encoders else ""
        free = free_memory(device)
        of = "what is free is not known" if free is None else f"{in_words(free)} are free"
        short = ", which is not enough" if free is not None and stay + encoders > free else ""
        taken = in_words(stay + encoders)
        yield f"weights on {device}: {least}{taken}{for_texts}; {of}{short}"
    yield "activations are not known before the first stage"


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(ln.split()[1]) for ln in lines if ln.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def in_numbers(count: int) -> str:
    """A number of parameters as a person reads it."""
    for word, size in (("billion", 1e9), ("million", 1e6), ("thousand", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return str(count)
