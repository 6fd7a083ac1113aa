"""Sources that read films, and sequences with depth and masks that were made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.experts.physics.depth import relative_inverse
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import Type
from poedsl.runtime.inputs import files
from poedsl.runtime.inputs.film_files import FILMS, Film, library, read_animation, read_film
from poedsl.runtime.inputs.pixels import UnfitPixels, pixels
from poedsl.runtime.inputs.rasters import noting_damage, stacked

#: How far the shape of a film may be from that of a size, as a share: sizes are whole numbers.
_SAME_SHAPE = 0.02
#: Seconds by which a frame may be late and is still the one at a time, as times are rounded.
_LATE = 2e-3
_FOLDERS = {"rgb": "Video", "depth": "Depth", "mask": "Mask"}


def frames_of(
    file: str,
    device: torch.device,
    frames: int | None = None,
    size: tuple[int, ...] | None = None,
    fps: float | None = None,
    start: float = 0.0,
) -> Float[Tensor, "F 3 H W"]:
    """The frames of a film or of a folder of pictures, with values in [0, 1].

    Args:
        file: MP4, MOV, WebM, GIF, WebP or TIFF, or a folder of pictures.
        frames: how many; None for all.
        size: height and width, to which frames of that shape are scaled; None as they are.
        fps: frames in a second: of each time the frame that is shown then; None for the frames as
            they follow each other.
        start: seconds from its beginning.

    Raises:
        PoeError: the file cannot be read (P0604), or does not fit the arguments (P0612).
        ImportError: the library that reads films is not installed.
    """
    path = Path(file)
    _check(frames, size, fps, start)
    end = None if frames is None or fps is None else start + frames / fps
    count = frames if fps is None and not start else None
    film = _read(path, count, end)
    images = _chosen(film, path, frames, fps, start)
    return _tensor(stacked(_scaled(images, path, size)), "Video", path).to(device)


def sequence_of(
    folder: str,
    device: torch.device,
    frames: int | None = None,
    size: tuple[int, ...] | None = None,
    metric: bool = False,
) -> dict[str, Tensor]:
    """A simulated sequence that was made elsewhere: the folders rgb/, depth/ and mask/ of one.

    Args:
        folder: it has a picture or a .npy file a frame in each of the three.
        frames: how many; None for all. size: height and width; None as they are.
        metric: whether depths are distances; they are relative inverse depths otherwise.

    Returns:
        ``rgb`` (F, 3, H, W), ``depth`` (F, H, W) and ``mask`` (F, H, W), with values in [0, 1].

    Raises:
        PoeError: as `frames_of`.
    """
    path = Path(folder)
    _check(frames, size, None, 0.0)
    out = {
        name: _part(path / name, kind, frames, metric and name == "depth").to(device)
        for name, kind in _FOLDERS.items()
    }
    counts = {name: len(x) for name, x in out.items()}
    sizes = {name: tuple(x.shape[-2:]) for name, x in out.items()}
    for measured in (counts, sizes):
        if len(set(measured.values())) > 1:
            listed = ", ".join(f"{name}/ has {value}" for name, value in measured.items())
            _unfit(path, f"its folders differ: {listed}")
    if size is not None and sizes["rgb"] != tuple(size):
        _unfit(path, f"it has {_by(sizes['rgb'])} pixels, and `size` is {_by(size)}")
    return out


def _part(folder: Path, kind: str, frames: int | None, metric: bool) -> Float[Tensor, "F ..."]:
    """One of the folders of a sequence."""
    try:
        with files.reasons():
            if not folder.is_dir():
                raise files.UnreadableFile("a sequence has the folders rgb/, depth/ and mask/")
            read = _arrays(folder)
            if read is None:
                with noting_damage():
                    read = stacked(files.folder_frames(folder))
            array = getattr(read, "array", read)
            if metric and array.ndim != 3:
                raise files.UnreadableFile(
                    f"distances have one number a pixel, not {array.shape[3:]}"
                )
    except files.UnreadableFile as error:
        raise _unreadable(folder, error) from error
    if frames is not None and len(array) < frames:
        _unfit(folder, f"it has {len(array)} frames, and `frames` is {frames}")
    if metric:
        return relative_inverse(torch.from_numpy(array[:frames].astype("f4")))
    return _tensor(read, kind, folder)[:frames]


def _arrays(folder: Path) -> Any:
    """The .npy files of a folder, (F, ...); None where it has none."""
    import numpy as np

    names = sorted(folder.glob("*.npy"), key=files.in_order)
    if not names:
        return None
    read = [np.load(name, allow_pickle=False) for name in names]
    if len({a.shape for a in read}) > 1:
        raise files.UnreadableFile("its frames differ in size")
    return np.stack(read)


def _check(frames: int | None, size: Sequence[int] | None, fps: float | None, start: float) -> None:
    problems = (
        (frames is not None and frames < 1, f"`frames` is at least 1, and this is {frames}"),
        (size is not None and min(size) < 1, f"`size` is at least [1, 1], and this is {size}"),
        (fps is not None and fps <= 0, f"`fps` is above 0, and this is {fps}"),
        (start < 0, f"`start` is at least 0, and this is {start}"),
    )
    for wrong, message in problems:
        if wrong:
            raise PoeError((Diagnostic("P0612", message),))


def _read(path: Path, count: int | None, end: float | None) -> Film:
    """A film as far as it is needed: so many frames, or to a time."""

    def enough(frames: int, time: float) -> bool:
        return (count is not None and frames > count) or (end is not None and time > end)

    is_film = path.suffix.lower() in FILMS and not path.is_dir()
    if is_film:
        library()
    try:
        with files.reasons(), noting_damage() as remarks:
            film = _film(path, is_film, enough)
    except FileNotFoundError as error:
        raise PoeError((Diagnostic("P0604", f"the film is not there: {path}"),)) from error
    except files.UnreadableFile as error:
        raise _unreadable(path, error) from error
    if remarks:
        raise _unreadable(path, files.UnreadableFile("a picture in it is damaged"))
    return film


def _film(path: Path, is_film: bool, enough: Callable[[int, float], bool]) -> Film:
    if path.is_dir():
        return Film(tuple(files.folder_frames(path)))
    if is_film:
        return read_film(path, enough)
    with files.opened(path) as image:
        if not files.has_its_end(path, image.format):
            raise files.UnreadableFile("its end is missing")
        return read_animation(image, _seek(image))


def _seek(image: Any) -> Any:
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        yield image


def _unreadable(path: Path, error: files.UnreadableFile) -> PoeError:
    message = f"{path} cannot be read: {error}"
    return PoeError((Diagnostic("P0604", message, notes=error.notes),))


def _chosen(
    film: Film, path: Path, frames: int | None, fps: float | None, start: float
) -> Sequence[Any]:
    """The images of a film that the arguments ask for."""
    if fps is None and film.varies:
        gaps = sorted(film.intervals)
        span = f"{1000 * gaps[0]:.0f} to {1000 * gaps[-1]:.0f} ms apart"
        _unfit(path, f"its frames are not at even times but {span}, and no `fps` is given")
    if not film.times and (fps is not None or start):
        _unfit(path, "its frames have no times, which `fps` and `start` need")
    if fps is None:
        first = sum(t < start - _LATE for t in film.times)
        images: Sequence[Any] = film.frames[first:]
    else:
        images = _resampled(film, fps, start)
    if not images:
        _unfit(path, f"it ends after {film.end:.2f} s, and `start` is {start:g}")
    if frames is not None and len(images) < frames:
        rate = fps or film.rate
        long = f" at {rate:.4g} in a second" if rate else ""
        _unfit(path, f"it has {len(images)} frames{long}, and `frames` is {frames}")
    return images[:frames]


def _resampled(film: Film, fps: float, start: float) -> list[Any]:
    """The frame that is shown at each of even times."""
    images = []
    shown, number = 0, 0
    while (time := start + number / fps) < film.end - _LATE:
        while shown + 1 < len(film.times) and film.times[shown + 1] <= time + _LATE:
            shown += 1
        images.append(film.frames[shown])
        number += 1
    return images


def _scaled(images: Sequence[Any], path: Path, size: Sequence[int] | None) -> Sequence[Any]:
    """Images of a size."""
    from PIL import Image

    if size is None:
        return images
    height, width = size
    image = images[0]
    if abs(image.width * height / (image.height * width) - 1) > _SAME_SHAPE:
        actual = _by((image.height, image.width))
        _unfit(path, f"it has {actual} pixels, and `size` is {_by(size)}, which is another shape")
    if image.size == (width, height):
        return images
    return [i.convert("RGB").resize((width, height), Image.Resampling.LANCZOS) for i in images]


def _tensor(read: Any, kind: str, path: Path) -> Float[Tensor, "F ..."]:
    type_ = Type("Video", (None, 3, None, None)) if kind == "Video" else Type(kind, (None,) * 3)
    spec = InputSpec(path.name, type_)
    try:
        array, _ = pixels(read, spec.type)
    except UnfitPixels as error:
        message = f"{path} holds no {kind}{error}"
        raise PoeError((Diagnostic("P0604", message, notes=error.notes),)) from error
    return torch.from_numpy(array)


def _by(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]}"


def _unfit(path: Path, reason: str) -> NoReturn:
    raise PoeError((Diagnostic("P0612", f"{path} does not fit: {reason}"),))
