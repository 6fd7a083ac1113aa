"""What cannot be run, as an error that names the factor and its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from poedsl.compiler.plan import FactorSpec
from poedsl.grammar.diagnostics import Diagnostic, PoeError


def refused(code: str, message: str, *notes: str, factor: FactorSpec | None = None) -> PoeError:
    """An error to raise; ``factor`` is the one at hand."""
    place = () if factor is None else (f"the factor {site(factor)}",)
    return PoeError((Diagnostic(code, message, notes=(*place, *notes)),))


@contextmanager
def naming(factor: FactorSpec) -> Iterator[None]:
    """What is raised inside names the factor and its place, unless it does so by itself."""
    place = f"the factor {site(factor)}"
    try:
        yield
    except PoeError as error:
        notes = ((d, d.notes if place in d.notes else (place, *d.notes)) for d in error.diagnostics)
        raise PoeError(tuple(replace(d, notes=n) for d, n in notes), error.source) from error


def site(factor: FactorSpec) -> str:
    return f"`{factor.name}` at {factor.place}"
