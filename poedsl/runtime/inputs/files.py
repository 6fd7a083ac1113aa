"""What files hold: pictures, films, arrays, numbers, text and layouts."""

from __future__ import annotations

import codecs
import io
import json
import math
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from poedsl.catalog.installation import install_command
from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import excess, limit, read_limited, remedy
from poedsl.grammar.program_files import is_folder
from poedsl.runtime.inputs.columns import Table, UnfitColumn
from poedsl.runtime.inputs.csv_tables import read_table
from poedsl.runtime.inputs.film_files import FILMS, read_film
from poedsl.runtime.inputs.frames import read_parquet
from poedsl.runtime.inputs.pixels import PIXELS, is_framed
from poedsl.runtime.inputs.rasters import Raster, load, noting_damage, raster, stacked, within_limit

#: The formats of Pillow that are read.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
#: The endings of pictures; where a picture is wanted, a file with another one is read by content.
PICTURES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
ARRAYS = (".npy", ".npz")
TABLES = (".csv", ".tsv", ".parquet")
#: Bytes of padding that may follow the last one of a GIF.
_PADDED = 4096
_NAMED = "PNG, JPEG, WebP, TIFF, BMP, GIF or PPM"
_READ = f"pictures are read from {_NAMED}, numbers from .npy, .npz, .csv, .tsv, .parquet or .json"


class UnreadableFile(Exception):
    """A file that is there and cannot be read; the reason, and notes."""

    def __init__(self, reason: str, *notes: str) -> None:
        super().__init__(reason)
        self.notes = notes


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case MemoryError():
            return "it takes more memory than there is"
        case UnicodeDecodeError():
            return "it is no text in UTF-8"
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def read(path: Path, spec: InputSpec) -> Any:
    """The content of a file or of a folder of frames, as an input takes it.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableFile: it cannot be read.
        UnfitColumn: it is a table with a fault.
    """
    with reasons():
        return _read(path, spec)


@contextmanager
def reasons() -> Iterator[None]:
    """Errors of libraries as those of a file, and nothing that they print of what is in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (FileNotFoundError, UnreadableFile, UnfitColumn, PoeError):
        raise
    # The libraries that read files raise exceptions of many classes for damaged ones.
    except Exception as error:
        raise UnreadableFile(reason(error)) from error


def _read(path: Path, spec: InputSpec) -> Any:
    kind, ending = spec.type.name, path.suffix.lower()
    framed = kind in PIXELS and is_framed(spec.type)
    if is_folder(path):
        if not framed:
            raise UnreadableFile("it is a folder")
        with noting_damage() as remarks:
            read = stacked(folder_frames(path))
        return replace(read, remarks=tuple(remarks))
    if kind == "Text":
        return text(path).removesuffix("\n")
    if ending in FILMS:
        return _film(path)
    if ending in ARRAYS:
        return _numpy(path, spec.name)
    if ending in TABLES:
        return table(path)
    if ending == ".json":
        return json.loads(text(path))
    if kind in PIXELS or ending in PICTURES:
        return _picture(path, framed)
    raise UnreadableFile(unread(ending), _READ)


def unread(ending: str) -> str:
    return f"files that end in {ending} are not read" if ending else "its name has no ending"


def text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, without its byte order mark."""
    content = read_limited(path, "text")
    if isinstance(content, Diagnostic):
        raise PoeError((content,))
    return io.TextIOWrapper(io.BytesIO(content), encoding=_encoding(content)).read()


def _encoding(content: bytes) -> str:
    """UTF-8, or UTF-16 where the byte order mark says so; the mark is no part of the text."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "utf-16" if content.startswith(marks) else "utf-8-sig"


def table(path: Path) -> Table:
    """The table of a CSV or a Parquet file."""
    return read_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)


def _csv(path: Path) -> Table:
    return read_table(text(path), path.name)


def _numpy(path: Path, name: str) -> Any:
    """The array of a .npy file, or of a .npz file: its only one, or that of the input's name."""
    import numpy as np

    with path.open("rb") as file:
        loaded = archive(path, file)
        if isinstance(loaded, np.ndarray):
            return loaded
        names = list(loaded)
        if name not in names and len(names) != 1:
            raise UnreadableFile(
                f"it holds {len(names)} arrays: {', '.join(names)}"[:200],
                f"a .npz file has one array, or one that is named `{name}`",
            )
        return loaded[name if name in names else names[0]]


