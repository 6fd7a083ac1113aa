"""poedsl: a probabilistic-programming language for composing experts.

import poedsl
plan = poedsl.compile("x ~ Normal(0, 1) * Normal(2, 1)")
result = plan.run(seed=0, particles=512)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poedsl.grammar.errors import PoeError
from poedsl.version import __version__

if TYPE_CHECKING:
    from poedsl.api import compile, load
    from poedsl.catalog.annotations import Record
    from poedsl.experts.user.decorators import expert, model, reward, source
    from poedsl.grammar.limits import limits
    from poedsl.interface.pipeline import PoePipeline
    from poedsl.plan import Plan
    from poedsl.runtime.results.result import Result

#: The types of the language take sizes as annotations: ``Image[3, 64, 64]``. mypy, for which MYPY
#: is true, takes them from `__getattr__` as Any; for other type checkers they are classes.
MYPY = False
if TYPE_CHECKING and not MYPY:
    from typing import TypeAlias

    from torch import Tensor

    class _TensorType(Tensor):
        def __class_getitem__(cls, sizes: object) -> type[_TensorType]: ...

    Real: TypeAlias = _TensorType
    Int: TypeAlias = _TensorType
    Bool: TypeAlias = _TensorType
    Image: TypeAlias = _TensorType
    Depth: TypeAlias = _TensorType
    Mask: TypeAlias = _TensorType
    Video: TypeAlias = _TensorType
    Tokens: TypeAlias = _TensorType
    Category: TypeAlias = _TensorType
    Region: TypeAlias = _TensorType
    Text: TypeAlias = Any
    Layout: TypeAlias = Any
    File: TypeAlias = Any

#: Types of the language, as annotations of Python.
_TYPES = ["Real", "Int", "Bool", "Text", "Image", "Depth", "Mask", "Video"]
_TYPES += ["Tokens", "Category", "Region", "Layout", "File"]
__all__ = ["Plan", "PoeError", "PoePipeline", "Record", "Result", "__version__", "compile"]
__all__ += ["expert", "limits", "load", "model", "reward", "source", *_TYPES]


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """Add the cell magic ``%%poe`` to a notebook: what ``%load_ext poedsl`` calls."""
    from poedsl.interface.notebook import load

    load(shell)


def __getattr__(name: str) -> Any:
    """Names are loaded when they are used, so that importing the language stays quick."""
    if name in ("compile", "load"):
        import poedsl.api

        return getattr(poedsl.api, name)
    if name == "Plan":
        from poedsl.plan import Plan

        return Plan
    if name == "limits":
        from poedsl.grammar.limits import limits

        return limits
    if name == "PoePipeline":
        from poedsl.interface.pipeline import PoePipeline

        return PoePipeline
    if name == "Result":
        from poedsl.runtime.results.result import Result

        return Result
    if name in ("expert", "model", "reward", "source"):
        import poedsl.experts.user.decorators

        return getattr(poedsl.experts.user.decorators, name)
    if name == "Record" or name in _TYPES:
        from poedsl.catalog.annotations import ANNOTATIONS, Record

        return Record if name == "Record" else ANNOTATIONS[name]
    raise AttributeError(f"module 'poedsl' has no attribute {name!r}")
