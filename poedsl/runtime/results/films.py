"""What a variable of frames looks like to a person: a film, a contact sheet, an animation."""

from __future__ import annotations

import importlib
import io
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.installation import install_command
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.core.sampler_options import keeps_best
from poedsl.runtime.results.grids import BLANK, FOLLOWED, SHOWN, grid, numbered, pil_image
from poedsl.runtime.results.report import RankedRun, order

#: Frames in a second; films of Wan and its like have 16.
FPS = 16
#: Particles that are shown side by side, and those whose films are written one by one.
BESIDE, WRITTEN = 9, 16
#: Frames of a contact sheet, evenly spaced from the first to the last.
SHEET = 8
#: The longest side of a film in a sheet or side by side, in pixels; smaller ones are enlarged to
#: about `SHOWN`.
LARGEST = 320
#: Of H.264: how much is lost, from 0 for nothing; 14 is hardly to be seen.
_QUALITY = "14"


@runtime_checkable
class EndpointSequence(Protocol):
    """Predicted endpoints along the path."""

    def of(self, particle: int) -> dict[str, Tensor]: ...


@runtime_checkable
class FilmedRun(RankedRun, Protocol):
    """What films show of a result; `Result` describes the attributes."""

    @property
    def particles(self) -> Mapping[str, Tensor]: ...
    @property
    def predicted_endpoints(self) -> EndpointSequence | None: ...


def films_left_out(plan: PlanSpec) -> list[str]:
    """A sentence where a plan has films and the library that writes them is not installed."""
    if find_spec("av") is not None or all(v.type.name != "Video" for v in plan.variables):
        return []
    command = install_command("video", "av")
    return [f"the films in samples/ are left out: `av` is not installed ({command})"]


def draw_films(result: FilmedRun, name: str, folder: Path) -> None:
    """Write the films of a variable, (L, F, C, H, W), to a folder.

    Written are a contact sheet ``NAME.png``, the particles side by side as ``NAME.mp4`` and
    ``NAME.gif``, each of the first particles as ``NAME-000.mp4``, and where the result has
    predicted endpoints ``NAME-path.png``, those of the first particle. Films are left out where the
    library that writes them is not installed.
    """
    films = result.particles[name].clamp(0, 1).cpu()
    indices = order(result)
    best, beside = keeps_best(result.plan), indices[:BESIDE]
    frames = [_beside([films[i, k] for i in beside], framed=best) for k in range(films.shape[1])]
    (folder / f"{name}.gif").write_bytes(animation(frames))
    if find_spec("av") is not None:
        write_film(folder / f"{name}.mp4", frames)
        for index in indices[:WRITTEN]:
            images = [pil_image(frame) for frame in films[index]]
            write_film(folder / f"{name}-{numbered(index, len(films))}.mp4", images)
    _sheet([films[i] for i in indices[:FOLLOWED]], framed=best).save(folder / f"{name}.png")
    if result.predicted_endpoints is not None:
        ends = result.predicted_endpoints.of(indices[0])[name].nan_to_num(nan=BLANK).clamp(0, 1)
        _sheet(list(ends.cpu())).save(folder / f"{name}-path.png")


def write_film(path: Path, frames: Sequence[Any], fps: int = FPS) -> None:
    """Write PIL images of one size as H.264 in MP4, which browsers play.

    H.264 has even sizes: of an odd one the last row or column is repeated.

    Raises:
        ImportError: the library `av` is not installed.
    """
    av = importlib.import_module("av")
    width, height = (side + side % 2 for side in frames[0].size)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": _QUALITY, "preset": "fast"}
        context = stream.codec_context
        context.thread_count = 1
        # The colours of BT.709 in the range of television, which players assume of films.
        context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1
        context.color_range = 1
        for image in frames:
            frame = av.VideoFrame.from_image(_with_even_sizes(image, width, height))
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _with_even_sizes(image: Any, width: int, height: int) -> Any:
    """An image of a size that is at most a pixel larger, its last row and column repeated."""
    image = image.convert("RGB")
    if image.size == (width, height):
        return image
    out = image.crop((0, 0, width, height))
    if width > image.width:
        out.paste(image.crop((image.width - 1, 0, image.width, image.height)), (image.width, 0))
    if height > image.height:
        row = out.crop((0, image.height - 1, width, image.height))
        out.paste(row, (0, image.height))
    return out


def animation(frames: Sequence[Any], fps: int = FPS) -> bytes:
    """PIL images as a GIF that repeats."""
    content = io.BytesIO()
    first, *others = [frame.convert("P", palette=1, colors=256) for frame in frames]
    first.save(
        content,
        "GIF",
        save_all=True,
        append_images=others,
        duration=round(1000 / fps),
        loop=0,
        disposal=1,
    )
    return content.getvalue()


def tile(picture: Float[Tensor, "C H W"], largest: int = LARGEST) -> Any:
    """A frame as a PIL image of a size that is seen well beside others."""
    from PIL import Image

    image = pil_image(picture)
    longest = max(image.size)
    if longest > largest:
        size = tuple(max(1, round(side * largest / longest)) for side in image.size)
        return image.resize(size, Image.Resampling.LANCZOS)
    factor = max(1, min(largest, SHOWN) // longest)
    size = (image.width * factor, image.height * factor)
    return image.resize(size, Image.Resampling.NEAREST)


def sampled(count: int) -> list[int]:
    """The frames of a contact sheet, of so many."""
    shown = min(SHEET, count)
    if shown == 1:
        return [0]
    return [round(k * (count - 1) / (shown - 1)) for k in range(shown)]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _beside(frames: list[Tensor], *, framed: bool) -> Any:
    tiles = [tile(frame) for frame in frames]
    if len(tiles) == 1:
        return tiles[0]
    columns = math.ceil(math.sqrt(len(tiles)))
    return grid([tiles[k : k + columns] for k in range(0, len(tiles), columns)], framed=framed)


def _sheet(films: list[Float[Tensor, "F C H W"]], *, framed: bool = False) -> Any:
    """A row a film, of frames evenly spaced."""
    chosen = sampled(len(films[0]))
    return grid([[tile(film[k], SHOWN) for k in chosen] for film in films], framed=framed)


def thumbnail(film: Float[Tensor, "F C H W"], size: int) -> bytes:
    """A film as a small animation."""
    return animation([tile(frame, size) for frame in film.clamp(0, 1).cpu()])