def archive(path: Path, file: BinaryIO) -> Any:
    """The array of a .npy file, or the arrays of a .npz file by name, read when they are used."""
    import numpy as np

    if not zipfile.is_zipfile(file):
        file.seek(0)
        _limited("numbers", math.prod(_header(file)))
        file.seek(0)
        return np.load(file, allow_pickle=False)
    with zipfile.ZipFile(path) as members:
        for member in members.infolist():
            _limited("file", member.file_size)
            with members.open(member) as content:
                _limited("numbers", math.prod(_header(content)))
    file.seek(0)
    return np.load(file, allow_pickle=False)


def _header(file: Any) -> tuple[int, ...]:
    """The shape that the header of an array states.

    Raises:
        UnreadableFile: it has none.
    """
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
    except ValueError:  # Its message has the first bytes of the file.
        raise UnreadableFile("it is no array of NumPy") from None
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, _ = read(file)
    return tuple(shape)


def _limited(name: str, count: int) -> None:
    """Whether an array is within a limit.

    Raises:
        PoeError: it is beyond it (P0507).
    """
    if too_large := excess(name, "the array has", count):
        raise PoeError((too_large,))


def _picture(path: Path, framed: bool) -> Raster:
    with noting_damage() as remarks, opened(path) as image:
        read = raster(image, framed)
        if not has_its_end(path, image.format) and not remarks:
            remarks.append("P1035")
    return replace(read, remarks=(*read.remarks, *remarks))


def has_its_end(path: Path, kind: str) -> bool:
    """Whether a PNG has the chunk that ends it, or a GIF the byte that does, without which Pillow
    does; true of other kinds, whose end it needs.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        if kind == "GIF":
            file.seek(max(0, size - _PADDED))
            return file.read().rstrip(b"\0").endswith(b";")
        if kind != "PNG":
            return True
        file.seek(8)
        while header := file.read(8):
            length, chunk = int.from_bytes(header[:4], "big"), header[4:]
            end = file.seek(length + 4, io.SEEK_CUR)
            if chunk == b"IEND":
                return end <= size
    return False


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A picture as a PIL image."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except UnidentifiedImageError as error:
        raise UnreadableFile("it is no picture that is read", _READ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        reason = f"it has more than {limit('pixels'):,} pixels, which is the limit"
        raise UnreadableFile(reason, remedy("pixels")) from error


def folder_frames(folder: Path) -> list[Any]:
    """The pictures of a folder by name, numbers in their names in order of size.

    Hidden files are left out, as are those that are no pictures.
    """
    names = [
        p for p in folder.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")
    ]
    if not names:
        raise UnreadableFile(f"the folder holds no {_NAMED}")
    frames: list[Any] = []
    for path in sorted(names, key=in_order):
        frames.append(_frame(path))
        within_limit(len(frames), frames[0].height, frames[0].width)
    return frames


def _frame(path: Path) -> Any:
    """One picture of a folder as a PIL image."""
    try:
        with opened(path) as image:
            load(image)
            if not has_its_end(path, image.format):
                raise UnreadableFile("its end is missing")
            return image
    except Exception as error:
        raise UnreadableFile(f"its frame {path.name} cannot be read: {reason(error)}") from error


def in_order(path: Path) -> list[tuple[int, str]]:
    """The pieces of a file's name by which frames are sorted: numbers by size."""
    pieces = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdecimal() else (0, p) for p in pieces]


def _film(path: Path) -> Raster:
    try:
        film = read_film(path)
    except ImportError as error:
        raise UnreadableFile(
            "films need the library `av`, which is not installed",
            f"install it with: {install_command('video', 'av')}",
            f"or give a folder of frames: {_NAMED}, sorted by name",
        ) from error
    return replace(stacked(film.frames), remarks=("P1036",) if film.varies else ())
