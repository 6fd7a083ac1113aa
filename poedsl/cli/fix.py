"""`poe check --fix`: safe fixes, applied as long as they leave fewer errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from poedsl.cli.fmt import write
from poedsl.compiler.compile import Compiled
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.fixes import apply_fix, safe_fixes
from poedsl.grammar.source import Source

#: Fixing one error can lay open another; after this many rounds the rest is a person's.
ROUNDS = 10

Compile = Callable[[Source], Compiled]
Found = tuple[Diagnostic, Fix]


def run_fix(file: str, compiled: Compiled, compile_: Compile) -> Compiled:
    """Fix a program in place (standard input goes to standard output), and tell of each fix."""
    source = compiled.source
    for _ in range(ROUNDS):
        better = _better(compiled, compile_)
        if better is None:
            break
        fixes, after = better
        for diagnostic, fix in fixes:
            line, column = compiled.source.location(diagnostic.span.start)
            place = f"{source.name}:{line}:{column}"
            typer.echo(f"{place}: fixed {diagnostic.message}: {fix.text}", err=True)
        compiled = after
    if file == "-":
        typer.echo(compiled.source.text, nl=False)
    elif compiled.source.text != source.text:
        write(Path(file), compiled.source.text)
    return compiled


def _better(compiled: Compiled, compile_: Compile) -> tuple[tuple[Found, ...], Compiled] | None:
    """The fixes that leave fewer errors: all together, else the first one that does so alone."""
    source, before = compiled.source, _errors(compiled)
    chosen = safe_fixes(compiled.diagnostics)
    if not chosen:
        return None
    alone = ((found,) for found in chosen) if len(chosen) > 1 else ()
    for fixes in (chosen, *alone):
        after = compile_(Source(apply_fix(source.text, *(f for _, f in fixes)), source.name))
        if _errors(after) < before:
            return fixes, after
    return None


def _errors(compiled: Compiled) -> int:
    return sum(d.is_error for d in compiled.diagnostics)
