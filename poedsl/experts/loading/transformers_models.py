"""Models, processors and tokenizers of transformers, from their folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.libraries import missing_extra, quiet_loading
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError, is_out_of_memory


def unfit(expert: str, folder: str, reason: str, *notes: str) -> PoeError:
    """An error (P0206): the folder holds no model that the expert can use."""
    message = f"`{expert}` cannot use the model in {folder}: {reason}"
    return PoeError((Diagnostic("P0206", message, notes=notes),))


@contextmanager
def loading(expert: str, folder: str, *notes: str) -> Iterator[None]:
    """Load a model; an error of the library becomes a diagnostic of one line.

    Libraries raise errors of many kinds for files that they cannot read. What is no fault of the
    files, a lack of memory, is raised as it is.

    Raises:
        PoeError: a library is missing (P0703), or the files cannot be loaded (P0206).
    """
    try:
        with quiet_loading():
            yield
    except PoeError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        if isinstance(error, ImportError) and error.name:
            raise missing_extra(expert, "diffusers", error) from error
        message = " ".join(str(error).split()) or repr(error)
        raise unfit(expert, folder, message.partition(". ")[0], *notes) from error


def model_type(expert: str, folder: str, *notes: str) -> str:
    """The ``model_type`` in the configuration of a folder.

    Raises:
        PoeError: there is none (P0206).
    """
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "it has no config.json that says its `model_type`"
        raise unfit(expert, folder, reason, *notes) from error


def expect(expert: str, folder: str, kinds: tuple[str, ...], *notes: str) -> str:
    """Check that the ``model_type`` of a folder is one of ``kinds``, and return it.

    Raises:
        PoeError: it is another (P0206).
    """
    kind = model_type(expert, folder, *notes)
    if kind not in kinds:
        expected = " or ".join(kinds)
        raise unfit(expert, folder, f"it holds a model of type {kind}, not {expected}", *notes)
    return kind


#: Options with which transformers reads nothing but the folder, and runs no code from it.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@cached_by_folder(maxsize=8)
def network(kind: str, folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """A network of transformers, frozen and shared by all experts that use it.

    Args:
        kind: the name of its class in transformers.
    """
    return loaded(kind, folder, device, dtype)


def loaded(kind: str, folder: str, device: torch.device, dtype: torch.dtype, **options: Any) -> Any:
    """A network of transformers, frozen.

    Args:
        kind: the name of its class in transformers.

    Raises:
        ValueError: the folder lacks some of its weights, or they have other sizes.
    """
    import transformers

    model, info = getattr(transformers, kind).from_pretrained(
        folder,
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        **LOCAL,
        **options,
    )
    if info["missing_keys"]:
        raise ValueError(f"its weights lack {min(info['missing_keys'])}")
    if info["mismatched_keys"]:
        name = min(str(k[0]) for k in info["mismatched_keys"])
        raise ValueError(f"{name} has another size than its config.json says")
    return model.to(device).eval().requires_grad_(False)


@cached_by_folder(maxsize=16)
def processor(kind: str, folder: str) -> Any:
    """A processor or tokenizer of transformers.

    Args:
        kind: the name of its class in transformers.
    """
    import transformers

    return getattr(transformers, kind).from_pretrained(folder, **LOCAL)


def tensors(folder: str, prefix: str = "") -> dict[str, Tensor]:
    """Tensors in the safetensors files of a folder whose names begin with ``prefix``."""
    from safetensors import safe_open

    out: dict[str, Tensor] = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            out |= {k: file.get_tensor(k) for k in file.keys() if k.startswith(prefix)}  # noqa: SIM118
    return out
