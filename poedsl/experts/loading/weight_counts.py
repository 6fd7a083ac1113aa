"""How many numbers the networks in a folder have, from the headers of their files alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.single_files import configurations, weight_shapes
from poedsl.experts.loading.pipelines import LEFT_OUT
from poedsl.experts.loading.shared_networks import FILMS
from poedsl.experts.loading.single_file_weights import prefix_in
from poedsl.experts.loading.weight_files import read_config, weight_files

#: Parts of a pipeline's folder that an expert of the language reads, without its text encoders.
_PARTS = ("transformer", "transformer_2", "unet", "vae")
_ENCODER = "text_encoder"
#: The encoder of a first frame, which experts of films read, and the beginning of the names of
#: their pipelines.
_EYES, _FILMS = "image_encoder", "Wan"
#: Subfolders of networks in folders without `model_index.json`.
_INNER = ("vision", "unet")
_STEMS = ("diffusion_pytorch_model", "model")


@dataclass(frozen=True, slots=True)
class WeightCount:
    """The numbers of a network.

    Attributes:
        place: the folder or the file of its weights. name: of the part of its pipeline; empty for
            a network that is not one of several.
        matrices, vectors: numbers in tensors of two dimensions and more, and in others.
        upcast: whether its configuration asks for 32-bit floats where others have 16 bits.
    """

    place: Path
    name: str
    matrices: int
    vectors: int
    upcast: bool = False

    @property
    def parameters(self) -> int:
        return self.matrices + self.vectors

    @property
    def encodes(self) -> bool:
        """Whether it reads prompts or conditions, which is done before the first stage."""
        return self.name.startswith((_ENCODER, _EYES))

    @property
    def decodes(self) -> bool:
        return self.name == "vae"

    def size(self, width: int, *, stored: int | None = None) -> int:
        """Bytes that they take.

        Args:
            width: bytes of a number. stored: bytes of a number in a matrix, where they differ.
        """
        width = 4 if self.upcast else width
        return self.matrices * (stored or width) + self.vectors * width


def pipeline_parts(model: Path, *, whole: bool, controlnet: bool) -> tuple[WeightCount, ...]:
    """The networks of a pipeline that are loaded.

    Args:
        model: the folder of the pipeline, or the single file with its weights.
        whole: whether all its parts are, and not only those that experts of the language read.
        controlnet: whether its ControlNet is one of these.

    Raises:
        PoeError: ``model_index.json`` cannot be read (P0206).
        ValueError, OSError, SafetensorError: the files of a network cannot be read.
    """
    index, folder = read_config(str(model), "model_index.json"), configurations(model)
    named = [n for n, v in index.items() if isinstance(v, list) and any(v) and n not in LEFT_OUT]
    if not whole:
        films = str(index.get("_class_name")).startswith(_FILMS)
        more = {"controlnet": controlnet, _EYES: films}
        parts = (*_PARTS, *(name for name, read in more.items() if read))
        named = [n for n in named if n in parts or n.startswith(_ENCODER)]
    inside = {n: prefix_in(str(model), str(index[n][-1]), n) for n in named}
    return tuple(
        _network(folder / n, n) if prefix is None else _of_single_file(model, folder, n, prefix)
        for n, prefix in inside.items()
        if prefix is not None or _has_weights(folder / n)
    )


def network_parts(folder: Path) -> tuple[WeightCount, ...]:
    """The networks in a folder that is not that of a pipeline.

    Raises:
        ValueError, OSError, SafetensorError: their files cannot be read.
    """
    inner = [n for n in _INNER if _has_weights(folder / n)]
    whole = (_network(folder, ""),) if _has_weights(folder) or not inner else ()
    return (*whole, *(_network(folder / n, n) for n in inner))


def _of_single_file(file: Path, home: Path, name: str, prefix: str) -> WeightCount:
    """A part of a pipeline in a single file.

    Args:
        home: the folder of its configurations. prefix: of the names of its weights.
    """
    shapes = [shape for n, shape in weight_shapes(file).items() if n.startswith(prefix)]
    return _summed(file / name, name, shapes, _upcast(home / name, name))


def in_file(path: Path, name: str = "") -> WeightCount:
    """The numbers in a safetensors or GGUF file.

    Raises:
        ValueError, OSError, SafetensorError: it cannot be read.
    """
    return _counted(path, name, (path,))


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) or any(folder.glob("*.gguf"))


def _network(folder: Path, name: str) -> WeightCount:
    stem = next((s for s in _STEMS if any(folder.glob(f"{s}.*"))), None)
    if stem is None:  # weights under a name of their own, as those of ImageReward
        paths = tuple(sorted((*folder.glob("*.safetensors"), *folder.glob("*.gguf"))))
    else:
        paths = weight_files(folder, stem).paths
    return _counted(folder, name, paths, _upcast(folder, name))


def _upcast(folder: Path, name: str) -> bool:
    """Whether a network is in 32-bit floats where others have 16 bits."""
    config = read_config(str(folder), "config.json") if name in ("vae", _EYES) else {}
    films = config.get("_class_name") == FILMS
    return name == _EYES or bool(config.get("force_upcast")) or films


def _counted(place: Path, name: str, paths: tuple[Path, ...], upcast: bool = False) -> WeightCount:
    shapes = [shape for path in paths for shape in _shapes(path)]
    return _summed(place.resolve(), name, shapes, upcast)


def _summed(place: Path, name: str, shapes: list[tuple[int, ...]], upcast: bool) -> WeightCount:
    matrices = sum(math.prod(s) for s in shapes if len(s) > 1)
    vectors = sum(math.prod(s) for s in shapes if len(s) <= 1)
    return WeightCount(place, name, matrices, vectors, upcast)


def _shapes(path: Path) -> list[tuple[int, ...]]:
    """The shapes of the tensors of floats in a file."""
    if path.suffix == ".gguf":
        try:
            from gguf import GGUFReader
        except ImportError:
            raise ValueError(f"{path.name} is read with the extra `gguf`") from None
        return [tuple(int(n) for n in t.shape) for t in GGUFReader(path).tensors]
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118
        return [tuple(s.get_shape()) for s in slices if "F" in s.get_dtype()]
