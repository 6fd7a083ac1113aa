"""Language models in GGUF, by the reader of transformers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib import import_module
from pathlib import Path
from typing import Any

from poedsl.experts.loading.libraries import missing_extra


def gguf_options(file: str) -> dict[str, Any]:
    """Options with which transformers reads the weights in a GGUF file.

    Quantised weights become numbers of the network's dtype. Kept packed they would need kernels
    that the library fetches from the hub.

    Raises:
        PoeError: the libraries that read GGUF are not installed (P0703).
    """
    import transformers

    _import_readers()
    options: dict[str, Any] = {"gguf_file": file}
    if hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return options


def gguf_tokenizer_options(place: Path) -> dict[str, Any]:
    """Options for a tokenizer that is in the GGUF file of its model; none for other tokenizers.

    Raises:
        PoeError: as `gguf_options`.
    """
    files = sorted(place.glob("*.gguf"))
    if not files or any(place.glob("tokenizer*")) or any(place.glob("*.safetensors")):
        return {}
    _import_readers()
    return {"gguf_file": files[0].name}


def _import_readers() -> None:
    try:
        for library in ("gguf", "accelerate"):
            import_module(library)
    except ImportError as error:
        raise missing_extra("lm", "gguf", error) from error


@contextmanager
def silent_progress() -> Iterator[None]:
    """Without the progress bar of the reader, which no setting of the library switches off."""
    with redirect_stderr(io.StringIO()):
        yield
