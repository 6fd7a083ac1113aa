"""The loader of everything that diffusers and transformers read from a folder.

What is loaded is what the files say: weights that are missing, or have other sizes, are errors,
and so are options that the library would drop. No code in a folder is run, and nothing is fetched.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from poedsl.catalog.weights import single_files
from poedsl.experts.loading.gguf_files import (
    gguf_options,
    gguf_tokenizer_options,
    silent_progress,
)
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_files import (
    WeightFiles,
    read_config,
    refuse_adapters,
    warn_of_adapters,
    weight_files,
)

logger = logging.getLogger(__name__)
#: Options with which transformers reads nothing but the folder, and runs no code from it.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
#: An ending of the names of constants that old versions of transformers saved as weights.
_CONSTANTS = ".masked_bias"
#: Files of which a processor needs one.
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
#: Files of which a tokenizer needs one.
_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.txt", "tekken.json")


def diffusers_network(kind: str, folder: str, part: str, dtype: torch.dtype) -> Any:
    """A network of diffusers, frozen, on the CPU.

    Args:
        kind: the name of its class. part: the subfolder with its configuration and weights.

    Raises:
        ValueError: the folder lacks some of its weights, they have other sizes, or its
            configuration has options that the class does not know.
    """
    import diffusers

    place = Path(folder) / part
    files = _weights(place, "diffusion_pytorch_model", Path(folder))
    network = getattr(diffusers, kind)
    _configured(folder, part)
    written = network.load_config(folder, subfolder=part, local_files_only=True)
    known_options(network, written, (Path(part) / "config.json").as_posix())
    version = tuple(int(v) for v in diffusers.__version__.split(".")[:2])
    model, report = network.from_pretrained(
        folder,
        subfolder=part,
        variant=files.variant,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        local_files_only=True,
        **{"dtype" if version >= (0, 40) else "torch_dtype": dtype},
    )
    _as_written(files, report, folder, part)
    return model.eval().requires_grad_(False)


def transformers_network(
    kind: str,
    folder: str,
    dtype: torch.dtype,
    part: str = "",
    elsewhere: tuple[str, ...] = (),
    **options: Any,
) -> Any:
    """A network of transformers, frozen, on the CPU.

    Args:
        kind: the name of its class. part: a subfolder. elsewhere: beginnings of the names of
            weights in its files that others read.

    Raises:
        ValueError: the folder lacks some of its weights, or they have other sizes.
    """
    import transformers

    place = Path(folder) / part
    files = _weights(place, "model", Path(folder))
    if files.gguf:
        options = {**options, **gguf_options(files.gguf)}
    else:
        _configured(folder, part)
    with silent_progress() if files.gguf else nullcontext():
        model, report = getattr(transformers, kind).from_pretrained(
            folder,
            subfolder=part,
            dtype=dtype,
            variant=files.variant,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            **LOCAL,
            **options,
        )
    _as_written(files, report, folder, part, elsewhere)
    return model.eval().requires_grad_(False)


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


def _configured(folder: str, part: str) -> None:
    """Whether a network has a configuration, without which libraries take the default of its class
    and allocate its size.

    Raises:
        PoeError: it cannot be read (P0206).
        ValueError: it is empty.
    """
    name = (Path(part) / "config.json").as_posix()
    if all(option.startswith("_") for option in read_config(folder, name)):
        raise ValueError(f"{name} is empty")


def _weights(place: Path, stem: str, root: Path) -> WeightFiles:
    for folder in {root, place}:
        refuse_adapters(folder)
    if not place.is_dir():
        raise ValueError("; ".join([f"it has no {place.name}/", *single_files(root)]))
    files = weight_files(place, stem)
    logger.debug("weights of %s: %s", place, ", ".join(p.name for p in files.paths))
    for folder in sorted({root, place}):
        warn_of_adapters(folder, files.paths)
    return files


def _as_written(
    files: WeightFiles, report: Any, folder: str, part: str, elsewhere: tuple[str, ...] = ()
) -> None:
    """Whether a library's report says that a network has the weights of its files.

    Raises:
        ValueError: weights are missing, or have other sizes.
    """
    subject = f"the weights in {part}/" if part else "its weights"
    missing, unread = set(report["missing_keys"]), set(report["unexpected_keys"])
    if files.listed is not None:
        there = files.names()
        missing |= files.listed - there
        unread |= there - files.listed
    if missing:
        raise ValueError(f"{subject} lack {listed(missing)}")
    if sizes := [str(k[0]) for k in report["mismatched_keys"]]:
        raise ValueError(f"{subject} have another size than config.json says: {listed(sizes)}")
    if unread := {n for n in unread if not n.startswith(elsewhere) and not n.endswith(_CONSTANTS)}:
        warn("P1020", f"the model in {Path(folder) / part} has no use for its {listed(unread)}")


def listed(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    first, *others = sorted(names)
    return f"`{first}`" + (f" and {len(others)} more" if others else "")


def transformers_config(kind: str, folder: str) -> Any:
    """A configuration of transformers, by the name of its class."""
    import transformers

    return getattr(transformers, kind).from_pretrained(folder, **LOCAL)


def transformers_processor(kind: str, folder: str, part: str = "") -> Any:
    """A processor or tokenizer of transformers.

    Args:
        kind: the name of its class. part: a subfolder.

    Raises:
        ValueError: the folder lacks its files, for which the library would take defaults.
    """
    import transformers

    return _processor(getattr(transformers, kind), folder, part)


def transformers_picture_processor(folder: str) -> Any:
    """A processor of pictures and texts, without the part for videos that some have, which needs
    torchvision.

    Raises:
        ValueError: as `transformers_processor`.
    """
    import transformers

    whole: Any = getattr(transformers, _processor_class(Path(folder)), transformers.AutoProcessor)
    if whole is transformers.AutoProcessor:
        return _processor(whole, folder)

    class Pictures(whole):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in super().get_attributes() if "video" not in name]

    return _processor(Pictures, folder)


def _processor_class(folder: Path) -> str:
    """The name of the class of the processor in a folder; empty where its files do not say."""
    for name in (*reversed(_PROCESSORS), "tokenizer_config.json"):
        if (folder / name).is_file():
            written = read_config(str(folder), name).get("processor_class")
            if written:
                return str(written)
    return ""


def _processor(kind: Any, folder: str, part: str = "") -> Any:
    place = Path(folder) / part
    tokenizes = "Tokenizer" in kind.__name__
    if not tokenizes and not any((place / name).is_file() for name in _PROCESSORS):
        raise ValueError(f"it has no processor: neither {' nor '.join(_PROCESSORS)}")
    options = gguf_tokenizer_options(place) if tokenizes else {}
    if tokenizes and not options and not any(any(place.glob(f)) for f in _VOCABULARIES):
        raise ValueError(f"it has no tokenizer that can be used: {place} lacks tokenizer.json")
    built = kind.from_pretrained(folder, subfolder=part, **options, **LOCAL)
    tokenizer = built if tokenizes else getattr(built, "tokenizer", None)
    if tokenizer is not None and not options:
        _has_its_files(tokenizer, place)
    return built


def _has_its_files(tokenizer: Any, place: Path) -> None:
    """Whether the vocabulary of a tokenizer was read from the folder.

    Raises:
        ValueError: its files are not there.
    """
    names = tokenizer.vocab_files_names
    parts = [names[k] for k in ("vocab_file", "merges_file") if k in names]
    missing = [n for n in parts if not (place / n).is_file()]
    if names and not (place / "tokenizer.json").is_file() and (missing or not parts):
        lacking = missing[0] if 0 < len(missing) < len(parts) else "tokenizer.json"
        raise ValueError(f"it has no tokenizer that can be used: {place} lacks {lacking}")
    if not tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens):
        raise ValueError(f"the tokenizer in {place} has no tokens but special ones")
