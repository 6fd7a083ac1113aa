"""What cannot be run, as an error that names the factor and its place."""

from __future__ import annotations

from poedsl.compiler.plan import FactorSpec
from poedsl.grammar.diagnostics import Diagnostic, PoeError


def refused(code: str, message: str, *notes: str, factor: FactorSpec | None = None) -> PoeError:
    """An error to raise; ``factor`` is the one at hand."""
    place = () if factor is None else (f"the factor {site(factor)}",)
    return PoeError((Diagnostic(code, message, notes=(*place, *notes)),))


def site(factor: FactorSpec) -> str:
    return f"`{factor.name}` at {factor.place}"
