"""poedsl: a probabilistic-programming language for composing experts.

import poedsl
plan = poedsl.compile("x ~ Normal(0, 1) * Normal(2, 1)")
result = plan.run(seed=0, particles=512)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poedsl.grammar.diagnostics import PoeError

if TYPE_CHECKING:
    from poedsl.api import Plan, compile, load
    from poedsl.runtime.result import Result

__version__ = "0.1.0"
__all__ = ["Plan", "PoeError", "Result", "__version__", "compile", "load"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Names are loaded when they are used, so that importing the language stays quick."""
    if name in ("Plan", "compile", "load"):
        import poedsl.api

        return getattr(poedsl.api, name)
    if name == "Result":
        from poedsl.runtime.result import Result

        return Result
    raise AttributeError(f"module 'poedsl' has no attribute {name!r}")
