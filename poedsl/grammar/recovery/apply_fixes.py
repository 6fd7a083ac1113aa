"""Fixes applied to a text: those that are safe, none of them over another."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix


def safe_fixes(diagnostics: Iterable[Diagnostic]) -> tuple[tuple[Diagnostic, Fix], ...]:
    """The first safe fix of each diagnostic, but for those that touch an earlier one."""
    chosen: list[tuple[Diagnostic, Fix]] = []
    edits: list[Edit] = []
    for diagnostic in diagnostics:
        for fix in diagnostic.fixes:
            if fix.applicability != "safe" or not fix.edits:
                continue
            if not any(_touch(a, b) for a in fix.edits for b in edits):
                chosen.append((diagnostic, fix))
                edits += fix.edits
            break
    return tuple(chosen)


def _touch(a: Edit, b: Edit) -> bool:
    return a.span.start <= b.span.end and b.span.start <= a.span.end


def apply_fix(text: str, *fixes: Fix) -> str:
    """The text with the edits of some fixes, which do not touch each other."""
    edits = [edit for fix in fixes for edit in fix.edits]
    for edit in sorted(edits, key=lambda e: e.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def apply_fixes(text: str, diagnostics: Iterable[Diagnostic]) -> tuple[str, int]:
    """The text with all safe fixes that do not touch each other, and their number."""
    fixes = [fix for _, fix in safe_fixes(diagnostics)]
    return apply_fix(text, *fixes), len(fixes)
