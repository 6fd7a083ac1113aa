"""poedsl: a probabilistic-programming language for composing experts.

import poedsl
plan = poedsl.compile("x ~ Normal(0, 1) * Normal(2, 1)")
result = plan.run(seed=0, particles=512)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poedsl.grammar.diagnostics import PoeError
from poedsl.version import __version__

if TYPE_CHECKING:
    from poedsl.api import Plan, compile, load
    from poedsl.catalog.annotations import Annotation, Record
    from poedsl.experts.user.decorators import expert, model, reward, source
    from poedsl.interface.pipeline import PoePipeline
    from poedsl.runtime.results.result import Result

    Real = Int = Bool = Text = Image = Depth = Mask = Video = Annotation("", ())
    Tokens = Category = Region = Layout = File = Annotation("", ())

#: Types of the language, as annotations of Python.
_TYPES = ["Real", "Int", "Bool", "Text", "Image", "Depth", "Mask", "Video"]
_TYPES += ["Tokens", "Category", "Region", "Layout", "File"]
__all__ = ["Plan", "PoeError", "PoePipeline", "Record", "Result", "__version__", "compile"]
__all__ += ["expert", "load", "model", "reward", "source", *_TYPES]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Names are loaded when they are used, so that importing the language stays quick."""
    if name in ("Plan", "compile", "load"):
        import poedsl.api

        return getattr(poedsl.api, name)
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
