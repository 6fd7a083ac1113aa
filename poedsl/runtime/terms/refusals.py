"""What cannot be run, as an error that names the factor and its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def refused(code: str, message: str, *notes: str, factor: FactorSpec | None = None) -> PoeError:
    """An error to raise; ``factor`` is the one at hand."""
    place = () if factor is None else (f"the factor {factor_at(factor)}",)
    return PoeError((Diagnostic(code, message, notes=(*place, *notes)),))


@contextmanager
def naming(factor: FactorSpec) -> Iterator[None]:
    """What an expert refuses of its arguments names the factor and its place."""
    try:
        yield
    except PoeError as error:
        place = f"the factor {factor_at(factor)}"
        raise PoeError(
            tuple(
                replace(d, notes=(place, *d.notes)) if d.code == "P0307" else d
                for d in error.diagnostics
            ),
            error.source,
        ) from error


def factor_at(factor: FactorSpec) -> str:
    return f"`{factor.name}` at {factor.place}"
