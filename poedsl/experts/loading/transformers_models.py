"""What all judges of pictures share: loading, what a network sees of a picture, frames of films.

A judge is built from the folder of its weights and called with pictures (L, 3, H, W) or films
(L, F, 3, H, W) in [0, 1]. It is black-box unless it is asked for a gradient.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from poedsl.catalog.model_folders import missing_extra, quiet_loading
from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.grammar.diagnostics import Diagnostic, PoeError

#: Pictures that a network sees at once, where the profile does not say.
BATCH = 8
#: Mean difference from the library's own picture, in units of its normalised pixels, that resizing
#: in another way may make of a smooth one.
TOLERANCE = 0.05
#: Names of interpolations in torch by PIL's numbers; others are taken for bicubic.
_MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}


class Judge:
    """One number a picture; of a film the mean over frames that are evenly spaced.

    Where gradients are taken through it, batches are evaluated anew on the way back, one at a time,
    unless the profile says otherwise.

    Args:
        name: of the reward, for messages. gradient: whether `score` is differentiated.
        frames: of a film that are looked at, from the first to the last.

    Attributes:
        device, dtype: of its network.

    Raises:
        PoeError: there are to be no frames.
    """

    def __init__(
        self, name: str, device: torch.device, profile: Profile, gradient: bool, frames: int
    ) -> None:
        if frames < 1:
            message = f"`frames` of `{name}` is above 0, and this is {frames}"
            raise PoeError((Diagnostic("P0307", message),))
        self.name, self.gradient, self.frames = name, gradient, frames
        self.device = torch.device(profile.device) if profile.device else device
        self.dtype = profile.torch_dtype(self.device)
        self.batch = profile.microbatch or BATCH
        self.checkpointing = profile.checkpointing

    def __call__(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, " L"]:
        pictures = self.sampled(x).to(self.device, torch.float32)
        followed = self.gradient and torch.is_grad_enabled() and x.requires_grad
        parts = torch.split(pictures, self.batch)
        with torch.set_grad_enabled(followed):
            if followed and self.checkpointing:
                scores = [checkpoint(self.score, part, use_reentrant=False) for part in parts]
            else:
                scores = [self.score(part) for part in parts]
        return torch.cat(scores).view(len(x), -1).mean(1).to(x)

    def sampled(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, "N 3 H W"]:
        """The pictures to score, those of one film after the other."""
        if x.dim() == 4:
            return x
        last = x.shape[1] - 1
        chosen = torch.linspace(
            0, last, min(self.frames, last + 1), dtype=torch.float32, device="cpu"
        )
        return x[:, chosen.round().long().to(x.device)].flatten(0, 1)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        raise NotImplementedError


class Sight:
    """What a network sees of pictures: what its image processor does, as torch code.

    Resized, its middle cut out, and normalised as the processor of the folder says; differentiable,
    and nothing is rounded to 256 levels. At the first pictures of a size the library's own
    processor tells the size that they get, and that both agree but for interpolation.

    Args:
        judge, folder: for messages. processor: an image processor of transformers.
    """

    def __init__(self, judge: str, folder: str, processor: Any) -> None:
        self.judge, self.folder, self.processor = judge, folder, processor
        self.sizes: dict[tuple[int, int], tuple[int, int]] = {}

    def __call__(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 3 h w"]:
        """Pictures in [0, 1], as the network takes them."""
        height, width = x.shape[-2:]
        if (height, width) not in self.sizes:
            self.sizes[height, width] = self.measured(height, width)
        return self.seen(x, self.sizes[height, width])

    def seen(self, x: Float[Tensor, "N 3 H W"], size: tuple[int, int]) -> Float[Tensor, "N 3 h w"]:
        """Args: size: height and width after resizing."""
        p = self.processor
        if x.shape[-2:] != size:
            mode = _MODES.get(getattr(p, "resample", 3), "bicubic")
            smooth: dict[str, Any] = {"align_corners": False, "antialias": True}
            x = F.interpolate(x, size, mode=mode, **({} if mode == "nearest-exact" else smooth))
        x = x.clamp(0, 1)
        if getattr(p, "do_center_crop", False):
            x = middle(x, _side(p.crop_size, "height"), _side(p.crop_size, "width"))
        if getattr(p, "do_normalize", True):
            mean, std = (x.new_tensor(v).view(-1, 1, 1) for v in (p.image_mean, p.image_std))
            x = (x - mean) / std
        return x

    def measured(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after resizing.

        Raises:
            PoeError: the processor does more with pictures than is known here.
        """
        across, down = (
            torch.linspace(0, 1, n, dtype=torch.float32, device="cpu") for n in (width, height)
        )
        down = down[:, None]
        probe = torch.stack([across.expand(height, -1), down.expand(-1, width), across * down])
        shown = pil(probe[None])
        whole = (
            {"do_center_crop": False} if getattr(self.processor, "do_center_crop", False) else {}
        )
        with loading(self.judge, self.folder):
            resized = self.processor(images=shown, return_tensors="pt", **whole).pixel_values
            own = self.processor(images=shown, return_tensors="pt").pixel_values
        size = tuple(resized.shape[-2:])
        ours = self.seen(probe[None], (size[0], size[1])) if resized.dim() == 4 else None
        if ours is None or ours.shape != own.shape or (ours - own).abs().mean() > TOLERANCE:
            kind = type(self.processor).__name__
            reason = f"{kind} does more than resize pictures, cut out the middle and normalise"
            raise unfit(self.judge, self.folder, reason)
        return size[0], size[1]


