"""What a session answers to a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.html import diagnostics_html
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The text is an incomplete statement: feed it again with its next lines."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Errors or warnings about a text; spans refer to ``source``."""

    items: tuple[Diagnostic, ...]
    source: Source = field(default_factory=lambda: Source("", ""))

    def __repr__(self) -> str:
        return f"Diagnostics({', '.join(map(repr, self.items))})"

    def __str__(self) -> str:
        return render_text(self.items, self.source)

    def _repr_html_(self) -> str:
        return diagnostics_html(self.items, self.source)


@dataclass(frozen=True, slots=True)
class Reply:
    """The output of statements, an expression or a command without errors.

    Attributes:
        text: to show; often empty.
        value: of an expression, or its type where the value depends on inputs; of a command its
            plan, result or text.
        warnings: of the statements that were added, or of the program that is planned or run.
    """

    text: str = ""
    value: Any = None
    warnings: Diagnostics | None = None


def command_error(code: str, message: str, **more: Any) -> PoeError:
    """An error of a command.

    Args:
        more: other attributes of the diagnostic.
    """
    return PoeError((Diagnostic(code, message, **more),))
