"""A check that code of the package says where the tensors it makes are, and of which type."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._pytree import tree_leaves

PACKAGE = str(Path(__file__).parent.parent / "poedsl")
#: Python of torch's that stands between a caller and the mode.
BETWEEN = tuple(str(Path(torch.__file__).parent / n) for n in ("overrides.py", "functional.py"))
FACTORIES = frozenset(_device_constructors())
#: These keep the device of a tensor that they are given.
CONVERSIONS = frozenset({torch.as_tensor, torch.asarray})
#: Names of methods that say a type.
TYPED = frozenset({"float", "double", "half", "bfloat16", "type", "to", "from_numpy", "__get__"})


class EveryTensorIsPlaced(TorchFunctionMode):
    """Notes what would be elsewhere, or of another type, if torch's defaults were others.

    Only calls by code of the package count, not those of libraries that it calls.

    Attributes:
        without_device: factories that are called without ``device``, by file and line.
        without_dtype: what makes numbers of the default type out of none, likewise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.without_device: set[str] = set()
        self.without_dtype: set[str] = set()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        if function not in FACTORIES and any(map(is_float, args)):
            return out  # by far the most calls, and where they are takes time to find out
        place = caller(function)
        if not place:
            return out
        given = [v for v in tree_leaves((args, kwargs)) if hasattr(v, "dtype")]
        converted = function in CONVERSIONS and bool(given)
        if function in FACTORIES and kwargs.get("device") is None and not converted:
            self.without_device.add(place)
        typed = any(isinstance(v, torch.dtype) for v in (*args, *kwargs.values()))
        if is_float(out) and not typed:
            name = getattr(function, "__name__", "")
            known = any("float" in str(v.dtype) for v in given)
            if not known and name not in TYPED:
                self.without_dtype.add(place)
        return out


def is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def caller(function: Callable[..., Any]) -> str:
    """Where the package calls a function of torch's; empty where a library does."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename in BETWEEN:
        frame = frame.f_back
    name = frame.f_code.co_filename
    if not name.startswith(PACKAGE):
        return ""
    return f"{name}:{frame.f_lineno}: {getattr(function, '__name__', function)}"


def forget() -> None:
    """Empty the caches of the package, so that what they hold is made again."""
    for cache in caches():
        cache.cache_clear()


def caches() -> Iterator[Any]:
    """The cached functions and methods of the modules that are imported. The garbage collector does
    not know of all: those of modules that are imported before a test have been left out of it.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith("poedsl.")]
    values = [value for module in modules for value in vars(module).values()]
    methods = [v for value in values if isinstance(value, type) for v in vars(value).values()]
    for value in (*values, *methods):
        if hasattr(value, "cache_clear") and not isinstance(value, type):
            yield value
