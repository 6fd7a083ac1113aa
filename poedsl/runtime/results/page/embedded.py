"""Pictures and films in the text of a page, as addresses that hold their content."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.results.grids import pil_image

#: Pictures with longer sides, in pixels, are JPEG, which is smaller and loses a little.
EXACT = 40
_QUALITY = 86


def address(content: bytes, kind: str) -> str:
    """An address that holds a file of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def embedded(image: Any, largest: int) -> str:
    """A PIL image, made smaller where its longer side has more pixels."""
    from PIL import Image

    longest = max(image.size)
    if longest > largest:
        size = [max(1, round(side * largest / longest)) for side in image.size]
        image = image.resize(size, Image.Resampling.LANCZOS)
    content = io.BytesIO()
    if max(image.size) <= EXACT or image.mode in ("P", "RGBA"):
        image.save(content, "PNG", optimize=True)
        return address(content.getvalue(), "image/png")
    image.save(content, "JPEG", quality=_QUALITY, subsampling=0)
    return address(content.getvalue(), "image/jpeg")


def picture(pixels: Float[Tensor, "C H W"], largest: int) -> str:
    """A picture in [0, 1]; what is not finite is white."""
    return embedded(pil_image(pixels.nan_to_num(nan=1.0).clamp(0, 1).cpu().float()), largest)


def raster(values: Any, largest: int) -> str:
    """An array (H, W), from its least to its largest value."""
    from PIL import Image

    numbers = np.nan_to_num(np.asarray(values, dtype=float))
    low, high = float(numbers.min()), float(numbers.max())
    levels = 255 * (numbers - low) / ((high - low) or 1.0)
    return embedded(Image.fromarray(levels.round().astype(np.uint8)), largest)


def bands(levels: Any, colour: tuple[int, int, int], opacities: Any) -> str:
    """An array (H, W) of the numbers of bands in one colour; each band has its opacity, 0 to 1."""
    from PIL import Image

    alpha = (255 * np.asarray(opacities))[levels].round().astype(np.uint8)
    pixels = np.empty((*alpha.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, alpha
    return embedded(Image.fromarray(pixels), max(alpha.shape))
