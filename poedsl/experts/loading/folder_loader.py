"""The loader of everything that diffusers and transformers read from a folder.

What is loaded is what the files say: weights that are missing, or have other sizes, are errors,
and so are options that the library would drop. No code in a folder is run, and nothing is fetched.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from poedsl.catalog.single_files import configurations
from poedsl.catalog.weights import single_files
from poedsl.experts.loading.gguf_files import (
    gguf_options,
    gguf_tokenizer_options,
    silent_progress,
)
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.single_file_weights import (
    original_weights,
    prefix_in,
    text_encoder_weights,
)
from poedsl.experts.loading.weight_files import (
    WeightFiles,
    known_options,
    listed,
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
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
#: A message of tokenizers that is printed where a text is longer than a model reads.
_TOO_LONG = "sequence-length-is-longer-than-the-specified-maximum"
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

    network, home = getattr(diffusers, kind), str(configurations(folder))
    prefix = prefix_in(folder, kind, part)
    files = _weights(folder, part, "diffusion_pytorch_model") if prefix is None else None
    _configured(folder, part)
    written = network.load_config(home, subfolder=part, local_files_only=True)
    known_options(network, written, (Path(part) / "config.json").as_posix())
    version = tuple(int(v) for v in diffusers.__version__.split(".")[:2])
    if files is None:
        model = network.from_single_file(
            original_weights(network, written, folder, part, prefix or ""),
            config=home,
            subfolder=part,
            torch_dtype=dtype,
            local_files_only=True,
        )
    else:
        model, report = network.from_pretrained(
            home,
            subfolder=part,
            variant=files.variant,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            local_files_only=True,
            **{"dtype" if version >= (0, 40) else "torch_dtype": dtype},
        )
        _as_written(files, report, home, part)
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

    home = str(configurations(folder))
    network = getattr(transformers, kind)
    prefix = prefix_in(folder, kind, part)
    if prefix is not None:
        config = network.config_class.from_pretrained(home, subfolder=part, **LOCAL)
        weights = text_encoder_weights(config, folder, kind, prefix)
        model, report = network.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **LOCAL,
            **options,
        )
        _as_reported(f"its weights of {part}/", folder, report)
        return model.eval().requires_grad_(False)
    files = _weights(folder, part, "model")
    if files.gguf:
        options = {**options, **gguf_options(files.gguf)}
    else:
        _configured(folder, part)
    with silent_progress() if files.gguf else nullcontext():
        model, report = network.from_pretrained(
            home,
            subfolder=part,
            dtype=dtype,
            variant=files.variant,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            **LOCAL,
            **options,
        )
    _as_written(files, report, home, part, elsewhere)
    return model.eval().requires_grad_(False)


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


def _weights(folder: str, part: str, stem: str) -> WeightFiles:
    """The files with the weights of a part, in the folder with its configuration.

    Raises:
        ValueError: there are none that can be used.
    """
    root = configurations(folder)
    place = root / part
    if root != Path(folder) and not any(place.glob(f"{stem}*.safetensors*")):
        raise ValueError(f"neither it nor {place} has the weights of its {part}")
    for checked in {root, place}:
        refuse_adapters(checked)
    if not place.is_dir():
        raise ValueError("; ".join([f"it has no {place.name}/", *single_files(root)]))
    files = weight_files(place, stem)
    logger.debug("weights of %s: %s", place, ", ".join(p.name for p in files.paths))
    for checked in sorted({root, place}):
        warn_of_adapters(checked, (*files.paths, Path(folder)))
    return files


def _as_written(
    files: WeightFiles, report: Any, folder: str, part: str, elsewhere: tuple[str, ...] = ()
) -> None:
    """Whether a library's report says that a network has the weights of its files.

    Raises:
        ValueError: weights are missing, or have other sizes.
    """
    missing, unread = set(report["missing_keys"]), set(report["unexpected_keys"])
    if files.listed is not None:
        there = files.names()
        missing |= files.listed - there
        unread |= there - files.listed
    unread = {n for n in unread if not n.startswith(elsewhere)}
    both = {**report, "missing_keys": missing, "unexpected_keys": unread}
    _as_reported(f"the weights in {part}/" if part else "its weights", Path(folder) / part, both)


def _as_reported(subject: str, place: str | Path, report: Any) -> None:
    """Whether a report says that a network has all of its weights; warn of others (P1020).

    Raises:
        ValueError: weights are missing, or have other sizes.
    """
    if missing := set(report["missing_keys"]):
        raise ValueError(f"{subject} lack {listed(missing)}")
    if sizes := [str(k[0]) for k in report["mismatched_keys"]]:
        raise ValueError(f"{subject} have another size than config.json says: {listed(sizes)}")
    if unread := {n for n in report["unexpected_keys"] if not n.endswith(_CONSTANTS)}:
        message = f"the model in {place} has no use for its {listed(unread)}"
        warn("P1020", message, folder=str(place), weights=len(unread))


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
    for name in (*reversed(PROCESSORS), "tokenizer_config.json"):
        if (folder / name).is_file():
            written = read_config(str(folder), name).get("processor_class")
            if written:
                return str(written)
    return ""


def _processor(kind: Any, folder: str, part: str = "") -> Any:
    folder = str(configurations(folder))
    place = Path(folder) / part
    tokenizes = "Tokenizer" in kind.__name__
    if not tokenizes and not any((place / name).is_file() for name in PROCESSORS):
        raise ValueError(f"it has no processor: neither {' nor '.join(PROCESSORS)}")
    options = gguf_tokenizer_options(place) if tokenizes else {}
    if tokenizes and not options and not any(any(place.glob(f)) for f in _VOCABULARIES):
        raise ValueError(f"it has no tokenizer that can be used: {place} lacks tokenizer.json")
    built = kind.from_pretrained(folder, subfolder=part, **options, **LOCAL)
    tokenizer = built if tokenizes else getattr(built, "tokenizer", None)
    if tokenizer is not None and not options:
        _has_its_files(tokenizer, place)
    for reader in (tokenizer, getattr(built, "qformer_tokenizer", None)):
        if reader is not None:  # texts that are cut have a warning of their own (P1022)
            reader.deprecation_warnings[_TOO_LONG] = True
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
