"""Pictures beside each other."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

#: Height and width, in pixels, that a small picture is enlarged to.
SHOWN = 160
#: Pixels between pictures.
GAP = 8
#: Of the background, for what cannot be shown.
BLANK = 1.0
#: Particles whose predicted endpoints are shown, a row each.
FOLLOWED = 6


def grid(rows: list[list[Any]], *, framed: bool = False) -> Any:
    """Rows of pictures of one size on white, with a frame around the first where it is the best."""
    from PIL import Image

    width, height, gap = rows[0][0].width, rows[0][0].height, GAP
    size = (len(rows[0]) * (width + gap) + gap, len(rows) * (height + gap) + gap)
    out = Image.new("RGB", size, "white")
    if framed:
        edge = gap // 2
        out.paste("#d95f02", (edge, edge, width + gap + edge, height + gap + edge))
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            out.paste(tile, (gap + k * (width + gap), gap + i * (height + gap)))
    return out


def pil_image(picture: Float[Tensor, "C H W"]) -> Any:
    """A picture in [0, 1] as a PIL image."""
    from PIL import Image

    pixels = (picture * 255).round().byte().numpy()
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def numbered(index: int, count: int) -> str:
    """The number of a particle of so many in the name of a file."""
    return f"{index:0{max(3, len(str(count - 1)))}d}"
