"""Images as networks take them: the image processors of transformers in differentiable torch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.transformers_models import processor as load_processor

#: The mean difference from the output of the library's own processor, in normalised units,
#: that another implementation of resizing may cause on a smooth image.
TOLERANCE = 0.05
#: Names of interpolations in torch by PIL's numbers.
_MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
#: Interpolations that torch does not have, for which it takes bicubic ones.
_OTHERS = {1: "Lanczos", 4: "box", 5: "Hamming"}


class ImagePreprocessor:
    """The image processor of a network in differentiable torch: resize, centre crop, normalise,
    and cut into patches for networks that take these.

    Values are not rounded to 256 levels. For the first images of a size, the library's processor
    gives the size after resizing, and the outputs of both are compared.

    Args:
        expert, folder: for messages. processor: an image processor of transformers.

    Attributes:
        mean, std: of each channel, on the CPU; None where pictures are not normalised.

    Raises:
        PoeError: the processor normalises another number of channels than pictures have (P0206).
    """

    def __init__(self, expert: str, folder: str, processor: Any) -> None:
        self.expert, self.folder, self.processor = expert, folder, processor
        self.sizes: dict[tuple[int, int], tuple[int, int]] = {}
        normalises = getattr(processor, "do_normalize", True)
        self.mean = self.of_channels("image_mean") if normalises else None
        self.std = self.of_channels("image_std") if normalises else None
        self.resample = int(getattr(processor, "resample", 3) or 0)
        if getattr(processor, "do_resize", True) and self.resample in _OTHERS:
            kind = _OTHERS[self.resample]
            message = f"`resample = {self.resample}` of the image processor in {folder} is {kind}"
            message += " interpolation, for which cubic interpolation is taken"
            warn("P1023", message, folder=folder, resample=self.resample)

    @classmethod
    def from_folder(cls, expert: str, folder: str) -> ImagePreprocessor:
        """That of the image processor in a folder."""
        return cls(expert, folder, load_processor("AutoImageProcessor", folder))

    def __call__(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " *input"]:
        """The network's input for images in [0, 1]: (N, 3, h, w), or `patches`."""
        height, width = x.shape[-2:]
        if (height, width) not in self.sizes:
            self.sizes[height, width] = self.resized_size(height, width)
        return self.transform(x, self.sizes[height, width])

    def transform(
        self, x: Float[Tensor, "N 3 H W"], size: tuple[int, int]
    ) -> Float[Tensor, " *input"]:
        """Args: size: height and width in pixels after resizing."""
        p = self.processor
        if x.shape[-2:] != size:
            mode = _MODES.get(self.resample, "bicubic")
            smooth: dict[str, Any] = {"align_corners": False, "antialias": True}
            x = F.interpolate(x, size, mode=mode, **({} if mode == "nearest-exact" else smooth))
        x = x.clamp(0, 1)
        if getattr(p, "do_center_crop", False):
            x = centre_crop(x, _side(p.crop_size, "height"), _side(p.crop_size, "width"))
        if getattr(p, "do_rescale", True):
            x = x * (255 * float(getattr(p, "rescale_factor", None) or 1 / 255))
        if self.mean is not None and self.std is not None:
            x = (x - self.mean.to(x)) / self.std.to(x)
        if hasattr(p, "temporal_patch_size"):
            x = patches(x, p.patch_size, p.merge_size, p.temporal_patch_size)
        return x

    def of_channels(self, name: str) -> Float[Tensor, "3 1 1"]:
        """An option of the processor that has a number for each channel, or one for all.

        Raises:
            PoeError: it has not (P0206).
        """
        with loading(self.expert, self.folder):
            numbers = torch.tensor(getattr(self.processor, name), dtype=torch.float32, device="cpu")
        if numbers.dim() > 1 or numbers.numel() not in (1, 3):
            reason = f"`{name}` of its image processor is not one number for each of 3 channels"
            raise unfit(self.expert, self.folder, reason)
        return numbers.view(-1, 1, 1).expand(3, 1, 1)

    def resized_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width in pixels after resizing.

        Raises:
            PoeError: the processor does more than this class (P0206).
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
        with loading(self.expert, self.folder):
            resized = self.processor(images=shown, return_tensors="pt", **whole)
            expected = self.processor(images=shown, return_tensors="pt").pixel_values
        size = self.size_before_cutting(resized)
        output = None if size is None else self.transform(probe[None], size)
        if (
            size is None
            or output is None
            or output.shape != expected.shape
            or (output - expected).abs().mean() > TOLERANCE
        ):
            kind = type(self.processor).__name__
            reason = f"{kind} does more than resize pictures, cut out the middle and normalise"
            raise unfit(self.expert, self.folder, reason)
        return size

    def size_before_cutting(self, processed: Any) -> tuple[int, int] | None:
        """Height and width in pixels of a processed picture; None where they are unknown."""
        if "image_grid_thw" in processed:
            _, rows, columns = processed.image_grid_thw[0].tolist()
            return rows * self.processor.patch_size, columns * self.processor.patch_size
        pixels = processed.pixel_values
        return (pixels.shape[-2], pixels.shape[-1]) if pixels.dim() == 4 else None


def patches(
    x: Float[Tensor, "N c h w"], side: int, merged: int, frames: int
) -> Float[Tensor, "M k"]:
    """Images as the vision encoders of Qwen2-VL and its successors take them: the patches of all,
    flat, in blocks of those that are merged later, with each image as ``frames`` equal ones.

    Args:
        side: of a patch in pixels. merged: patches along a side of a block.
    """
    count, channels, height, width = x.shape
    down, across = height // side // merged, width // side // merged
    split = x.view(count, channels, down, merged, side, across, merged, side)
    split = split.permute(0, 2, 5, 3, 6, 1, 4, 7)[:, :, :, :, :, :, None]
    repeated = split.expand(*(-1,) * 6, frames, -1, -1)
    return repeated.reshape(count * height * width // side**2, -1)


def pil(x: Float[Tensor, "N 3 H W"]) -> list[Any]:
    """PIL images with 256 levels, of images in [0, 1]."""
    from PIL import Image

    levels = (x.detach().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture) for picture in levels]


def centre_crop(x: Float[Tensor, "N 3 H W"], height: int, width: int) -> Float[Tensor, "N 3 h w"]:
    """Crop the centre of images."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def _side(size: Any, name: str) -> int:
    return int(size[name] if isinstance(size, dict) else getattr(size, name))
