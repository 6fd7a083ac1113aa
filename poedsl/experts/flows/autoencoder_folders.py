"""What the folder of a model says of its autoencoder, before anything is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from poedsl.catalog.single_files import configurations
from poedsl.experts.flows.content_keys import content_key
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.shared_networks import AUTOENCODERS
from poedsl.experts.loading.single_file_weights import prefix_in, tensors_below
from poedsl.experts.loading.weight_files import read_config

#: Options of an autoencoder on which its latents do not depend.
NO_SETTINGS = ("sample_size", "force_upcast")
#: Options of an autoencoder for the location and the scale of each channel of latents.
BY_CHANNEL = ("latents_mean", "latents_std")
#: The autoencoder of Qwen-Image, which is that of a model of films.
FILMS = "AutoencoderKLQwenImage"
#: Height and width of the pictures that pipelines of Qwen-Image make where nothing says a size.
QWEN_IMAGE = 1024


def pixels_per_latent(config: Mapping[str, Any]) -> int:
    """Pixels along a side of one latent; 1 without an autoencoder."""
    halved = config.get("temperal_downsample", config.get("block_out_channels", (1,))[1:])
    return int(2 ** len(halved))


@cached_by_folder(maxsize=64)
def fingerprint(folder: str, settings: str) -> str:
    """A hash of the weights of an autoencoder and of its settings.

    The same weights have two hashes if one of them is in a single file with a whole model.
    """
    digest = hashlib.sha256(settings.encode())
    prefix = prefix_in(folder, AUTOENCODERS[0], "vae")
    if prefix is not None:
        digest.update(content_key(tensors_below(folder, prefix)).encode())
        return digest.hexdigest()
    for path in sorted((configurations(folder) / "vae").glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def settings(config: Mapping[str, Any]) -> str:
    """The options of an autoencoder on which its latents depend."""
    used = (k for k in config if not k.startswith("_") and k not in NO_SETTINGS)
    return repr([(k, config[k]) for k in sorted(used)])


def reads(config: Mapping[str, Any]) -> bool:
    """Whether a `Codec` reads an autoencoder of this configuration."""
    kind = config.get("_class_name", AUTOENCODERS[0])
    by_channel = any(config.get(name) is not None for name in BY_CHANNEL)
    return kind in AUTOENCODERS and (kind != AUTOENCODERS[0] or not by_channel)


def has_codec(folder: str) -> bool:
    """Whether a folder has an autoencoder."""
    return (configurations(folder) / "vae" / "config.json").is_file()


def native_size(folder: str) -> tuple[int, int] | None:
    """Height and width in pixels of a model's training images; None where it is not recorded.

    As in the library's pipelines, the size of the latents that the network was trained on counts
    before that of the images that the autoencoder was trained on.
    """
    config = read_config(folder, "vae") if has_codec(folder) else {}
    with loading("", folder):
        factor = pixels_per_latent(config)
    for part in ("unet", "transformer"):
        if (configurations(folder) / part / "config.json").is_file():
            size = _size(read_config(folder, part).get("sample_size"))
            if size is not None:
                return factor * size[0], factor * size[1]
    return _size(QWEN_IMAGE if config.get("_class_name") == FILMS else config.get("sample_size"))


def _size(size: object) -> tuple[int, int] | None:
    match size:
        case int():
            return size, size
        case [int(height), int(width)]:
            return height, width
        case _:
            return None