def pil(x: Float[Tensor, "N 3 H W"]) -> list[Any]:
    """Pictures of 256 levels, as the library's processors take them."""
    from PIL import Image

    levels = (x.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in levels]


def middle(x: Float[Tensor, "N 3 H W"], height: int, width: int) -> Float[Tensor, "N 3 h w"]:
    """The middle of pictures that are at least as large."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def _side(size: Any, name: str) -> int:
    return int(size[name] if isinstance(size, dict) else getattr(size, name))


# Loading.


def unfit(judge: str, folder: str, reason: str, *notes: str) -> PoeError:
    """A folder that is not what a judge is made of."""
    message = f"`{judge}` cannot use the model in {folder}: {reason}"
    return PoeError((Diagnostic("P0206", message, notes=notes),))


@contextmanager
def loading(judge: str, folder: str, *notes: str) -> Iterator[None]:
    """Reads a model's files; whatever the library finds wrong with them is told in a line.

    Raises:
        PoeError: a library is missing, or the files are not those of such a model.
    """
    try:
        with quiet_loading():
            yield
    except PoeError:
        raise
    except Exception as error:
        if isinstance(error, ImportError) and error.name:
            raise missing_extra(judge, "diffusers", error) from error
        told = " ".join(str(error).split()) or repr(error)
        raise unfit(judge, folder, told.partition(". ")[0], *notes) from error


def model_type(judge: str, folder: str, *notes: str) -> str:
    """The kind of model that a folder says it holds.

    Raises:
        PoeError: it has no configuration.
    """
    try:
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = "it has no config.json that says its `model_type`"
        raise unfit(judge, folder, reason, *notes) from error


def expect(judge: str, folder: str, kinds: tuple[str, ...], *notes: str) -> str:
    """Whether a folder holds one of the kinds of model that a judge is made of; that kind.

    Raises:
        PoeError: it holds another.
    """
    found = model_type(judge, folder, *notes)
    if found not in kinds:
        wanted = " or ".join(kinds)
        raise unfit(judge, folder, f"it holds a model of type {found}, not {wanted}", *notes)
    return found


#: How everything is read: from the folder alone, and no code with it.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@cached_by_folder(maxsize=8)
def network(kind: str, folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """A network of transformers; loaded once for all judges that use it.

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


class Head:
    """Linear layers one after the other, without anything between them.

    The head of LAION's aesthetic score and of ImageReward; between their layers were dropouts.

    Args:
        weights: by names ``N.weight`` and ``N.bias``, N a number that grows.

    Raises:
        ValueError: they are not the weights of such layers.
    """

    def __init__(self, weights: dict[str, Tensor], width: int, device: torch.device) -> None:
        order = sorted({int(name.partition(".")[0]) for name in weights})
        self.layers = [
            tuple(weights[f"{n}.{part}"].float().to(device) for part in ("weight", "bias"))
            for n in order
        ]
        sizes = [width, *(len(bias) for _, bias in self.layers)]
        shapes = [tuple(weight.shape) for weight, _ in self.layers]
        if not order or sizes[-1] != 1 or shapes != list(zip(sizes[1:], sizes, strict=False)):
            raise ValueError(f"no head from {width} features to one number is in it")

    def __call__(self, x: Float[Tensor, "N d"]) -> Float[Tensor, " N"]:
        x = x.float()
        for weight, bias in self.layers:
            x = F.linear(x, weight, bias)
        return x[:, 0]
