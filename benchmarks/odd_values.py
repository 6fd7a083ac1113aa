"""Odd and damaged values for inputs, drawn at random; `mutated_inputs.py` binds them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

PIXELS = ("Image", "Image[3, _, _]", "Image[1, 2, 2]", "Mask", "Mask[2, _, _]", "Depth", "Video")
NUMBERS = ("Real", "Real[2]", "Real[2, 2]", "Real[3, 2, 2]", "Int", "Int[2]", "Bool", "Bool[2]")
#: In place of a type: values for several inputs.
DATA = "data"
OTHERS = ("Text", "Layout", "Region", "File")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
ENDINGS = ("", ".png", ".jpg", ".tif", ".gif", ".npy", ".npz", ".csv", ".json", ".txt", ".mp4")
NAMES = ((), ("a",), ("a",), ("b",), ("b",), ("b", "c"))
SHAPES = ((), (2,), (2, 2), (2, 2), (3, 2, 2), (2, 2, 3), (1, 2, 2), (2, 2, 2), (2, 3, 2, 2))
DTYPES = ("?", "u1", "i1", "u2", ">u2", "i4", "u8", "f2", "f4", "f4", ">f8", "c8", "O")
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 255, 2**70, 1e300, float("nan"), float("inf")),
    *("", "a cat", "\ufeff", "\x00", "\ud800", [], {}, [[]], [1, [2]], {"box": 1}, b"x", object()),
)


@dataclass(frozen=True)
class Case:
    """A value for an input of a type."""

    kind: str
    type: str
    value: Any


# Values.


def _array(r: random.Random) -> Any:
    """An array of a few random or extreme numbers."""
    shape: tuple[int, ...] = r.choice(SHAPES)
    if r.random() < 0.2:
        shape = tuple(r.choice((0, 1, 2, 3, 4, 5)) for _ in range(r.randint(0, 5)))
    levels = r.choice(((0, 1), (0, 1), (0, 1), (0, 255), (0, 65535), (-1, 1), (0, 2**40)))
    values = np.array([r.uniform(*levels) for _ in range(int(np.prod(shape)))]).reshape(shape)
    if values.size and r.random() < 0.1:
        values.flat[0] = r.choice((np.nan, np.inf, -np.inf, 1e300))
    with np.errstate(all="ignore"):
        return np.asarray(np.round(values).astype(r.choice(DTYPES)) if r.random() < 0.7 else values)


def _picture(r: random.Random) -> Any:
    mode, size = r.choice(MODES), (r.randint(1, 4), r.randint(1, 4))
    bands = {"1": 1, "I": 4, "F": 4, "I;16": 2}.get(mode) or len(Image.new(mode, (1, 1)).getbands())
    count = (size[0] + 7) // 8 * size[1] if mode == "1" else size[0] * size[1] * bands
    levels = r.choice(((0,), (0, 1), (0, 255), tuple(range(256))))
    data = bytes(r.choice(levels) for _ in range(count))
    return Image.frombytes(mode, size, data)


def _nested(r: random.Random, depth: int = 0) -> Any:
    """Lists in lists, with odd leaves."""
    if depth > 4 or r.random() < 0.3:
        return r.choice((0, 1, 0.5, *JUNK))
    return [_nested(r, depth + 1) for _ in range(r.randint(0, 3))]


def _deep(r: random.Random) -> Any:
    value: Any = 1
    for _ in range(r.choice((3, 70, 2000))):
        value = [value]
    return value


def _tensor(r: random.Random) -> Any:
    kind = r.choice((torch.bool, torch.uint8, torch.int64, torch.bfloat16, torch.float64))
    shape = [r.randint(1, 4) for _ in range(r.randint(0, 4))]
    tensor = (torch.tensor(r.random()).expand(shape) * r.choice((1, 1, 2, 255))).to(kind)
    odd = r.choice(("", "", "", "gradient", "sparse", "meta"))
    if odd == "gradient" and kind.is_floating_point:
        return tensor.clone().requires_grad_()
    return tensor.to_sparse() if odd == "sparse" else tensor.to(odd if odd == "meta" else "cpu")


def _object(r: random.Random) -> Any:
    """A Python object of any kind."""
    array = _array(r)
    makers: tuple[Callable[[], Any], ...] = (
        lambda: r.choice(JUNK),
        lambda: array,
        lambda: array.tolist(),
        lambda: np.ma.masked_array(array, mask=r.random() < 0.5),
        lambda: np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]),
        lambda: [_picture(r) for _ in range(r.randint(1, 3))],
        lambda: [r.choice((array, _picture(r), 1)) for _ in range(2)],
        lambda: _picture(r),
        lambda: _nested(r),
        lambda: _deep(r),
        lambda: _tensor(r),
        lambda: Path(r.choice(("", ".", "/", "no.png", "x" * 5000, "a\x00b"))),
    )
    return r.choice(makers)()


# Files.


def _damaged(data: bytes, r: random.Random) -> bytes:
    """The bytes with one kind of damage, or as they are."""
    at = r.randrange(len(data)) if data else 0
    match r.randrange(15):
        case 0:
            return data[:at]
        case 1:
            flipped = bytearray(data)
            for _ in range(r.choice((1, 1, 4, 30)) if data else 0):
                flipped[r.randrange(len(data))] ^= 1 << r.randrange(8)
            return bytes(flipped)
        case 2:
            return data[:at] + r.randbytes(r.randint(1, 40)) + data[at:]
        case 3:
            # Sizes are near the beginning of most files.
            at = r.randrange(min(64, len(data) + 1))
            return data[:at] + r.choice((b"\x7f\xff\xff\xff", b"\xff\xff", b"\0" * 4)) + data[at:]
        case 4:
            return data[at:] + data[:at]
        case _:
            return data


def _picture_file(r: random.Random, folder: Path) -> Path:
    path = folder / f"x{r.choice(ENDINGS) if r.random() < 0.1 else '.png'}"
    extra: dict[str, Any] = {}
    if r.random() < 0.3:
        extra["exif"] = Image.Exif()
        extra["exif"][0x112] = r.randint(0, 9)
    if r.random() < 0.2:
        extra |= {"save_all": True, "append_images": [_picture(r)]}
    if r.random() < 0.2:
        extra["transparency"] = r.choice((0, 255))
    for _ in range(20):
        try:
            _picture(r).save(path, format=r.choice(FORMATS), **extra)
            break
        except Exception:  # A format that does not hold this picture.
            continue
    else:
        path.write_bytes(b"")
    path.write_bytes(_damaged(path.read_bytes(), r))
    return path


def _array_file(r: random.Random, folder: Path) -> Path:
    path = folder / r.choice(("a.npy", "a.npz"))
    if path.suffix == ".npy":
        np.save(path, _array(r))
    else:
        save = r.choice((np.savez, np.savez_compressed))
        save(path, **{name: _array(r) for name in r.choice(NAMES)})
    path.write_bytes(_damaged(path.read_bytes(), r))
    return path


def _text(r: random.Random) -> str:
    """Rows of numbers, JSON, a layout with parts replaced, or words."""
    match r.randrange(4):
        case 0:
            cells = ("1", "0.5", "-2", "nan", "1e999", "", "x", '"1"', " 3", "#", "1;2", "٣")
            usual = ("1", "0", "2", "0.5")
            rows = [
                r.choice((",", ",", ";")).join(
                    r.choice(cells if r.random() < 0.1 else usual) for _ in range(2)
                )
                for _ in range(r.randint(0, 3))
            ]
            return r.choice(("\n", "\r\n")).join(rows)
        case 1:
            return json.dumps(_nested(r), default=str)
        case 2:
            part: dict[str, Any] = {"box": [0, 0.5, 1, 1], "text": "a cat"}
            if r.random() < 0.5:
                part[r.choice(("box", "text", "more"))] = r.choice(JUNK)
            if r.random() < 0.3 and isinstance(part["box"], list) and part["box"]:
                part["box"][0] = r.choice(JUNK)
            return json.dumps([part], default=str)
        case _:
            return r.choice(("a cat", "", "[" * 100_000, "\n\n", '{"a":', "9" * 5000, "1\n"))


def _text_file(r: random.Random, folder: Path) -> Path:
    path = folder / f"x{r.choice(('.csv', '.json', '.txt', ''))}"
    coding = r.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    path.write_bytes(_damaged(_text(r).encode(coding, "replace"), r))
    return path


def _frames(r: random.Random, folder: Path) -> Path:
    frames = folder / "frames"
    frames.mkdir()
    first = _picture_file(r, folder).read_bytes()
    for number in range(r.randint(0, 3)):
        other = r.random() < 0.2
        data = _picture_file(r, folder).read_bytes() if other else first
        (frames / f"x{number}.png").write_bytes(data)
    for name in ("._x0.png", ".DS_Store", "Thumbs.db", "²1.png"):
        if r.random() < 0.2:
            (frames / name).write_bytes(first if name[0] == "²" else b"\0")
    return frames


# Values for several inputs.


def _columns(r: random.Random) -> dict[str, list[Any]]:
    """Columns y, of numbers, and k, of whole ones, of which a few are odd."""
    rows = r.randint(1, 4)
    odd = r.random() < 0.3
    cells = (0.5, -2.0, 1e-300, 3, 2**53 + 1, *((None, "x", "", True, 1e400) if odd else ()))
    y = [r.choice(cells) for _ in range(rows)]
    k = [r.choice((0, 1, -7, 2**24, *((2**24 + 1, 0.5, None) if odd else ()))) for _ in range(rows)]
    table: dict[str, list[Any]] = {"y": y, "k": k}
    if r.random() < 0.2:
        table[r.choice(("z", "Y", "", " y", "\ufeffy"))] = k
    return dict(r.sample(sorted(table.items()), len(table)))


def _data_file(r: random.Random, folder: Path) -> Path:
    """A file of values for several inputs, with some kind of damage."""
    path = folder / f"data{r.choice(('.json', '.csv', '.tsv', '.parquet', '.npz'))}"
    table = _columns(r)
    match path.suffix:
        case ".json":
            text = json.dumps(table, allow_nan=True)
            if r.random() < 0.2:
                other = r.choice(("y", "k", "n"))
                text = f'{text[:-1]}, "{other}": {json.dumps(_nested(r), default=str)}}}'
            path.write_bytes(text.encode(r.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16"))))
        case ".parquet":
            _frame_of(r, table).to_parquet(path, compression=r.choice(("none", "snappy", "zstd")))
        case ".npz":
            np.savez(path, **{name or "_": _plain(column) for name, column in table.items()})
        case ending:
            separator = "\t" if ending == ".tsv" else r.choice(",;")
            rows = [list(table), *zip(*table.values(), strict=True)]
            shown = [separator.join("NA" if c is None else str(c) for c in row) for row in rows]
            path.write_text(r.choice(("\n", "\r\n")).join(shown))
    path.write_bytes(_damaged(path.read_bytes(), r))
    return path


def _plain(column: list[Any]) -> Any:
    """An array of numbers, or of texts."""
    try:
        return np.array(column, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([str(c) for c in column])


def _frame_of(r: random.Random, table: dict[str, list[Any]]) -> Any:
    """A data frame with columns of some types."""
    import pandas

    kinds = ("float64", "float32", "Int64", "int16", "bool", "category", "string", "object")
    frame = pandas.DataFrame({name: pandas.Series(c, dtype="object") for name, c in table.items()})
    for name in frame.columns:
        try:
            frame[name] = frame[name].astype(r.choice(kinds))
        except (TypeError, ValueError, OverflowError):
            frame[name] = frame[name].astype("string")
        if frame[name].dtype == object:  # which Parquet takes only of one type
            frame[name] = frame[name].astype("string")
    if r.random() < 0.1:
        frame["when"] = pandas.Timestamp("2026-01-01")
    return frame


def _frame(r: random.Random) -> Any:
    return _frame_of(r, _columns(r))


KINDS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "picture": (_picture_file, PIXELS),
    "array": (_array_file, (*PIXELS, *NUMBERS)),
    "text": (_text_file, (*NUMBERS, *OTHERS, "Depth")),
    "frames": (_frames, ("Video", "Mask[2, _, _]", "Image")),
    "object": (_object, (*PIXELS, *NUMBERS, *OTHERS)),
    "data": (_data_file, (DATA,)),
    "frame": (_frame, (DATA,)),
}


def case(number: int, seed: int, folder: Path) -> Case:
    """The case of a number; its files are written to an empty folder."""
    r = random.Random(f"{seed} {number}")
    kind = r.choice(tuple(KINDS))
    make, types = KINDS[kind]
    # A few values go to inputs that they are not meant for.
    type_ = r.choice(types) if r.random() < 0.9 else r.choice((*PIXELS, *NUMBERS, *OTHERS))
    type_ = DATA if DATA in types else type_
    value = make(r) if kind in ("object", "frame") else make(r, folder)
    return Case(kind, type_, value)
