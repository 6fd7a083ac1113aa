"""Diagnostics are values: passes return them, one list is rendered as text, JSON or for editors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from poedsl.grammar.source import NOWHERE, Source, Span

Severity = Literal["error", "warning", "note"]
Applicability = Literal["safe", "maybe-incorrect", "has-placeholders"]


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of a span."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that would mend the program, and how sure we are of it."""

    text: str
    edits: tuple[Edit, ...] = ()
    applicability: Applicability = "maybe-incorrect"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error, warning or note about a program.

    ``span`` is the whole offending range; ``here`` is what stands under its underline.
    """

    code: str
    message: str
    span: Span = NOWHERE
    severity: Severity = "error"
    here: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.severity} {self.code} at {self.span.start}: {self.message}>"

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


def to_json(diagnostics: tuple[Diagnostic, ...], source: Source) -> list[dict[str, Any]]:
    """The JSON form: lines and columns from 1, offsets from 0."""

    def place(offset: int) -> dict[str, int]:
        line, column = source.location(offset)
        return {"line": line, "column": column, "offset": offset}

    def span(s: Span) -> dict[str, dict[str, int]]:
        return {"start": place(s.start), "end": place(s.end)}

    return [
        {
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "file": source.name,
            "span": span(d.span),
            "here": d.here,
            "labels": [{"span": span(x.span), "text": x.text} for x in d.labels],
            "notes": list(d.notes),
            "fixes": [
                {
                    "text": f.text,
                    "applicability": f.applicability,
                    "edits": [{"span": span(e.span), "text": e.text} for e in f.edits],
                }
                for f in d.fixes
            ],
        }
        for d in diagnostics
    ]
