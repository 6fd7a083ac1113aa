"""Keys of arguments by their content: texts, numbers, pictures and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def content_key(value: Any) -> str:
    """A key that equal arguments share, and no others; empty where there is an argument of another
    kind than texts, numbers, types and devices of torch, tensors, pictures of PIL, and lists,
    tuples and dictionaries of these.
    """
    digest = hashlib.sha256()
    try:
        for piece in _pieces(value):
            digest.update(len(piece).to_bytes(8, "little"))
            digest.update(piece)
    except TypeError:
        return ""
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """What a value consists of, each piece after its kind and number of parts.

    Raises:
        TypeError: it is of another kind.
    """
    from PIL import Image

    match value:
        case None | bool() | int() | float() | str() | torch.dtype() | torch.device():
            yield f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")
        case list() | tuple():
            yield f"{type(value).__name__} {len(value)}".encode()
            for part in value:
                yield from _pieces(part)
        case Mapping():
            yield f"mapping {len(value)}".encode()
            for name in sorted(value, key=str):
                yield from _pieces(name)
                yield from _pieces(value[name])
        case Tensor():
            plain = value.detach().cpu().contiguous()
            yield f"tensor {plain.dtype} {tuple(plain.shape)} {value.device}".encode()
            yield plain.reshape(-1).view(torch.uint8).numpy().tobytes()
        case Image.Image():
            yield f"picture {value.mode} {value.size} {value.getpalette()}".encode()
            yield value.tobytes()
        case _:
            raise TypeError(type(value).__name__)
