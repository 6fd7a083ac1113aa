"""`poe check --fix`: safe fixes, applied as long as they leave fewer errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from poedsl.cli.fmt import write
from poedsl.cli.shared import echo
from poedsl.compiler.compile import Compiled
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.apply_fixes import apply_fix, safe_fixes
from poedsl.grammar.source import Source

#: A fix can reveal another error of its statement: this many rounds of fixes are tried.
ROUNDS = 10

Compile = Callable[[Source], Compiled]
Fixes = tuple[tuple[Diagnostic, Fix], ...]


def run_fix(file: str, compiled: Compiled, compile_: Compile) -> Compiled:
    """Fix a program in place (standard input goes to standard output), and report each fix."""
    source = compiled.source
    while (better := _better(compiled, compile_)) is not None:
        lines, compiled = better
        for line in lines:
            echo(line, err=True)
    for line in _left(compiled):
        echo(line, err=True)
    if file == "-":
        echo(compiled.source.text, end="")
    elif compiled.source.text != source.text:
        write(Path(file), compiled.source.text)
    return compiled


Better = tuple[list[str], Compiled]


def _better(compiled: Compiled, compile_: Compile) -> Better | None:
    """The program with fewer errors, and what was done: all fixes together, else some one."""
    chosen = safe_fixes(compiled.diagnostics)
    alone = ((fix,) for fix in chosen) if len(chosen) > 1 else ()
    for fixes in (chosen, *alone):
        if better := _until_fewer(compiled, fixes, compile_):
            return better
    return None


def _until_fewer(compiled: Compiled, fixes: Fixes, compile_: Compile) -> Better | None:
    """Fix, and fix the errors that are revealed, until there are fewer errors."""
    lines: list[str] = []
    after = compiled
    for _ in range(ROUNDS):
        if not fixes:
            return None
        source = after.source
        lines += (_line(diagnostic, fix, source) for diagnostic, fix in fixes)
        after = compile_(Source(apply_fix(source.text, *(f for _, f in fixes)), source.name))
        if _errors(after) < _errors(compiled):
            return lines, after
        fixes = safe_fixes(after.diagnostics)
    return None


def _line(diagnostic: Diagnostic, fix: Fix, source: Source) -> str:
    line, column = source.location(diagnostic.span.start)
    return f"{source.name}:{line}:{column}: fixed {diagnostic.message}: {fix.text}"


def _left(compiled: Compiled) -> Iterator[str]:
    """The fixes that are not applied, and how they are by hand."""
    source = compiled.source
    for diagnostic in compiled.diagnostics:
        for fix in (f for f in diagnostic.fixes if f.edits):
            line, column = source.location(diagnostic.span.start)
            why = "it leaves other errors" if fix.applicability == "safe" else "may be incorrect"
            by_hand = ", and ".join(_by_hand(edit, source) for edit in fix.edits)
            yield f"{source.name}:{line}:{column}: not applied: {why}: {fix.text}; {by_hand}"


def _by_hand(edit: Edit, source: Source) -> str:
    """What a person would do, in a line."""
    line, column = source.location(edit.span.start)
    old, new = source.text[edit.span.start : edit.span.end], edit.text.rstrip("\n ")
    if not old:
        return f"write `{new}` at {line}:{column}"
    return f"remove `{old}`" if not new else f"write `{new}` for `{old}`"


def _errors(compiled: Compiled) -> int:
    return sum(d.is_error for d in compiled.diagnostics)
