"""Which files of a model's folder are read: its weights and configurations, errors for those that
are missing, and warnings of those that are not read.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from poedsl.catalog.single_files import configurations
from poedsl.catalog.weights import PICKLES, single_files
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import unfit

_ADAPTERS = ("adapter_config.json", "adapter_model.safetensors")


def read_config(folder: str, part: str) -> dict[str, Any]:
    """The configuration of a part of a model, from its JSON file.

    Args:
        part: a subfolder with ``config.json``, or the path of a JSON file.

    Raises:
        PoeError: it cannot be read (P0206).
    """
    place = configurations(folder)
    path = place / part
    path = path if path.suffix else path / "config.json"
    name = path.relative_to(place)
    try:
        configuration = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        notes = () if path.is_file() else single_files(place)
        raise unfit("", folder, f"it has no {name} that can be read", *notes) from error
    if not isinstance(configuration, dict):
        raise unfit("", folder, f"{name} holds no record")
    return configuration


def known_options(kind: Any, written: dict[str, Any], file: str) -> None:
    """Whether a class of diffusers is the one that a configuration names, with all its options.

    Raises:
        ValueError: it is another, or has no such option.
    """
    name = written.get("_class_name", kind.__name__)
    if name != kind.__name__:
        raise ValueError(f"{file} is of a {name}, not of a {kind.__name__}")
    options = {k for k in written if not k.startswith("_")}
    unknown = sorted(options - inspect.signature(kind.__init__).parameters.keys())
    if unknown:
        raise ValueError(f"{file} has the option `{unknown[0]}`, which {name} does not know")


def listed(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    first, *others = sorted(names)
    return f"`{first}`" + (f" and {len(others)} more" if others else "")


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The files with the weights of a network.

    Attributes:
        variant: in their names, as ``fp16`` in ``model.fp16.safetensors``; None without one.
        listed: the weights that the index of several files lists; None without an index.
    """

    paths: tuple[Path, ...]
    variant: str | None = None
    listed: frozenset[str] | None = None

    @property
    def gguf(self) -> str | None:
        """The name of a GGUF file; None for safetensors."""
        return self.paths[0].name if self.paths[0].suffix == ".gguf" else None

    def names(self) -> set[str]:
        """The names of all weights in safetensors files."""
        return {name for path in self.paths for name in tensor_names(path)}


def tensor_names(path: Path) -> list[str]:
    """The names of the tensors in a safetensors file."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return list(file.keys())


def tensors_in(path: Path, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU.

    Args:
        names: of those that are read; None for all.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in (file.keys() if names is None else names)}


def weight_files(folder: Path, stem: str) -> WeightFiles:
    """The files that hold a network's weights.

    Args:
        stem: what their names begin with: ``model``, or ``diffusion_pytorch_model``.

    Raises:
        ValueError: there are none, several that exclude each other, or none that is read.
    """
    plain, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if plain.is_file() and index.is_file():
        raise ValueError(f"it holds both {plain.name} and {index.name}: keep one of them")
    if plain.is_file():
        return WeightFiles((plain,))
    if index.is_file():
        return _shards(index, None)
    variants = sorted(_variants(folder, stem))
    if len(variants) > 1:
        listed = ", ".join(name for _, name in variants)
        raise ValueError(f"its weights are there in several precisions ({listed}): keep one")
    if variants:
        ((variant, name),) = variants
        path = folder / name
        return _shards(path, variant) if path.suffix == ".json" else WeightFiles((path,), variant)
    quantised = sorted(folder.glob("*.gguf"))
    if len(quantised) > 1:
        listed = ", ".join(p.name for p in quantised)
        raise ValueError(f"it holds several GGUF files ({listed}): keep one")
    if quantised:
        return WeightFiles((quantised[0],))
    raise ValueError(_why_none(folder, plain.name))


def _variants(folder: Path, stem: str) -> list[tuple[str, str]]:
    """Each variant of the weights, and the name of its file or index."""
    pattern = re.compile(
        rf"{re.escape(stem)}(?:\.(\w+)\.safetensors|\.safetensors\.index\.(\w+)\.json)"
    )
    matches = ((pattern.fullmatch(p.name), p.name) for p in folder.glob(f"{stem}.*"))
    return [(match[1] or match[2], name) for match, name in matches if match]


def _shards(index: Path, variant: str | None) -> WeightFiles:
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(listed.values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{index.name} is no index of weights") from error
    paths = tuple(index.parent / str(name) for name in names)
    absent = next((p.name for p in paths if not p.is_file()), None)
    if absent is not None or not paths:
        raise ValueError(f"it lacks {absent or 'the weights'}, which {index.name} lists")
    if any(p.resolve().parent != index.parent.resolve() for p in paths):
        raise ValueError(f"{index.name} lists files of other folders")
    return WeightFiles(paths, variant, frozenset(listed))


def _why_none(folder: Path, expected: str) -> str:
    """Why there are no weights to read, with what is there instead."""
    others = sorted(p.name for p in folder.glob("*.safetensors"))
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLES)
    if others:
        return (
            f"it lacks {expected}; {others[0]} is not read, as the files of a model are named by "
            "the library's `save_pretrained`"
        )
    if pickled:
        return (
            f"its weights are pickled ({pickled[0]}), and unpickling runs code: save them as "
            "safetensors, by the library's `save_pretrained`"
        )
    return f"it lacks {expected}"


def refuse_adapters(folder: Path) -> None:
    """Whether an adapter of PEFT lies beside a model, which the library might apply or not.

    Raises:
        ValueError: one does.
    """
    adapter = next((name for name in _ADAPTERS if (folder / name).is_file()), None)
    if adapter is not None:
        raise ValueError(
            f"an adapter lies beside it ({adapter}), and is not applied: merge it into the weights "
            "(`merge_and_unload` of peft), or move it to a folder of its own, which `lora` names"
        )


def warn_of_adapters(folder: Path, read: tuple[Path, ...]) -> None:
    """Warn (P1021) of files with the weights of a LoRA, which are not applied.

    Args:
        read: the files of the model itself.
    """
    for path in sorted(set(folder.glob("*.safetensors")) - set(read)):
        if any("lora" in name.lower() for name in tensor_names(path)):
            message = f"the adapter {path} is applied only where `lora` names it"
            warn("P1021", message, file=str(path))
