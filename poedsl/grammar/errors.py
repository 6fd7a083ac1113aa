"""The error that carries diagnostics, and errors of the machine."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source


class PoeError(Exception):
    """A program, plan or input that cannot be used.

    Attributes:
        diagnostics: errors and warnings, in source order.
        source: the text the spans refer to (empty for what did not come from a text).
    """

    def __init__(self, diagnostics: tuple[Diagnostic, ...], source: Source | None = None) -> None:
        self.diagnostics = diagnostics
        self.source = source or Source("", "")
        super().__init__(diagnostics)

    def __reduce__(self) -> tuple[type[PoeError], tuple[tuple[Diagnostic, ...], Source]]:
        return PoeError, (self.diagnostics, self.source)

    def __repr__(self) -> str:
        return f"PoeError({', '.join(map(repr, self.diagnostics))})"

    def _repr_html_(self) -> str:
        from poedsl.grammar.html import diagnostics_html

        return diagnostics_html(self.diagnostics, self.source)

    def __str__(self) -> str:
        return render_text(self.diagnostics, self.source)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in Python, or in torch on a CPU or a GPU.

    On a CPU torch raises a plain RuntimeError, which only its wording tells from others.
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "alloc" in str(error)
    )
