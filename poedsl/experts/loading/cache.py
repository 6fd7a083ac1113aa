"""A cache for what is loaded from the folders of models."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Generic, ParamSpec, TypeVar

from poedsl.catalog.single_files import configurations
from poedsl.experts.loading.load_warnings import LoadWarning, collected, warn

P = ParamSpec("P")
R = TypeVar("R")
#: Suffixes of the files of models, tokenizers and processors.
READ = (".gguf", ".json", ".jinja", ".model", ".safetensors", ".txt")


def stamp(folder: str) -> tuple[tuple[str, int, int], ...]:
    """The names, modification times and sizes of the files of a model and its parts."""
    home = configurations(folder)
    places = sorted(p for at in ("*", "*/*") for p in home.glob(at) if p.suffix in READ)
    places += [] if home == Path(folder) else [Path(folder)]
    stats = ((str(place), place.stat()) for place in places if place.is_file())
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


class Cached(Generic[P, R]):
    """A cached function of a ``folder``, which is called again when the folder's files change.

    What it warned of is given again with a value from the cache.
    """

    def __init__(self, function: Callable[P, R], maxsize: int) -> None:
        update_wrapper(self, function)
        self._signature = inspect.signature(function)
        call: Callable[..., R] = function

        @lru_cache(maxsize)
        def cached(_: object, *arguments: tuple[str, object]) -> tuple[R, list[LoadWarning]]:
            with collected() as warnings:
                value = call(**dict(arguments))
            return value, warnings

        self._cached = cached

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        arguments = self._signature.bind(*args, **kwargs).arguments
        place = Path(arguments["folder"])
        # The file of a model may be a link, and what is beside it is beside the link.
        place = place.parent.resolve() / place.name if place.is_file() else place.resolve()
        arguments["folder"] = folder = str(place)
        value, warnings = self._cached(stamp(folder), *arguments.items())
        for warning in warnings:
            warn(warning.code, warning.message, **warning.data)
        return value

    def cache_clear(self) -> None:
        self._cached.cache_clear()


def cached_by_folder(maxsize: int) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """Cache a function of a ``folder``, for the ``maxsize`` arguments that were used last."""
    return lambda function: Cached(function, maxsize)
