"""What is read from folders of models, kept for all that use it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
#: Endings of the files that models, tokenizers and processors are read from.
READ = (".json", ".jinja", ".model", ".safetensors", ".txt")


def stamp(folder: str) -> tuple[tuple[str, int, int], ...]:
    """Of the files of a model and its parts: their names, when they were written, their sizes."""
    places = sorted(p for at in ("*", "*/*") for p in Path(folder).glob(at) if p.suffix in READ)
    found = ((str(place), place.stat()) for place in places if place.is_file())
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


class Cached(Generic[P, R]):
    """A function of a folder that is called once for as long as the folder's files are the same."""

    def __init__(self, function: Callable[P, R], maxsize: int) -> None:
        update_wrapper(self, function)
        self._signature = inspect.signature(function)
        made: Callable[..., R] = function
        self._kept = lru_cache(maxsize)(lambda _, *given: made(**dict(given)))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given = self._signature.bind(*args, **kwargs).arguments
        given["folder"] = folder = str(Path(given["folder"]).resolve())
        return self._kept(stamp(folder), *given.items())

    def cache_clear(self) -> None:
        self._kept.cache_clear()


def cached_by_folder(maxsize: int) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Keeps what a function of a ``folder`` returns: of the last ``maxsize`` of its arguments."""
    return lambda function: Cached(function, maxsize)
